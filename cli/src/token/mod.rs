//! `tokenward token`: create, list, show and revoke, through the issuer.

mod create;
mod scope;
mod view;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokenward_common::id::parse_number;
use tokenward_proto::v1::{
    GetTokenRequest, ListTokensRequest, RevokeTokenRequest, Token,
    token_service_client::TokenServiceClient,
};

use crate::{
    connect::{self, Issuer, Server},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

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
    #[command(after_help = create::EXAMPLES)]
    Create(Box<create::Args>),
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
        Command::Create(args) => create::run(*args, global, output).await,
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
                ..Default::default()
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
}
