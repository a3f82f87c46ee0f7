//! `tokenward token` manages tokens through the issuer, and decodes one offline.
//!
//! | module | decides |
//! |---|---|
//! | `scope` | how roles and scopes are written |
//! | `view` | how a token is shown |
//! | `reveal` | how a new secret reaches its holder |
//! | `leaked` | how leaked tokens are found in a file |
//! | the others | one command each |

mod create;
mod decode;
pub(crate) mod leaked;
mod list;
mod reveal;
mod revoke;
mod rotate;
mod scope;
mod update;
pub(crate) mod view;

pub(crate) use scope::role_word;

use clap::{Args, Subcommand};
use tokenward_common::{id::parse_number, token::Prefix};
use tokenward_proto::v1::{GetTokenRequest, Token, token_service_client::TokenServiceClient};

use crate::{
    connect::{self, Issuer, Server},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

const SHOW: &str = "\
Examples:
  tokenward token show 1042
  tokenward token show 1042 --json";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mint a token; its secret is shown once.
    #[command(after_help = create::EXAMPLES)]
    Create(Box<create::Args>),
    /// Change a token's name, role or scopes; its secret stays.
    #[command(after_help = update::EXAMPLES)]
    Update(Box<update::Args>),
    /// Give a token a new value; it is shown once.
    #[command(after_help = rotate::EXAMPLES)]
    Rotate(rotate::Args),
    /// List an owner's tokens, oldest first.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// List the tokens that end soon.
    #[command(after_help = list::EXPIRING)]
    Expiring(list::Expiring),
    /// Show one token.
    #[command(after_help = SHOW)]
    Show(One),
    /// Revoke one token, all of an owner's, or those that leaked, for ever.
    #[command(after_help = revoke::EXAMPLES)]
    Revoke(revoke::Args),
    /// Show what a token says of itself, offline; with --jwks, whether it is genuine.
    #[command(after_help = decode::EXAMPLES)]
    Decode(decode::Args),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Owner {
    /// Name the owner by their name.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Name the owner by their account id.
    #[arg(long, value_name = "ID")]
    owner_id: Option<String>,
}

impl Owner {
    /// Returns `(owner_id, owner_name)`. Exactly one of them is set, which clap ensures.
    fn split(self) -> (String, String) {
        (
            self.owner_id.unwrap_or_default(),
            self.owner.unwrap_or_default(),
        )
    }
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Act on the token with this id, which is a decimal number and not its secret.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

impl One {
    /// Checks the id here and not in clap, whose message would repeat the text: people paste secrets here
    /// by mistake.
    pub(crate) fn id(self) -> Result<String, Failure> {
        decimal_id("ID", self.id)
    }
}

/// Checks a token's id that was given as this argument. The message doesn't repeat it.
pub(crate) fn decimal_id(argument: &str, id: String) -> Result<String, Failure> {
    match parse_number(&id) {
        Some(_) => Ok(id),
        None => Err(
            Failure::usage(format!("{argument}: must be a token's decimal id"))
                .next("find it with `tokenward token list`"),
        ),
    }
}

/// Parses the prefix of a realm's tokens.
pub(crate) fn parse_prefix(text: &str) -> Result<Prefix, String> {
    Prefix::parse(text).map_err(|rule| rule.to_string())
}

pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create::run(*args, global, output).await,
        Command::Update(args) => update::run(*args, global, output).await,
        Command::Rotate(args) => rotate::run(args, global, output).await,
        Command::List(args) => list::run(args, global, output).await,
        Command::Expiring(args) => list::expiring(args, global, output).await,
        Command::Show(args) => show(args, global, output).await,
        Command::Revoke(args) => revoke::run(args, global, output).await,
        Command::Decode(args) => decode::run(args, global, output).await,
    }
}

async fn show(args: One, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let token_id = args.id()?;
    let (mut tokens, server) = connect(global).await?;
    let request = GetTokenRequest { token_id };
    let answer = server.call(request, |it| tokens.get_token(it)).await?;
    let token = present(answer.token)?;
    output.answer(&view::card(&token), &view::json(&token))?;
    Ok(Exit::Ok)
}

async fn connect(global: &Global) -> Result<(TokenServiceClient<Issuer>, Server), Failure> {
    let (channel, server) = connect::issuer(global).await?;
    Ok((TokenServiceClient::new(channel), server))
}

fn present(token: Option<Token>) -> Result<Token, Failure> {
    token.ok_or_else(|| {
        Failure::new(Exit::Other, "the issuer's answer holds no token")
            .next("is the issuer as new as this command?")
    })
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
