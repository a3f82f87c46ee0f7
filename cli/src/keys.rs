//! `tokenward keys`: makes signing keys.

use clap::Subcommand;

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {}

pub(crate) fn run(command: Command, _output: &Output) -> Result<Exit, Failure> {
    match command {}
}
