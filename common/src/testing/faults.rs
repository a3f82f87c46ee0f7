//! This file is a feed in memory that fails as a test requests: answers held back, wrong, or none at
//! all. It tests followers; the real stores have their own suite.
//!
//! Every wait of a caller is a [`Point`] that a test can close and open again. The answer of a call is
//! made between the point before it and the point after it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use crate::{
    clock::{Clock, UnixMillis},
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    state::{
        Entry, State,
        record::{Change, Kind, Record},
    },
    store::{
        Confirmed, Feed, FeedError, HandedIn, Head, PAGE_SERIALS, Report, Snapshot, SnapshotPart,
    },
};

/// The points at which a call can be held. A piece of a snapshot is read between its two points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// The point before a piece of a snapshot is read.
    PieceAsked,
    /// The point after a piece of a snapshot was read, before it is returned.
    PieceAnswered,
    /// The point before the log is read.
    LogAsked,
    /// The point after the log was read, before the entries are returned.
    LogAnswered,
    /// The point before the answer of a confirm is made.
    ConfirmAsked,
    /// The point after the answer of a confirm was made, before it is returned.
    ConfirmAnswered,
}

/// The closed points: kinds of point, or the n-th point passed at all.
#[derive(Default)]
struct Gates {
    points: Vec<Point>,
    step: Option<u64>,
}

impl Gates {
    fn closed(&self, point: Point, step: u64) -> bool {
        self.points.contains(&point) || self.step == Some(step)
    }
}

type Rewrite = Box<dyn Fn(&mut Entry) + Send>;

struct Truth {
    log: LogId,
    entries: Vec<Entry>,
    /// The fold of the entries.
    state: State,
    serial: Serial,
    /// Entries up to this revision are trimmed away.
    trimmed: Revision,
    away: bool,
    /// If set, no cursor is checked against the log.
    blind: bool,
    /// The number of users that the head counts and that don't exist.
    ghosts: u64,
    rewrite: Option<Rewrite>,
    /// If set, the store's clock stands still at this time.
    time: Option<UnixMillis>,
    seed: u8,
    /// What followers handed in.
    handed: Vec<HandedIn>,
}

impl Truth {
    fn head(&self) -> Cursor {
        let start = Cursor::start(self.log);
        self.entries.last().map_or(start, |entry| entry.cursor)
    }

    /// Folds the entries that are left.
    fn refold(&mut self) {
        self.state = State::new(self.log);
        for entry in &self.entries {
            // This can't fail: the entries were made in order, each after the last.
            let _ = self.state.apply(entry);
        }
    }

    fn full_head(&self) -> Head {
        let mut counts = self.state.counts();
        if let Some(users) = counts.kinds.get_mut(Kind::User as usize) {
            *users += self.ghosts;
        }
        Head {
            cursor: self.head(),
            counts,
            serial: self.serial,
        }
    }

    fn present(&self) -> Result<(), FeedError> {
        if self.away {
            return Err(FeedError::Unavailable("away".into()));
        }
        Ok(())
    }

    fn on_log(&self, cursor: &Cursor) -> Result<(), FeedError> {
        self.present()?;
        let known = *cursor == Cursor::start(self.log)
            || self.entries.iter().any(|entry| entry.cursor == *cursor);
        if self.blind || (known && cursor.revision >= self.trimmed) {
            return Ok(());
        }
        Err(FeedError::Lost(format!("not at {}", cursor.revision)))
    }
}

/// A feed in memory whose answers a test can hold back or make wrong.
pub struct FaultyFeed {
    clock: Arc<dyn Clock>,
    truth: Mutex<Truth>,
    head: watch::Sender<Cursor>,
    gates: watch::Sender<Gates>,
    held: watch::Sender<Vec<Point>>,
    steps: watch::Sender<u64>,
}

/// Marks a held call; dropped when the call is no longer held, or gone.
struct Holding<'a>(&'a FaultyFeed, Point);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.held.send_modify(|held| {
            if let Some(at) = held.iter().position(|point| *point == self.1) {
                held.swap_remove(at);
            }
        });
    }
}

impl FaultyFeed {
    /// Makes a feed of an empty log, with every point open and nothing wrong.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let log = LogId([1; 16]);
        Arc::new(Self {
            clock,
            truth: Mutex::new(Truth {
                log,
                entries: Vec::new(),
                state: State::new(log),
                serial: Serial(0),
                trimmed: Revision(0),
                away: false,
                blind: false,
                ghosts: 0,
                rewrite: None,
                time: None,
                seed: 0,
                handed: Vec::new(),
            }),
            head: watch::Sender::new(Cursor::start(log)),
            gates: watch::Sender::default(),
            held: watch::Sender::default(),
            steps: watch::Sender::default(),
        })
    }

    /// Commits the changes; they are acknowledged when this returns.
    pub fn commit(&self, changes: Vec<Change>) -> Cursor {
        let mut truth = self.truth();
        let before = truth.head();
        let revision = Revision(before.revision.0 + 1);
        let mut fingerprint = [truth.seed; 16];
        if let Some((_, rest)) = fingerprint.split_first_mut() {
            for (to, byte) in rest.iter_mut().zip(revision.0.to_be_bytes()) {
                *to = byte;
            }
        }
        let cursor = Cursor {
            log: truth.log,
            revision,
            fingerprint: Fingerprint(fingerprint),
        };
        let entry = Entry {
            cursor,
            predecessor: before.fingerprint,
            serial: truth.serial,
            time: self.clock.unix(),
            changes,
        };
        let _ = truth.state.apply(&entry);
        truth.entries.push(entry);
        drop(truth);
        self.head.send_replace(cursor);
        cursor
    }

    /// Raises the serial counter by one, and gives out the new serial.
    pub fn take_serial(&self) -> Serial {
        let mut truth = self.truth();
        truth.serial.0 += 1;
        truth.serial
    }

    /// Forgets everything after this revision; the next commits are another history.
    pub fn roll_back(&self, to: Revision) {
        let mut truth = self.truth();
        truth.entries.retain(|entry| entry.cursor.revision <= to);
        truth.seed += 1;
        truth.refold();
        let head = truth.head();
        drop(truth);
        self.head.send_replace(head);
    }

    /// Forgets everything, and begins another log.
    pub fn wipe(&self) {
        let mut truth = self.truth();
        truth.entries.clear();
        truth.trimmed = Revision(0);
        truth.log.0 = truth.log.0.map(|byte| byte + 1);
        truth.refold();
        let head = truth.head();
        drop(truth);
        self.head.send_replace(head);
    }

    /// Returns what followers handed in.
    pub fn handed(&self) -> Vec<HandedIn> {
        self.truth().handed.clone()
    }

    /// Trims the log: a reader whose cursor is before this revision is lost.
    pub fn trim(&self, to: Revision) {
        self.truth().trimmed = to;
    }

    /// Makes every call fail while set.
    pub fn away(&self, away: bool) {
        self.truth().away = away;
    }

    /// Makes the feed answer for cursors that aren't on its log.
    pub fn blind(&self, blind: bool) {
        self.truth().blind = blind;
    }

    /// Makes the head count this many users too many.
    pub fn ghosts(&self, ghosts: u64) {
        self.truth().ghosts = ghosts;
    }

    /// Makes the store's clock stand at this time; `None`: it is the test's clock.
    pub fn tell_time(&self, time: Option<UnixMillis>) {
        self.truth().time = time;
    }

    /// Changes each entry that `read_log` returns.
    pub fn rewrite(&self, rewrite: impl Fn(&mut Entry) + Send + 'static) {
        self.truth().rewrite = Some(Box::new(rewrite));
    }

    /// Closes the point: calls that come to it wait.
    pub fn close(&self, point: Point) {
        self.gates.send_modify(|gates| gates.points.push(point));
    }

    /// Lets calls pass this point again, also the calls that are held there.
    pub fn open(&self, point: Point) {
        self.gates
            .send_modify(|gates| gates.points.retain(|closed| *closed != point));
    }

    /// Holds the call that comes to the n-th point of all, counted from 0.
    pub fn close_step(&self, step: u64) {
        self.gates.send_modify(|gates| gates.step = Some(step));
    }

    /// Reverses [`FaultyFeed::close_step`], and lets the held call pass.
    pub fn open_step(&self) {
        self.gates.send_modify(|gates| gates.step = None);
    }

    /// Returns how many points were passed or reached.
    pub fn steps(&self) -> u64 {
        *self.steps.borrow()
    }

    /// Waits until a call is held at this point.
    pub async fn held(&self, point: Point) {
        let mut held = self.held.subscribe();
        let _ = held.wait_for(|held| held.contains(&point)).await;
    }

    /// Waits until a call is held at any point, and returns the point.
    pub async fn held_anywhere(&self) -> Option<Point> {
        let mut held = self.held.subscribe();
        let held = held.wait_for(|held| !held.is_empty()).await;
        held.ok().and_then(|held| held.first().copied())
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, point: Point) {
        let mut step = 0;
        self.steps.send_modify(|steps| {
            step = *steps;
            *steps += 1;
        });
        let mut gates = self.gates.subscribe();
        if !gates.borrow().closed(point, step) {
            return;
        }
        self.held.send_modify(|held| held.push(point));
        let _holding = Holding(self, point);
        let _ = gates.wait_for(|gates| !gates.closed(point, step)).await;
    }

    /// Makes a piece of the snapshot, as the state is when the piece is requested.
    fn piece(&self, number: usize) -> Result<Option<SnapshotPart>, FeedError> {
        let truth = self.truth();
        truth.present()?;
        let Some(number) = number.checked_sub(1) else {
            return Ok(Some(SnapshotPart::Start(truth.full_head())));
        };
        let state = &truth.state;
        Ok(match Kind::PUBLIC.get(number) {
            Some(kind) => {
                let of_kind = |record: &Record| record.key().kind() == *kind;
                Some(SnapshotPart::Records(
                    state.records().filter(of_kind).collect(),
                ))
            }
            // A page that appears meanwhile holds only bits that the log also reports.
            None => revoked(state, number.saturating_sub(Kind::PUBLIC.len())),
        })
    }
}

/// Returns the page of revoked serials after so many pages; there is always one, although it may be
/// empty.
fn revoked(state: &State, before: usize) -> Option<SnapshotPart> {
    let mut pages = BTreeMap::from([(0, Vec::new())]);
    for serial in state.revoked_serials() {
        let page: &mut Vec<u64> = pages.entry(serial.0 / PAGE_SERIALS).or_default();
        page.push(serial.0 % PAGE_SERIALS);
    }
    let (page, serials) = pages.into_iter().nth(before)?;
    let mut bits = vec![0_u8; usize::try_from(PAGE_SERIALS / 8).unwrap_or(0)];
    for serial in serials {
        let byte = usize::try_from(serial / 8).unwrap_or(usize::MAX);
        if let Some(byte) = bits.get_mut(byte) {
            *byte |= 1 << (serial % 8);
        }
    }
    Some(SnapshotPart::Revoked {
        page,
        bits: Bytes::from(bits),
    })
}

#[async_trait]
impl Feed for FaultyFeed {
    async fn head(&self) -> Result<Head, FeedError> {
        let truth = self.truth();
        truth.present()?;
        Ok(truth.full_head())
    }

    fn snapshot(&self) -> Snapshot<'_> {
        stream::unfold(0, move |number| async move {
            self.pass(Point::PieceAsked).await;
            let piece = self.piece(number);
            self.pass(Point::PieceAnswered).await;
            Some((piece.transpose()?, number + 1))
        })
        .boxed()
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        self.pass(Point::LogAsked).await;
        let mut head = self.head.subscribe();
        let blind = self.truth().blind;
        let moved =
            head.wait_for(|head| head.revision > after.revision || (head != after && !blind));
        let _ = tokio::time::timeout(wait, moved).await;
        let entries = {
            let truth = self.truth();
            truth.on_log(after)?;
            let later = |entry: &&Entry| entry.cursor.revision > after.revision;
            let mut entries: Vec<Entry> = truth.entries.iter().filter(later).cloned().collect();
            if let Some(rewrite) = &truth.rewrite {
                entries.iter_mut().for_each(rewrite);
            }
            entries
        };
        self.pass(Point::LogAnswered).await;
        Ok(entries)
    }

    async fn hand_in(&self, piece: &HandedIn) -> Result<bool, FeedError> {
        self.truth().handed.push(piece.clone());
        Ok(true)
    }

    async fn confirm(&self, _: &Report, applied: &Cursor) -> Result<Confirmed, FeedError> {
        self.pass(Point::ConfirmAsked).await;
        let confirmed = {
            let truth = self.truth();
            truth.on_log(applied)?;
            Confirmed {
                head: truth.full_head(),
                time: truth.time.unwrap_or_else(|| self.clock.unix()),
            }
        };
        self.pass(Point::ConfirmAnswered).await;
        Ok(confirmed)
    }
}
