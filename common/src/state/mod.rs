//! The replicated state: everything but the token that a decision needs, folded from one log.
//!
//! Decides what a change does to the state. Must not know stores, the network, or the clock.

pub mod codec;
pub mod key;
pub mod record;

use crate::{
    clock::UnixMillis,
    id::{Cursor, Fingerprint, Serial},
};
use record::{Change, Kind};

/// One commit, as the log carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub cursor: Cursor,
    pub predecessor: Fingerprint,
    pub serial: Serial,
    pub time: UnixMillis,
    pub changes: Vec<Change>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub kinds: [u64; 16],
    pub revoked: u64,
}
impl Counts {
    pub fn get(&self, kind: Kind) -> u64 {
        self.kinds.get(kind as usize).copied().unwrap_or(0)
    }
}
