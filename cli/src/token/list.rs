//! `tokenward token list` shows an owner's tokens, and `expiring` the tokens that end soon.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use tokenward_proto::v1::{ListExpiringTokensRequest, ListTokensRequest, Token};

use super::{Owner, connect, view};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    when::{parse_duration, to_proto},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token list --owner ada
  tokenward token list --owner-id u1 --all --json";

pub(super) const EXPIRING: &str = "\
Examples:
  tokenward token expiring
  tokenward token expiring --within 7d --owner ada
  tokenward token expiring --within 90d --json

Only live tokens are listed, and the one that ends next comes first. Without --owner or --owner-id
the tokens of all owners are listed. `tokenward token rotate ID --expires WHEN` gives a token a new
value with a later end.";

const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    owner: Owner,
    /// List revoked and expired tokens, too.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Expiring {
    /// List the tokens that end within this time from now, at most ten years.
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse_duration)]
    within: Duration,
    /// List only the tokens of the owner with this name.
    #[arg(long, value_name = "NAME", conflicts_with = "owner_id")]
    owner: Option<String>,
    /// List only the tokens of the owner with this account id.
    #[arg(long, value_name = "ID")]
    owner_id: Option<String>,
}

pub(super) async fn run(args: List, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (mut service, server) = connect(global).await?;
    let (owner_id, owner_name) = args.owner.split();
    let mut request = ListTokensRequest {
        owner_id,
        owner_name,
        page_size: PAGE,
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
    show(&tokens, &view::list(&tokens), "No tokens.", output)
}

pub(super) async fn expiring(
    args: Expiring,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    let (mut service, server) = connect(global).await?;
    let mut request = ListExpiringTokensRequest {
        within: Some(to_proto(args.within)),
        owner_id: args.owner_id.unwrap_or_default(),
        owner_name: args.owner.unwrap_or_default(),
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut tokens = Vec::new();
    loop {
        let page = server
            .call(request.clone(), |it| service.list_expiring_tokens(it))
            .await?;
        tokens.extend(page.tokens);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    show(
        &tokens,
        &view::forecast(&tokens),
        "No token ends so soon.",
        output,
    )
}

fn show(tokens: &[Token], text: &str, none: &str, output: &Output) -> Result<Exit, Failure> {
    if tokens.is_empty() && !output.is_json() {
        output.note(none);
    } else {
        let value = Value::Array(tokens.iter().map(view::json).collect());
        output.answer(text, &value)?;
    }
    Ok(Exit::Ok)
}
