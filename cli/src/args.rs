//! Lists the commands, and defines the part of `--help` that all of them share. It knows nothing of what a
//! command does.

use std::ffi::OsString;

use clap::{Arg, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    audit, check, credentials, dev, directory, exit::Exit, global::Global, keys, manual, org_token,
    permissions, realm, token, whoami,
};

const EXAMPLES: &str = "\
Examples:
  tokenward dev
With your own issuer and verifier (`tokenward-issuer --help`, `tokenward-verifier --help`):
  export TOKENWARD_CREDENTIAL_FILE=hub.credential
  tokenward directory import hub.jsonl
  tokenward token create --owner ada --name laptop --role read --expires 30d --secret-file ada.token
  tokenward check --token-file ada.token --permission repo.content.read model:acme/llama
  tokenward token list --owner ada
  tokenward token revoke --value-file ada.token
  tokenward audit --since 1h

Secrets are read from files, from the environment or from a prompt, never from arguments:
  operator credential   --credential-file, TOKENWARD_CREDENTIAL_FILE or TOKENWARD_CREDENTIAL
  token to be checked   --token-file, TOKENWARD_TOKEN_FILE or TOKENWARD_TOKEN
A file named - is standard input.
";

fn after_help() -> String {
    format!("{EXAMPLES}\n{}", Exit::help())
}

/// Mint, revoke and check user access tokens.
#[derive(Debug, Parser)]
#[command(name = "tokenward", version, after_help = after_help(), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole Tokenward on this machine, for development.
    Dev(dev::Args),
    /// Create, change, list, show, revoke and decode tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Ask a verifier whether a token is allowed something now.
    Check(check::Args),
    /// Ask a verifier whose token it is, and which orgs accept it.
    Whoami(whoami::Args),
    /// List the permissions: what each is for, where it counts, and who has it.
    Permissions(permissions::Args),
    /// List the tokens that reach an org, and approve, deny and revoke them for it.
    #[command(subcommand)]
    OrgToken(org_token::Command),
    /// Feed, show, list and export users, orgs, memberships, repos and gate grants.
    #[command(subcommand)]
    Directory(directory::Command),
    /// Make, rotate, list and withdraw signing keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Make operator credentials.
    #[command(subcommand)]
    Credentials(credentials::Command),
    /// Make a realm in a store, back it up, and restore it.
    #[command(subcommand)]
    Realm(realm::Command),
    /// Show the audit trail: who did what.
    Audit(audit::Args),
    /// Print a script by which a shell completes commands and options.
    Completions(manual::Completions),
    /// Write man pages for all commands.
    Man(manual::Man),
}

const SHARED: &str = "\
Shared options (--issuer, --verifier, --credential-file, --timeout, --json and others): see
`tokenward --help`.";

impl Cli {
    pub(crate) fn read(args: Vec<OsString>) -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command().try_get_matches_from(args)?)
    }
}

/// Builds the clap command. Every command accepts the shared options, but only the top-level help shows
/// them: a command's own help lists its own options.
fn command() -> Clap {
    let mut command = Cli::command();
    let shared = command.get_arguments().filter(|it| it.is_global_set());
    let unseen = |it: &Arg| it.clone().hide_short_help(true).hide_long_help(true);
    let shared: Vec<Arg> = shared.map(unseen).collect();
    for sub in command.get_subcommands_mut() {
        let whole = std::mem::take(sub);
        *sub = without_shared(whole, &shared);
    }
    command
}

fn without_shared(command: Clap, shared: &[Arg]) -> Clap {
    let after = match command.get_after_help() {
        Some(text) => format!("{text}\n\n{SHARED}"),
        None => SHARED.to_owned(),
    };
    // Clap doesn't propagate a global argument to a command that already has an argument with its id.
    command
        .args(shared)
        .after_help(after)
        .mut_subcommands(|sub| without_shared(sub, shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shared_options_are_shown_once_and_taken_everywhere() {
        command().debug_assert();
        let top = command().render_long_help().to_string();
        assert!(top.contains("--credential-file"), "{top}");
        for words in [
            &["token", "create", "--help"][..],
            &["check", "-h"],
            &["audit", "--help"],
            &["token", "--help"],
        ] {
            let args = [&["tokenward"], words].concat();
            let help = Cli::read(args.into_iter().map(OsString::from).collect());
            let help = help.unwrap_err().to_string();
            assert!(!help.contains("--ca "), "{help}");
            assert!(!help.contains("--timeout <"), "{help}");
            assert!(help.ends_with("`tokenward --help`.\n"), "{help}");
        }
        for words in [
            [
                "tokenward",
                "--issuer",
                "http://[::1]:1",
                "token",
                "show",
                "7",
            ],
            [
                "tokenward",
                "token",
                "--issuer",
                "http://[::1]:1",
                "show",
                "7",
            ],
            [
                "tokenward",
                "token",
                "show",
                "7",
                "--issuer",
                "http://[::1]:1",
            ],
        ] {
            let cli = Cli::read(words.map(OsString::from).to_vec()).unwrap();
            assert_eq!(cli.global.issuer, "http://[::1]:1");
        }
    }

    #[test]
    fn help_lists_the_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        let codes = "\
Exit codes:
  0  The command is done. For `check`: the token is allowed.
  1  For `check`: the token is denied. For `token decode`: it is not genuine.
  2  The command or an argument is wrong.
  3  What the command names does not exist.
  4  The operator credential is missing, unknown or lacks a role.
  5  The server did not answer or is not ready: try again.
  6  There is a conflict, or the thing exists already.
  7  Anything else went wrong.
  8  For `--wait`: the change is durable, but not every verifier has confirmed it.";
        assert!(help.contains(codes), "{help}");
    }

    #[test]
    fn every_command_has_examples() {
        fn leaves(command: &clap::Command, seen: &mut usize) {
            if command.has_subcommands() {
                command.get_subcommands().for_each(|sub| leaves(sub, seen));
            } else if command.get_name() != "dev" {
                let help = command
                    .get_after_help()
                    .unwrap_or_else(|| panic!("{}", command.get_name()))
                    .to_string();
                assert!(help.starts_with("Examples:\n  tokenward "), "{help}");
                *seen += 1;
            }
        }
        let mut seen = 0;
        leaves(&Cli::command(), &mut seen);
        assert_eq!(seen, 34);
    }

    /// Returns the words of each `tokenward` command line in a help text, up to a pipe or a redirection.
    /// An environment variable that is set before the command is returned as its option.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let whole = help.replace("\\\n", " ");
        let lines = whole.lines().filter_map(|line| line.strip_prefix("  "));
        let words = |line: &str| {
            let all: Vec<&str> = line.split_whitespace().collect();
            let (before, command) = all.split_at(all.iter().position(|it| *it == "tokenward")?);
            let ends = ["|", ">", ">>", "<", "#", "&&"];
            let own = command.iter().take_while(|it| !ends.contains(it));
            let mut kept: Vec<String> = own.map(|it| it.replace(['\'', '"'], "")).collect();
            for (name, value) in before.iter().filter_map(|it| it.split_once('=')) {
                // Secrets have an environment variable and no option.
                if !["TOKENWARD_TOKEN", "TOKENWARD_CREDENTIAL"].contains(&name) {
                    let name = name.trim_start_matches("TOKENWARD_").to_lowercase();
                    kept.push(format!("--{}={value}", name.replace('_', "-")));
                }
            }
            Some(kept)
        };
        let begins = |line: &&str| {
            let mut first = line.split_whitespace().take(4);
            first.any(|it| it == "tokenward") && !line.starts_with(' ')
        };
        lines.filter(begins).filter_map(words).collect()
    }

    #[test]
    fn every_example_is_one_that_the_command_takes() {
        fn look(command: &clap::Command, seen: &mut usize) {
            let help = command.get_after_help().map(ToString::to_string);
            for words in examples(&help.unwrap_or_default()) {
                let read = Cli::read(words.iter().map(OsString::from).collect());
                assert!(read.is_ok(), "{words:?}: {}", read.unwrap_err());
                *seen += 1;
            }
            command.get_subcommands().for_each(|sub| look(sub, seen));
        }
        let mut seen = 0;
        look(&Cli::command(), &mut seen);
        assert!(seen > 70, "{seen}");
    }

    #[test]
    fn every_option_has_help() {
        fn look(command: &clap::Command) {
            for option in command.get_arguments() {
                let help = option
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let (name, id) = (command.get_name(), option.get_id());
                assert!(help.len() > 10, "{name} {id}: {help:?}");
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }

    #[test]
    fn no_secret_is_an_argument() {
        for bad in ["--credential", "--token", "--secret"] {
            assert!(Cli::try_parse_from(["tokenward", "token", "show", "1", bad, "x"]).is_err());
            assert!(Cli::try_parse_from(["tokenward", "audit", bad, "x"]).is_err());
        }
    }
}
