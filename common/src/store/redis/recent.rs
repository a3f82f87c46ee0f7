//! This file remembers the newest entries of the log, which an issuer hands in when a store has lost them.
//! It must not know what the changes mean.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    id::{Cursor, LogId, Revision},
    state::{Entry, codec::encode_changes},
};

/// So much is remembered: it must reach back further than any issuer's view lags behind the others.
const MOST_ENTRIES: usize = 16 * 1024;
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// The newest entries that this issuer acknowledged, or saw on the log.
#[derive(Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    log: LogId,
    entries: BTreeMap<(Revision, [u8; 16]), Remembered>,
    bytes: usize,
}

/// One entry of the log before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Remembered {
    pub(super) acknowledged: bool,
    pub(super) changes: Vec<u8>,
}

impl Recent {
    /// Notes what was seen on the log. It may never have been acknowledged.
    pub(super) fn saw(&self, entries: &[Entry]) {
        let mut kept = self.kept();
        for entry in entries {
            let changes = encode_changes(&entry.changes);
            kept.note(entry.cursor, false, changes);
        }
    }

    pub(super) fn acknowledged(&self, cursor: Cursor, changes: Vec<u8>) {
        self.kept().note(cursor, true, changes);
    }

    /// Returns what is remembered of this log after a revision.
    pub(super) fn after(
        &self,
        log: LogId,
        revision: Revision,
    ) -> Vec<((Revision, [u8; 16]), Remembered)> {
        let kept = self.kept();
        if kept.log != log {
            return Vec::new();
        }
        let after = kept.entries.iter().filter(|((at, _), _)| *at > revision);
        after.map(|(key, entry)| (*key, entry.clone())).collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn note(&mut self, cursor: Cursor, acknowledged: bool, changes: Vec<u8>) {
        if self.log != cursor.log {
            *self = Self {
                log: cursor.log,
                ..Self::default()
            };
        }
        let key = (cursor.revision, cursor.fingerprint.0);
        if let Some(known) = self.entries.get_mut(&key) {
            known.acknowledged |= acknowledged;
            return;
        }
        self.bytes += changes.len();
        let entry = Remembered {
            acknowledged,
            changes,
        };
        self.entries.insert(key, entry);
        while self.entries.len() > MOST_ENTRIES || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.entries.pop_first() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.changes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;

    fn at(log: u8, revision: u64) -> Cursor {
        Cursor {
            log: LogId([log; 16]),
            revision: Revision(revision),
            fingerprint: Fingerprint([7; 16]),
        }
    }

    #[test]
    fn the_newest_of_one_log_stay() {
        let recent = Recent::default();
        for revision in 1..=3 {
            recent.acknowledged(at(1, revision), vec![u8::try_from(revision).unwrap()]);
        }
        let after = |log, revision| recent.after(LogId([log; 16]), Revision(revision)).len();
        assert_eq!(after(1, 0), 3);
        assert_eq!(after(1, 2), 1);
        assert_eq!(after(2, 0), 0);
        recent.acknowledged(at(1, 4), vec![0; MOST_BYTES]);
        assert_eq!(after(1, 0), 1, "the older ones make room");
        recent.acknowledged(at(2, 1), Vec::new());
        assert_eq!((after(1, 0), after(2, 0)), (0, 1));
    }
}
