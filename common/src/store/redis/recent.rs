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
pub(super) enum Remembered {
    /// What this issuer acknowledged: the whole commit, as the script takes it.
    Acknowledged(Vec<u8>),
    /// What it saw on the log: the changes.
    Seen(Vec<u8>),
}

impl Remembered {
    fn bytes(&self) -> usize {
        match self {
            Self::Acknowledged(bytes) | Self::Seen(bytes) => bytes.len(),
        }
    }
}

impl Recent {
    /// Notes what was seen on the log. It may never have been acknowledged.
    pub(super) fn saw(&self, entries: &[Entry]) {
        let mut kept = self.kept();
        for entry in entries {
            let changes = entry.changes.iter().cloned();
            let changes: Vec<_> = changes.map(|change| change.at(entry.serial)).collect();
            let changes = encode_changes(&changes);
            kept.note(entry.cursor, Remembered::Seen(changes));
        }
    }

    pub(super) fn acknowledged(&self, cursor: Cursor, commit: Vec<u8>) {
        self.kept().note(cursor, Remembered::Acknowledged(commit));
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
    fn note(&mut self, cursor: Cursor, entry: Remembered) {
        if self.log != cursor.log {
            *self = Self {
                log: cursor.log,
                ..Self::default()
            };
        }
        let key = (cursor.revision, cursor.fingerprint.0);
        // A whole commit says more than its changes.
        if matches!(self.entries.get(&key), Some(Remembered::Acknowledged(_))) {
            return;
        }
        self.bytes += entry.bytes();
        if let Some(old) = self.entries.insert(key, entry) {
            self.bytes = self.bytes.saturating_sub(old.bytes());
        }
        while self.entries.len() > MOST_ENTRIES || self.bytes > MOST_BYTES {
            let Some((_, oldest)) = self.entries.pop_first() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.bytes());
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
