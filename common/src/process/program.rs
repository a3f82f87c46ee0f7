//! A program from its arguments to its exit code.

use std::{fmt::Display, process::ExitCode};

use clap::Parser;

use super::{
    secret_url::no_passwords,
    settings::{Mistakes, parse},
    telemetry::{LogArgs, last_word},
};

/// For a wrong setting, as clap has it.
const USAGE: u8 = 2;

/// Reads the settings, begins the log, and serves until the end. What is wrong is told on standard
/// error.
pub fn main<A: Parser, C, E: Display>(
    log: impl FnOnce(&A) -> &LogArgs,
    build: impl FnOnce(A) -> Result<C, Mistakes>,
    serve: impl FnOnce(&C) -> Result<(), E>,
) -> ExitCode {
    let typed: Vec<_> = std::env::args_os().collect();
    if let Err(rule) = no_passwords(&typed) {
        return usage_error(&rule);
    }
    let args: A = parse(&typed);
    let log = log(&args).clone();
    match build(args) {
        Err(mistakes) => usage_error(&mistakes),
        Ok(config) => match log.install() {
            Err(problem) => usage_error(&format_args!("--log: {problem}")),
            Ok(()) => exit_code(serve(&config)),
        },
    }
}

/// Everything that is wrong with the settings, before there is a log.
fn usage_error(mistakes: &dyn Display) -> ExitCode {
    last_word(mistakes);
    ExitCode::from(USAGE)
}

fn exit_code<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain on one line, and no backtrace.
            last_word(&format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
