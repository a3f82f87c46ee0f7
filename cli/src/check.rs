//! `tokenward check`: asks a verifier, prints its answer, and answers with the exit code.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokenward_proto::v1::{
    Anonymous, CheckRequest, CheckResponse, Reason, Resource, Step, Verdict, check_request::Caller,
    verifier_service_client::VerifierServiceClient,
};

use crate::{
    connect,
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    resource, secret, table,
    when::{parse_duration, show, to_proto},
    words::word_of,
};

const EXAMPLES: &str = "\
Examples:
  tokenward check --token-file ./token --permission repo.content.read model:acme/llama
  TOKENWARD_TOKEN=$(cat token) tokenward check --permission repo.write dataset-id:d42
  tokenward check --anonymous --permission repo.content.read space:acme/demo
  tokenward check --token-file - --permission repo.write --max-staleness 2s account:acme < token
  tokenward check --explain --token-file ./token --permission repo.write model:acme/llama

RESOURCE is KIND:OWNER/NAME or KIND-id:ID, with KIND one of model, dataset, space, bucket, kernel,
collection, endpoint; or account:NAME, account-id:ID.

Exit code 0 means allowed, 1 denied; 5 means that the verifier could not judge (too old a view, or
not yet at --min-revision): treat it as denied, and try again.

--explain prints the steps of the decision and the records that it went by. It needs an operator
credential with the role explain, in the file that the verifier was given by --operators.";

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
    /// Say how it was decided. Needs an operator credential that the verifier knows.
    #[arg(long)]
    explain: bool,
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
    let (channel, server) = connect::verifier(global, args.explain).await?;
    let mut verifier = VerifierServiceClient::new(channel);
    let request = CheckRequest {
        caller: Some(caller),
        resource: Some(args.resource),
        permission: args.permission,
        min_revision: args.min_revision.unwrap_or_default(),
        max_staleness: args.max_staleness.map(to_proto),
        explain: args.explain,
    };
    let answer = server
        .call(request, |it| verifier.check(it))
        .await
        .map_err(|failure| operators(failure, args.explain))?;
    let exit = exit(&answer)?;
    output.answer(&text(&answer), &value(&answer))?;
    Ok(exit)
}

/// The verifier has a file of its own for those who may ask for an explanation.
fn operators(failure: Failure, explain: bool) -> Failure {
    if !explain || failure.exit != Exit::Credential {
        return failure;
    }
    failure.next(
        "add the credential's entry, with the role explain, to the file that the verifier is given \
         by --operators; or ask without --explain",
    )
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
    let principal = answer.principal.clone().unwrap_or_default();
    let details = table::fields([
        ("revision", answer.revision.clone()),
        (
            "age",
            age(answer)
                .map(|it| format!("{it:.1?}"))
                .unwrap_or_default(),
        ),
        ("owner", principal.owner_id),
        ("token", principal.token_id),
        ("expires", show(principal.expire_time.as_ref())),
        ("warning", answer.warning.clone()),
    ]);
    format!("{verdict}\n{details}{}", steps(&answer.explanation))
}

/// In the order of judging; the last one decided.
fn steps(explanation: &[Step]) -> String {
    if explanation.is_empty() {
        return String::new();
    }
    let mut rows = vec![["", "STEP", "RECORD"].map(str::to_owned).to_vec()];
    rows.extend(explanation.iter().zip(1..).map(|(step, number)| {
        let mut record = step.record.clone();
        if step.refused != 0 {
            record.push_str(&format!(" -> {}", word_of::<Reason>(step.refused)));
        }
        vec![format!("{number}"), step.name.clone(), record]
    }));
    format!("\n{}", table::columns(&rows))
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
            "expire_time": it.expire_time.as_ref().map(|it| show(Some(it))),
        })),
        "warning": Some(&answer.warning).filter(|it| !it.is_empty()),
        "explanation": explanation(answer),
    })
}

/// Null unless it was asked for.
fn explanation(answer: &CheckResponse) -> Value {
    let step = |step: &Step| {
        json!({
            "name": step.name,
            "record": step.record,
            "refused": (step.refused != 0).then(|| word_of::<Reason>(step.refused)),
        })
    };
    match answer.explanation.is_empty() {
        true => Value::Null,
        false => answer.explanation.iter().map(step).collect(),
    }
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
    fn what_ends_soon_and_how_it_was_decided_are_told() {
        let step = |name: &str, record: &str, refused: Reason| Step {
            name: name.into(),
            record: record.into(),
            refused: refused.into(),
        };
        let mut answer = answer(Verdict::Deny, Reason::OwnerRole, "ask an admin");
        answer.warning = "the token ends in 2 days".into();
        answer.principal = Some(Principal {
            owner_id: "u1".into(),
            token_id: "1042".into(),
            expire_time: Some(prost_types::Timestamp {
                seconds: 1_801_396_800,
                nanos: 0,
            }),
        });
        answer.explanation = vec![
            step("token", "1042 of u1", Reason::Unspecified),
            step("rights", "read", Reason::OwnerRole),
        ];
        assert_eq!(
            text(&answer),
            "\
DENY owner_role: ask an admin
revision  ab.42
age       1.5ms
owner     u1
token     1042
expires   2027-01-31T12:00:00Z
warning   the token ends in 2 days

   STEP    RECORD
1  token   1042 of u1
2  rights  read -> owner_role
"
        );
        let value = value(&answer);
        assert_eq!(value["warning"], "the token ends in 2 days");
        assert_eq!(value["principal"]["expire_time"], "2027-01-31T12:00:00Z");
        assert_eq!(value["explanation"][1]["refused"], "owner_role");
        assert_eq!(value["explanation"][0]["refused"], Value::Null);
    }

    #[test]
    fn who_may_not_ask_is_told_where_to_be_listed() {
        let refused = || Failure::new(Exit::Credential, "no");
        assert!(operators(refused(), true).next.contains("--operators"));
        assert!(operators(refused(), false).next.is_empty());
        let late = operators(Failure::late("the verifier"), true);
        assert!(!late.next.contains("--operators"), "{}", late.next);
    }

    #[test]
    fn no_verdict_is_no_permission() {
        assert!(exit(&answer(Verdict::Unspecified, Reason::Unspecified, "")).is_err());
        let mut newer = answer(Verdict::Allow, Reason::Unspecified, "");
        newer.verdict = 7;
        assert!(exit(&newer).is_err());
    }
}
