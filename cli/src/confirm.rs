//! Decides how a change that can't be undone is confirmed: by typing a word or by `--yes`, never by
//! silence. It doesn't know what is changed.

use std::io::{self, BufRead, IsTerminal};

use crate::{exit::Failure, output::Output};

#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Yes {
    /// Do not ask for a confirmation.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Asks for a confirmation. `what` is a whole sentence; `word` is the word that must be typed.
pub(crate) fn confirm(what: &str, word: &str, yes: Yes, output: &Output) -> Result<(), Failure> {
    if yes.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{what} It must be confirmed, and there is no terminal to ask on"
        ))
        .next("if that is what you want, add --yes"));
    }
    output.ask(&format!("{what}\nType {word} to go on:"));
    let mut typed = String::new();
    io::stdin()
        .lock()
        .read_line(&mut typed)
        .map_err(|error| Failure::usage(format!("no confirmation read: {error}")))?;
    judge(&typed, word)
}

fn judge(typed: &str, word: &str) -> Result<(), Failure> {
    match typed.trim() == word {
        true => Ok(()),
        false => Err(Failure::usage("not confirmed: nothing was done")
            .next(format!("type exactly {word}, or add --yes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_confirms() {
        assert!(judge("ada\n", "ada").is_ok());
        for typed in ["", "\n", "y\n", "yes\n", "Ada\n", "ada x\n"] {
            assert!(judge(typed, "ada").is_err(), "{typed:?}");
        }
    }
}
