//! Decides where secrets are read from and written to: files, the environment, a prompt; never arguments.
//!
//! A secret file is made with mode 0600 and never overwrites anything.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

pub(crate) use tokenward_common::process::Secret;
use tokenward_common::{process::credentials::CREDENTIAL_PREFIX, token::any_tokens_in};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

/// A limit in bytes: no credential or token is longer, so a larger file is a mistake.
const LONGEST: u64 = 16 * 1024;

/// Refuses a token or an operator credential anywhere among the arguments: every user of the machine can
/// read these. The message doesn't repeat it.
pub(crate) fn none_in(args: &[OsString]) -> Result<(), Failure> {
    for arg in args {
        let arg = arg.to_string_lossy();
        let secret = |after: &str| after.bytes().take_while(u8::is_ascii_hexdigit).count() >= 32;
        if any_tokens_in(&arg).next().is_some() {
            return Err(missing(
                "a token",
                "revoke it: `tokenward token revoke --value-file -`, and paste it there (Ctrl-D ends it), \
                 or name a file that holds it. Give a token by --token-file FILE (- is standard input), \
                 or in the variable TOKENWARD_TOKEN",
            ));
        }
        if arg.split(CREDENTIAL_PREFIX).skip(1).any(secret) {
            return Err(missing(
                "an operator credential",
                "make another (`tokenward credentials generate`) and take its digest out of the \
                 credentials file. Give it by --credential-file FILE (- is standard input), or in the \
                 variable TOKENWARD_CREDENTIAL",
            ));
        }
    }
    Ok(())
}

fn missing(what: &str, next: &str) -> Failure {
    Failure::usage(format!(
        "{what} stands among the arguments; so it is in the shell's history now, and in the process list \
         for as long as a command has it. Nothing was done"
    ))
    .next(next)
}

/// Returns random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Other, format!("no random bytes: {error}")))?;
    Ok(bytes)
}

/// A kind of secret, and the names of its sources.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) what: &'static str,
    pub(crate) option: &'static str,
    pub(crate) file_variable: &'static str,
    pub(crate) variable: &'static str,
}

pub(crate) const OPERATOR: Origin = Origin {
    what: "operator credential",
    option: "--credential-file",
    file_variable: "TOKENWARD_CREDENTIAL_FILE",
    variable: "TOKENWARD_CREDENTIAL",
};

pub(crate) const TOKEN: Origin = Origin {
    what: "token",
    option: "--token-file",
    file_variable: "TOKENWARD_TOKEN_FILE",
    variable: "TOKENWARD_TOKEN",
};

#[derive(Debug, PartialEq)]
enum Source {
    File(PathBuf),
    Value(Secret),
    Prompt,
}

impl Origin {
    /// Reads the option's file, else the one variable that is set, else the answer to a prompt on a
    /// terminal.
    pub(crate) fn read(&self, option: Option<&Path>) -> Result<Secret, Failure> {
        match self.choose(option, |name| std::env::var_os(name))? {
            Source::File(path) => self.read_file(&path),
            Source::Value(secret) => Ok(secret),
            Source::Prompt if io::stdin().is_terminal() => {
                let text = rpassword::prompt_password(format!("{}: ", self.what))
                    .map_err(|error| Failure::usage(format!("no {} read: {error}", self.what)))?;
                self.clean(&Zeroizing::new(text), "the prompt")
            }
            Source::Prompt => Err(Failure::new(
                Exit::Credential,
                format!("no {} given, and no terminal to ask on", self.what),
            )
            .next(format!(
                "set {}, {} or {}",
                self.option, self.file_variable, self.variable
            ))),
        }
    }

    /// Returns whether the secret is given, so that nobody needs to be asked.
    pub(crate) fn is_set(&self, option: Option<&Path>) -> bool {
        let chosen = self.choose(option, |name| std::env::var_os(name));
        !matches!(chosen, Ok(Source::Prompt))
    }

    fn choose(
        &self,
        option: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Source, Failure> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        if let Some(path) = option {
            return Ok(Source::File(path.into()));
        }
        match (set(self.file_variable), set(self.variable)) {
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "{} and {} are both set: set one",
                self.file_variable, self.variable
            ))
            .next(format!("unset one of them, or give {}", self.option))),
            (Some(path), None) => Ok(Source::File(path.into())),
            (None, Some(value)) => {
                let text = value
                    .into_string()
                    .map_err(|_| Failure::usage(format!("{}: must be text", self.variable)))?;
                let text = Zeroizing::new(text);
                self.clean(&text, self.variable).map(Source::Value)
            }
            (None, None) => Ok(Source::Prompt),
        }
    }

    fn read_file(&self, path: &Path) -> Result<Secret, Failure> {
        let named = format!("the {}'s file {}", self.what, path.display());
        let fail = |error: io::Error| {
            Failure::usage(format!("{named} can't be read: {error}"))
                .next("give a text file that exists and that you may read")
        };
        let mut text = Zeroizing::new(String::new());
        let read = if path == Path::new("-") {
            io::stdin()
                .lock()
                .take(LONGEST + 1)
                .read_to_string(&mut text)
        } else {
            File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        };
        if read.map_err(fail)? as u64 > LONGEST {
            return Err(Failure::usage(format!("{named} is too long to be one"))
                .next(format!("write the {} alone into it", self.what)));
        }
        self.clean(&text, &named)
    }

    /// Accepts one line of visible ASCII. The message names the source, never the text.
    fn clean(&self, text: &str, place: &str) -> Result<Secret, Failure> {
        // Some editors begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(Failure::usage(format!("{place} is empty"))
                .next(format!("write the {} there, on one line", self.what)));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Failure::usage(format!(
                "{place}: must hold the {} alone, on one line of visible ASCII",
                self.what
            ))
            .next("take everything else out"));
        }
        Ok(Secret::new(text.to_owned()))
    }
}

/// A new file for a secret, with mode 0600. It is removed when it is dropped unwritten.
#[derive(Debug)]
pub(crate) struct SecretFile {
    path: PathBuf,
    file: Option<File>,
}

impl SecretFile {
    /// Creates the file. It refuses a path that exists already, symbolic links included.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(file) => Ok(Self {
                path: path.into(),
                file: Some(file),
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::new(
                Exit::Conflict,
                format!("{} exists and is never overwritten", path.display()),
            )
            .next("name another file, or move this one away")),
            Err(error) => Err(
                Failure::usage(format!("{} can't be made: {error}", path.display()))
                    .next("name a file in a folder that exists and that you may write to"),
            ),
        }
    }

    /// Writes the text and a line break; both are on disk when this returns.
    pub(crate) fn write(mut self, text: &str) -> Result<(), Failure> {
        let Some(mut file) = self.file.take() else {
            return Ok(());
        };
        let line = Zeroizing::new(format!("{}\n", text.trim_end()));
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| {
                Failure::new(
                    Exit::Other,
                    format!("{} can't be written: {error}", self.path.display()),
                )
                .next("is the disk full? Remove that file, then try again")
            })
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // The file is empty and our own. If it can't be removed, it does no harm but blocks the path.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
