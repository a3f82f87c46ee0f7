//! This file collects the tokens that were seen in use, for the store's record of last uses. They are
//! sent with the next confirms: coarse, bounded, and never with a write for a Check.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crate::{
    id::TokenId,
    store::{MAX_USED, Used},
};

/// The most tokens that may wait. Further tokens are refused, and are noted at a later use.
const MOST: usize = 64 * 1024;

/// The tokens that wait for a confirm, each with the hour of its last use.
#[derive(Default)]
pub struct Usage {
    waiting: Mutex<BTreeMap<TokenId, u32>>,
    /// The number of waiting tokens, which can be read without the lock.
    len: AtomicUsize,
}

impl Usage {
    /// Notes a use. `false`: there is no room now, so the caller must try again at the next use.
    pub fn note(&self, used: Used) -> bool {
        if self.len.load(Relaxed) >= MOST {
            return false;
        }
        let mut waiting = self.waiting();
        let hour = waiting.entry(used.token).or_insert(used.hour);
        *hour = used.hour.max(*hour);
        self.len.store(waiting.len(), Relaxed);
        true
    }

    /// Takes the uses that the next confirm reports.
    pub fn take(&self) -> Vec<Used> {
        if self.len.load(Relaxed) == 0 {
            return Vec::new();
        }
        let mut waiting = self.waiting();
        let mut taken = Vec::with_capacity(waiting.len().min(MAX_USED));
        while taken.len() < MAX_USED
            && let Some((token, hour)) = waiting.pop_first()
        {
            taken.push(Used { token, hour });
        }
        self.len.store(waiting.len(), Relaxed);
        taken
    }

    /// Puts the uses of a failed confirm back.
    pub(super) fn give_back(&self, used: Vec<Used>) {
        for used in used {
            self.note(used);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<TokenId, u32>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(token: u64, hour: u32) -> Used {
        Used {
            token: TokenId(token),
            hour,
        }
    }

    #[test]
    fn each_token_waits_once_and_with_its_latest_hour() {
        let usage = Usage::default();
        for hour in [5, 7, 6] {
            assert!(usage.note(used(1, hour)));
        }
        let taken = usage.take();
        assert_eq!(taken, [used(1, 7)]);
        assert_eq!(usage.take(), []);
        usage.note(used(1, 8));
        usage.give_back(taken);
        assert_eq!(usage.take(), [used(1, 8)]);
    }

    #[test]
    fn what_waits_is_bounded_and_goes_in_bounded_pieces() {
        let usage = Usage::default();
        let room = u64::try_from(MOST).unwrap();
        assert!((0..room).all(|token| usage.note(used(token, 1))));
        assert!(!usage.note(used(room, 1)));
        assert_eq!(usage.take().len(), MAX_USED);
        assert!(usage.note(used(room, 1)));
        let mut left = 0;
        while let taken @ 1.. = usage.take().len() {
            left += taken;
        }
        assert_eq!(left, MOST + 1 - MAX_USED);
    }
}
