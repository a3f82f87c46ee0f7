//! Decides which verifiers have applied a revision; this is the receipt.
//!
//! The store's receipts, read after a commit was acknowledged, show every verifier that may still answer
//! without it (see [`Receipt`]). Each verifier either applies the commit, or is silent for longer than its
//! own bound and then can't answer. This issuer's own clock measures the silence from when it *saw* the
//! verifier's last confirm, which is later than the confirm was made.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokenward_common::{
    clock::{BootTime, Clock},
    id::{LogId, Revision},
    store::{LONGEST_BOUND, Receipt, Store},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::error::Problem;

/// How often the receipts are read while no call waits. It limits how exactly the start of a verifier's
/// silence is known.
const IDLE: Duration = Duration::from_secs(1);
/// The first pause between reads while a call waits; it doubles up to [`LAST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(20);
/// This is added to a verifier's bound, because two machines' clocks run at different speeds.
const MARGIN: Duration = Duration::from_millis(100);

/// Holds the last confirm of a verifier, as this issuer saw it.
struct Seen {
    mark: u64,
    /// This issuer first saw the mark at this time.
    since: BootTime,
    log: LogId,
    applied: Revision,
    bound: Duration,
}

impl Seen {
    fn silent(&self, now: BootTime) -> bool {
        now.since(self.since) > self.bound + MARGIN
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FollowerStatus {
    Applied,
    Silent,
    Pending,
}

/// Describes one verifier's status at the end of a wait.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub name: String,
    pub standing: FollowerStatus,
    /// The time from the acknowledgement until its receipt was seen; `None` unless it has applied the
    /// revision.
    pub lag: Option<Duration>,
    pub last_heard: Duration,
}

/// Describes how a wait ended.
#[derive(Clone, Debug, Default)]
pub struct Waited {
    /// The verifiers are sorted by name.
    pub verifiers: Vec<Verifier>,
}

impl Waited {
    pub fn count(&self, standing: FollowerStatus) -> usize {
        let all = self.verifiers.iter();
        all.filter(|verifier| verifier.standing == standing).count()
    }

    /// Tells whether every verifier that may answer has applied the revision. It is never true while no
    /// verifier is known, because it is then unknown who refuses.
    pub fn complete(&self) -> bool {
        self.count(FollowerStatus::Applied) > 0 && self.count(FollowerStatus::Pending) == 0
    }

    pub fn slowest(&self) -> Option<Duration> {
        self.verifiers.iter().filter_map(|one| one.lag).max()
    }
}

/// Watches the receipts of all verifiers of the realm.
pub struct Receipts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    seen: Mutex<HashMap<String, Seen>>,
}

impl Receipts {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            seen: Mutex::default(),
        }
    }

    /// Reads the receipts regularly, so that a wait knows at once which verifiers are silent already.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(IDLE))
            .await
            .is_some()
        {
            if let Err(error) = self.look().await {
                warn!(%error, "the receipts can't be read");
            }
        }
    }

    /// Returns the time by which waits are measured.
    pub(crate) fn now(&self) -> BootTime {
        self.clock.boot()
    }

    /// Returns how many verifiers are heard of, and how many are silent.
    pub fn heard(&self) -> (usize, usize) {
        let now = self.clock.boot();
        let seen = self.seen();
        let silent = seen.values().filter(|one| one.silent(now)).count();
        (seen.len() - silent, silent)
    }

    /// Waits until every verifier that may answer has applied this revision, but no longer than `limit`.
    /// `acknowledged` is when the commit was acknowledged, or when the call began; lags are counted from it.
    pub async fn wait(
        &self,
        log: LogId,
        revision: Revision,
        acknowledged: BootTime,
        limit: Duration,
    ) -> Result<Waited, Problem> {
        let mut wait = Wait {
            log,
            revision,
            acknowledged,
            lags: HashMap::new(),
            gone: None,
        };
        let mut pause = FIRST_LOOK;
        loop {
            self.look().await?;
            let now = self.clock.boot();
            let waited = wait.judge(&self.seen(), now);
            let left = limit.saturating_sub(now.since(acknowledged));
            if waited.count(FollowerStatus::Pending) == 0 || left.is_zero() {
                return Ok(waited);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(LAST_LOOK);
        }
    }

    async fn look(&self) -> Result<(), Problem> {
        let receipts = self.store.receipts().await?;
        // The clock is read after the receipts, so a verifier has been silent for at least as long as
        // computed.
        let now = self.clock.boot();
        let mut seen = self.seen();
        let there: HashSet<&str> = receipts.iter().map(|it| it.follower.as_str()).collect();
        seen.retain(|name, _| there.contains(name.as_str()));
        for receipt in receipts {
            note(&mut seen, receipt, now);
        }
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A follower without a bound answers no caller: it never did, or it has signed off. No verifier's bound is
/// longer than [`LONGEST_BOUND`]: whatever a receipt says, its silence for that long ends a wait.
fn note(seen: &mut HashMap<String, Seen>, receipt: Receipt, now: BootTime) {
    let Some(bound) = receipt.bound else {
        seen.remove(&receipt.follower);
        return;
    };
    let bound = bound.min(LONGEST_BOUND);
    let moved = |old: &Seen| old.mark != receipt.mark;
    let since = match seen.get(&receipt.follower) {
        Some(old) if !moved(old) => old.since,
        _ => now,
    };
    seen.insert(
        receipt.follower,
        Seen {
            mark: receipt.mark,
            since,
            log: receipt.log,
            applied: receipt.applied,
            bound,
        },
    );
}

/// Holds what one wait has seen so far.
struct Wait {
    log: LogId,
    revision: Revision,
    acknowledged: BootTime,
    lags: HashMap<String, Duration>,
    /// These verifiers were silent when the wait began; the wait leaves them out.
    gone: Option<Vec<String>>,
}

impl Wait {
    fn judge(&mut self, seen: &HashMap<String, Seen>, now: BootTime) -> Waited {
        let applied = |one: &Seen| one.log == self.log && one.applied >= self.revision;
        let gone = self.gone.get_or_insert_with(|| {
            let silent = seen.iter().filter(|(_, one)| one.silent(now));
            silent.map(|(name, _)| name.clone()).collect()
        });
        // A verifier that is heard of again may answer again.
        gone.retain(|name| seen.get(name).is_some_and(|one| one.silent(now)));
        let mut verifiers: Vec<Verifier> = seen
            .iter()
            .filter(|(name, _)| !gone.contains(name))
            .map(|(name, one)| {
                let (standing, lag) = if applied(one) {
                    let lag = now.since(self.acknowledged);
                    let lag = *self.lags.entry(name.clone()).or_insert(lag);
                    (FollowerStatus::Applied, Some(lag))
                } else if one.silent(now) {
                    (FollowerStatus::Silent, None)
                } else {
                    (FollowerStatus::Pending, None)
                };
                Verifier {
                    name: name.clone(),
                    standing,
                    lag,
                    last_heard: now.since(one.since),
                }
            })
            .collect();
        verifiers.sort_by(|a, b| a.name.cmp(&b.name));
        Waited { verifiers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(5);
    const LOG: LogId = LogId([7; 16]);

    fn receipt(name: &str, mark: u64, applied: u64) -> Receipt {
        Receipt {
            follower: name.into(),
            log: LOG,
            applied: Revision(applied),
            bound: Some(BOUND),
            mark,
        }
    }

    fn at(seconds: u64) -> BootTime {
        BootTime(seconds * 1_000_000_000)
    }

    fn wait(revision: u64, acknowledged: BootTime) -> Wait {
        Wait {
            log: LOG,
            revision: Revision(revision),
            acknowledged,
            lags: HashMap::new(),
            gone: None,
        }
    }

    #[test]
    fn nobody_is_never_everybody() {
        let waited = wait(9, at(100)).judge(&HashMap::new(), at(100));
        assert!(!waited.complete());
        assert_eq!(waited.slowest(), None);
        // Verifiers that are all silent do not complete a wait either.
        let mut seen = HashMap::new();
        note(&mut seen, receipt("a", 1, 8), at(100));
        let mut wait = wait(9, at(100));
        assert_eq!(wait.judge(&seen, at(100)).count(FollowerStatus::Pending), 1);
        let waited = wait.judge(&seen, at(106));
        assert_eq!(waited.count(FollowerStatus::Silent), 1);
        assert!(!waited.complete());
    }

    #[test]
    fn a_wait_ends_with_the_last_that_may_answer() {
        let mut seen = HashMap::new();
        for name in ["a", "b", "c"] {
            note(&mut seen, receipt(name, 1, 8), at(100));
        }
        // This verifier has long been silent, so the wait leaves it out.
        note(&mut seen, receipt("old", 1, 3), at(10));
        let mut wait = wait(9, at(100));
        assert_eq!(wait.judge(&seen, at(100)).count(FollowerStatus::Pending), 3);
        note(&mut seen, receipt("a", 2, 9), at(101));
        let waited = wait.judge(&seen, at(101));
        assert_eq!(waited.count(FollowerStatus::Applied), 1);
        assert!(!waited.complete());
        // This verifier still confirms, but is behind, so it may answer.
        for second in 101..120 {
            note(&mut seen, receipt("b", second, 8), at(second));
            let waited = wait.judge(&seen, at(second));
            assert!(!waited.complete(), "{waited:?}");
        }
        note(&mut seen, receipt("b", 200, 10), at(120));
        let waited = wait.judge(&seen, at(120));
        assert!(waited.complete(), "{waited:?}");
        assert_eq!(waited.count(FollowerStatus::Applied), 2);
        assert_eq!(waited.count(FollowerStatus::Silent), 1);
        assert_eq!(waited.verifiers.len(), 3);
        assert_eq!(waited.slowest(), Some(Duration::from_secs(20)));
        assert_eq!(waited.verifiers[0].lag, Some(Duration::from_secs(1)));
    }

    #[test]
    fn silence_is_counted_from_when_it_was_seen() {
        let mut seen = HashMap::new();
        note(&mut seen, receipt("a", 1, 8), at(100));
        // The receipt is read again and is unchanged.
        note(&mut seen, receipt("a", 1, 8), at(104));
        assert!(!seen["a"].silent(at(105)));
        assert!(seen["a"].silent(at(106)));
        note(&mut seen, receipt("a", 2, 8), at(106));
        assert!(!seen["a"].silent(at(106)));
    }

    #[test]
    fn who_said_goodbye_is_waited_for_no_more() {
        let mut seen = HashMap::new();
        note(&mut seen, receipt("a", 1, 9), at(100));
        note(&mut seen, receipt("b", 1, 8), at(100));
        let mut wait = wait(9, at(100));
        assert_eq!(wait.judge(&seen, at(100)).count(FollowerStatus::Pending), 1);
        let bye = Receipt {
            bound: None,
            ..receipt("b", 2, 8)
        };
        note(&mut seen, bye, at(100));
        let waited = wait.judge(&seen, at(100));
        assert!(waited.complete(), "{waited:?}");
        assert_eq!(waited.verifiers.len(), 1);
    }

    #[test]
    fn no_bound_is_endless() {
        let mut seen = HashMap::new();
        let endless = Receipt {
            bound: Some(Duration::MAX),
            ..receipt("a", 1, 8)
        };
        note(&mut seen, endless, at(100));
        assert!(!seen["a"].silent(at(3700)));
        assert!(seen["a"].silent(at(3701)));
    }

    #[test]
    fn one_that_comes_back_is_waited_for() {
        let mut seen = HashMap::new();
        note(&mut seen, receipt("a", 1, 8), at(10));
        let mut wait = wait(9, at(100));
        assert_eq!(wait.judge(&seen, at(100)).verifiers.len(), 0);
        note(&mut seen, receipt("a", 2, 8), at(101));
        assert_eq!(wait.judge(&seen, at(101)).count(FollowerStatus::Pending), 1);
    }

    #[test]
    fn another_log_is_not_this_one() {
        let mut seen = HashMap::new();
        let mut other = receipt("a", 1, 50);
        other.log = LogId([8; 16]);
        note(&mut seen, other, at(100));
        let waited = wait(9, at(100)).judge(&seen, at(100));
        assert_eq!(waited.count(FollowerStatus::Pending), 1);
    }
}
