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
    /// The revisions of a history go on after those of the log before, so that one order holds for both.
    entries: BTreeMap<(Revision, [u8; 16]), (LogId, Remembered)>,
    bytes: usize,
}

/// One entry.
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

    pub(super) fn has(&self, cursor: &Cursor) -> bool {
        let key = (cursor.revision, cursor.fingerprint.0);
        self.kept().entries.contains_key(&key)
    }

    /// Returns what is remembered of these logs after a revision.
    pub(super) fn after(
        &self,
        logs: &[LogId],
        revision: Revision,
    ) -> Vec<((Revision, [u8; 16]), Remembered)> {
        let kept = self.kept();
        let entries = kept.entries.iter();
        let after = entries.filter(|((at, _), (log, _))| *at > revision && logs.contains(log));
        after
            .map(|(key, (_, entry))| (*key, entry.clone()))
            .collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn note(&mut self, cursor: Cursor, entry: Remembered) {
        let key = (cursor.revision, cursor.fingerprint.0);
        // A whole commit says more than its changes.
        if matches!(
            self.entries.get(&key),
            Some((_, Remembered::Acknowledged(_)))
        ) {
            return;
        }
        self.bytes += entry.bytes();
        if let Some((_, old)) = self.entries.insert(key, (cursor.log, entry)) {
            self.bytes = self.bytes.saturating_sub(old.bytes());
        }
        while self.entries.len() > MOST_ENTRIES || self.bytes > MOST_BYTES {
            let Some((_, (_, oldest))) = self.entries.pop_first() else {
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
    fn the_newest_stay() {
        let recent = Recent::default();
        for revision in 1..=3 {
            recent.acknowledged(at(1, revision), vec![u8::try_from(revision).unwrap()]);
        }
        let after = |logs: &[u8], revision| {
            let logs: Vec<LogId> = logs.iter().map(|log| LogId([*log; 16])).collect();
            recent.after(&logs, Revision(revision)).len()
        };
        assert_eq!(after(&[1], 0), 3);
        assert_eq!(after(&[1], 2), 1);
        assert_eq!(after(&[2], 0), 0);
        recent.acknowledged(at(2, 4), vec![4]);
        assert_eq!(after(&[2], 0), 1);
        assert_eq!(after(&[2, 1], 1), 3, "a log and the one before it");
        recent.acknowledged(at(2, 5), vec![0; MOST_BYTES]);
        assert_eq!(after(&[2, 1], 0), 1, "the older ones make room");
    }
}
