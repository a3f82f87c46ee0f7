//! Names and defaults of what all commands share, each with its environment variable.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};

use crate::{check, credentials, dev, directory, exit::Exit, keys, token, when::parse_duration};

const EXAMPLES: &str = "\
Examples:
  tokenward token create --owner ada --name laptop --role read --expires 30d
  tokenward check --token-file ./token --permission repo.content.read model:acme/llama
  tokenward token revoke 1042
  tokenward directory import hub.jsonl

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

#[derive(Debug, Args)]
#[command(next_help_heading = "Shared options")]
pub(crate) struct Global {
    /// The issuer: it mints, lists and revokes, and takes the directory.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TOKENWARD_ISSUER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8470"
    )]
    pub(crate) issuer: String,
    /// The verifier: it answers `check`.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TOKENWARD_VERIFIER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8480"
    )]
    pub(crate) verifier: String,
    /// The operator credential's file [env: TOKENWARD_CREDENTIAL_FILE]; its text itself may stand in
    /// TOKENWARD_CREDENTIAL. With neither, a terminal is asked.
    // Read by hand: the option must win over either variable, and both variables are a mistake.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) credential_file: Option<PathBuf>,
    /// Allow `http://` to another machine: credentials and tokens then travel in the clear.
    #[arg(long, global = true, env = "TOKENWARD_PLAINTEXT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) plaintext: bool,
    /// Trust the certificates in this PEM file for `https://`, beside the system's.
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "TOKENWARD_CA",
        hide_env_values = true
    )]
    pub(crate) ca: Option<PathBuf>,
    /// Longest wait for a connection or an answer.
    #[arg(long, global = true, value_name = "DURATION", env = "TOKENWARD_TIMEOUT", hide_env_values = true,
        default_value = "10s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Answers and errors as JSON.
    #[arg(long, global = true, env = "TOKENWARD_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole Tokenward on this machine, for development.
    Dev(dev::Args),
    /// Create, list, show and revoke tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Ask a verifier: is this token allowed this, now?
    Check(check::Args),
    /// Feed users, orgs, memberships, repos and gate grants.
    #[command(subcommand)]
    Directory(directory::Command),
    /// Make signing keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Make operator credentials.
    #[command(subcommand)]
    Credentials(credentials::Command),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_lists_the_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        let codes = "\
Exit codes:
  0  done; `check`: allowed
  1  `check`: denied
  2  a mistake in the command or an invalid argument
  3  there is no such thing
  4  the operator credential is missing, unknown or lacks a role
  5  no answer or not ready: try again
  6  a conflict, or it exists already
  7  anything else";
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
        assert_eq!(seen, 8);
    }

    #[test]
    fn no_secret_is_an_argument() {
        for bad in ["--credential", "--token", "--secret"] {
            assert!(Cli::try_parse_from(["tokenward", "token", "show", "1", bad, "x"]).is_err());
        }
    }
}
