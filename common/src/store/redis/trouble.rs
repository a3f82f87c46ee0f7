//! This file classifies why Redis gave no answer, and what is certain about a call then. It must not
//! know what a caller does about it.

use redis::RedisError;

use crate::store::{FeedError, Reason};

/// The reason why there is no answer.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The call was refused before anything was sent.
    Refused(String),
    /// Nothing was written, because not every issuer has vouched for this primary yet. That takes a moment.
    Unvouched(&'static str),
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
            Self::Unvouched(text) => text.fmt(f),
            Self::Refused(text) | Self::Lost { text, .. } => text.fmt(f),
            Self::Answered { text, .. } => text.fmt(f),
        }
    }
}

/// Where or when a call that did not run is to be sent instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Instead {
    /// To the primary: this server is none, or not any more.
    Primary,
    /// To the node that has the realm's slot.
    Node,
    /// To the same server, later: the slot's keys are on their way to another node, or the server waits
    /// for the rest of the cluster.
    Later,
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

    /// Says where a call that certainly did not run belongs. A call to a slot that is being moved is
    /// never sent after an ASK: a script there would take keys that have not come yet for absent ones,
    /// write them anew, and the move would then fail or put the older ones in their place.
    pub(super) fn instead(&self) -> Option<Instead> {
        if matches!(self, Self::Unvouched(_)) {
            return Some(Instead::Later);
        }
        let Self::Answered {
            code,
            inside: false,
            ..
        } = self
        else {
            return None;
        };
        match code.as_str() {
            "READONLY" | "MASTERDOWN" => Some(Instead::Primary),
            "MOVED" | "CLUSTERDOWN" => Some(Instead::Node),
            "ASK" | "TRYAGAIN" => Some(Instead::Later),
            _ => None,
        }
    }

    /// Whether a script came upon a key that this node of a cluster does not have, as while its slot is
    /// being moved.
    pub(super) fn is_amid_a_move(&self) -> bool {
        matches!(self, Self::Answered { text, inside: true, .. } if text.contains("non local key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_did_not_run_is_sent_elsewhere() {
        for (code, inside, instead) in [
            ("READONLY", false, Some(Instead::Primary)),
            ("MOVED", false, Some(Instead::Node)),
            ("ASK", false, Some(Instead::Later)),
            ("MOVED", true, None),
            ("NOREPLICAS", false, None),
            ("ERR", false, None),
        ] {
            let trouble = Trouble::Answered {
                code: code.into(),
                text: String::new(),
                inside,
            };
            assert_eq!(trouble.instead(), instead, "{trouble:?}");
        }
    }
}
