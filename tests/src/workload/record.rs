//! The list of what was seen, and its one clock.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokenward_common::clock::{BootTime, Clock as _, SystemClock};

use crate::history::{History, Operation, Outcome, What};

pub(super) struct Record {
    began: BootTime,
    operations: Mutex<Vec<Operation>>,
    refusals: Mutex<Vec<String>>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            began: SystemClock.boot(),
            operations: Mutex::default(),
            refusals: Mutex::default(),
        }
    }

    /// The time since the history began.
    pub(super) fn now(&self) -> Duration {
        SystemClock.boot().since(self.began)
    }

    fn operations(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what began then and ends now.
    pub(super) fn ended(&self, begin: Duration, what: What, outcome: Outcome) {
        let end = self.now();
        self.operations().push(Operation {
            begin,
            end,
            what,
            outcome,
        });
    }

    /// Keeps the text of a refusal: this workload makes no call that may be refused.
    pub(super) fn refused(&self, text: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.push(text.to_owned());
    }

    pub(super) fn refusals(&self) -> Vec<String> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.clone()
    }

    /// Calls `of` with all that was seen so far.
    pub(super) fn look<T>(&self, of: impl FnOnce(&[Operation]) -> T) -> T {
        of(&self.operations())
    }

    pub(super) fn history(&self) -> History {
        History {
            operations: self.operations().clone(),
        }
    }
}
