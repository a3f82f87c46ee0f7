//! This file decides how long a follower waits before its next attempt: doubling, bounded, with jitter.
//! It knows nothing of what is attempted.

use std::time::Duration;

/// The longest spread: many followers that lost the log at once read the store one after the other.
const LONGEST_SPREAD: Duration = Duration::from_secs(2);

/// Returns a random pause for a follower whose old view may still serve for `spare`: at most a quarter of
/// that, so that the view is built anew in time. `chance` is uniform over all `u32`.
pub(super) fn spread(spare: Duration, chance: u32) -> Duration {
    let most = (spare / 4).min(LONGEST_SPREAD);
    most.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

/// Returns a random number; 0 if there are no random bytes.
pub(super) fn chance() -> u32 {
    let mut chance = [0; 4];
    // Without random bytes a wait has its least length.
    let _ = getrandom::fill(&mut chance);
    u32::from_le_bytes(chance)
}

/// Half of each wait is fixed and half is random: followers that lost the same server come back spread
/// out, and none comes back at once.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    attempts: u32,
}

impl Backoff {
    /// The waits start at `first` and never exceed `most`.
    pub(super) const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            attempts: 0,
        }
    }

    /// Returns the next wait. `chance` is uniform over all `u32`.
    pub(super) fn wait(&mut self, chance: u32) -> Duration {
        // 2^31 times any useful `first` exceeds any useful `most`.
        let factor = 1u32 << self.attempts.min(31);
        self.attempts = self.attempts.saturating_add(1);
        let full = self.first.saturating_mul(factor).min(self.most);
        let half = full / 2;
        half + half.mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    /// Sleeps for the next wait.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.wait(chance())).await;
    }

    /// Starts the waits at `first` again, after a success.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(10);
    const MOST: Duration = Duration::from_secs(1);

    #[test]
    fn doubles_up_to_the_bound() {
        let mut backoff = Backoff::new(FIRST, MOST);
        let waits: Vec<u128> = (0..9).map(|_| backoff.wait(u32::MAX).as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.wait(u32::MAX), FIRST);
    }

    #[test]
    fn a_spread_leaves_most_of_the_time_that_is_left() {
        assert_eq!(spread(Duration::ZERO, u32::MAX), Duration::ZERO);
        assert_eq!(spread(MOST, u32::MAX), MOST / 4);
        assert_eq!(spread(60 * MOST, u32::MAX), LONGEST_SPREAD);
        assert_eq!(spread(60 * MOST, 0), Duration::ZERO);
    }

    #[test]
    fn chance_moves_the_upper_half_only() {
        for attempt in 0..200 {
            let (mut low, mut high) = (Backoff::new(FIRST, MOST), Backoff::new(FIRST, MOST));
            (low.attempts, high.attempts) = (attempt, attempt);
            let (low, high) = (low.wait(0), high.wait(u32::MAX));
            assert_eq!(low * 2, high, "attempt {attempt}");
            assert!(high <= MOST);
        }
    }
}
