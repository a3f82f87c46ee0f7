//! `tokenward token revoke` revokes one token, all tokens of an owner or of a realm, or the tokens that leaked
//! into some text. This is for ever.

use std::path::PathBuf;

use clap::ArgGroup;
use serde_json::{Value, json};
use tokenward_proto::v1::{
    RevokeAllTokensRequest, RevokeByValueRequest, RevokeTokenRequest, RevokeUserTokensRequest,
};

use super::{One, connect, leaked, view};
use crate::{
    confirm::{Yes, confirm},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    receipt::{self, WaitArgs},
    repeat::{RepeatArgs, repeatable},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token revoke 1042
  tokenward token revoke 1042 --wait
  tokenward token revoke --all --owner ada --wait 30s
  tokenward token revoke --value-file leaked.txt
  tokenward token revoke --all --realm hub --reason INC-7 --wait

A revoked token is refused for ever, and revoking it again is harmless. With --wait the command
ends with exit code 0 when every verifier has confirmed that it refuses the token, and with exit
code 8 when the time is over; the token is revoked in both cases. Without --wait, pass the printed
revision to `tokenward check --min-revision`.

--all takes the tokens that exist at that moment, and later ones are not concerned. Giving it again
takes those that were made since, too; a repeat with the same --request-id does not. With --realm
these are everybody's: nobody gets anything from the hub by a token until new ones are made, and no
rotation helps. For that the credential needs the role admin, and the reason is kept in the audit
trail. `tokenward org-token revoke --all` does the same for what one org owns.

--value-file is for tokens that were found where they should not be. The file holds at most 1,000
tokens, one or more on each line, alone or within other text (an assignment, a header, a URL, JSON).
A file named - is standard input. If no token is found on a line, the command names the line and
sends nothing. Every live token that was found is revoked; the answer does not tell whether there
was one.";

#[derive(Debug, clap::Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["id", "all", "value_file"]),
    group = ArgGroup::new("whose").args(["owner", "owner_id", "realm"]).requires("all")
        .conflicts_with_all(["id", "value_file"]),
)]
pub(crate) struct Args {
    /// Revoke the token with this id, which is a decimal number and not its secret.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Revoke all tokens that the owner, or the realm, has now. Tokens that are made later are not
    /// revoked.
    #[arg(long, requires = "whose")]
    all: bool,
    /// Revoke all tokens of the owner with this name; this requires --all.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Revoke all tokens of the owner with this account id; this requires --all.
    #[arg(long, value_name = "ID")]
    owner_id: Option<String>,
    /// Revoke everybody's tokens. This names the realm that the issuer serves, as a safeguard; it
    /// requires --all and --reason.
    #[arg(long, value_name = "NAME", requires = "reason")]
    realm: Option<String>,
    /// Keep this reason in the audit trail, in at most 200 characters; it is for --realm.
    #[arg(long, value_name = "TEXT", requires = "realm")]
    reason: Option<String>,
    /// Revoke all tokens that are found in the lines of this file.
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    #[command(flatten)]
    repeat: RepeatArgs,
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
    if let Some(realm) = args.realm {
        let everybodys = Everybodys {
            realm,
            reason: args.reason.unwrap_or_default(),
            request_id: args.repeat.id()?,
        };
        return everybodys.revoke(args.wait, args.yes, global, output).await;
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
    let request_id = args.repeat.id()?;
    let request = RevokeUserTokensRequest {
        request_id: request_id.clone(),
        owner_id,
        owner_name,
        wait: args.wait.to_proto(),
    };
    let answer = server
        .patient(args.wait.wait)
        .call(request, |it| tokens.revoke_user_tokens(it))
        .await
        .map_err(|failure| repeatable(failure, &request_id))?;
    let receipt = args
        .wait
        .receipt(answer.receipt, &answer.revision, &server, tokens)
        .await?;
    let text = format!("{text}\nrevision  {}", answer.revision);
    let value = json!({ "revision": answer.revision });
    receipt::answer(output, text, value, receipt.as_ref(), VERB)
}

/// The tokens of a realm, and why they are revoked.
struct Everybodys {
    realm: String,
    reason: String,
    request_id: String,
}

impl Everybodys {
    async fn revoke(
        self,
        wait: WaitArgs,
        yes: Yes,
        global: &Global,
        output: &Output,
    ) -> Result<Exit, Failure> {
        let Self {
            realm,
            reason,
            request_id,
        } = self;
        let what = format!(
            "This revokes every token of everybody in the realm {realm}, for ever. All who work \
             with one are stopped until they have a new one."
        );
        confirm(&what, &realm, yes, output)?;
        let (mut tokens, server) = connect(global).await?;
        let request = RevokeAllTokensRequest {
            request_id: request_id.clone(),
            realm: realm.clone(),
            reason,
            wait: wait.to_proto(),
        };
        let answer = server
            .patient(wait.wait)
            .call(request, |it| tokens.revoke_all_tokens(it))
            .await
            .map_err(|failure| repeatable(failure, &request_id))?;
        let receipt = wait
            .receipt(answer.receipt, &answer.revision, &server, tokens)
            .await?;
        let revision = answer.revision;
        let text = format!("revoked   all tokens of the realm {realm}\nrevision  {revision}");
        let value = json!({ "realm": realm, "revision": revision });
        receipt::answer(output, text, value, receipt.as_ref(), VERB)
    }
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
