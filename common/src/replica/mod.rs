//! A view of the state that follows a feed and knows, by proof, how old it is.
//!
//! This module decides which view a decision sees, and since when that view is fresh. It must not know
//! the caller of a Check, nor what is allowed.
//!
//! **A view is fresh as of the moment its confirm was sent**, and only once it has applied the head
//! that the confirm returned: every commit acknowledged before that moment is then in it.

mod backoff;
mod follow;
#[cfg(feature = "testing")]
#[cfg(test)]
mod tests;
mod usage;

use std::{sync::Arc, time::Duration};

use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard};
use tokio::sync::watch;

use crate::{
    clock::{BootTime, Clock, UnixMillis},
    id::{Cursor, LogId, Revision},
    state::{ApplyError, Entry, State},
};

pub use follow::{Follow, Observer, scan};
pub use usage::Usage;

/// The store's time is known to within a confirm's round trip, and no confirm waits longer than this.
const SLOW_ANSWER: Duration = Duration::from_secs(5);

/// The time since which a view is fresh, and the store's time, by which expiry is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Freshness {
    /// The local time when the confirm was sent.
    pub as_of: BootTime,
    /// The store's time when it answered the confirm.
    pub store_time: UnixMillis,
}

impl Freshness {
    /// Returns the view's age now, counted from the moment when its confirm was sent.
    pub fn age(&self, now: BootTime) -> Duration {
        now.since(self.as_of)
    }

    /// Keeps expired tokens expired when the store's clock goes back, as after a failover: if the step
    /// is larger than a slow answer explains, the old time continues.
    fn not_before(self, old: Option<Self>) -> Self {
        let went_on = old.map_or(self.store_time, |old| old.time(self.as_of));
        if went_on > self.store_time.plus(SLOW_ANSWER) {
            return Self {
                store_time: went_on,
                ..self
            };
        }
        self
    }

    /// Returns the store's time now: never behind it, and ahead by at most the confirm's round trip.
    pub fn time(&self, now: BootTime) -> UnixMillis {
        self.store_time.plus(self.age(now))
    }
}

/// One consistent state, with its freshness.
pub struct View {
    /// All that a decision needs, as of the newest applied entry.
    pub state: State,
    /// The view's freshness. `None`: no confirm has succeeded yet, so the view may allow nothing.
    pub freshness: Option<Freshness>,
}

/// A view shared by many readers and one writer, its follower.
pub struct Replica {
    view: ShardedLock<View>,
    applied: watch::Sender<Cursor>,
    clock: Arc<dyn Clock>,
}

impl Replica {
    /// Makes an empty view, which is not fresh until a follower confirms it.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let nowhere = LogId::default();
        Self {
            view: ShardedLock::new(View {
                state: State::new(nowhere),
                freshness: None,
            }),
            applied: watch::Sender::new(Cursor::start(nowhere)),
            clock,
        }
    }

    /// Returns the view, locked for reading. `None` if its writer panicked during a change: then the
    /// view may decide nothing.
    pub fn view(&self) -> Option<ShardedLockReadGuard<'_, View>> {
        self.view.read().ok()
    }

    /// Returns the clock by which ages are measured.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the cursor of the newest applied entry.
    pub fn cursor(&self) -> Cursor {
        *self.applied.borrow()
    }

    /// Returns the view's age now; `None` before the first confirm.
    pub fn age(&self) -> Option<Duration> {
        let now = self.clock.boot();
        self.view()?.freshness.map(|freshness| freshness.age(now))
    }

    /// Waits until the view has applied this revision of this log. The caller must limit the wait.
    pub async fn reached(&self, log: LogId, revision: Revision) {
        let mut applied = self.applied.subscribe();
        // The sender lives as long as self, so the wait ends only when the revision is applied.
        let _ = applied
            .wait_for(|cursor| cursor.log == log && cursor.revision >= revision)
            .await;
    }

    /// Applies one entry. Readers wait meanwhile; the bounds on entries keep this short.
    fn apply(&self, entry: &Entry) -> Result<(), ApplyError> {
        let cursor = {
            let mut view = self.write();
            if let Err(error) = view.state.apply(entry) {
                if matches!(error, ApplyError::Unstorable) {
                    // The state holds a part of the entry only, so nothing may be allowed by it.
                    view.freshness = None;
                }
                return Err(error);
            }
            view.state.cursor()
        };
        self.applied.send_replace(cursor);
        Ok(())
    }

    /// Records that the view is fresh as of a time. The freshness never goes back.
    fn refresh(&self, freshness: Freshness) {
        let mut view = self.write();
        if view.freshness.is_none_or(|old| old.as_of < freshness.as_of) {
            view.freshness = Some(freshness.not_before(view.freshness));
        }
    }

    /// Replaces the state. The old state is dropped after the lock is released, so that no reader waits
    /// for it.
    fn replace(&self, state: State, freshness: Freshness) {
        let cursor = state.cursor();
        let mut view = self.write();
        let new = View {
            state,
            freshness: Some(freshness.not_before(view.freshness)),
        };
        let old = std::mem::replace(&mut *view, new);
        drop(view);
        self.applied.send_replace(cursor);
        drop(old);
    }

    fn write(&self) -> crossbeam_utils::sync::ShardedLockWriteGuard<'_, View> {
        // After a panic of the writer readers see the poison and refuse; the writer may go on to
        // replace the state.
        self.view.write().unwrap_or_else(|e| e.into_inner())
    }
}
