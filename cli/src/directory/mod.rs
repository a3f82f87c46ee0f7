//! `tokenward directory` handles the hub's users, orgs, memberships, groups, policies, repos and gate
//! grants.
//!
//! | module | decides |
//! |---|---|
//! | `import` | how a file is sent to the issuer, and how an interrupted import resumes |
//! | `line`, `object` | what a line means, and which mistakes it has |
//! | `kinds` | what there is to know of each kind: its JSON, its columns, its names |
//! | `batch` | which lines are sent together |
//! | `stream` | how many batches are in flight at once |
//! | `ledger`, `refused` | what was written, what was refused, and how the command ends |
//! | `progress` | whether an import may resume an earlier one |
//! | `export` | how all records are written to a file that an import accepts |
//! | `which` | how people name a record |
//! | `one`, `list` | how records are fetched, deleted and listed |
//! | `put` | how some fields of a record are changed |
//! | `view` | how records are shown |

mod batch;
mod export;
mod import;
mod kinds;
mod ledger;
mod line;
mod list;
mod object;
mod one;
mod progress;
mod put;
mod refused;
mod stream;
mod view;
mod which;

use clap::Subcommand;
use tokenward_proto::v1::directory_service_client::DirectoryServiceClient;

pub(crate) use line::parse as operation;

use crate::{
    connect::{self, Issuer, Server},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show one record.
    #[command(after_help = one::get_help())]
    Get(one::One),
    /// List records of one kind.
    #[command(after_help = list::EXAMPLES)]
    List(list::List),
    /// Change some fields of one record.
    #[command(after_help = put::help())]
    Put(put::Put),
    /// Delete one record.
    #[command(after_help = one::delete_help())]
    Delete(one::One),
    /// Write users, orgs, memberships, groups, policies, repos and gate grants from JSON Lines.
    #[command(after_help = import::EXAMPLES)]
    Import(import::Import),
    /// Write everything to a file that `import` takes.
    #[command(after_help = export::help())]
    Export(export::Export),
}

pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Get(args) => one::get(args, global, output).await,
        Command::List(args) => list::run(args, global, output).await,
        Command::Put(args) => put::run(args, global, output).await,
        Command::Delete(args) => one::delete(args, global, output).await,
        Command::Import(args) => import::run(args, global, output).await,
        Command::Export(args) => export::run(args, global, output).await,
    }
}

/// A client of the issuer's directory service.
struct Directory {
    client: DirectoryServiceClient<Issuer>,
    server: Server,
    /// Another service gives the receipts.
    channel: Issuer,
}

impl Directory {
    async fn connect(global: &Global) -> Result<Self, Failure> {
        let (channel, server) = connect::issuer(global).await?;
        let client = DirectoryServiceClient::new(channel.clone());
        Ok(Self {
            client,
            server,
            channel,
        })
    }
}
