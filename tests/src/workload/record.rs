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
    /// What the newest try of a change said that failed.
    trouble: Mutex<String>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            began: SystemClock.boot(),
            operations: Mutex::default(),
            trouble: Mutex::default(),
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
    pub(super) fn ended(
        &self,
        begin: Duration,
        what: What,
        outcome: Outcome,
        refusal: Option<String>,
    ) {
        let end = self.now();
        self.operations().push(Operation {
            begin,
            end,
            what,
            outcome,
            refusal,
        });
    }

    pub(super) fn failed(&self, text: &str) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone_into(&mut trouble);
    }

    pub(super) fn trouble(&self) -> String {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
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
