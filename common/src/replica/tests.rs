//! Tests of the follower against a feed that fails on command. Tokio's time is paused and the clock
//! stands still unless a test moves it. The tests wait for levels only.

mod freshness;
mod pauses;
mod rebuilds;
mod restored;
mod time;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Follow, Freshness, Observer, Replica};
use crate::{
    clock::{BootTime, Clock, ManualClock, UnixMillis},
    id::{AccountId, Cursor, KeyId, Name, Serial, TokenId},
    state::{
        State,
        record::{
            Approval, Change, Departures, FloorTarget, OrgTokenView, Record, RecordKey, RetiredId,
            User,
        },
    },
    store::{Feed, guards::Guards},
    testing::faults::FaultyFeed,
};

const SECOND: Duration = Duration::from_secs(1);

/// The follower's events, as levels that a test can wait for.
#[derive(Default)]
struct Seen {
    rebuilt: watch::Sender<u64>,
    confirmed: watch::Sender<u64>,
    failed: watch::Sender<u64>,
    resumed: watch::Sender<u64>,
    stepped: watch::Sender<u64>,
    off: watch::Sender<Duration>,
    held: watch::Sender<Duration>,
}

impl Observer for Seen {
    fn rebuilt(&self) {
        self.rebuilt.send_modify(|count| *count += 1);
    }

    fn confirmed(&self, _: Duration) {
        self.confirmed.send_modify(|count| *count += 1);
    }

    fn failed(&self) {
        self.failed.send_modify(|count| *count += 1);
    }

    fn resumed(&self) {
        self.resumed.send_modify(|count| *count += 1);
    }

    fn store_clock_stepped(&self) {
        self.stepped.send_modify(|count| *count += 1);
    }

    fn clock_off(&self, by: Duration) {
        self.off.send_replace(by);
    }

    fn time_held(&self, by: Duration) {
        self.held.send_replace(by);
    }
}

struct World {
    clock: Arc<ManualClock>,
    feed: Arc<FaultyFeed>,
    replica: Arc<Replica>,
    seen: Arc<Seen>,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis(1_800_000_000_000)));
        Self {
            feed: FaultyFeed::new(clock.clone()),
            replica: Arc::new(Replica::new(clock.clone())),
            clock,
            seen: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    fn follow(&self, guards: Guards) {
        let follow = Follow {
            feed: Arc::clone(&self.feed) as Arc<dyn Feed>,
            replica: Arc::clone(&self.replica),
            name: "test".into(),
            bound: None,
            usage: Arc::default(),
            confirm_interval: Duration::from_millis(500),
            guards,
            observer: Arc::clone(&self.seen) as Arc<dyn Observer>,
        };
        tokio::spawn(follow.run(self.stop.clone()));
    }

    /// A world whose view is followed and fresh for the first time.
    async fn fresh(guards: Guards) -> Self {
        let world = Self::new();
        world.feed.commit(vec![put("ada")]);
        world.follow(guards);
        world.rebuilt(1).await;
        world
    }

    async fn rebuilt(&self, least: u64) {
        level(&self.seen.rebuilt, least).await;
    }

    async fn failed(&self, least: u64) {
        level(&self.seen.failed, least).await;
    }

    /// Waits until this many more confirms are answered and processed.
    async fn confirms(&self, more: u64) {
        let least = *self.seen.confirmed.borrow() + more;
        level(&self.seen.confirmed, least).await;
    }

    async fn reached(&self, cursor: Cursor) {
        within(self.replica.reached(cursor.log, cursor.revision)).await;
    }

    /// Waits until the view is fresh as of this time or later.
    async fn fresh_as_of(&self, then: BootTime) {
        within(async {
            while self.as_of().is_none_or(|as_of| as_of < then) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    fn freshness(&self) -> Option<Freshness> {
        self.replica.view()?.freshness
    }

    fn as_of(&self) -> Option<BootTime> {
        self.freshness().map(|freshness| freshness.as_of)
    }

    fn is_revoked(&self, serial: u64) -> bool {
        self.replica
            .view()
            .unwrap()
            .state
            .is_revoked(Serial(serial))
    }

    fn knows(&self, id: &str) -> bool {
        self.replica
            .view()
            .unwrap()
            .state
            .account_by_id(id)
            .is_some()
    }
}

/// Tokio's time is paused, so this limit passes only when nothing else can happen.
async fn within<T>(wait: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(24 * 3600);
    tokio::time::timeout(limit, wait).await.expect("never came")
}

async fn level(count: &watch::Sender<u64>, least: u64) {
    let mut count = count.subscribe();
    within(count.wait_for(|count| *count >= least))
        .await
        .unwrap();
    // Lets the follower go on from the event that it counted to its next wait.
    tokio::task::yield_now().await;
}

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn put(id: &str) -> Change {
    Change::Put(Record::User(User {
        id: account(id),
        name: Name::parse(id).unwrap(),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    }))
}

fn revoke(serial: u64) -> Change {
    Change::Revoke(vec![Serial(serial)])
}

fn floor(id: &str) -> Change {
    Change::RaiseFloor(FloorTarget::Owner(account(id)))
}

/// One floor of each width: an owner's, the realm's, and an org's.
fn widths() -> [FloorTarget; 3] {
    [
        FloorTarget::Owner(account("ada")),
        FloorTarget::Realm,
        FloorTarget::Org(account("acme")),
    ]
}

/// Returns the lowest of these floors.
fn lowest_floor(state: &State) -> Serial {
    let all = widths().map(|target| state.floor(&target));
    all.into_iter().min().unwrap()
}

fn org_revoked(token: u64) -> Change {
    Change::Put(Record::OrgTokenView(OrgTokenView {
        org: account("acme"),
        token: TokenId(token),
        owner: account("ada"),
        state: Approval::Revoked,
        membership: 0,
    }))
}

fn withdraw(kid: &str) -> Change {
    Change::Put(Record::WithdrawnKey(KeyId::parse(kid).unwrap()))
}
