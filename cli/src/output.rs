//! Decides what reaches stdout and stderr. Nothing else in this package prints.
//!
//! Answers go to stdout, failures and notes to stderr; with `--json` each is one JSON value. Control
//! characters in names and messages are escaped, so they can't steer the terminal. Anything that looks
//! like a secret is removed from failures, whatever its source.

use std::io::{self, Write};

use serde_json::{Value, json};
use tokenward_common::{text::is_unseen, token::redact_secrets};

use crate::exit::{Exit, Failure};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the command's answer, as text or as JSON. A reader that went away is no failure.
    pub(crate) fn answer(&self, text: &str, value: &Value) -> Result<(), Failure> {
        match self.write(text, value) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(unwritable),
        }
    }

    /// Prints an answer that can't be had again, such as a new secret. A reader that went away is a
    /// failure here.
    pub(crate) fn once(&self, text: &str, value: &Value) -> Result<(), Failure> {
        self.write(text, value).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(
                Exit::Other,
                "nobody reads the output, and it can't be had again",
            ),
            _ => unwritable(error),
        })
    }

    fn write(&self, text: &str, value: &Value) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{value:#}")?;
        } else {
            writeln!(out, "{}", printable(text.trim_end()))?;
        }
        out.flush()
    }

    /// Prints one of many answers. With `--json` each value has a line of its own.
    pub(crate) fn part(&self, text: &str, values: &[Value]) -> Result<(), Failure> {
        let write = || {
            let mut out = io::stdout().lock();
            if self.json {
                for value in values {
                    writeln!(out, "{value}")?;
                }
            } else if !text.is_empty() {
                writeln!(out, "{}", printable(text.trim_end()))?;
            }
            out.flush()
        };
        write().map_err(|error| cut(&error))
    }

    /// Writes bytes that this program generated, without escaping.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(unwritable),
        }
    }

    /// Prints a prompt on the terminal; the answer is typed on the same line.
    pub(crate) fn ask(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = write!(err, "{} ", printable(text)).and_then(|()| err.flush());
    }

    /// Prints a note on stderr, for people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            // An error is ignored: when stderr is gone, there is nowhere to report it.
            let _ = writeln!(io::stderr().lock(), "{}", printable(text));
        }
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        // Ends without a message, as other tools do that a signal ends.
        if failure.exit == Exit::Unread {
            return;
        }
        let text = if self.json {
            render_json(failure).to_string()
        } else {
            render_text(failure)
        };
        let _ = writeln!(io::stderr().lock(), "{}", redact_secrets(&text));
    }
}

/// Returns the failure for output that stopped after some of its parts.
pub(crate) fn cut(error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::BrokenPipe => Exit::Unread,
        _ => Exit::Other,
    };
    Failure::new(exit, format!("stdout can't be written: {error}"))
}

fn unwritable(error: io::Error) -> Failure {
    Failure::new(Exit::Other, format!("stdout can't be written: {error}"))
}

fn render_json(failure: &Failure) -> Value {
    let mut body = json!({
        "exit": failure.exit.code(),
        "kind": failure.exit.word(),
        "message": failure.message,
    });
    if let Some(body) = body.as_object_mut() {
        for (key, text) in [("next", &failure.next), ("reason", &failure.reason)] {
            if !text.is_empty() {
                body.insert(key.into(), text.clone().into());
            }
        }
    }
    json!({ "error": body })
}

fn render_text(failure: &Failure) -> String {
    let mut text = format!("error: {}", printable(&failure.message));
    if !failure.next.is_empty() {
        text.push_str("\nnext:  ");
        text.push_str(&printable(&failure.next));
    }
    text
}

/// Escapes control characters other than line breaks, and characters that are invisible or change the text
/// direction.
fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) && c != '\n' {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc\u{9b}"), "a\\u{1b}[2Jb\nc\\u{9b}");
        // An older issuer may have stored such names.
        assert_eq!(printable("a\u{202e}b\u{200b}"), "a\\u{202e}b\\u{200b}");
        assert_eq!(printable("Zoë 山田"), "Zoë 山田");
    }

    #[test]
    fn secrets_are_cut_out() {
        let token = "eyJ0eXAi.eyJpc3Mi-_9.c2ln";
        for (text, safe) in [
            (
                format!("file 'tw_{token}' is not there"),
                "file 'tw_eyJ***' is not there",
            ),
            (format!("{token},hf_{token}\n"), "eyJ***,hf_eyJ***\n"),
            (format!("é twc_{}", "0f".repeat(32)), "é twc_***"),
            ("nothing here".into(), "nothing here"),
        ] {
            assert_eq!(redact_secrets(&text), safe);
        }
    }

    #[test]
    fn failures_say_what_and_what_next() {
        let failure = Failure::usage("--name: must not be empty").next("give a name");
        assert_eq!(
            render_text(&failure),
            "error: --name: must not be empty\nnext:  give a name"
        );
        assert_eq!(
            render_json(&failure),
            json!({"error": {"exit": 2, "kind": "usage",
                "message": "--name: must not be empty", "next": "give a name"}})
        );
    }
}
