//! A view of the state that follows a feed and knows, by proof, how old it is.
//!
//! Decides which view a decision sees, and since when that view is fresh. Must not know who asks,
//! nor what is allowed.
//!
//! **A view is fresh as of the moment its confirm was sent**, and only once it has applied the head
//! that the confirm returned: every commit acknowledged before that moment is then in it.

mod backoff;
mod follow;
#[cfg(feature = "conformance")]
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

pub use follow::{Follow, Observer};
pub use usage::Usage;

/// The store's time is known to within a confirm's round trip; no answer is waited for longer.
const SLOW_ANSWER: Duration = Duration::from_secs(5);

/// Since when a view is fresh, and the store's time to judge expiry by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Freshness {
    /// When the confirm was sent.
    pub as_of: BootTime,
    /// The store's time when it answered.
    pub store_time: UnixMillis,
}

impl Freshness {
    /// How old the view is now, counted from the moment when its confirm was sent.
    pub fn age(&self, now: BootTime) -> Duration {
        now.since(self.as_of)
    }

    /// A store's clock that goes back, as after a failover, brings no expired token back to life:
    /// beyond what a slow answer explains, the time goes on from the old one.
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

    /// The store's time now: never behind it, ahead of it by at most the confirm's round trip.
    pub fn time(&self, now: BootTime) -> UnixMillis {
        self.store_time.plus(self.age(now))
    }
}

/// One consistent state, and how fresh it is.
pub struct View {
    /// All that a decision needs, as of the newest entry that was applied.
    pub state: State,
    /// `None`: never confirmed; nothing may be allowed by it.
    pub freshness: Option<Freshness>,
}

/// A view shared by many readers and one writer, its follower.
pub struct Replica {
    view: ShardedLock<View>,
    applied: watch::Sender<Cursor>,
    clock: Arc<dyn Clock>,
}

impl Replica {
    /// Empty, and not fresh until a follower has made it so.
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

    /// The view, held still while it is read. `None` when its writer died half way: nothing may be
    /// decided by it.
    pub fn view(&self) -> Option<ShardedLockReadGuard<'_, View>> {
        self.view.read().ok()
    }

    /// The clock that ages are counted by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// How far the view has got.
    pub fn cursor(&self) -> Cursor {
        *self.applied.borrow()
    }

    /// The view's age now; `None` before the first confirm.
    pub fn age(&self) -> Option<Duration> {
        let now = self.clock.boot();
        self.view()?.freshness.map(|freshness| freshness.age(now))
    }

    /// Waits until the view has applied this revision of this log. Callers bound the wait.
    pub async fn reached(&self, log: LogId, revision: Revision) {
        let mut applied = self.applied.subscribe();
        // The sender lives as long as self: this ends only by having arrived.
        let _ = applied
            .wait_for(|cursor| cursor.log == log && cursor.revision >= revision)
            .await;
    }

    /// One entry. Readers wait while it is applied, which its bounds keep short.
    fn apply(&self, entry: &Entry) -> Result<(), ApplyError> {
        let cursor = {
            let mut view = self.write();
            if let Err(error) = view.state.apply(entry) {
                if matches!(error, ApplyError::Unstorable) {
                    // Part old, part new.
                    view.freshness = None;
                }
                return Err(error);
            }
            view.state.cursor()
        };
        self.applied.send_replace(cursor);
        Ok(())
    }

    /// The view was found fresh as of then. Never goes back.
    fn refresh(&self, freshness: Freshness) {
        let mut view = self.write();
        if view.freshness.is_none_or(|old| old.as_of < freshness.as_of) {
            view.freshness = Some(freshness.not_before(view.freshness));
        }
    }

    /// Puts a new state in the old one's place, which is dropped while nobody waits.
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
        // Poisoned: readers see the poison and refuse; the writer goes on to replace the state.
        self.view.write().unwrap_or_else(|e| e.into_inner())
    }
}
