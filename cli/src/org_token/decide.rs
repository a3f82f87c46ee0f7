//! `tokenward org-token approve`, `deny` and `revoke` change whether a token reaches an org.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::json;
use tokenward_proto::v1::{
    ApproveOrgTokenRequest, DenyOrgTokenRequest, OrgToken, RevokeAllOrgTokensRequest,
    RevokeOrgTokenRequest, token_service_client::TokenServiceClient,
};

use super::{Org, connect, list};
use crate::{
    confirm::{Yes, confirm},
    connect::{Issuer, Server},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    receipt::{self, WaitArgs},
    repeat::{RepeatArgs, repeatable},
    token::{One as Id, leaked, view},
};

pub(super) const APPROVE: &str = "\
Examples:
  tokenward org-token approve 1042 --org acme
  tokenward org-token approve 1042 --org acme --wait

The approval counts while the org's policy is admin_approval. `tokenward directory get policy acme`
shows the policy.";

pub(super) const DENY: &str = "\
Examples:
  tokenward org-token deny 1042 --org acme
  tokenward org-token deny 1042 --org acme --wait 30s

The denial counts while the org's policy is admin_approval, until the token is approved again.";

pub(super) const REVOKE: &str = "\
Examples:
  tokenward org-token revoke 1042 --org acme --wait
  tokenward org-token revoke --value-file leaked.txt --org acme --yes
  tokenward org-token revoke --all --org acme --reason INC-8 --wait

The token never reaches the org again, whatever the org's policy is: only another token can.
--value-file is for a token that was found where it should not be; a file named - is standard input.
`tokenward token revoke` revokes a token for everything.

--all takes every value that any token has at that moment, for what the org owns and does not
publish; the tokens stay good for everything else, and other orgs are not affected. A token that is
made later reaches the org as always. So does a token that is rotated later: its new value has all
that the org had decided on the token, an approval too, and the old value stays refused, also in an
overlap. To keep a token out through its rotations, revoke that token by its ID. For --all the
credential needs the role orgs or revoke.";

#[derive(Debug, Args)]
pub(crate) struct Verdict {
    #[command(flatten)]
    id: Id,
    #[command(flatten)]
    org: Org,
    #[command(flatten)]
    wait: WaitArgs,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["id", "value_file", "all"]))]
pub(crate) struct Revoke {
    /// Revoke the token with this id, which is a decimal number and not its secret.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Revoke the token that is found in this file.
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Revoke all tokens for the org as they are now. Their later values are not revoked.
    #[arg(long)]
    all: bool,
    /// Keep this reason in the audit trail, in at most 200 characters; it is for --all.
    #[arg(long, value_name = "TEXT", requires = "all")]
    reason: Option<String>,
    #[command(flatten)]
    org: Org,
    /// Refuse to revoke the token with this id. It is the token with which the person who requests
    /// this calls the hub.
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    calling_token: Option<String>,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn approve(
    args: Verdict,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    let token_id = args.id.id()?;
    let (org_id, org_name) = args.org.split();
    let (mut orgs, channel, server) = connect(global).await?;
    let request = ApproveOrgTokenRequest {
        request_id: String::new(),
        org_id,
        org_name,
        token_id,
    };
    let answer = server
        .call(request, |it| orgs.approve_org_token(it))
        .await?;
    let done = Done {
        verb: "approved",
        token: answer.token,
        revision: answer.revision,
    };
    done.tell(args.wait, &server, channel, output).await
}

pub(super) async fn deny(args: Verdict, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let token_id = args.id.id()?;
    let (org_id, org_name) = args.org.split();
    let (mut orgs, channel, server) = connect(global).await?;
    let request = DenyOrgTokenRequest {
        request_id: String::new(),
        org_id,
        org_name,
        token_id,
    };
    let answer = server.call(request, |it| orgs.deny_org_token(it)).await?;
    let done = Done {
        verb: "denied",
        token: answer.token,
        revision: answer.revision,
    };
    done.tell(args.wait, &server, channel, output).await
}

pub(super) async fn revoke(
    args: Revoke,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    if args.all {
        return revoke_all(args, global, output).await;
    }
    let token_id = match args.id {
        Some(id) => Id { id }.id()?,
        None => String::new(),
    };
    let value = match &args.value_file {
        Some(path) => leaked::read_one(path)?,
        None => String::new(),
    };
    let calling_token_id = match args.calling_token {
        Some(id) => Id { id }.id()?,
        None => String::new(),
    };
    let (org_id, org_name) = args.org.split();
    let of = match org_name.as_str() {
        "" => &org_id,
        name => name,
    };
    let what = format!("This keeps the token from everything of {of} that isn't public, for ever.");
    confirm(&what, of, args.yes, output)?;
    let (mut orgs, channel, server) = connect(global).await?;
    let request = RevokeOrgTokenRequest {
        request_id: String::new(),
        org_id,
        org_name,
        token_id,
        value,
        calling_token_id,
    };
    let answer = server.call(request, |it| orgs.revoke_org_token(it)).await?;
    let done = Done {
        verb: "revoked",
        token: answer.token,
        revision: answer.revision,
    };
    done.tell(args.wait, &server, channel, output).await
}

async fn revoke_all(args: Revoke, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (org_id, org_name) = args.org.split();
    let of = match org_name.as_str() {
        "" => org_id.clone(),
        name => name.to_owned(),
    };
    let what = format!(
        "This keeps every token as it is now from everything of {of} that isn't public, for ever."
    );
    confirm(&what, &of, args.yes, output)?;
    let (mut orgs, channel, server) = connect(global).await?;
    let request_id = args.repeat.id()?;
    let request = RevokeAllOrgTokensRequest {
        request_id: request_id.clone(),
        org_id,
        org_name,
        reason: args.reason.unwrap_or_default(),
        wait: args.wait.to_proto(),
    };
    let answer = server
        .patient(args.wait.wait)
        .call(request, |it| orgs.revoke_all_org_tokens(it))
        .await
        .map_err(|failure| repeatable(failure, &request_id))?;
    let tokens = TokenServiceClient::new(channel);
    let receipt = args
        .wait
        .receipt(answer.receipt, &answer.revision, &server, tokens)
        .await?;
    let revision = answer.revision;
    let text = format!("revoked   all tokens for {of}\nrevision  {revision}");
    let value = json!({ "org": of, "revision": revision });
    receipt::answer(output, text, value, receipt.as_ref(), "refused by")
}

/// What was decided, and at which revision.
struct Done {
    verb: &'static str,
    token: Option<OrgToken>,
    revision: String,
}

impl Done {
    async fn tell(
        self,
        wait: WaitArgs,
        server: &Server,
        channel: Issuer,
        output: &Output,
    ) -> Result<Exit, Failure> {
        let tokens = TokenServiceClient::new(channel);
        let receipt = wait.receipt(None, &self.revision, server, tokens).await?;
        let shown = self.token.unwrap_or_default();
        let name = shown.token.as_ref().map_or_else(String::new, view::name);
        let text = format!(
            "{:8}  {name}\nin org    {}\nrevision  {}",
            self.verb,
            list::state(&shown),
            self.revision
        );
        let value = json!({ "token": list::json(&shown), "revision": self.revision });
        receipt::answer(output, text, value, receipt.as_ref(), "known to")
    }
}
