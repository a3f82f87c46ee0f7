//! Tests of the time by which tokens expire, while the store's clock and the local one go wrong.

use super::*;
use crate::{id::LogId, state::State};

const MINUTES: u64 = 60;

/// A follower's view under confirms whose times a test makes up. All times are in milliseconds.
struct Store {
    clock: Arc<ManualClock>,
    replica: Replica,
    /// The latest time that any decision could have seen.
    latest: u64,
}

impl Store {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis(0)));
        Self {
            replica: Replica::new(clock.clone()),
            clock,
            latest: 0,
        }
    }

    /// The store answers now what was asked `took` ago. Returns by how much the time is held, in
    /// milliseconds.
    fn confirm(&self, took: u64, store: u64) -> u128 {
        let now = self.clock.boot();
        let sent = BootTime(now.0 - took * 1_000_000);
        let confirmed = Freshness::confirmed(sent, now, UnixMillis(store));
        self.replica.refresh(confirmed).as_millis()
    }

    fn pass(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    fn time(&self) -> u64 {
        let freshness = self.replica.view().unwrap().freshness.unwrap();
        freshness.time(self.clock.boot()).0
    }

    /// What was expired stays so.
    fn no_time_is_taken_back(&mut self) {
        let time = self.time();
        assert!(time >= self.latest, "{time} after {}", self.latest);
        self.latest = time;
    }
}

#[test]
fn a_store_clock_that_steps_back_takes_no_time_back() {
    let mut store = Store::new();
    store.pass(10_000);
    assert_eq!(store.confirm(0, 1_000_000), 0);
    store.pass(10_000);
    // After a failover the server's clock is ten minutes behind.
    assert!(store.confirm(0, 1_010_000 - MINUTES * 10_000) > 599_000);
    assert_eq!(store.time(), 1_010_000);
    store.no_time_is_taken_back();
    // The old time goes on, for an hour and more, also when the view is built anew.
    for second in 1..=3_600 {
        store.pass(1_000);
        let told = 1_010_000 + second * 1_000 - MINUTES * 10_000;
        let held = if second % 100 == 0 {
            let now = store.clock.boot();
            let freshness = Freshness::new(now, UnixMillis(told));
            let state = State::new(LogId([1; 16]));
            store.replica.replace(state, freshness).as_millis()
        } else {
            store.confirm(0, told)
        };
        assert!(held > 590_000, "{held}");
        store.no_time_is_taken_back();
    }
    let wanted = 1_010_000 + 3_600_000;
    assert!(store.time().abs_diff(wanted) < 10_000, "{}", store.time());
    // The server's clock is set right.
    store.pass(20);
    assert_eq!(store.confirm(0, wanted + 20), 0);
    assert_eq!(store.time(), wanted + 20);
}

#[test]
fn a_slow_answer_is_no_step_and_takes_no_time_back_either() {
    let mut store = Store::new();
    store.pass(10_000);
    // It was asked four seconds ago, so the view's time may be four seconds ahead.
    store.confirm(4_000, 1_000_000);
    assert_eq!(store.time(), 1_004_000);
    store.no_time_is_taken_back();
    store.pass(1_000);
    // The next answer shows that it was. The time stands until the store's has come up.
    assert_eq!(store.confirm(0, 1_001_000), 0);
    assert_eq!(store.time(), 1_005_000);
    store.no_time_is_taken_back();
    store.pass(3_000);
    assert_eq!(store.time(), 1_005_000);
    store.pass(3_000);
    assert_eq!(store.time(), 1_007_000);
}

/// Each step is smaller than a slow answer would explain, but together they turn the time back.
#[test]
fn a_store_clock_that_creeps_back_takes_no_time_back() {
    let mut store = Store::new();
    store.pass(10_000);
    store.confirm(1, 1_000_000);
    for round in 1..=600 {
        store.pass(500);
        store.confirm(1, 1_000_000 - round * 1_000);
        store.no_time_is_taken_back();
    }
    let wanted = 1_000_000 + 600 * 500;
    assert!(store.time() > wanted - 2_000, "{}", store.time());
}

/// The store's clock runs slower or faster, as clocks that are slewed do: nothing is held, and the view's
/// time is the store's.
#[test]
fn a_clock_that_drifts_is_followed() {
    for millionths in [-400_i64, -50, 50, 400] {
        let mut store = Store::new();
        store.pass(10_000);
        for round in 0..20_000_i64 {
            let told = 1_000_000 + round * 500 + round * 500 * millionths / 1_000_000;
            let told = u64::try_from(told).unwrap();
            let held = store.confirm(2, told);
            assert!(held <= 1, "{held} in round {round} of {millionths}");
            assert!(store.time() >= told && store.time() <= told + 10);
            store.no_time_is_taken_back();
            store.pass(500);
        }
    }
}

#[test]
fn a_store_clock_that_steps_forward_is_followed_and_its_way_back_is_not() {
    let mut store = Store::new();
    store.pass(10_000);
    store.confirm(0, 1_000_000);
    store.pass(1_000);
    assert_eq!(store.confirm(0, 1_601_000), 0);
    assert_eq!(store.time(), 1_601_000);
    store.no_time_is_taken_back();
    store.pass(1_000);
    assert!(store.confirm(0, 1_002_000) > 599_000);
    store.no_time_is_taken_back();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_is_told_and_changes_no_freshness() {
    let world = World::fresh(Guards::ALL).await;
    world.confirms(2).await;
    let time = || {
        let now = world.clock.boot();
        world.freshness().map(|freshness| freshness.time(now).0)
    };
    let (before, age) = (time().unwrap(), world.replica.age());
    assert_eq!(*world.seen.stepped.borrow(), 0);
    // The local wall clock alone: the store has its own.
    world.feed.tell_time(Some(UnixMillis(before)));
    for step in [600_000, -600_000_i64] {
        let local = before.checked_add_signed(step).unwrap();
        world.clock.set_unix(UnixMillis(local));
        world.confirms(2).await;
        assert_eq!(time().unwrap(), before, "no decision sees it");
        assert_eq!(world.replica.age(), age);
        assert_eq!(*world.seen.off.borrow(), Duration::from_secs(600));
    }
    assert_eq!(*world.seen.stepped.borrow(), 0);
    world.clock.set_unix(UnixMillis(before));
    // The store's clock: forward it is followed and told, back it is told and held.
    world.feed.tell_time(Some(UnixMillis(before + 600_000)));
    level(&world.seen.stepped, 1).await;
    assert_eq!(*world.seen.held.borrow(), Duration::ZERO);
    world.feed.tell_time(Some(UnixMillis(before)));
    level(&world.seen.stepped, 2).await;
    world.confirms(2).await;
    assert_eq!(world.replica.age(), age);
}
