//! `tokenward dev`: an issuer, a verifier and a store in one process, for trying things out.

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, _output: &Output) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Other, "`dev` is not part of this build"))
}
