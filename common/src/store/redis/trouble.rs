//! This file classifies why Redis gave no answer, and what is certain about a call then. It must not
//! know what a caller does about it.

use redis::RedisError;

use crate::store::{FeedError, Reason};

/// The reason why there is no answer.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The call was refused before anything was sent.
    Refused(String),
    /// The server may forget what it acknowledges; nothing was sent.
    Volatile(String),
    /// The server doesn't hold this process' log; nothing was sent.
    Unfit(Reason),
    /// The call was perhaps sent, but never answered.
    Lost { text: String, hung: bool },
    /// The server answered with an error. `inside`: the error came from within a script, which had
    /// perhaps run half-way.
    Answered {
        code: String,
        text: String,
        inside: bool,
    },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Volatile(wrong) => {
                write!(f, "the server may forget what it acknowledged: {wrong}")
            }
            Self::Unfit(reason) => reason.fmt(f),
            Self::Refused(text) | Self::Lost { text, .. } => text.fmt(f),
            Self::Answered { text, .. } => text.fmt(f),
        }
    }
}

impl From<Trouble> for FeedError {
    fn from(trouble: Trouble) -> Self {
        Self::Unavailable(trouble.to_string())
    }
}

impl Trouble {
    pub(super) fn from_error(error: &RedisError) -> Self {
        let text = error.to_string();
        match error.code() {
            Some(code) if !error.is_io_error() => Self::Answered {
                code: code.to_owned(),
                // Redis 7 appends this to an error of a command that a script called.
                inside: text.contains("script: "),
                text,
            },
            _ => Self::Lost {
                hung: error.is_timeout(),
                text,
            },
        }
    }
}
