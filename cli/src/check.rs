//! `tokenward check`: asks a verifier, prints its answer, and answers with the exit code.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokenward_proto::v1::{
    Anonymous, CheckRequest, CheckResponse, Reason, Resource, Verdict, check_request::Caller,
    verifier_service_client::VerifierServiceClient,
};

use crate::{
    connect,
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    resource, secret, table,
    when::{parse_duration, to_proto},
    words::word_of,
};

const EXAMPLES: &str = "\
Examples:
  tokenward check --token-file ./token --permission repo.content.read model:acme/llama
  TOKENWARD_TOKEN=$(cat token) tokenward check --permission repo.write dataset-id:d42
  tokenward check --anonymous --permission repo.content.read space:acme/demo
  tokenward check --token-file - --permission repo.write --max-staleness 2s account:acme < token

RESOURCE is KIND:OWNER/NAME or KIND-id:ID, with KIND one of model, dataset, space, bucket, kernel,
collection, endpoint; or account:NAME, account-id:ID.

Exit code 0 means allowed, 1 denied; 5 means that the verifier could not judge (too old a view, or
not yet at --min-revision): treat it as denied, and try again.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file that holds the token [env: TOKENWARD_TOKEN_FILE]; or set TOKENWARD_TOKEN to the
    /// token itself. With neither, a terminal is asked.
    #[arg(long, value_name = "PATH", conflicts_with = "anonymous")]
    token_file: Option<PathBuf>,
    /// Ask for a caller without a token.
    #[arg(long)]
    anonymous: bool,
    /// What the caller wants to do, such as repo.content.read or repo.write.
    #[arg(long, value_name = "PERM")]
    permission: String,
    /// Judge by a view that knows this revision, as `token create` or `token revoke` printed it.
    #[arg(
        long,
        value_name = "REVISION",
        env = "TOKENWARD_MIN_REVISION",
        hide_env_values = true
    )]
    min_revision: Option<String>,
    /// Judge by a view at most this old, such as 2s.
    #[arg(long, value_name = "DURATION", env = "TOKENWARD_MAX_STALENESS", hide_env_values = true,
        value_parser = parse_duration)]
    max_staleness: Option<Duration>,
    /// What the caller wants to do it on.
    #[arg(value_name = "RESOURCE", value_parser = resource::parse)]
    resource: Resource,
}

pub(crate) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let caller = if args.anonymous {
        Caller::Anonymous(Anonymous {})
    } else {
        let token = secret::TOKEN.read(args.token_file.as_deref())?;
        Caller::Token(token.reveal().to_owned())
    };
    let (channel, server) = connect::verifier(global).await?;
    let mut verifier = VerifierServiceClient::new(channel);
    let request = CheckRequest {
        caller: Some(caller),
        resource: Some(args.resource),
        permission: args.permission,
        min_revision: args.min_revision.unwrap_or_default(),
        max_staleness: args.max_staleness.map(to_proto),
        explain: false,
    };
    let answer = server.call(request, |it| verifier.check(it)).await?;
    let exit = exit(&answer)?;
    output.answer(&text(&answer), &value(&answer))?;
    Ok(exit)
}

/// Anything but a clear yes or no is a failure: it must never read as allowed.
fn exit(answer: &CheckResponse) -> Result<Exit, Failure> {
    match answer.verdict() {
        Verdict::Allow => Ok(Exit::Ok),
        Verdict::Deny => Ok(Exit::Denied),
        Verdict::Unspecified => Err(Failure::new(
            Exit::Other,
            "the verifier's answer holds no verdict",
        )),
    }
}

fn text(answer: &CheckResponse) -> String {
    let verdict = match answer.verdict() {
        Verdict::Allow => "ALLOW".to_owned(),
        _ => format!(
            "DENY {}: {}",
            word_of::<Reason>(answer.reason),
            answer.message
        ),
    };
    let (owner, token) = match &answer.principal {
        Some(principal) => (principal.owner_id.clone(), principal.token_id.clone()),
        None => Default::default(),
    };
    let details = table::fields([
        ("revision", answer.revision.clone()),
        (
            "age",
            age(answer)
                .map(|it| format!("{it:.1?}"))
                .unwrap_or_default(),
        ),
        ("owner", owner),
        ("token", token),
    ]);
    format!("{verdict}\n{details}")
}

fn value(answer: &CheckResponse) -> Value {
    let denied = answer.verdict() == Verdict::Deny;
    json!({
        "allowed": answer.verdict() == Verdict::Allow,
        "reason": denied.then(|| word_of::<Reason>(answer.reason)),
        "message": denied.then_some(&answer.message),
        "revision": answer.revision,
        "age_seconds": age(answer).map(|it| it.as_secs_f64()),
        "principal": answer.principal.as_ref().map(|it| json!({
            "owner_id": it.owner_id,
            "token_id": it.token_id,
        })),
    })
}

fn age(answer: &CheckResponse) -> Option<Duration> {
    answer.age.and_then(|it| it.try_into().ok())
}

#[cfg(test)]
mod tests {
    use tokenward_proto::v1::Principal;

    use super::*;

    fn answer(verdict: Verdict, reason: Reason, message: &str) -> CheckResponse {
        CheckResponse {
            verdict: verdict.into(),
            reason: reason.into(),
            message: message.into(),
            revision: "ab.42".into(),
            age: Some(to_proto(Duration::from_micros(1_500))),
            ..CheckResponse::default()
        }
    }

    #[test]
    fn allowed() {
        let mut answer = answer(Verdict::Allow, Reason::Unspecified, "");
        answer.principal = Some(Principal {
            owner_id: "u1".into(),
            token_id: "1042".into(),
            expire_time: None,
        });
        assert_eq!(exit(&answer).unwrap(), Exit::Ok);
        assert_eq!(
            text(&answer),
            "ALLOW\nrevision  ab.42\nage       1.5ms\nowner     u1\ntoken     1042\n"
        );
        assert_eq!(value(&answer)["allowed"], true);
        assert_eq!(value(&answer)["age_seconds"], 0.0015);
        assert_eq!(value(&answer)["principal"]["token_id"], "1042");
    }

    #[test]
    fn denied() {
        let answer = answer(Verdict::Deny, Reason::TokenScope, "add repo.write");
        assert_eq!(exit(&answer).unwrap(), Exit::Denied);
        assert!(text(&answer).starts_with("DENY token_scope: add repo.write\nrevision  ab.42\n"));
        assert_eq!(value(&answer)["allowed"], false);
        assert_eq!(value(&answer)["reason"], "token_scope");
    }

    #[test]
    fn no_verdict_is_no_permission() {
        assert!(exit(&answer(Verdict::Unspecified, Reason::Unspecified, "")).is_err());
        let mut newer = answer(Verdict::Allow, Reason::Unspecified, "");
        newer.verdict = 7;
        assert!(exit(&newer).is_err());
    }
}
