//! A view of the state that follows a feed and knows, by proof, how old it is.
//!
//! This module decides which view a decision sees, and since when that view is fresh. It must not know
//! the caller of a Check, nor what is allowed.
//!
//! **A view is fresh as of the moment its confirm was sent**, and only once it has applied the head
//! that the confirm returned: every commit acknowledged before that moment is then in it.

mod backoff;
mod clocks;
mod follow;
mod freshness;
mod handing;
pub mod snapshot;
mod tap;
#[cfg(feature = "testing")]
#[cfg(test)]
mod tests;
mod usage;

use std::{
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use crossbeam_utils::sync::{ShardedLock, ShardedLockReadGuard, ShardedLockWriteGuard};
use tokio::sync::watch;

use crate::{
    clock::Clock,
    id::{Cursor, LogId, Revision, Serial},
    state::{ApplyError, Entry, State},
    store::MOST_ANCESTORS,
};

pub use follow::{Follow, Observer, scan};
pub use freshness::Freshness;
use snapshot::Restored;
use tap::Tap;
pub use usage::Usage;

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
    /// Held by the writer, and by whoever saves the view while it looks at a piece. The writer waits for it
    /// before it asks for the view, so that no reader waits for the saving, however long that is interrupted.
    turn: Mutex<()>,
    tap: Tap,
    /// The view was saved by an earlier process, and nobody has followed from it yet.
    restored: AtomicBool,
    /// The log that the view follows is not the store's any more, and another view is being read.
    outdated: AtomicBool,
    heard: Mutex<Heard>,
}

/// What a follower has heard of beside what the view holds. If the store forgets it, it is handed in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Heard {
    /// The highest serial that any head named.
    serial: Serial,
    /// The logs that were followed before the view's own, newest first, at most [`MOST_ANCESTORS`].
    ancestors: Vec<LogId>,
}

/// The view, locked for a change.
struct Writing<'a> {
    view: ShardedLockWriteGuard<'a, View>,
    _turn: MutexGuard<'a, ()>,
}

/// The view, which doesn't change meanwhile.
struct Still<'a> {
    view: ShardedLockReadGuard<'a, View>,
    _turn: MutexGuard<'a, ()>,
}

impl Deref for Still<'_> {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
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
            turn: Mutex::default(),
            tap: Tap::default(),
            restored: AtomicBool::new(false),
            outdated: AtomicBool::new(false),
            heard: Mutex::default(),
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

    /// Takes a view that was saved by an earlier process. It must be called before the view is followed: the
    /// follower then goes on from the view's cursor.
    pub fn restore(&self, restored: Restored) {
        *self.heard() = restored.heard;
        self.put(restored.state, restored.freshness);
        self.restored.store(true, SeqCst);
    }

    /// Returns once whether the view was restored.
    fn was_restored(&self) -> bool {
        self.restored.swap(false, SeqCst)
    }

    /// Returns whether the store has left the log of this view, so that another view will take its place.
    pub fn is_outdated(&self) -> bool {
        self.outdated.load(SeqCst)
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
        // Copied before the lock is taken, as a rule.
        let mut copy = self.tap.is_on().then(|| entry.clone());
        let cursor = {
            let mut writing = self.write();
            let view = &mut *writing.view;
            if let Err(error) = view.state.apply(entry) {
                if matches!(error, ApplyError::Unstorable) {
                    // The state holds a part of the entry only, so nothing may be allowed by it.
                    view.freshness = None;
                }
                return Err(error);
            }
            // Whoever records began under a read lock, so this is on for every entry after its first piece.
            if self.tap.is_on() {
                self.tap.push(copy.take().unwrap_or_else(|| entry.clone()));
            }
            view.state.cursor()
        };
        self.applied.send_replace(cursor);
        Ok(())
    }

    /// Records that the view is fresh as of a time. The freshness never goes back. Returns by how much the
    /// store's time is held ahead, because the store's clock went back.
    fn refresh(&self, freshness: Freshness) -> Duration {
        let mut writing = self.write();
        let view = &mut *writing.view;
        if view
            .freshness
            .is_some_and(|old| old.as_of >= freshness.as_of)
        {
            return Duration::ZERO;
        }
        let (new, held) = freshness.after(view.freshness, self.clock.boot());
        view.freshness = Some(new);
        held
    }

    /// Replaces the state, and returns what [`Self::refresh`] does.
    fn replace(&self, state: State, freshness: Freshness) -> Duration {
        let (left, follows) = (self.cursor().log, state.cursor().log);
        if left != follows && left != LogId::default() {
            let ancestors = &mut self.heard().ancestors;
            ancestors.retain(|log| *log != left);
            ancestors.insert(0, left);
            ancestors.truncate(MOST_ANCESTORS);
        }
        let old = self.write().view.freshness;
        let (new, held) = freshness.after(old, self.clock.boot());
        self.put(state, Some(new));
        held
    }

    /// Puts a view in place of the old one, which is dropped after the lock is released, so that no reader
    /// waits for it.
    fn put(&self, state: State, freshness: Option<Freshness>) {
        let cursor = state.cursor();
        let mut writing = self.write();
        let old = std::mem::replace(&mut *writing.view, View { state, freshness });
        self.outdated.store(false, SeqCst);
        drop(writing);
        self.applied.send_replace(cursor);
        drop(old);
    }

    /// Locks the view for one piece of its saving. Readers don't wait for it, but the writer does. `None` as in
    /// [`Self::view`].
    fn still(&self) -> Option<Still<'_>> {
        let turn = self.turn();
        let view = self.view()?;
        Some(Still { view, _turn: turn })
    }

    fn write(&self) -> Writing<'_> {
        let turn = self.turn();
        // After a panic of the writer readers see the poison and refuse; the writer may go on to
        // replace the state.
        let view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        Writing { view, _turn: turn }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a head named this serial.
    fn heard_of(&self, serial: Serial) {
        let mut heard = self.heard();
        heard.serial = heard.serial.max(serial);
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
