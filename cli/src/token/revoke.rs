//! `tokenward token revoke` revokes one token, all tokens of an owner, or the tokens that leaked into some
//! text. This is for ever.

use std::path::PathBuf;

use clap::ArgGroup;
use serde_json::{Value, json};
use tokenward_proto::v1::{RevokeByValueRequest, RevokeTokenRequest, RevokeUserTokensRequest};

use super::{One, connect, leaked, view};
use crate::{
    confirm::{Yes, confirm},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    receipt::{self, WaitArgs},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token revoke 1042
  tokenward token revoke 1042 --wait
  tokenward token revoke --all --owner ada --wait 30s
  tokenward token revoke --value-file leaked.txt

A revoked token is refused for ever; revoking it again is harmless. With --wait the command ends
when every verifier has said that it refuses it (exit code 0), or when the time is over (8): it
is revoked all the same. Or pass the revision that is printed to `tokenward check
--min-revision`.

--value-file is for tokens that were found where they shouldn't be: at most 1,000, one a line or
more, alone or as they stood there (an assignment, a header, a URL, JSON); - is standard input. A
line in which no token is found is refused by its number, and nothing is sent. Each that is a
live token is revoked; the answer doesn't tell whether any was.";

#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["id", "all", "value_file"]),
    group = ArgGroup::new("whose").args(["owner", "owner_id"]).requires("all")
        .conflicts_with_all(["id", "value_file"]),
)]
pub(crate) struct Args {
    /// The token's id: a decimal number, never its secret.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// All tokens that the owner has now; later ones are not concerned.
    #[arg(long, requires = "whose")]
    all: bool,
    /// With --all: the owner's name.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// With --all: the owner's account id.
    #[arg(long, value_name = "ID")]
    owner_id: Option<String>,
    /// Tokens that leaked, in lines of text.
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    yes: Yes,
}

const VERB: &str = "refused by";

pub(super) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    if let Some(id) = args.id {
        let token_id = One { id }.id()?;
        return one(token_id, args.wait, global, output).await;
    }
    if let Some(path) = args.value_file {
        let values = leaked::read(&path)?;
        return by_value(values, args.wait, global, output).await;
    }
    let owner_id = args.owner_id.unwrap_or_default();
    let owner_name = args.owner.unwrap_or_default();
    let named = match owner_name.as_str() {
        "" => &owner_id,
        name => name,
    };
    let what = format!("This revokes every token that {named} has, for ever.");
    confirm(&what, named, args.yes, output)?;
    let (mut tokens, server) = connect(global).await?;
    let text = format!("revoked   all tokens of {named}");
    let request = RevokeUserTokensRequest {
        request_id: String::new(),
        owner_id,
        owner_name,
        wait: args.wait.to_proto(),
    };
    let answer = server
        .patient(args.wait.wait)
        .call(request, |it| tokens.revoke_user_tokens(it))
        .await?;
    let receipt = args
        .wait
        .receipt(answer.receipt, &answer.revision, &server, tokens)
        .await?;
    let text = format!("{text}\nrevision  {}", answer.revision);
    let value = json!({ "revision": answer.revision });
    receipt::answer(output, text, value, receipt.as_ref(), VERB)
}

async fn one(
    token_id: String,
    wait: WaitArgs,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    let (mut tokens, server) = connect(global).await?;
    let request = RevokeTokenRequest {
        request_id: String::new(),
        token_id: token_id.clone(),
        wait: wait.to_proto(),
    };
    let answer = server
        .patient(wait.wait)
        .call(request, |it| tokens.revoke_token(it))
        .await?;
    let receipt = wait
        .receipt(answer.receipt, &answer.revision, &server, tokens)
        .await?;
    let text = format!(
        "revoked   {}\nrevision  {}",
        answer.token.as_ref().map_or(token_id, view::name),
        answer.revision
    );
    let value = json!({
        "token": answer.token.as_ref().map_or(Value::Null, view::json),
        "revision": answer.revision,
    });
    receipt::answer(output, text, value, receipt.as_ref(), VERB)
}

async fn by_value(
    values: Vec<String>,
    wait: WaitArgs,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    let (mut tokens, server) = connect(global).await?;
    let count = values.len();
    let request = RevokeByValueRequest {
        request_id: String::new(),
        values,
    };
    let answer = server
        .call(request, |it| tokens.revoke_by_value(it))
        .await?;
    let receipt = wait
        .receipt(None, &answer.revision, &server, tokens)
        .await?;
    let text = format!(
        "sent      {count} tokens; each that was live is revoked\nrevision  {}",
        answer.revision
    );
    let value = json!({ "values": count, "revision": answer.revision });
    receipt::answer(output, text, value, receipt.as_ref(), VERB)
}
