//! This file names what a store and its issuers tell each other when the store lost what was
//! acknowledged. It must not know the stores.

use crate::{
    clock::UnixMillis,
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    state::record::Change,
};

/// What an issuer has to do about the realm's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reopening {
    /// Nothing: what this issuer acknowledged is there.
    Sound,
    /// Another issuer opened a history. This one has handed in what it remembers, or went over to it.
    Follows,
    /// This issuer brings back what the history lacks, once all have handed in what they remember.
    Leads {
        /// The log before.
        parent: LogId,
        /// What of its own state it brings back.
        bring: Bring,
        /// Whether every issuer of the roster has handed in what it remembers.
        all: bool,
    },
}

/// What an issuer that opened a history brings back of its own state, beside what was handed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bring {
    /// Nothing: the store holds all of it.
    Nothing,
    /// Whatever the store lacks.
    All,
    /// What only grows: its state may be older than what is there.
    Kept,
}

/// An entry of the log before, as an issuer remembered it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recalled {
    /// Its revision on the log before.
    pub revision: Revision,
    /// Its fingerprint there.
    pub fingerprint: Fingerprint,
    /// What it changed.
    pub changes: Vec<Change>,
    /// The whole commit, in the store's own form, if this issuer or another acknowledged it.
    pub commit: Option<Vec<u8>>,
}

/// A piece of what a follower knows and the store has lost. It holds only facts that only grow, so that it
/// gives nobody anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HandedIn {
    /// Who hands it in.
    pub follower: String,
    /// The last place that the follower had reached when it found its log changed.
    pub left: Cursor,
    /// The highest serial that the follower had heard of.
    pub serial: Serial,
    /// What it knows, as much as one commit takes. There are none where the store lost only serials.
    pub changes: Vec<Change>,
    /// The logs on which the follower was before, newest first, at most [`MOST_ANCESTORS`]: a store that went
    /// back past an opened history shows one of them.
    pub ancestors: Vec<LogId>,
}

/// So many logs before its own are remembered by an issuer, by a follower, and by the store.
pub(crate) const MOST_ANCESTORS: usize = 16;

impl HandedIn {
    /// Tells whether the piece says something of a store that names these logs: its own, and those that it
    /// comes from.
    pub(crate) fn is_of(&self, logs: &[LogId]) -> bool {
        let mut known = std::iter::once(&self.left.log).chain(&self.ancestors);
        known.any(|log| logs.contains(log))
    }
}

/// A history that was opened because the store had lost something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History {
    /// When it was opened, by the store's clock.
    pub opened: UnixMillis,
    /// The log before it.
    pub parent: LogId,
    /// The revision at which the store stood then.
    pub stood: Revision,
    /// The last revision of the log before that its opener had acknowledged.
    pub heard: Revision,
    /// The last serial that the store had given out.
    pub serial_stood: Serial,
    /// The last serial that its opener had heard of.
    pub serial_heard: Serial,
    /// The revision from which the new history goes on.
    pub revision: Revision,
    /// The serial from which the new history goes on.
    pub serial: Serial,
}
