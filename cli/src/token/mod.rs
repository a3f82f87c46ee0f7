//! `tokenward token`: create, list, show and revoke, through the issuer.

mod scope;
mod view;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokenward_common::{
    clock::{Clock, SystemClock},
    id::parse_number,
};
use tokenward_proto::v1::{
    CreateTokenRequest, GetTokenRequest, ListTokensRequest, RevokeTokenRequest, Role, Token,
    token_service_client::TokenServiceClient,
};

use crate::{
    args::Global,
    connect::{self, Issuer, Server},
    exit::{Exit, Failure},
    output::Output,
    secret::{Secret, SecretFile, random},
    when::Expiry,
};

const CREATE: &str = "\
Examples:
  tokenward token create --owner ada --name laptop --role read --expires 30d
  tokenward token create --owner ada --name ci --role write --secret-file ./ci.token
  tokenward token create --owner-id u1 --name eval --role fineGrained \\
      --scope model:m42=repo.content.read,discussion.write --scope org:o7=repo.write \\
      --can-read-gated-repos --expires 2027-01-31

The secret is shown this once. A repeat with the same --request-id within ten minutes gives the
same token and secret; so after exit code 5, run the command again with the id that it names.";

const LIST: &str = "\
Examples:
  tokenward token list --owner ada
  tokenward token list --owner-id u1 --all --json";

const SHOW: &str = "\
Examples:
  tokenward token show 1042
  tokenward token show 1042 --json";

const REVOKE: &str = "\
Examples:
  tokenward token revoke 1042

A revoked token is refused for ever. Revoking it again is harmless. Pass the revision that is
printed to `tokenward check --min-revision` to see that a verifier knows.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mint a token; its secret is shown once.
    #[command(after_help = CREATE)]
    Create(Box<Create>),
    /// List an owner's tokens, oldest first.
    #[command(after_help = LIST)]
    List(List),
    /// Show one token.
    #[command(after_help = SHOW)]
    Show(One),
    /// Revoke a token for ever.
    #[command(after_help = REVOKE)]
    Revoke(One),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Owner {
    /// The owner's name.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The owner's account id.
    #[arg(long, value_name = "ID")]
    owner_id: Option<String>,
}

impl Owner {
    /// `(owner_id, owner_name)`: exactly one is set, which clap sees to.
    fn split(self) -> (String, String) {
        (
            self.owner_id.unwrap_or_default(),
            self.owner.unwrap_or_default(),
        )
    }
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    #[command(flatten)]
    owner: Owner,
    /// What the token is for; unique among the owner's live tokens.
    #[arg(long)]
    name: String,
    /// What it may do at most: read, write or fineGrained.
    #[arg(long, value_parser = scope::parse_role)]
    role: Role,
    #[command(flatten)]
    scopes: scope::Args,
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

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    owner: Owner,
    /// Revoked and expired tokens too.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The token's id: a decimal number, never its secret.
    #[arg(value_name = "ID")]
    id: String,
}

impl One {
    /// Not clap's to check, for its message would repeat the text: people paste secrets here.
    fn id(self) -> Result<String, Failure> {
        match parse_number(&self.id) {
            Some(_) => Ok(self.id),
            None => Err(Failure::usage("ID: must be a token's decimal id")
                .next("find it with `tokenward token list`")),
        }
    }
}

pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(*args, global, output).await,
        Command::List(args) => list(args, global, output).await,
        Command::Show(args) => {
            let token_id = args.id()?;
            let (mut tokens, server) = connect(global).await?;
            let request = GetTokenRequest { token_id };
            let answer = server.call(request, |it| tokens.get_token(it)).await?;
            let token = present(answer.token)?;
            output.answer(&view::card(&token), &view::json(&token))?;
            Ok(Exit::Ok)
        }
        Command::Revoke(args) => {
            let token_id = args.id()?;
            let (mut tokens, server) = connect(global).await?;
            let request = RevokeTokenRequest {
                request_id: String::new(),
                token_id: token_id.clone(),
            };
            let answer = server.call(request, |it| tokens.revoke_token(it)).await?;
            let text = format!(
                "revoked   {}\nrevision  {}",
                answer.token.as_ref().map_or(token_id, view::name),
                answer.revision
            );
            let value = json!({
                "token": answer.token.as_ref().map_or(Value::Null, view::json),
                "revision": answer.revision,
            });
            output.answer(&text, &value)?;
            Ok(Exit::Ok)
        }
    }
}

async fn connect(global: &Global) -> Result<(TokenServiceClient<Issuer>, Server), Failure> {
    let (channel, server) = connect::issuer(global).await?;
    Ok((TokenServiceClient::new(channel), server))
}

fn present(token: Option<Token>) -> Result<Token, Failure> {
    token.ok_or_else(|| Failure::new(Exit::Other, "the issuer's answer holds no token"))
}

async fn create(args: Create, global: &Global, output: &Output) -> Result<Exit, Failure> {
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

async fn list(args: List, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (mut service, server) = connect(global).await?;
    let (owner_id, owner_name) = args.owner.split();
    let mut request = ListTokensRequest {
        owner_id,
        owner_name,
        page_size: 1000,
        page_token: String::new(),
        include_ended: args.all,
    };
    let mut tokens = Vec::new();
    loop {
        let page = server
            .call(request.clone(), |it| service.list_tokens(it))
            .await?;
        tokens.extend(page.tokens);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let value = Value::Array(tokens.iter().map(view::json).collect());
    if tokens.is_empty() && !output.is_json() {
        output.note("No tokens.");
    } else {
        output.answer(&view::list(&tokens), &value)?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_secret_is_not_repeated() {
        let id = |id: &str| One { id: id.into() }.id();
        assert_eq!(id("1042").unwrap(), "1042");
        let failure = id("tw_eyJhbGciOiJFZERTQSJ9").unwrap_err();
        assert!(!failure.message.contains("eyJ"), "{failure}");
    }

    #[test]
    fn only_an_unanswered_request_is_to_be_repeated() {
        let late = repeatable(Failure::late("the issuer"), "r1");
        assert!(late.next.contains("--request-id r1"), "{}", late.next);
        let wrong = repeatable(Failure::usage("no"), "r1");
        assert!(wrong.next.is_empty());
    }
}
