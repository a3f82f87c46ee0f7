//! Bounds the time that a worker spends on tokens with false signatures. It decides which unseen tokens are
//! verified, and must not know what the tokens say.
//!
//! A token that the memo doesn't hold costs a signature check, which is several times all that a Check costs
//! otherwise; whoever sends false ones could take the core away from everybody. So the time of the checks that
//! *failed* is charged, first to the core's budget. While that lasts, every token is verified. Once it is spent,
//! those go on whose connection has sent few false ones lately, out of a reserve; the others are told to try
//! again in a second. A good token costs nothing, and one of the memo is never refused.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use http::Extensions;
use tokenward_common::clock::BootTime;

use crate::{metrics::Counts, serve::Peer};

/// Failed checks may take this share of a core: one part in four.
const CORE: Allowance = Allowance::new(4, Duration::from_millis(250));
/// Those whose connection has sent few may take as much again.
const RESERVE: Allowance = Allowance::new(4, Duration::from_millis(250));
/// What one connection may use of the reserve: one part in fifty, some 400 false tokens a second.
const OWN: Allowance = Allowance::new(50, Duration::from_millis(20));
/// A connection begins with this much, so that new connections don't empty the reserve at once.
const FIRST: Duration = Duration::from_millis(2);
/// At most this many connections are remembered.
const REMEMBERED: usize = 4096;

/// Who asks: where it is counted, and which connection is charged.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub(crate) counts: &'a Counts,
    from: Source<'a>,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Call(&'a Extensions),
    Peer(&'a Peer),
    /// The doors for proxies, which count as one: their connections are a proxy's and say nothing of its
    /// clients.
    Doors,
}

impl<'a> Asker<'a> {
    pub(crate) fn of_call(counts: &'a Counts, call: &'a Extensions) -> Self {
        let from = Source::Call(call);
        Self { counts, from }
    }

    pub(crate) fn of_peer(counts: &'a Counts, peer: &'a Peer) -> Self {
        let from = Source::Peer(peer);
        Self { counts, from }
    }

    /// Somebody at a door, or a test.
    pub fn somebody(counts: &'a Counts) -> Self {
        let from = Source::Doors;
        Self { counts, from }
    }

    fn connection(self) -> u64 {
        let peer = match self.from {
            Source::Call(call) => call.get().unwrap_or(&Peer::UNKNOWN),
            Source::Peer(peer) => peer,
            Source::Doors => return 0,
        };
        BuildHasherDefault::<DefaultHasher>::default().hash_one(peer.known_address())
    }
}

/// How fast a budget fills, and how full it gets.
struct Allowance {
    one_in: u32,
    most: Duration,
}

impl Allowance {
    const fn new(one_in: u32, most: Duration) -> Self {
        Self { one_in, most }
    }
}

/// Time that may be spent. It is overdrawn by at most one check.
#[derive(Clone, Copy)]
struct Budget {
    left: Duration,
    at: BootTime,
}

impl Budget {
    fn fill(&mut self, allowance: &Allowance, now: BootTime) {
        let earned = now.since(self.at) / allowance.one_in;
        self.left = (self.left + earned).min(allowance.most);
        self.at = now;
    }

    fn has_some(&self) -> bool {
        !self.left.is_zero()
    }

    fn spend(&mut self, took: Duration) {
        self.left = self.left.saturating_sub(took);
    }
}

struct Strangers {
    core: Budget,
    reserve: Budget,
    own: HashMap<u64, Budget>,
}

impl Strangers {
    fn new(now: BootTime) -> Self {
        let full = |allowance: &Allowance| Budget {
            left: allowance.most,
            at: now,
        };
        Self {
            core: full(&CORE),
            reserve: full(&RESERVE),
            own: HashMap::new(),
        }
    }

    /// Whether an unseen token of this connection is verified now.
    fn admits(&mut self, connection: impl FnOnce() -> u64, now: BootTime) -> bool {
        self.core.fill(&CORE, now);
        if self.core.has_some() {
            return true;
        }
        self.reserve.fill(&RESERVE, now);
        let own = self.own(connection(), now);
        own.has_some() && self.reserve.has_some()
    }

    /// Charges a check that failed.
    fn charge(&mut self, connection: u64, took: Duration, now: BootTime) {
        // A clock that stands still must not make checks free.
        let took = took.max(Duration::from_micros(1));
        self.own(connection, now).spend(took);
        if self.core.has_some() {
            self.core.spend(took);
        } else {
            self.reserve.spend(took);
        }
    }

    fn own(&mut self, connection: u64, now: BootTime) -> &mut Budget {
        if self.own.len() >= REMEMBERED && !self.own.contains_key(&connection) {
            for budget in self.own.values_mut() {
                budget.fill(&OWN, now);
            }
            self.own.retain(|_, budget| budget.left < OWN.most);
            if self.own.len() >= REMEMBERED {
                self.own.clear();
            }
        }
        let new = Budget {
            left: FIRST,
            at: now,
        };
        let own = self.own.entry(connection).or_insert(new);
        own.fill(&OWN, now);
        own
    }
}

thread_local! {
    // A worker is a thread, and so a core.
    static STRANGERS: RefCell<Option<Strangers>> = const { RefCell::new(None) };
}

fn here<T>(now: BootTime, with: impl FnOnce(&mut Strangers) -> T) -> T {
    STRANGERS.with_borrow_mut(|here| with(here.get_or_insert_with(|| Strangers::new(now))))
}

/// Whether an unseen token is verified now, on this thread.
pub(crate) fn admits(asker: Asker<'_>, now: BootTime) -> bool {
    here(now, |strangers| {
        strangers.admits(|| asker.connection(), now)
    })
}

/// Charges a check on this thread that failed, and took from `began` until `now`.
pub(crate) fn charge(asker: Asker<'_>, began: BootTime, now: BootTime) {
    let (connection, took) = (asker.connection(), now.since(began));
    asker.counts.failed_check(took);
    here(now, |strangers| strangers.charge(connection, took, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: Duration = Duration::from_micros(50);
    const SECOND: Duration = Duration::from_secs(1);

    fn at(time: Duration) -> BootTime {
        BootTime(time.as_nanos() as u64)
    }

    /// Sends false tokens until one is refused, and returns how long the checks took.
    fn flood(strangers: &mut Strangers, connection: u64, now: BootTime) -> Duration {
        let mut took = Duration::ZERO;
        while strangers.admits(|| connection, now) {
            strangers.charge(connection, CHECK, now);
            took += CHECK;
            assert!(took < SECOND, "nothing is refused");
        }
        took
    }

    #[test]
    fn a_flood_takes_a_part_of_the_core_and_nobody_else_s_share() {
        let now = at(SECOND);
        let mut strangers = Strangers::new(now);
        assert_eq!(flood(&mut strangers, 1, now), CORE.most);
        // The flooder has spent its own share too. Another one that sent nothing false has not.
        assert!(!strangers.admits(|| 1, now) && strangers.admits(|| 2, now));
        assert_eq!(flood(&mut strangers, 2, now), FIRST);
        // A second fills the core's budget by its share, for whoever comes.
        let now = at(SECOND * 2);
        assert_eq!(flood(&mut strangers, 1, now), SECOND / CORE.one_in);
    }

    #[test]
    fn many_connections_take_no_more_than_the_reserve() {
        let now = at(SECOND);
        let mut strangers = Strangers::new(now);
        let took: Duration = (0..10_000).map(|it| flood(&mut strangers, it, now)).sum();
        assert_eq!(took, CORE.most + RESERVE.most);
        assert!(strangers.own.len() <= REMEMBERED);
    }

    #[test]
    fn a_connection_that_sent_few_earns_its_share() {
        let now = at(SECOND);
        let mut strangers = Strangers::new(now);
        flood(&mut strangers, 1, now);
        flood(&mut strangers, 2, now);
        assert!(!strangers.admits(|| 2, now));
        for tenth in 1..=10 {
            let now = at(SECOND + SECOND * tenth / 10);
            // The flooder takes all that the core's budget earns.
            flood(&mut strangers, 1, now);
        }
        let now = at(SECOND * 2);
        assert!(strangers.admits(|| 2, now) && !strangers.admits(|| 1, now));
    }
}
