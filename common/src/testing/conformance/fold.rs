//! This file is the smallest fold of a log, with which the suite compares a store's snapshot. It is not
//! the product's own fold, so that one mistake can't hide in both.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;

use crate::{
    id::{Cursor, Serial},
    state::{
        Counts, Entry,
        key::Key,
        record::{Approval, Change, Floor, FloorTarget, OrgTokenView, Record},
    },
    store::{Feed, Head, PAGE_SERIALS, SnapshotPart},
};

#[derive(Default, PartialEq, Eq, Debug)]
pub(super) struct Fold {
    records: BTreeMap<Key, Record>,
    revoked: BTreeSet<u64>,
}

impl Fold {
    pub(super) fn apply(&mut self, entry: &Entry) {
        for change in &entry.changes {
            match change {
                Change::Put(Record::Floor(floor)) => self.raise(&floor.target, floor.serial),
                Change::Put(Record::OrgTokenView(view)) if self.is_revoked(view) => {}
                Change::Put(record) => self.insert(record.clone()),
                Change::Delete(key) => {
                    self.records.remove(&Key::from_record_key(key));
                }
                Change::Retire(key) => {
                    self.records.remove(&Key::from_record_key(key));
                    self.insert(Record::Retired(key.retired().unwrap()));
                }
                Change::Revoke(serials) => self.revoked.extend(serials.iter().map(|s| s.0)),
                Change::RaiseFloor(target) => self.raise(target, entry.serial),
            }
        }
    }

    fn insert(&mut self, record: Record) {
        self.records
            .insert(Key::from_record_key(&record.key()), record);
    }

    /// Reports whether an org revoked this view, which then stays as it is.
    fn is_revoked(&self, view: &OrgTokenView) -> bool {
        let key = Key::from_record_key(&Record::OrgTokenView(view.clone()).key());
        let stands = self.records.get(&key);
        matches!(stands, Some(Record::OrgTokenView(it)) if it.state == Approval::Revoked)
    }

    fn raise(&mut self, target: &FloorTarget, serial: Serial) {
        let raised = |serial| {
            Record::Floor(Floor {
                target: target.clone(),
                serial,
            })
        };
        let key = Key::from_record_key(&raised(serial).key());
        let old = match self.records.get(&key) {
            Some(Record::Floor(floor)) => floor.serial,
            _ => Serial(0),
        };
        self.insert(raised(serial.max(old)));
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts {
            revoked: self.revoked.len() as u64,
            ..Counts::default()
        };
        for key in self.records.keys() {
            counts.kinds[key.kind as usize] += 1;
        }
        counts
    }

    pub(super) fn part(&mut self, part: SnapshotPart) {
        match part {
            SnapshotPart::Start(head) => panic!("a second start: {head:?}"),
            SnapshotPart::Records(records) => {
                for record in records {
                    self.insert(record);
                }
            }
            SnapshotPart::Revoked { page, bits } => {
                assert!(bits.len() as u64 * 8 <= PAGE_SERIALS);
                for (byte, bits) in bits.iter().enumerate() {
                    let set = (0..8).filter(|bit| bits & (1 << bit) != 0);
                    let first = page * PAGE_SERIALS + byte as u64 * 8;
                    self.revoked.extend(set.map(|bit| first + bit));
                }
            }
        }
    }
}

/// Reads the whole snapshot, and the head before it.
pub(super) async fn scan(feed: &dyn Feed) -> (Head, Fold) {
    let mut parts = feed.snapshot();
    let first = parts.next().await.unwrap().unwrap();
    let SnapshotPart::Start(head) = first else {
        panic!("a snapshot must begin with its head, not {first:?}");
    };
    let mut fold = Fold::default();
    while let Some(part) = parts.next().await {
        fold.part(part.unwrap());
    }
    (head, fold)
}

/// Folds the log from its start.
pub(super) fn fold(entries: &[Entry]) -> Fold {
    let mut fold = Fold::default();
    for entry in entries {
        fold.apply(entry);
    }
    fold
}

/// Asserts that each entry follows the one before it.
pub(super) fn assert_chained(after: Cursor, entries: &[Entry]) {
    let mut before = after;
    for entry in entries {
        assert_eq!(entry.cursor.log, before.log);
        assert_eq!(entry.cursor.revision.0, before.revision.0 + 1);
        assert_eq!(entry.predecessor, before.fingerprint);
        before = entry.cursor;
    }
}
