//! This file keeps a [`Replica`] in step with a feed: it reads the snapshot and the log, confirms, and
//! starts again when its cursor is lost. It must not know what the entries mean or which store is
//! behind the feed.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    id::Cursor,
    replica::{
        Freshness, Replica, Usage,
        backoff::{Backoff, chance, spread},
        clocks::Clocks,
        handing::Handing,
    },
    state::{Counts, State, record::Kind},
    store::{Confirmed, Feed, FeedError, Report, SnapshotPart, Used, guards::Guards},
};

/// The longest wait of one read of the log. A confirm detects a silent loss sooner.
const LOG_WAIT: Duration = Duration::from_secs(5);
/// The first pause after a failure; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A follower that followed the log for this long has recovered, so its pause starts small again.
const LASTED: Duration = Duration::from_secs(10);
/// The most confirms whose heads aren't applied yet. A full queue keeps its older confirms: the
/// freshness of a view that stays behind must still advance.
const MOST_PENDING: usize = 64;

/// The events of a follower that a program counts.
pub trait Observer: Send + Sync + 'static {
    /// The state was built anew from a snapshot.
    fn rebuilt(&self) {}
    /// The following began from a view that an earlier process had saved.
    fn resumed(&self) {}
    /// A confirm was answered; this was its round trip.
    fn confirmed(&self, _took: Duration) {}
    /// The feed could not be read.
    fn failed(&self) {}
    /// The local clock differs from the store's by this much.
    fn clock_off(&self, _by: Duration) {}
    /// The store's clock stepped between two confirms.
    fn store_clock_stepped(&self) {}
    /// The store's clock went back, and the time by which tokens expire is held ahead of it by this much.
    /// Zero: it is not held.
    fn time_held(&self, _by: Duration) {}
    /// An entry was applied this long after its commit, by the store's clock.
    fn applied(&self, _lag: Duration) {}
    /// This many changes that the store had lost were handed in.
    fn handed_in(&self, _changes: usize) {}
}

impl Observer for () {}

/// A follower of one feed, to be [`run`](Follow::run).
pub struct Follow {
    /// The source of the snapshot and the log, which also takes the confirms.
    pub feed: Arc<dyn Feed>,
    /// The view that is kept in step. This follower is its only writer.
    pub replica: Arc<Replica>,
    /// The follower's name in its receipts. No other live follower may have it.
    pub name: String,
    /// The bound that [`Report`] declares: the longest time for which one confirm lets the view answer.
    pub bound: Option<Duration>,
    /// The tokens that were seen in use.
    pub usage: Arc<Usage>,
    /// The longest pause after a confirm's answer. A newly applied entry ends it sooner.
    pub confirm_interval: Duration,
    /// The guards that are on. Every program sets all of them.
    pub guards: Guards,
    /// The observer of the follower's events; `()` ignores them.
    pub observer: Arc<dyn Observer>,
}

/// A confirm whose head the view hasn't applied yet.
struct Pending {
    confirmed: Confirmed,
    freshness: Freshness,
}

/// The state that the log's reader and the confirmer share.
#[derive(Default)]
struct Shared {
    pending: Mutex<VecDeque<Pending>>,
    applied: Notify,
}

impl Follow {
    /// Follows until stopped. It never gives up: while the feed can't be read, the view grows old.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&self) -> ! {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut resume = self.replica.was_restored();
        let handing = Handing::default();
        loop {
            if resume {
                resume = false;
                self.observer.resumed();
                let cursor = self.replica.cursor();
                info!(revision = cursor.revision.0, log = %cursor.log, "following on");
            } else if let Err(error) = self.rebuild(&handing).await {
                self.observer.failed();
                warn!(%error, "no snapshot");
                backoff.pause().await;
                continue;
            }
            let began = self.replica.clock().boot();
            let error = self.tail(&handing).await;
            self.replica.outdated.store(true, SeqCst);
            self.observer.failed();
            warn!(%error, "lost the log, starting again from a snapshot");
            // Without a pause a follower that never lasts would read the whole store endlessly.
            if self.replica.clock().boot().since(began) > LASTED {
                backoff.reset();
            }
            backoff.pause().await;
            // All followers lose a log at once. While the old view serves, they need not read it all at once.
            tokio::time::sleep(spread(self.spare(), chance())).await;
        }
    }

    /// Returns for how long the view may still serve at most.
    fn spare(&self) -> Duration {
        let (bound, age) = (self.bound, self.replica.age());
        let spare = bound.zip(age).map(|(bound, age)| bound.saturating_sub(age));
        spare.unwrap_or_default()
    }

    /// Builds a new state, catches up with a head that was confirmed after the scan, and replaces the
    /// old state. Meanwhile the old state still serves, as long as it is fresh enough.
    async fn rebuild(&self, handing: &Handing) -> Result<(), FeedError> {
        let mut state = scan(&*self.feed).await?;
        let clock = self.replica.clock();
        let sent = clock.boot();
        let report = self.report(Vec::new());
        let confirmed = self.feed.confirm(&report, &state.cursor()).await?;
        let freshness = Freshness::confirmed(sent, clock.boot(), confirmed.time);
        let head = confirmed.head.cursor;
        while state.cursor().revision < head.revision {
            for entry in self.feed.read_log(&state.cursor(), LOG_WAIT).await? {
                if entry.cursor.revision > head.revision {
                    break;
                }
                state.apply(&entry).map_err(lost)?;
            }
        }
        self.check_head(&state.cursor(), &confirmed)?;
        self.check_counts(&state.counts(), &confirmed)?;
        if self.guards.monotone
            && let Some(old) = self.replica.view()
        {
            let heard = self.replica.heard().clone();
            handing.note(
                &self.name,
                &old.state,
                &heard,
                &state,
                confirmed.head.serial,
            );
            state.keep_monotone_of(&old.state).map_err(corrupt)?;
        }
        self.replica.heard_of(confirmed.head.serial);
        let cursor = state.cursor();
        self.tell_held(self.replica.replace(state, freshness));
        self.observer.rebuilt();
        info!(revision = cursor.revision.0, log = %cursor.log, "following");
        Ok(())
    }

    fn report(&self, used: Vec<Used>) -> Report {
        Report {
            follower: self.name.clone(),
            bound: self.bound,
            used,
        }
    }

    /// Reads the log, confirms, and hands in what the store lost, concurrently, until the cursor is lost.
    async fn tail(&self, handing: &Handing) -> FeedError {
        let shared = Shared::default();
        tokio::select! {
            error = self.read(&shared) => error,
            error = self.confirm(&shared) => error,
            error = handing.run(&*self.feed, &*self.observer) => error,
        }
    }

    async fn read(&self, shared: &Shared) -> FeedError {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let entries = match self.feed.read_log(&self.replica.cursor(), LOG_WAIT).await {
                Ok(entries) => entries,
                Err(error @ FeedError::Unavailable(_)) => {
                    self.observer.failed();
                    warn!(%error, "can't read the log");
                    backoff.pause().await;
                    continue;
                }
                Err(error) => return error,
            };
            backoff.reset();
            let any = !entries.is_empty();
            for mut entry in entries {
                if !self.guards.fingerprints {
                    entry.predecessor = self.replica.cursor().fingerprint;
                }
                if let Err(error) = self.replica.apply(&entry) {
                    return lost(error);
                }
                self.observe_lag(entry.time);
                if let ControlFlow::Break(error) = self.settle(shared) {
                    return error;
                }
            }
            if any {
                shared.applied.notify_one();
            }
        }
    }

    /// Confirms at every interval, and at once after an entry was applied. One confirm is in flight at
    /// a time.
    async fn confirm(&self, shared: &Shared) -> FeedError {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut clocks = Clocks::default();
        loop {
            let applied = self.replica.cursor();
            let mut report = self.report(self.usage.take());
            let sent = self.replica.clock().boot();
            let confirmed = self.feed.confirm(&report, &applied).await;
            if confirmed.is_err() {
                self.usage.give_back(std::mem::take(&mut report.used));
            }
            match confirmed {
                Ok(confirmed) => {
                    backoff.reset();
                    self.replica.heard_of(confirmed.head.serial);
                    let answered = self.replica.clock().boot();
                    self.observer.confirmed(answered.since(sent));
                    self.compare_clocks(&mut clocks, sent, answered, confirmed.time);
                    let freshness = Freshness::confirmed(sent, answered, confirmed.time);
                    push(
                        shared,
                        Pending {
                            confirmed,
                            freshness,
                        },
                    );
                    if let ControlFlow::Break(error) = self.settle(shared) {
                        return error;
                    }
                }
                Err(error @ FeedError::Unavailable(_)) => {
                    self.observer.failed();
                    warn!(%error, "can't confirm");
                    backoff.pause().await;
                    continue;
                }
                Err(error) => return error,
            }
            let _ = tokio::time::timeout(self.confirm_interval, shared.applied.notified()).await;
        }
    }

    /// Refreshes the view by every confirm whose head is applied now.
    fn settle(&self, shared: &Shared) -> ControlFlow<FeedError> {
        let mut pending = shared.pending.lock().unwrap_or_else(|e| e.into_inner());
        while let Some(first) = pending.front() {
            let applied = self.replica.cursor();
            let head = first.confirmed.head.cursor;
            if self.guards.applied_head && head.revision > applied.revision {
                break;
            }
            if let Err(error) = self.check_head(&applied, &first.confirmed) {
                return ControlFlow::Break(error);
            }
            if head.revision == applied.revision
                && let Some(view) = self.replica.view()
                && let Err(error) = self.check_counts(&view.state.counts(), &first.confirmed)
            {
                return ControlFlow::Break(error);
            }
            self.tell_held(self.replica.refresh(first.freshness));
            pending.pop_front();
        }
        ControlFlow::Continue(())
    }

    /// Checks that a head with the applied revision is the same entry as the applied one.
    fn check_head(&self, applied: &Cursor, confirmed: &Confirmed) -> Result<(), FeedError> {
        let head = confirmed.head.cursor;
        if self.guards.fingerprints && head.revision == applied.revision && head != *applied {
            return Err(FeedError::Lost(format!(
                "another entry has revision {}",
                head.revision
            )));
        }
        Ok(())
    }

    /// Compares the counts of view and store. A count that only grows may be larger here than in a
    /// store that lost records. No count may be smaller than the store's.
    fn check_counts(&self, ours: &Counts, confirmed: &Confirmed) -> Result<(), FeedError> {
        if !self.guards.counts {
            return Ok(());
        }
        let theirs = &confirmed.head.counts;
        let mut wrong = (ours.revoked < theirs.revoked)
            .then(|| format!("{} revoked serials, not {}", ours.revoked, theirs.revoked));
        for kind in Kind::PUBLIC {
            let (ours, theirs) = (ours.get(kind), theirs.get(kind));
            if ours < theirs || (ours > theirs && !kind.is_kept()) {
                wrong = Some(format!("{ours} records of kind {kind:?}, not {theirs}"));
            }
        }
        match wrong {
            None => Ok(()),
            Some(wrong) => {
                error!(
                    revision = confirmed.head.cursor.revision.0,
                    wrong, "the view is not the store's state"
                );
                Err(FeedError::Lost(format!("the view holds {wrong}")))
            }
        }
    }
}

/// Reads a snapshot: the state at its head or later, piece by piece.
pub async fn scan(feed: &dyn Feed) -> Result<State, FeedError> {
    let mut parts = feed.snapshot();
    let Some(SnapshotPart::Start(head)) = parts.next().await.transpose()? else {
        return Err(FeedError::Unavailable(
            "the snapshot began without a head".into(),
        ));
    };
    let mut state = State::new(head.cursor.log);
    while let Some(part) = parts.next().await.transpose()? {
        match part {
            SnapshotPart::Start(_) => {
                return Err(FeedError::Unavailable("the snapshot began twice".into()));
            }
            SnapshotPart::Records(records) => {
                for record in records {
                    state.load(record).map_err(corrupt)?;
                }
            }
            SnapshotPart::Revoked { page, bits } => {
                state.load_page(page, &bits).map_err(corrupt)?;
            }
        }
    }
    state.set_cursor(head.cursor);
    Ok(state)
}

fn push(shared: &Shared, confirm: Pending) {
    let mut pending = shared.pending.lock().unwrap_or_else(|e| e.into_inner());
    if pending.len() >= MOST_PENDING {
        pending.pop_back();
    }
    pending.push_back(confirm);
}

fn corrupt(error: impl std::fmt::Display) -> FeedError {
    FeedError::Corrupt(error.to_string())
}

fn lost(error: impl std::fmt::Display) -> FeedError {
    FeedError::Lost(error.to_string())
}
