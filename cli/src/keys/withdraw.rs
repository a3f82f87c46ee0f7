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

For a key that leaked. All tokens that it signed die for ever; `tokenward token rotate` gives
one of them a new value by the key that signs now. If it is the active key, its issuers mint
nothing until another is active: publish and activate one first (`tokenward keys rotate`),
unless every second counts. A name that the issuer doesn't know is refused, with those that it knows:
--unknown withdraws a key that is in no issuer's settings any more, or only in another's.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The key's name, as `keys list` shows it.
    #[arg(value_name = "KID", value_parser = parse_kid)]
    kid: KeyId,
    /// Also a key that the issuer doesn't know. Check the name: one that was misspelt protects nobody.
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
