//! `tokenward org-token` shows and changes the decisions of an org's admins on the tokens that reach it.
//!
//! | module | decides |
//! |---|---|
//! | `list` | how such tokens are shown |
//! | `decide` | how a token is approved, denied or revoked for an org |

mod decide;
mod list;

use clap::{Args, Subcommand};
use tokenward_proto::v1::org_token_service_client::OrgTokenServiceClient;

use crate::{
    connect::{self, Issuer, Server},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the tokens that reach an org, oldest first.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Let a fine-grained token reach the org, where its policy asks for approval.
    #[command(after_help = decide::APPROVE)]
    Approve(decide::Verdict),
    /// Keep a fine-grained token from the org, where its policy asks for approval.
    #[command(after_help = decide::DENY)]
    Deny(decide::Verdict),
    /// Keep a token, or all as they are now, from the org for ever; they stay good for all else.
    #[command(after_help = decide::REVOKE)]
    Revoke(decide::Revoke),
}

#[derive(Debug, Args)]
#[group(id = "of", required = true, multiple = false)]
pub(crate) struct Org {
    /// Name the org by its name.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Name the org by its account id.
    #[arg(long, value_name = "ID")]
    org_id: Option<String>,
}

impl Org {
    /// Returns `(org_id, org_name)`. Exactly one of them is set, which clap ensures.
    fn split(self) -> (String, String) {
        (
            self.org_id.unwrap_or_default(),
            self.org.unwrap_or_default(),
        )
    }
}

pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list::run(args, global, output).await,
        Command::Approve(args) => decide::approve(args, global, output).await,
        Command::Deny(args) => decide::deny(args, global, output).await,
        Command::Revoke(args) => decide::revoke(args, global, output).await,
    }
}

/// Connects to the issuer. The channel is returned too, because another service gives the receipt.
async fn connect(
    global: &Global,
) -> Result<(OrgTokenServiceClient<Issuer>, Issuer, Server), Failure> {
    let (channel, server) = connect::issuer(global).await?;
    let orgs = OrgTokenServiceClient::new(channel.clone());
    Ok((orgs, channel, server))
}
