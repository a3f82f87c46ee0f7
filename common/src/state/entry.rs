//! Declares the log's entries, and the errors for an entry that can't be applied. This file must not know how
//! an entry changes the state.

use crate::{
    clock::UnixMillis,
    id::{Cursor, Fingerprint, Revision, Serial},
    state::record::{Change, Kind},
};

/// Holds one entry of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// States the entry's place in the log, and its own fingerprint.
    pub cursor: Cursor,
    /// Holds the fingerprint of the entry before this one.
    pub predecessor: Fingerprint,
    /// Holds the serial counter at the commit; floors are raised to it.
    pub serial: Serial,
    /// Holds the store's time at the commit.
    pub time: UnixMillis,
    /// Lists what the commit changed, in the order in which it is applied.
    pub changes: Vec<Change>,
}

/// The entry doesn't continue what was applied: the follower must start again from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The entry's cursor names another log id than the state's.
    #[error("the entry is of another log")]
    OtherLog,
    /// The entry names another predecessor, or it differs from the applied entry of the same revision.
    #[error("the entry is of another history of this log")]
    Forked,
    /// At least one entry before this one is missing.
    #[error("entries are missing between revision {applied} and {got}")]
    Gap {
        /// Holds the newest revision that was applied to the state.
        applied: Revision,
        /// Holds the revision of the entry that arrived.
        got: Revision,
    },
    /// The state can't store the change. It is then partly old, partly new, and must not be served.
    #[error("more than a state can hold")]
    Unstorable,
}

/// Counts the records of each public kind, including inert ones, and the revoked serials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Counts the records, indexed by the kind's number.
    pub kinds: [u64; Self::KINDS],
    /// Counts the serials whose bit is set; values that only a floor refuses aren't counted.
    pub revoked: u64,
}

impl Counts {
    /// The table's length is one more than the highest number of a public kind.
    pub const KINDS: usize = Kind::HIGHEST as usize + 1;

    /// Returns the count of a kind; it is zero for issuer-only kinds.
    pub fn get(&self, kind: Kind) -> u64 {
        self.kinds
            .get(kind.number() as usize)
            .copied()
            .unwrap_or_default()
    }
}
