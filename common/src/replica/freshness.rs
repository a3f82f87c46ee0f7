//! This file says how old a view is, and what time the store has: by that time tokens expire. It must not
//! know who asks, nor how a confirm is made.

use std::time::Duration;

use crate::clock::{BootTime, UnixMillis};

/// This much of the time that has passed, two sound clocks may differ: 500 millionths, the most by which a
/// time server slews a clock.
const DRIFT: u32 = 2000;
/// A store's time is cut to milliseconds.
const CUT: Duration = Duration::from_millis(1);

/// The time since which a view is fresh, and the store's time, by which expiry is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Freshness {
    /// The local time when the confirm was sent.
    pub as_of: BootTime,
    /// The store's time when it answered the confirm.
    pub store_time: UnixMillis,
    /// By how much the store's time at `as_of` may have been less: the confirm's round trip.
    ahead: Duration,
    /// The time of the freshness before this one, when this one took its place: no later time is before.
    least: UnixMillis,
}

impl Freshness {
    /// Makes the freshness of a confirm that was answered in no time.
    pub fn new(as_of: BootTime, store_time: UnixMillis) -> Self {
        Self::confirmed(as_of, as_of, store_time)
    }

    /// Makes the freshness of a confirm that was sent and answered at these times.
    pub fn confirmed(sent: BootTime, answered: BootTime, store_time: UnixMillis) -> Self {
        Self {
            as_of: sent,
            store_time,
            ahead: answered.since(sent) + CUT,
            least: UnixMillis(0),
        }
    }

    /// Returns the view's age now, counted from the moment when its confirm was sent.
    pub fn age(&self, now: BootTime) -> Duration {
        now.since(self.as_of)
    }

    /// Returns the store's time now: never behind it, and ahead by at most the confirm's round trip, or by
    /// how far the store's clock went back.
    pub fn time(&self, now: BootTime) -> UnixMillis {
        self.store_time.plus(self.age(now)).max(self.least)
    }

    /// Takes the place of `old` now. Expired tokens stay expired when the store's clock goes back, as after
    /// a failover: the old time then goes on, and gives way only as sound clocks may differ. Small steps
    /// are steps too, or many of them would turn time back. Returns by how much the time is held ahead of
    /// the store's.
    pub(super) fn after(self, old: Option<Self>, now: BootTime) -> (Self, Duration) {
        let Some(old) = old else {
            return (self, Duration::ZERO);
        };
        let least = old.time(now);
        let certain = old.certain(self.as_of);
        let held = Duration::from_millis(certain.0.saturating_sub(self.store_time.0));
        let new = if held.is_zero() {
            self
        } else {
            Self {
                store_time: certain,
                ahead: Duration::ZERO,
                ..self
            }
        };
        (Self { least, ..new }, held)
    }

    /// The least that the store's time can be, if its clock and the local one are sound.
    fn certain(&self, now: BootTime) -> UnixMillis {
        let passed = now.since(self.as_of);
        let time = Duration::from_millis(self.store_time.0) + passed;
        let certain = time.saturating_sub(self.ahead + passed / DRIFT);
        UnixMillis(u64::try_from(certain.as_millis()).unwrap_or(u64::MAX))
    }
}
