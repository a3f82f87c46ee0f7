//! The `tokenward` command as a library: [`run`] takes the arguments and returns the exit code.
//!
//! | module | decides |
//! |---|---|
//! | `args` | which commands there are |
//! | `global` | names and defaults of the options that all of them share |
//! | `exit` | which exit code, message and next step a failure gets |
//! | `output` | what reaches stdout and stderr; nothing else prints |
//! | `secret` | where secrets are read from and written to: never arguments, never printed twice |
//! | `replaced` | how a file that a running program reloads is replaced |
//! | `connect` | which URLs may be called, and how |
//! | `confirm` | what must be confirmed, and how |
//! | `receipt` | how the verifiers that have applied a change are described |
//! | `jwks` | where public keys are read from |
//! | `resource` | how people write the resource of a check |
//! | `table` | how columns of text are aligned |
//! | `when` | how durations and dates are read and shown |
//! | `words` | which words people read and write for the API's enumerations |
//! | `token`, `org_token`, `check`, `whoami`, `directory`, `keys`, `credentials`, `realm`, `permissions`, `audit`, `manual`, `dev` | one command each, or two |

mod args;
mod audit;
mod check;
mod confirm;
mod connect;
mod credentials;
mod dev;
mod directory;
mod exit;
mod global;
mod jwks;
mod keys;
mod manual;
mod org_token;
mod output;
mod permissions;
mod realm;
mod receipt;
#[cfg(test)]
mod reference;
mod repeat;
mod replaced;
mod resource;
mod secret;
mod table;
mod token;
mod when;
mod whoami;
mod words;

use std::{ffi::OsString, process::ExitCode};

use clap::error::ErrorKind;
use tokenward_common::process::secret_url::no_passwords;

use crate::{
    args::{Cli, Command},
    exit::{Exit, Failure},
    output::Output,
};

/// Runs one command and returns its exit code. The first of `args` is the program's name.
pub fn run<I, T>(args: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString>,
{
    run_typed(args.into_iter().map(Into::into).collect())
}

/// This function is not generic: a generic one, with all the futures below, would be compiled again in
/// each crate that calls it.
fn run_typed(args: Vec<OsString>) -> ExitCode {
    let json = args.iter().any(|arg| arg == "--json");
    if let Err(rule) = no_passwords(&args) {
        Output::new(json).failure(&Failure::usage(rule));
        return Exit::Usage.into();
    }
    if let Err(failure) = secret::none_in(&args) {
        Output::new(json).failure(&failure);
        return failure.exit.into();
    }
    let cli = match Cli::read(args) {
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
        Command::Dev(args) => dev::run(args, global.plaintext, output).await,
        Command::Token(command) => token::run(command, &global, output).await,
        Command::Check(args) => check::run(args, &global, output).await,
        Command::Whoami(args) => whoami::run(args, &global, output).await,
        Command::Permissions(args) => permissions::run(&args, output),
        Command::OrgToken(command) => org_token::run(command, &global, output).await,
        Command::Directory(command) => directory::run(command, &global, output).await,
        Command::Keys(command) => keys::run(command, &global, output).await,
        Command::Credentials(command) => credentials::run(command, output),
        Command::Realm(command) => realm::run(command, &global, output).await,
        Command::Audit(args) => audit::run(args, &global, output).await,
        Command::Completions(args) => manual::completions(&args, output),
        Command::Man(args) => manual::man(&args, output),
    }
}

/// Prints help and version as clap formats them. Any other clap error becomes a usage failure.
fn refuse_arguments(error: &clap::Error, json: bool) -> Exit {
    if !error.use_stderr() {
        // An error is ignored: when printing fails, there is nowhere to report it.
        let _ = error.print();
        return Exit::Ok;
    }
    let bare = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if bare && !json {
        let _ = error.print();
        return Exit::Usage;
    }
    let text = match bare {
        true => "a command is missing".to_owned(),
        false => error.render().to_string(),
    };
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (message, hint) = text.split_once("\n\n").unwrap_or((text, ""));
    let failure = Failure::usage(message.trim_end());
    Output::new(json).failure(&if json {
        failure
    } else {
        failure.next(hint.trim_end())
    });
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_their_exit_codes() {
        let exit = |args: &[&str]| {
            let args = [&["tokenward"], args].concat();
            match Cli::read(args.iter().map(OsString::from).collect()) {
                Ok(_) => panic!("{args:?} is right"),
                Err(error) => refuse_arguments(&error, true),
            }
        };
        assert_eq!(exit(&["--help"]), Exit::Ok);
        assert_eq!(exit(&["token", "create", "--help"]), Exit::Ok);
        assert_eq!(exit(&["--version"]), Exit::Ok);
        for wrong in [
            &[][..],
            &["token"],
            &["tokens"],
            &["token", "list"],
            &["token", "list", "--owner", "a", "--owner-id", "b"],
            &["token", "list", "--owner", "a", "--timeout", "2"],
            &[
                "token", "create", "--owner", "a", "--name", "n", "--role", "god",
            ],
            &["check", "--permission", "repo.write", "llama"],
            &[
                "check",
                "--permission",
                "p.q",
                "--anonymous",
                "--token-file",
                "f",
                "account:a",
            ],
            &["credentials", "generate", "--name", "n", "--out", "o"],
            &["keys", "generate", "--kid", "a/b", "--out", "o"],
            &["keys", "rotate", "--ring", "r"],
            &[
                "keys",
                "rotate",
                "--ring",
                "r",
                "--out",
                "o",
                "--activate",
                "k",
            ],
            &["keys", "rotate", "--ring", "r", "--key", "k"],
            &["keys", "withdraw", "a/b"],
            &["token", "revoke"],
            &["token", "revoke", "1", "--all", "--owner", "ada"],
            &["token", "revoke", "1", "--owner", "ada"],
            &["token", "revoke", "--all"],
            &[
                "token",
                "revoke",
                "--all",
                "--owner",
                "a",
                "--owner-id",
                "b",
            ],
            &["token", "revoke", "1", "--value-file", "f"],
            &["token", "revoke", "1", "--wait", "2m"],
            &["token", "update", "1", "--clear-scopes", "--global", "a.b"],
            &["token", "rotate", "1", "--overlap", "1"],
            &["token", "expiring", "--owner", "a", "--owner-id", "b"],
            &["token", "decode", "--token-prefix", "tw"],
            &["org-token", "list"],
            &["org-token", "approve", "1"],
            &["org-token", "approve", "--org", "a"],
            &["org-token", "revoke", "1", "--org", "a", "--org-id", "b"],
            &[
                "org-token",
                "revoke",
                "1",
                "--value-file",
                "f",
                "--org",
                "a",
            ],
            &["audit", "--since", "yesterday"],
            &["completions", "tcsh"],
            &["man"],
        ] {
            assert_eq!(exit(wrong), Exit::Usage, "{wrong:?}");
        }
    }
}
