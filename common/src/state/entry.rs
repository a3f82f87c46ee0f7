//! What the log is made of, and what is wrong with an entry that doesn't fit.

use crate::{
    clock::UnixMillis,
    id::{Cursor, Fingerprint, Revision, Serial},
    state::record::{Change, Kind},
};

/// One entry of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where the entry stands, and its own fingerprint.
    pub cursor: Cursor,
    /// The fingerprint of the entry before.
    pub predecessor: Fingerprint,
    /// The serial counter inside the commit; floors are raised to it.
    pub serial: Serial,
    /// The store's time of the commit.
    pub time: UnixMillis,
    /// What the commit changed, in the order in which it is applied.
    pub changes: Vec<Change>,
}

/// The entry doesn't continue what was applied: the follower starts again from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Its cursor names another log id than the state's.
    #[error("the entry is of another log")]
    OtherLog,
    /// It names another predecessor, or is another entry of a revision that was applied.
    #[error("the entry is of another history of this log")]
    Forked,
    /// At least one entry between the two is missing.
    #[error("entries are missing between revision {applied} and {got}")]
    Gap {
        /// The newest revision that the state has.
        applied: Revision,
        /// The revision of the entry that came.
        got: Revision,
    },
    /// After this the state is part old, part new, and must not be served.
    #[error("more than a state can hold")]
    Unstorable,
}

/// Records there are of each public kind, inert ones too, and revoked serials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// By the kind's number.
    pub kinds: [u64; Self::KINDS],
    /// Serials whose bit is set; what a floor refuses isn't counted.
    pub revoked: u64,
}

impl Counts {
    /// One more than the highest number of a public kind.
    pub const KINDS: usize = Kind::HIGHEST as usize + 1;

    /// Zero for kinds that are the issuer's alone.
    pub fn get(&self, kind: Kind) -> u64 {
        self.kinds
            .get(kind.number() as usize)
            .copied()
            .unwrap_or_default()
    }
}
