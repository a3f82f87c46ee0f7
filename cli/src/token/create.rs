//! `tokenward token create`: a secret is shown once, or goes to a file that is made before it.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokenward_common::clock::{Clock, SystemClock};
use tokenward_proto::v1::{CreateTokenRequest, Role};

use super::{Owner, connect, present, scope, view};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    secret::{Secret, SecretFile, random},
    when::Expiry,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token create --owner ada --name laptop --role read --expires 30d
  tokenward token create --owner ada --name ci --role write --secret-file ./ci.token
  tokenward token create --owner-id u1 --name eval --role fineGrained \\
      --scope model:m42=repo.content.read,discussion.write --scope org:o7=repo.write \\
      --can-read-gated-repos --expires 2027-01-31

The secret is shown this once. A repeat with the same --request-id within ten minutes gives the
same token and secret; so after exit code 5, run the command again with the id that it names.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    owner: Owner,
    /// What the token is for; unique among the owner's live tokens.
    #[arg(long)]
    name: String,
    /// What it may do at most: read, write or fineGrained.
    #[arg(long, value_parser = scope::parse_role)]
    role: Role,
    #[command(flatten)]
    scopes: scope::ScopeArgs,
    /// When it ends: 30d, 12h, or a date such as 2027-01-31T12:00:00Z. Never, if absent.
    #[arg(long, value_name = "WHEN", value_parser = Expiry::parse)]
    expires: Option<Expiry>,
    /// Write the secret to this new file (mode 0600) and don't print it.
    #[arg(long, value_name = "PATH")]
    secret_file: Option<PathBuf>,
    /// Names this request, so that a repeat doesn't mint twice. Drawn at random if absent.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

pub(super) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let scopes = args.scopes.build(args.role)?;
    let request_id = match args.request_id {
        Some(id) => id,
        None => hex::encode(random::<16>()?),
    };
    // Made before the token, so that no secret is minted that has no place to go.
    let file = match &args.secret_file {
        Some(path) => Some(SecretFile::create(path)?),
        None => None,
    };
    let (mut tokens, server) = connect(global).await?;
    let (owner_id, owner_name) = args.owner.split();
    let request = CreateTokenRequest {
        request_id: request_id.clone(),
        owner_id,
        owner_name,
        name: args.name,
        role: args.role.into(),
        scopes,
        expire_time: args.expires.map(|it| it.at(SystemClock.unix().seconds())),
    };
    let answer = server
        .call(request, |it| tokens.create_token(it))
        .await
        .map_err(|failure| repeatable(failure, &request_id))?;
    let secret = Secret::new(answer.secret);
    let token = present(answer.token)?;

    let mut text = view::card(&token);
    let mut value = json!({
        "token": view::json(&token),
        "revision": answer.revision,
        "request_id": request_id,
    });
    text.push_str(&format!("\nrevision  {}\n", answer.revision));
    if secret.reveal().is_empty() {
        output.answer(&text, &value)?;
        return Err(Failure::new(
            Exit::Conflict,
            "this request is too old to show its secret again",
        )
        .next(format!("revoke token {} and create another", token.id)));
    }
    match (file, args.secret_file) {
        (Some(file), Some(path)) => {
            let lost = format!("revoke token {}: its secret is lost", token.id);
            file.write(secret.reveal()).map_err(|it| it.next(lost))?;
            let path = path.display().to_string();
            text.push_str(&format!("secret    in {path}\n"));
            set(&mut value, "secret_file", path);
            output.answer(&text, &value)?;
        }
        _ => {
            text.push_str(&format!("secret    {}\n", secret.reveal()));
            set(&mut value, "secret", secret.reveal());
            output.once(&text, &value)?;
            output.note("The secret is not shown again.");
        }
    }
    Ok(Exit::Ok)
}

fn set(value: &mut Value, key: &str, text: impl Into<String>) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), text.into().into());
    }
}

/// Whether an unanswered request has minted is unknown: say how to find out without minting twice.
fn repeatable(failure: Failure, request_id: &str) -> Failure {
    if failure.exit != Exit::Unavailable {
        return failure;
    }
    let next = format!(
        "{}; repeat it with --request-id {request_id} within ten minutes and it won't mint twice",
        failure.next
    );
    failure.next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unanswered_request_is_to_be_repeated() {
        let late = repeatable(Failure::late("the issuer"), "r1");
        assert!(late.next.contains("--request-id r1"), "{}", late.next);
        let wrong = repeatable(Failure::usage("no"), "r1");
        assert!(wrong.next.is_empty());
    }
}
