//! This file watches the clocks: the local one against the store's, and the store's against itself. It
//! reports; no decision depends on what it says.

use std::time::Duration;

use tracing::error;

use crate::{
    clock::{BootTime, UnixMillis},
    replica::Follow,
};

/// A local clock that differs from the store's by more than this raises an alarm.
const TOLERANCE: Duration = Duration::from_secs(30);
/// A store's clock that moves by this much more or less than the time that has passed has stepped.
const STEP: Duration = Duration::from_secs(2);
/// A time that is held ahead of the store's by more than this raises an alarm.
const HELD: Duration = Duration::from_secs(1);

/// The last confirm, by which the next one's time is judged.
#[derive(Default)]
pub(super) struct Clocks(Option<Look>);

#[derive(Clone, Copy)]
struct Look {
    sent: BootTime,
    answered: BootTime,
    store: UnixMillis,
}

impl Clocks {
    /// Returns by how many milliseconds the store's clock has stepped since the last confirm, forward or
    /// back. What a slow answer or a slewed clock explains is no step.
    pub(super) fn step(
        &mut self,
        sent: BootTime,
        answered: BootTime,
        store: UnixMillis,
    ) -> Option<i128> {
        let look = Look {
            sent,
            answered,
            store,
        };
        let last = self.0.replace(look)?;
        let most = answered.since(last.sent).as_millis();
        let least = sent.since(last.answered).as_millis();
        let moved = i128::from(store.0) - i128::from(last.store.0);
        let [most, least] = [most, least].map(|it| i128::try_from(it).unwrap_or(i128::MAX));
        let room = i128::try_from(STEP.as_millis()).unwrap_or(i128::MAX) + most / 2000;
        let off = match moved {
            _ if moved > most + room => moved - most,
            _ if moved < least - room => moved - least,
            _ => return None,
        };
        Some(off)
    }
}

impl Follow {
    pub(super) fn observe_lag(&self, committed: UnixMillis) {
        let now = self.replica.clock().boot();
        let freshness = self.replica.view().and_then(|view| view.freshness);
        if let Some(freshness) = freshness {
            let lag = freshness.time(now).0.saturating_sub(committed.0);
            self.observer.applied(Duration::from_millis(lag));
        }
    }

    pub(super) fn compare_clocks(
        &self,
        clocks: &mut Clocks,
        sent: BootTime,
        answered: BootTime,
        store: UnixMillis,
    ) {
        let local = self.replica.clock().unix();
        let off = Duration::from_millis(local.0.abs_diff(store.0));
        self.observer.clock_off(off);
        if off > TOLERANCE {
            error!(
                seconds = off.as_secs(),
                "the local clock is off from the store's"
            );
        }
        if let Some(millis) = clocks.step(sent, answered, store) {
            self.observer.store_clock_stepped();
            error!(
                seconds = i64::try_from(millis / 1000).unwrap_or(i64::MAX),
                "the store's clock has stepped"
            );
        }
    }

    pub(super) fn tell_held(&self, held: Duration) {
        self.observer.time_held(held);
        if held > HELD {
            error!(
                seconds = held.as_secs(),
                "the store's clock went back: tokens expire by the time before that"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_what_neither_a_slow_answer_nor_drift_explains() {
        let at = |millis: u64| BootTime(millis * 1_000_000);
        let mut clocks = Clocks::default();
        let mut step =
            |sent, answered, store| clocks.step(at(sent), at(answered), UnixMillis(store));
        assert_eq!(step(1_000, 1_000, 50_000), None);
        assert_eq!(step(2_000, 2_000, 51_000), None);
        // The answer took nine seconds, and the store answered at their begin, or at their end.
        assert_eq!(step(3_000, 12_000, 52_000), None);
        assert_eq!(step(13_000, 13_000, 62_000), None);
        // The clock is slewed, and half a second is no step.
        assert_eq!(step(3_613_000, 3_613_000, 3_663_800), None);
        assert_eq!(step(3_614_000, 3_614_000, 3_665_300), None);
        // Ten minutes forward, and back again.
        assert_eq!(step(3_615_000, 3_615_000, 4_266_300), Some(600_000));
        assert_eq!(step(3_616_000, 3_616_000, 3_667_300), Some(-600_000));
        assert_eq!(step(3_617_000, 3_617_000, 3_668_300), None);
    }
}
