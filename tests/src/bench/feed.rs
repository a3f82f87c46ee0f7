//! A feed without a store: a hub's records as a snapshot, and a log that grows at a set pace. Each entry
//! is a function of its revision.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokenward_common::{
    clock::{BootTime, Clock, SystemClock},
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    state::{
        Entry,
        record::{Change, OrgRole},
    },
    store::{
        Confirmed, Feed, FeedError, HandedIn, Head, MAX_BATCH, Report, Snapshot, SnapshotPart,
    },
};
use tonic::async_trait;

use super::{hub::Hub, now, spread};

const LOG: LogId = LogId([7; 16]);
const PART: u64 = 1000;
/// The first serial that the log revokes. It is above the serials of all tokens.
const FIRST_REVOKED: u64 = 50_000_000;
const TICK: Duration = Duration::from_millis(1);

/// The pace at which the log grows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    pub(super) entries_per_second: u64,
    pub(super) changes_per_entry: u64,
}

pub(super) struct HubFeed {
    hub: Hub,
    pace: Pace,
    start: BootTime,
}

impl HubFeed {
    pub(super) fn new(hub: Hub, pace: Pace) -> Self {
        Self {
            hub,
            pace,
            start: now(),
        }
    }

    fn head_revision(&self) -> u64 {
        let elapsed = now().since(self.start).as_micros() as u64;
        1 + elapsed * self.pace.entries_per_second / 1_000_000
    }

    fn cursor(revision: u64) -> Cursor {
        let mut fingerprint = [0; 16];
        for (to, from) in fingerprint.iter_mut().zip(revision.to_be_bytes()) {
            *to = from;
        }
        Cursor {
            log: LOG,
            revision: Revision(revision),
            fingerprint: Fingerprint(fingerprint),
        }
    }

    fn head_at(&self, revision: u64) -> Head {
        let mut counts = self.hub.counts();
        counts.revoked = (revision - 1) * self.pace.changes_per_entry.div_ceil(2);
        Head {
            cursor: Self::cursor(revision),
            counts,
            serial: Serial(FIRST_REVOKED),
        }
    }

    /// Returns an entry of revocations and changes of org role, in turn.
    fn entry(&self, revision: u64) -> Result<Entry, FeedError> {
        let changes = (0..self.pace.changes_per_entry).map(|index| {
            let number = revision * self.pace.changes_per_entry + index;
            Ok(if index.is_multiple_of(2) {
                Change::Revoke(vec![Serial(FIRST_REVOKED + number)])
            } else {
                let user = spread(number) % self.hub.users;
                let member = self.hub.member(user, OrgRole::Write);
                Change::Put(member.map_err(|e| FeedError::Corrupt(e.to_string()))?)
            })
        });
        Ok(Entry {
            cursor: Self::cursor(revision),
            predecessor: Self::cursor(revision - 1).fingerprint,
            serial: Serial(FIRST_REVOKED),
            time: SystemClock.unix(),
            changes: changes.collect::<Result<_, FeedError>>()?,
        })
    }
}

#[async_trait]
impl Feed for HubFeed {
    async fn head(&self) -> Result<Head, FeedError> {
        Ok(self.head_at(self.head_revision()))
    }

    fn snapshot(&self) -> Snapshot<'_> {
        let start = stream::iter([Ok(SnapshotPart::Start(self.head_at(1)))]);
        let hub = self.hub;
        let parts = (0..hub.records().div_ceil(PART)).map(move |part| {
            let last = hub.records().min((part + 1) * PART);
            (part * PART..last)
                .map(|number| hub.record(number))
                .collect::<anyhow::Result<_>>()
                .map(SnapshotPart::Records)
                .map_err(|e| FeedError::Corrupt(e.to_string()))
        });
        start.chain(stream::iter(parts)).boxed()
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        if self.pace.entries_per_second == 0 {
            tokio::time::sleep(wait).await;
            return Ok(Vec::new());
        }
        loop {
            let first = after.revision.0 + 1;
            let last = self
                .head_revision()
                .min(after.revision.0 + MAX_BATCH as u64);
            if first <= last {
                return (first..=last)
                    .map(|revision| self.entry(revision))
                    .collect();
            }
            tokio::time::sleep(TICK).await;
        }
    }

    async fn hand_in(&self, _: &HandedIn) -> Result<bool, FeedError> {
        Ok(true)
    }

    async fn confirm(&self, _: &Report, _: &Cursor) -> Result<Confirmed, FeedError> {
        Ok(Confirmed {
            head: self.head_at(self.head_revision()),
            time: SystemClock.unix(),
        })
    }
}
