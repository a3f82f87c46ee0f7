//! Bounds the time that a worker spends on tokens with false signatures. It decides which unseen tokens are
//! verified, and must not know what the tokens say.
//!
//! A token that the memo doesn't hold costs a signature check, which is several times all that a Check costs
//! otherwise; whoever sends false ones could take the core away from everybody. So the time of the checks that
//! *failed* is charged, first to the core's budget. While that lasts, every token is verified. Once it is spent,
//! those go on whose connection has sent few false ones lately, out of a reserve; the others are told to try
//! again in a second. A good token costs nothing, and one of the memo is never refused.
//!
//! What is verified takes turns: one token after the other, and between two of them everything else that has
//! arrived is answered. So a good caller waits for one check at most, however many false tokens came at once.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::Extensions;
use tokenward_common::clock::BootTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{metrics::Counts, serve::Peer};

/// Failed checks may take this share of a core: one part in ten.
const CORE: Allowance = Allowance::new(10, Duration::from_millis(100));
/// Those whose connection has sent few may take as much again.
const RESERVE: Allowance = Allowance::new(10, Duration::from_millis(100));
/// What one connection may use of the reserve: one part in fifty, some 400 false tokens a second.
const OWN: Allowance = Allowance::new(50, Duration::from_millis(20));
/// A connection begins with this much, so that new connections don't empty the reserve at once.
const FIRST: Duration = Duration::from_millis(2);
/// At most this many connections are remembered.
const REMEMBERED: usize = 4096;
/// So many may wait for their turn on a thread; beyond that only those do whose connection has sent few false
/// ones lately.
const WAITING: usize = 64;

/// Who asks: where it is counted, and which connection is charged.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub(crate) counts: &'a Counts,
    from: Source<'a>,
    /// An unseen token is not verified yet; this is set instead.
    later: Option<&'a AtomicBool>,
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
        Self::new(counts, Source::Call(call))
    }

    pub(crate) fn of_peer(counts: &'a Counts, peer: &'a Peer) -> Self {
        Self::new(counts, Source::Peer(peer))
    }

    /// Somebody at a door, or a test.
    pub fn somebody(counts: &'a Counts) -> Self {
        Self::new(counts, Source::Doors)
    }

    fn new(counts: &'a Counts, from: Source<'a>) -> Self {
        Self {
            counts,
            from,
            later: None,
        }
    }

    /// The same asker, whose unseen token is not verified before its turn: `later` is set instead.
    pub(crate) fn before_its_turn(self, later: &'a AtomicBool) -> Self {
        Self {
            later: Some(later),
            ..self
        }
    }

    /// Puts an unseen token off, if it is to wait for its turn.
    pub(crate) fn puts_off(self) -> bool {
        if let Some(later) = self.later {
            later.store(true, Relaxed);
        }
        self.later.is_some()
    }

    /// Whether a token was put off, so that there is no answer yet.
    pub(crate) fn is_put_off(self) -> bool {
        self.later.is_some_and(|later| later.load(Relaxed))
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

/// Time that may be spent. It is overdrawn by at most one check, which must be earned again.
#[derive(Clone, Copy)]
struct Budget {
    left: Duration,
    /// What was spent beyond all that was there.
    owed: Duration,
    at: BootTime,
}

impl Budget {
    fn fill(&mut self, allowance: &Allowance, now: BootTime) {
        let earned = now.since(self.at) / allowance.one_in;
        let kept = earned.saturating_sub(self.owed);
        self.owed = self.owed.saturating_sub(earned);
        self.left = (self.left + kept).min(allowance.most);
        self.at = now;
    }

    fn has_some(&self) -> bool {
        !self.left.is_zero()
    }

    fn spend(&mut self, took: Duration) {
        self.owed += took.saturating_sub(self.left);
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
            owed: Duration::ZERO,
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
            owed: Duration::ZERO,
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
    static TURNS: Arc<Semaphore> = Arc::new(Semaphore::new(1));
    static WAIT: Cell<usize> = const { Cell::new(0) };
}

/// The turn of one token to be verified. It is held while that is done, and never across a wait.
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// One that waits for its turn. It is counted until it goes on or away.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        WAIT.set(WAIT.get() + 1);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAIT.set(WAIT.get().saturating_sub(1));
    }
}

/// Waits for the turn to verify an unseen token on this thread. Returns `None` if too many wait already, unless
/// this connection has sent few false ones lately.
pub(crate) async fn turn(asker: Asker<'_>, now: BootTime) -> Option<Turn> {
    let is_welcome = || here(now, |it| it.own(asker.connection(), now).has_some());
    if WAIT.get() >= WAITING && !is_welcome() {
        return None;
    }
    let waiting = Waiting::begin();
    let turns = TURNS.with(Arc::clone);
    // The semaphore is never closed.
    let permit = turns.acquire_owned().await.ok()?;
    // What has arrived meanwhile goes first.
    tokio::task::yield_now().await;
    drop(waiting);
    Some(Turn { _permit: permit })
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
    use crate::metrics::Metrics;

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

    /// Between two calls some of the budget is always earned, but less than a check takes.
    #[test]
    fn a_flood_without_a_pause_takes_no_more_than_its_part() {
        let mut strangers = Strangers::new(at(SECOND));
        let mut took = Duration::ZERO;
        for call in 0..100_000 {
            let now = at(SECOND + CHECK * call);
            if strangers.admits(|| 1, now) {
                strangers.charge(1, CHECK, now);
                took += CHECK;
            }
        }
        let lasted = CHECK * 100_000;
        // It never has a share of its own, because what the core's budget pays is charged to it too.
        let most = CORE.most + lasted / CORE.one_in + FIRST;
        assert!(
            took <= most && most - took <= FIRST * 2,
            "{took:?} of {most:?}"
        );
    }

    #[test]
    fn many_connections_take_no_more_than_the_reserve() {
        let now = at(SECOND);
        let mut strangers = Strangers::new(now);
        let took: Duration = (0..10_000).map(|it| flood(&mut strangers, it, now)).sum();
        assert_eq!(took, CORE.most + RESERVE.most);
        assert!(strangers.own.len() <= REMEMBERED);
    }

    /// Twenty tokens to verify, and a call that arrives while the first of them is: in which order they end.
    async fn ended(takes_turns: bool) -> Vec<&'static str> {
        let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let (arrives, mut arrived) = tokio::sync::mpsc::unbounded_channel();
        let good = told.clone();
        tokio::spawn(async move {
            let _: Option<()> = arrived.recv().await;
            let _ = good.send("good");
        });
        tokio::task::yield_now().await;
        for _ in 0..20 {
            let (told, arrives) = (told.clone(), arrives.clone());
            tokio::spawn(async move {
                let metrics = Metrics::new(1);
                let counts = metrics.worker(0);
                let _turn = match takes_turns {
                    true => turn(Asker::somebody(&counts), at(SECOND)).await,
                    false => None,
                };
                let _ = (arrives.send(()), told.send("unseen"));
            });
        }
        drop((told, arrives));
        let mut all = Vec::new();
        while let Some(end) = ends.recv().await {
            all.push(end);
        }
        all
    }

    #[tokio::test]
    async fn whoever_arrives_waits_for_one_check_at_most() {
        let place = |all: Vec<&str>| all.iter().position(|it| *it == "good");
        assert!(place(ended(true).await) <= Some(2));
        assert_eq!(place(ended(false).await), Some(20));
    }

    #[tokio::test]
    async fn a_flooder_does_not_wait_in_a_long_queue() {
        let metrics = Metrics::new(1);
        let counts = metrics.worker(0);
        let now = at(SECOND);
        let (flooder, neighbour) = [1, 2]
            .map(|port| Peer::at(([127, 0, 0, 1], port).into()))
            .into();
        let [flooder, neighbour] = [&flooder, &neighbour].map(|it| Asker::of_peer(&counts, it));
        charge(flooder, now, at(SECOND * 2));
        let first = turn(flooder, now).await;
        let mut queue: Vec<_> = (0..WAITING).map(|_| Box::pin(turn(flooder, now))).collect();
        for waits in &mut queue {
            assert!(futures_util::poll!(waits).is_pending());
        }
        assert!(turn(flooder, now).await.is_none());
        let mut waits = Box::pin(turn(neighbour, now));
        assert!(futures_util::poll!(&mut waits).is_pending());
        // Who goes away makes room, and the others get their turn.
        drop((first, queue));
        assert!(waits.await.is_some());
        assert!(turn(flooder, now).await.is_some());
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
