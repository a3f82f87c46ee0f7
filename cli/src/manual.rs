//! `tokenward completions` and `tokenward man` write shell completions and man pages. Both are generated
//! from the definitions of the commands.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::{
    args::Cli,
    exit::{Exit, Failure},
    output::Output,
};

const COMPLETIONS: &str = "\
Examples:
  tokenward completions bash > /etc/bash_completion.d/tokenward
  tokenward completions zsh > ~/.zfunc/_tokenward
  tokenward completions fish > ~/.config/fish/completions/tokenward.fish";

const MAN: &str = "\
Examples:
  tokenward man --out /usr/local/share/man/man1

The command writes tokenward.1 and a page for every command, such as that of
`man tokenward-token-revoke`.";

#[derive(Debug, clap::Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// Print the script for this shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = MAN)]
pub(crate) struct Man {
    /// Write the pages to this folder, which is made if it does not exist. Existing pages are
    /// replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn completions(args: &Completions, output: &Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tokenward", &mut script);
    output.raw(&script)?;
    Ok(Exit::Ok)
}

pub(crate) fn man(args: &Man, output: &Output) -> Result<Exit, Failure> {
    let dir = args.out.display();
    std::fs::create_dir_all(&args.out)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.out))
        .map_err(|error| {
            Failure::usage(format!("--out: {dir} can't be written: {error}"))
                .next("name a folder that you may write to")
        })?;
    output.answer(
        &format!("The pages are in {dir}."),
        &json!({ "folder": dir.to_string() }),
    )?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects the names of the pages: `tokenward`, `tokenward-token`, `tokenward-token-create` and so
    /// on.
    fn names(command: &clap::Command, above: &str, all: &mut Vec<String>) {
        let name = match above {
            "" => command.get_name().to_owned(),
            above => format!("{above}-{}", command.get_name()),
        };
        for sub in command.get_subcommands() {
            names(sub, &name, all);
        }
        all.push(name);
    }

    #[test]
    fn every_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("man1");
        man(&Man { out: out.clone() }, &Output::new(true)).unwrap();
        let mut all = Vec::new();
        names(&Cli::command(), "", &mut all);
        assert!(all.contains(&"tokenward-token-revoke".to_owned()));
        for name in all {
            let page = std::fs::read_to_string(out.join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".TH") && page.contains("SYNOPSIS"), "{name}");
        }
    }

    #[test]
    fn every_shell_knows_the_commands() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::Elvish,
            Shell::PowerShell,
        ] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tokenward", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["expiring", "value-file", "withdraw"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
