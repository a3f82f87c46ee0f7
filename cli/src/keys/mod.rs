//! `tokenward keys` handles signing keys as files, the ring that names them, and an issuer's report of its
//! keys. Private keys never travel over the network: an issuer reads files.
//!
//! | module | decides |
//! |---|---|
//! | `generate` | how a key is named and where it is written |
//! | `ring` | how a ring's file is read and replaced |
//! | `rotate` | the steps of a ring |
//! | `list`, `withdraw` | what is requested from an issuer |

mod generate;
mod list;
mod ring;
mod rotate;
mod withdraw;

use clap::Subcommand;
use tokenward_common::id::KeyId;
use tokenward_proto::v1::key_service_client::KeyServiceClient;

use crate::{
    connect::{self, Issuer, Server},
    exit::{Exit, Failure},
    global::Global,
    output::Output,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draw a new Ed25519 signing key.
    #[command(after_help = generate::EXAMPLES)]
    Generate(generate::Args),
    /// List an issuer's keys and their states.
    #[command(after_help = list::EXAMPLES)]
    List(list::Args),
    /// Take a key ring one step on: a new key is published, or a published one made to sign.
    #[command(after_help = rotate::EXAMPLES)]
    Rotate(rotate::Args),
    /// Refuse everything that a key has signed, for ever.
    #[command(after_help = withdraw::EXAMPLES)]
    Withdraw(withdraw::Args),
}

pub(crate) async fn run(
    command: Command,
    global: &Global,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Generate(args) => generate::run(args, output),
        Command::List(args) => list::run(args, global, output).await,
        Command::Rotate(args) => rotate::run(args, output),
        Command::Withdraw(args) => withdraw::run(args, global, output).await,
    }
}

async fn connect(global: &Global) -> Result<(KeyServiceClient<Issuer>, Issuer, Server), Failure> {
    let (channel, server) = connect::issuer(global).await?;
    Ok((KeyServiceClient::new(channel.clone()), channel, server))
}

fn parse_kid(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).map_err(|rule| rule.to_string())
}
