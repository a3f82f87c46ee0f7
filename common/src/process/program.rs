//! This file runs a program from its arguments to its exit code. It must not know what the program
//! serves.

use std::{fmt::Display, process::ExitCode};

use clap::Parser;

use super::{
    secret_url::no_passwords,
    settings::{Mistakes, parse},
    telemetry::{LogArgs, last_word},
};

/// The exit code for a wrong setting, which is also clap's.
const USAGE: u8 = 2;

/// Reads the settings, starts the log, and serves until the end. Errors are printed on standard error.
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

/// Prints all mistakes in the settings, before there is a log.
fn usage_error(mistakes: &dyn Display) -> ExitCode {
    last_word(mistakes);
    ExitCode::from(USAGE)
}

fn exit_code<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain of errors goes on one line, without a backtrace.
            last_word(&format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
