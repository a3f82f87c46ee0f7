//! `tokenward keys withdraw` makes verifiers refuse everything that a key has signed, for ever.

use serde_json::json;
use tokenward_common::id::KeyId;
use tokenward_proto::v1::{WithdrawKeyRequest, token_service_client::TokenServiceClient};

use super::{connect, parse_kid};
use crate::{
    confirm::{Yes, confirm},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    receipt::{self, WaitArgs},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward keys withdraw 2026-11 --wait
  tokenward keys withdraw 2026-11 --yes --wait 30s
  tokenward keys withdraw 2025-03 --unknown

Withdraw a key that leaked. All tokens that it signed are refused for ever; `tokenward token rotate`
gives such a token a new value by the key that signs now. If the key is active, its issuers mint
nothing until another key is active: publish and activate another one first (`tokenward keys
rotate`), unless every second counts. A name that the issuer does not know is refused, and the names
that it knows are printed. --unknown withdraws a key that is in no issuer's settings any more, or
only in another issuer's.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Withdraw the key with this name, as `keys list` shows it.
    #[arg(value_name = "KID", value_parser = parse_kid)]
    kid: KeyId,
    /// Withdraw the key even if the issuer does not know it. Check the name: a misspelt name
    /// protects nobody.
    #[arg(long)]
    unknown: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let kid = args.kid.as_str();
    let what = format!("This refuses every token that the key {kid} has signed, for ever.");
    confirm(&what, kid, args.yes, output)?;
    let (mut keys, channel, server) = connect(global).await?;
    let request = WithdrawKeyRequest {
        request_id: String::new(),
        key_id: kid.to_owned(),
        wait: args.wait.to_proto(),
        even_if_unknown: args.unknown,
    };
    let answer = server
        .patient(args.wait.wait)
        .call(request, |it| keys.withdraw_key(it))
        .await?;
    let tokens = TokenServiceClient::new(channel);
    let receipt = args
        .wait
        .receipt(answer.receipt, &answer.revision, &server, tokens)
        .await?;
    let text = format!("withdrawn  {kid}\nrevision   {}", answer.revision);
    let value = json!({ "key_id": kid, "revision": answer.revision });
    receipt::answer(output, text, value, receipt.as_ref(), "refused by")
}
