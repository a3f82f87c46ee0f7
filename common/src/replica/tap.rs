//! This file copies the entries that are applied while a snapshot of the view is saved. It must not know
//! what they are for.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use crate::state::Entry;

/// The most entries that may wait: more means that the disk doesn't keep up, and the saving is given up.
const MOST: usize = 1024;

/// Copies applied entries while somebody records.
#[derive(Default)]
pub(super) struct Tap {
    on: AtomicBool,
    /// `None`: nobody records, or too many entries waited.
    waiting: Mutex<Option<Vec<Entry>>>,
}

/// The right to take the copies. The copying ends when this is dropped.
pub(super) struct Recording<'a>(&'a Tap);

impl Tap {
    /// Begins to copy. `None`: somebody else records.
    pub(super) fn record(&self) -> Option<Recording<'_>> {
        if self.on.swap(true, SeqCst) {
            return None;
        }
        *self.waiting() = Some(Vec::new());
        Some(Recording(self))
    }

    pub(super) fn is_on(&self) -> bool {
        self.on.load(SeqCst)
    }

    pub(super) fn push(&self, entry: Entry) {
        let mut waiting = self.waiting();
        if let Some(entries) = waiting.as_mut() {
            if entries.len() < MOST {
                entries.push(entry);
            } else {
                *waiting = None;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Entry>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording<'_> {
    /// Takes the entries that were applied since the last call. `None`: there were too many.
    pub(super) fn take(&self) -> Option<Vec<Entry>> {
        self.0.waiting().as_mut().map(std::mem::take)
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        *self.0.waiting() = None;
        self.0.on.store(false, SeqCst);
    }
}
