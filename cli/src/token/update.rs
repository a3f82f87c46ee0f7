//! `tokenward token update` changes a token's name, role or scopes; its secret stays the same.

use serde_json::json;
use tokenward_proto::v1::{Role, UpdateTokenRequest};

use super::{One, connect, present, reveal::warn, scope, view};
use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    receipt::{self, WaitArgs},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token update 1042 --name laptop-2
  tokenward token update 1042 --scope model:m42=repo.content.read --global discussion.write
  tokenward token update 1042 --clear-scopes --wait
  tokenward token update 1042 --role read

What is not given stays as it is, and so does the secret. Scopes are replaced as a whole: --scope,
--endpoints, --global and --can-read-gated-repos together state all scopes that the token keeps.
Only a fine-grained token can get another role, and it then loses its scopes.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    token: One,
    /// Give the token this new name. It must be unique among the owner's live tokens.
    #[arg(long)]
    name: Option<String>,
    /// Give the token this new role: read, write or fineGrained.
    #[arg(long, value_parser = scope::parse_role)]
    role: Option<Role>,
    #[command(flatten)]
    scopes: scope::ScopeArgs,
    /// Remove all scopes from the token.
    #[arg(long, conflicts_with_all = ["scopes", "endpoints", "global", "can_read_gated_repos"])]
    clear_scopes: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(super) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let token_id = args.token.id()?;
    let role = args.role.unwrap_or_default();
    let scopes = args.scopes.replace(role, args.clear_scopes)?;
    if args.name.is_none() && args.role.is_none() && scopes.is_none() {
        return Err(Failure::usage("there is nothing to change")
            .next("give at least one of --name, --role, --scope, --clear-scopes"));
    }
    let (mut tokens, server) = connect(global).await?;
    let request = UpdateTokenRequest {
        request_id: String::new(),
        token_id,
        name: args.name,
        role: role.into(),
        scopes,
    };
    let answer = server.call(request, |it| tokens.update_token(it)).await?;
    let token = present(answer.token)?;
    let receipt = args
        .wait
        .receipt(None, &answer.revision, &server, tokens)
        .await?;
    let text = format!("{}\nrevision  {}", view::card(&token), answer.revision);
    let mut value = json!({ "token": view::json(&token), "revision": answer.revision });
    warn(&answer.warnings, &mut value, output);
    receipt::answer(output, text, value, receipt.as_ref(), "known to")
}
