//! The `tokenward` command as a library: [`run`] takes the arguments and gives the exit code.
//!
//! | module | decides |
//! |---|---|
//! | `args` | names and defaults of the options that all commands share |
//! | `exit` | which exit code, sentence and next step a failure gets |
//! | `output` | what reaches stdout and stderr; nothing else prints |
//! | `secret` | where secrets come from and go to: never arguments, never printed but once |
//! | `connect` | which URLs may be called, and how |
//! | `token`, `check`, `directory`, `keys`, `credentials`, `dev` | one command each |

mod args;
mod check;
mod connect;
mod credentials;
mod dev;
mod directory;
mod exit;
mod keys;
mod output;
mod resource;
mod secret;
mod table;
mod token;
mod when;
mod words;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;

use crate::{
    args::{Cli, Command},
    exit::{Exit, Failure},
    output::Output,
};

/// Runs one command. `args` begins with the program's name.
pub fn run<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let json = args.iter().any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return refuse_arguments(&error, json).into(),
    };
    let output = Output::new(cli.global.json);
    let exit = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(dispatch(cli, &output)),
        Err(error) => Err(Failure::new(
            Exit::Other,
            format!("the runtime doesn't start: {error}"),
        )),
    };
    match exit {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit
        }
    }
    .into()
}

async fn dispatch(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Dev(args) => dev::run(args, output).await,
        Command::Token(command) => token::run(command, &global, output).await,
        Command::Check(args) => check::run(args, &global, output).await,
        Command::Directory(command) => directory::run(command, &global, output).await,
        Command::Keys(command) => keys::run(command, output),
        Command::Credentials(command) => credentials::run(command, output),
    }
}

/// Help and version are printed as clap has them; a mistake is a failure like any other.
fn refuse_arguments(error: &clap::Error, json: bool) -> Exit {
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        Output::new(true).failure(&Failure::usage(text));
        return Exit::Usage;
    }
    // Nobody is left to tell when this fails.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Ok
    }
}
