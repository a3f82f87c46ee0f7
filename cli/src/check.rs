//! `tokenward check` sends a question to a verifier, prints its answer, and returns it as the exit code.

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
collection, endpoint; or account:NAME, account-id:ID. `tokenward permissions` lists the
permissions and the kinds on which each can be asked.

Exit code 0 means that the token is allowed, and 1 that it is denied. Exit code 5 means that the
verifier could not judge, because its view is too old or has not applied --min-revision: treat this
as denied, and try again.

--explain prints the steps of the decision and the records that it used. It requires an operator's
credential with the role explain, in the file that the verifier has by --operators.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Read the token from this file [env: TOKENWARD_TOKEN_FILE]. Without a file the token is read
    /// from TOKENWARD_TOKEN, and otherwise from a prompt.
    #[arg(long, value_name = "PATH", conflicts_with = "anonymous")]
    token_file: Option<PathBuf>,
    /// Ask for a caller without a token.
    #[arg(long)]
    anonymous: bool,
    /// Ask for this permission, such as repo.content.read or repo.write.
    #[arg(long, value_name = "PERM")]
    permission: String,
    /// Judge by a view that has applied this revision, which `token create` or `token revoke`
    /// printed.
    #[arg(
        long,
        value_name = "REVISION",
        env = "TOKENWARD_MIN_REVISION",
        hide_env_values = true
    )]
    min_revision: Option<String>,
    /// Judge by a view that is at most this old, such as 2s.
    #[arg(long, value_name = "DURATION", env = "TOKENWARD_MAX_STALENESS", hide_env_values = true,
        value_parser = parse_duration)]
    max_staleness: Option<Duration>,
    /// Print how the Check was decided. This requires a credential of an operator with the role
    /// explain.
    #[arg(long)]
    explain: bool,
    /// Ask for the permission on this resource.
    #[arg(value_name = "RESOURCE", value_parser = resource::parse)]
    resource: Resource,
}

pub(crate) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let caller = if args.anonymous {
        Caller::Anonymous(Anonymous {})
    } else {
        let token = secret::TOKEN.read(args.token_file.as_deref())?;
        Caller::Token(token.expose().to_owned())
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

/// Replaces the advice of a failure: the verifier has its own credentials file for operators who may
/// request an explanation.
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
        )
        .next("treat it as denied; is the verifier as new as this command?")),
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

/// Returns the steps in the order of evaluation; the last one decided.
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

/// Returns the explanation as JSON. It is null unless it was requested.
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
mod tests;
