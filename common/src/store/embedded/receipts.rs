//! This file keeps the followers' receipts. They are about processes that talk to this one, so they
//! live in memory. But each follower and its bound are on disk before its first confirm is answered:
//! after a restart no follower is forgotten that may still answer by an older view. It must not know
//! the file.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::BootTime,
    id::{Cursor, LogId, Revision},
    store::{Receipt, Report},
};

/// At most this many followers are kept; beyond it those that sent no confirm for longest are
/// forgotten.
const MOST: usize = 4096;
/// A follower that sent no confirm for this long, many times every bound, is forgotten.
const KEPT: Duration = Duration::from_secs(24 * 3600);

struct Known {
    receipt: Receipt,
    heard: BootTime,
}

#[derive(Default)]
pub(super) struct Receipts(Mutex<BTreeMap<String, Known>>);

impl Receipts {
    /// Makes the receipts from the followers on disk; it is unknown what they have applied.
    pub(super) fn recall(followers: Vec<(String, Option<Duration>)>, now: BootTime) -> Self {
        let known = followers.into_iter().map(|(follower, bound)| {
            let receipt = unheard(&follower, bound);
            (
                follower,
                Known {
                    receipt,
                    heard: now,
                },
            )
        });
        Self(Mutex::new(known.collect()))
    }

    /// Begins a confirm. It must be called before the head is read, so that a caller that reads the
    /// receipts after a commit which this confirm doesn't see knows of the follower. Returns `false` if
    /// the follower must be written down first.
    pub(super) fn begin(&self, report: &Report, now: BootTime) -> bool {
        let mut known = self.known();
        match known.get_mut(&report.follower) {
            Some(known) if known.receipt.bound >= report.bound => {
                known.receipt.mark += 1;
                known.heard = now;
                true
            }
            _ => false,
        }
    }

    /// Notes that the follower was written down.
    pub(super) fn admit(&self, report: &Report, now: BootTime) {
        let mut known = self.known();
        let new = || Known {
            receipt: unheard(&report.follower, report.bound),
            heard: now,
        };
        let one = known.entry(report.follower.clone()).or_insert_with(new);
        one.receipt.bound = one.receipt.bound.max(report.bound);
        one.receipt.mark += 1;
        one.heard = now;
    }

    /// Notes that the confirm found its cursor on the log.
    pub(super) fn applied(&self, report: &Report, applied: &Cursor) {
        if let Some(known) = self.known().get_mut(&report.follower) {
            known.receipt.log = applied.log;
            known.receipt.applied = applied.revision;
            known.receipt.mark += 1;
            // This is a goodbye: the follower answers no requests from now on. The disk may keep the
            // old bound.
            if report.bound.is_none() {
                known.receipt.bound = None;
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Receipt> {
        let known = self.known();
        known.values().map(|known| known.receipt.clone()).collect()
    }

    /// Forgets old followers, and returns those that must be deleted from the disk.
    pub(super) fn forget(&self, now: BootTime) -> Vec<String> {
        let mut known = self.known();
        let mut gone: Vec<String> = known
            .iter()
            .filter(|(_, known)| now.since(known.heard) > KEPT)
            .map(|(follower, _)| follower.clone())
            .collect();
        let over = known.len().saturating_sub(MOST + gone.len());
        if over > 0 {
            let mut oldest: Vec<_> = known.iter().map(|(f, k)| (k.heard, f.clone())).collect();
            oldest.sort();
            gone.extend(oldest.into_iter().take(over).map(|(_, follower)| follower));
        }
        for follower in &gone {
            known.remove(follower);
        }
        gone
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unheard(follower: &str, bound: Option<Duration>) -> Receipt {
    Receipt {
        follower: follower.to_owned(),
        log: LogId::default(),
        applied: Revision(0),
        bound,
        mark: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_that_asks_again_is_heard_before_it_is_answered() {
        let receipts = Receipts::default();
        let report = Report {
            bound: Some(Duration::from_secs(5)),
            ..Report::from("edge-1")
        };
        assert!(!receipts.begin(&report, BootTime(1)));
        receipts.admit(&report, BootTime(1));
        let mark = receipts.all()[0].mark;
        assert!(receipts.begin(&report, BootTime(2)));
        assert!(receipts.all()[0].mark > mark);
        assert_eq!(receipts.all()[0].applied, Revision(0));
        // A longer bound than the one on disk must be written down.
        let longer = Report {
            bound: Some(Duration::from_secs(6)),
            ..report
        };
        assert!(!receipts.begin(&longer, BootTime(3)));
        let day = u64::try_from(KEPT.as_nanos()).unwrap();
        assert_eq!(receipts.forget(BootTime(day)), Vec::<String>::new());
        assert_eq!(receipts.forget(BootTime(day + 3)), ["edge-1"]);
        assert_eq!(receipts.all(), []);
    }
}
