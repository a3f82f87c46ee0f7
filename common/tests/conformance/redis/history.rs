//! Primaries that lack what was acknowledged: nobody is fresh by them until every issuer has looked, and what
//! the issuers remember is there again.

use std::{path::PathBuf, time::Duration};

use tokenward_common::{
    id::{AccountId, Cursor, Serial},
    state::{
        codec::join,
        key::Key,
        record::{Change, Floor, FloorTarget, Record, RecordKey},
    },
    store::{
        CommitError, Feed, FeedError, Reason, Reopening, Store,
        guards::Guards,
        redis::{OpenOptions, RedisFeed, RedisStore},
    },
};

use super::{fixture::*, group::until, server::Server};

/// Three data nodes, and a path that leads to the one that is the primary, as a sentinel's word would.
struct Nodes {
    nodes: [Server; 3],
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Nodes {
    /// The first is the primary, and listens where the others find it.
    fn start() -> Self {
        let nodes = [0; 3].map(|_| {
            let port = super::group::free_port().to_string();
            Server::start(&[
                "--port",
                &port,
                "--bind",
                "127.0.0.1",
                "--repl-diskless-sync-delay",
                "0",
            ])
        });
        let dir = tempfile::tempdir().unwrap();
        let all = Self {
            nodes,
            path: dir.path().join("primary"),
            _dir: dir,
        };
        all.lead(0);
        all
    }

    fn node(&self, number: usize) -> &Server {
        self.nodes.get(number).expect("there are three")
    }

    fn port(&self, node: usize) -> String {
        let told = self.node(node).ask(&["config", "get", "port"]);
        told.lines().last().unwrap().trim().to_owned()
    }

    /// Makes a node the primary of all that run.
    fn lead(&self, primary: usize) {
        assert_eq!(self.node(primary).ask(&["replicaof", "no", "one"]), "OK");
        let port = self.port(primary);
        for other in (0..3).filter(|other| *other != primary) {
            assert_eq!(
                self.node(other).ask(&["replicaof", "127.0.0.1", &port]),
                "OK"
            );
        }
        until("two replicas", || {
            let told = self.node(primary).ask(&["info", "replication"]);
            told.matches("state=online").count() == 2
        });
        self.point(primary);
    }

    fn point(&self, primary: usize) {
        let _ = std::fs::remove_file(&self.path);
        std::os::unix::fs::symlink(self.node(primary).socket(), &self.path).unwrap();
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.path.display())
    }

    fn options(&self) -> OpenOptions {
        OpenOptions {
            data_nodes: 3,
            allow_volatile: true,
            // Nobody is struck off in these tests, however slow the machine is.
            lease: Duration::from_secs(600),
            ..CREATE
        }
    }

    async fn open(&self, guards: Guards) -> RedisStore {
        let options = OpenOptions {
            guards,
            ..self.options()
        };
        for _ in 0..200 {
            if let Ok(store) = RedisStore::open(&self.url(), "hub", options).await {
                is_able(&store).await;
                return store;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the realm can't be opened");
    }

    fn follow(&self, guards: Guards) -> RedisFeed {
        RedisFeed::of_nodes(&self.url(), "hub", 3, guards).unwrap()
    }

    /// The last node parts from the others, with what was acknowledged until then.
    fn part(&self, kept: Cursor) {
        until("the last commit at the last node", || {
            let asked = ["hget", "{tw:hub}:f:head", "revision"];
            self.node(2).ask(&asked) == kept.revision.to_string()
        });
        assert_eq!(self.node(2).ask(&["replicaof", "no", "one"]), "OK");
        until("one replica", || {
            let told = self.node(0).ask(&["info", "replication"]);
            told.contains("connected_slaves:1")
        });
    }

    /// The last node parts from the others, a revocation is acknowledged by those, and then the last one
    /// is made the primary of all: a promotion of the one that knows least.
    async fn promote_who_lacks(&self, store: &RedisStore, kept: Cursor, revoked: Serial) -> Cursor {
        self.part(kept);
        let acknowledged = one(store, vec![Change::Revoke(vec![revoked])]).await;
        self.lead(2);
        acknowledged
    }
}

/// Opens the realm of one data node as one more issuer.
async fn open(server: &Server, lease: Duration) -> RedisStore {
    let options = OpenOptions { lease, ..CREATE };
    let store = RedisStore::open(&server.url(), "hub", options).await;
    let store = store.unwrap();
    is_able(&store).await;
    store
}

async fn join_two(server: &Server) -> (RedisStore, RedisStore) {
    (
        open(server, CREATE.lease).await,
        open(server, CREATE.lease).await,
    )
}

/// Waits until a store takes commits, without anybody's word.
async fn is_able(store: &RedisStore) {
    for _ in 0..400 {
        if store.able().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the store takes no commits: {:?}", store.able().await);
}

/// Does what issuers do until both find their history sound.
async fn reopen(stores: &[&RedisStore]) {
    for _ in 0..400 {
        let mut sound = 0;
        for store in stores {
            let start = Cursor::start(store.log());
            match store.reopen(&start).await {
                Ok(Reopening::Leads { all: true, .. }) => {
                    for entry in store.recalled().await.unwrap() {
                        store.bring_back(&entry).await.unwrap();
                    }
                    store.settle().await.unwrap();
                }
                Ok(Reopening::Sound) if store.able().await.is_ok() => sound += 1,
                _ => {}
            }
        }
        if sound == stores.len() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the history is not whole");
}

/// Opens a history, and goes no further.
async fn begin_to_open(store: &RedisStore) {
    let (old, start) = (store.log(), Cursor::start(store.log()));
    for _ in 0..400 {
        let _ = store.reopen(&start).await;
        if store.log() != old {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no history is opened");
}

/// A confirm that waits for the issuers.
async fn confirmed(feed: &RedisFeed, at: &Cursor) -> Cursor {
    let mut told = feed.confirm(&"edge".into(), at).await;
    for _ in 0..400 {
        if told.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        told = feed.confirm(&"edge".into(), at).await;
    }
    told.unwrap().head.cursor
}

#[tokio::test]
async fn a_primary_that_lacks_a_revocation_makes_nobody_fresh_until_it_is_back() {
    let nodes = Nodes::start();
    let (first, other) = (nodes.open(Guards::ALL).await, nodes.open(Guards::ALL).await);
    let feed = nodes.follow(Guards::ALL);
    let kept = one(&other, vec![put(user("ada"))]).await;
    confirmed(&feed, &kept).await;
    let old_log = first.log();
    let before = first.head().await.unwrap();
    let acknowledged = nodes.promote_who_lacks(&first, kept, Serial(7)).await;
    // The view that lacks the revocation is on this log, and yet it is not fresh by it.
    for _ in 0..5 {
        let told = feed.confirm(&"edge".into(), &kept).await;
        assert!(matches!(told, Err(FeedError::Unavailable(_))), "{told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = first.commit(commit(Vec::new())).await;
    assert!(refused.is_err(), "{refused:?}");
    reopen(&[&first, &other]).await;

    let head = feed.head().await.unwrap();
    assert_ne!(head.cursor.log, old_log);
    assert_eq!(first.log(), other.log());
    assert!(head.cursor.revision.0 > acknowledged.revision.0 + (1 << 19));
    assert!(head.serial.0 > before.serial.0 + (1 << 19));
    assert_eq!(scan(&feed).await.unwrap().revoked, [7]);
    // Old cursors are lost, and new commits of both go on.
    let told = feed.confirm(&"edge".into(), &kept).await;
    assert!(matches!(told, Err(FeedError::Lost(_))), "{told:?}");
    one(&first, Vec::new()).await;
    let newest = one(&other, Vec::new()).await;
    assert_eq!(confirmed(&feed, &newest).await.revision, newest.revision);
    let histories = RedisStore::histories(&nodes.url(), "hub", nodes.options()).await;
    let histories = histories.unwrap();
    assert_eq!(histories.len(), 1);
    assert_eq!(histories[0].parent, old_log);
    assert_eq!(histories[0].stood, kept.revision);
    assert_eq!(histories[0].heard, acknowledged.revision);
}

/// What the guard is for.
#[tokio::test]
async fn without_vouching_a_view_is_fresh_that_lacks_an_acknowledged_revocation() {
    let nodes = Nodes::start();
    let off = Guards {
        vouching: false,
        ..Guards::ALL
    };
    let (first, other) = (nodes.open(off).await, nodes.open(off).await);
    let feed = nodes.follow(off);
    let kept = one(&other, vec![put(user("ada"))]).await;
    nodes.promote_who_lacks(&first, kept, Serial(7)).await;
    assert_eq!(confirmed(&feed, &kept).await, kept);
    assert!(scan(&feed).await.unwrap().revoked.is_empty());
}

/// A commit with all that belongs to it comes back, and a repeat of its request is told so.
#[tokio::test]
async fn a_whole_commit_comes_back() {
    let nodes = Nodes::start();
    let store = nodes.open(Guards::ALL).await;
    let kept = one(&store, vec![put(user("ada"))]).await;
    nodes.part(kept);
    let whole = commit(vec![put(user("bo"))]);
    acknowledged(&store, &whole).await;
    nodes.lead(2);
    reopen(&[&store]).await;
    let again = store.commit(whole).await.unwrap();
    assert_eq!(again.repeated.as_deref(), Some(&b"first"[..]));
}

/// An issuer that went away without a word holds a restart up until its lease is over.
#[tokio::test]
async fn a_dead_issuer_is_waited_for_until_its_lease_is_over() {
    let mut server = Server::start(&[]);
    let lease = Duration::from_secs(3);
    let (store, dead) = (open(&server, lease).await, open(&server, lease).await);
    let kept = one(&dead, vec![put(user("ada"))]).await;
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    feed.confirm(&"edge".into(), &kept).await.unwrap();
    drop(dead);
    server.kill();
    server.restart();
    assert_eq!(store.able().await, Err(Reason::Unvouched));
    let told = feed.confirm(&"edge".into(), &kept).await;
    assert!(
        matches!(&told, Err(FeedError::Unavailable(why)) if why.contains("vouched")),
        "{told:?}"
    );
    let told = store.commit(commit(Vec::new())).await;
    assert!(matches!(told, Err(CommitError::Rejected(_))), "{told:?}");
    is_able(&store).await;
    feed.confirm(&"edge".into(), &kept).await.unwrap();
    one(&store, Vec::new()).await;
}

/// One that leaves in order is not waited for.
#[tokio::test]
async fn an_issuer_that_leaves_is_not_waited_for() {
    let mut server = Server::start(&[]);
    let lease = Duration::from_secs(600);
    let (store, other) = (open(&server, lease).await, open(&server, lease).await);
    one(&other, Vec::new()).await;
    other.close().await;
    drop(other);
    server.kill();
    server.restart();
    is_able(&store).await;
    // And the last one leaves nothing behind that the next would wait for.
    store.close().await;
    drop(store);
    server.kill();
    server.restart();
    let next = open(&server, lease).await;
    one(&next, Vec::new()).await;
}

/// One data node that went back to before an acknowledgement: its issuer brings it back.
#[tokio::test]
async fn a_store_that_was_rolled_back_gets_back_what_it_lost() {
    let mut server = Server::start(&[]);
    let (store, other) = join_two(&server).await;
    let kept = one(&store, vec![put(user("ada"))]).await;
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    server.keep();
    // A floor that was raised to the counter comes back as it was: it takes no token that was minted after it.
    let target = FloorTarget::Owner(AccountId::parse("ada").unwrap());
    let below = store.take_serial().await.unwrap();
    one(&other, vec![Change::RaiseFloor(target.clone())]).await;
    one(&other, vec![Change::Revoke(vec![Serial(3)])]).await;
    one(&store, vec![Change::Revoke(vec![Serial(7)])]).await;
    let serial = store.take_serial().await.unwrap();
    server.roll_back();
    reopen(&[&store, &other]).await;
    assert_eq!(scan(&feed).await.unwrap().revoked, [3, 7]);
    let floor = Key::from_record_key(&RecordKey::Floor(target.clone()));
    let stands = store.get(std::slice::from_ref(&floor)).await.unwrap();
    let stands = join(&floor, &stands[0].as_ref().unwrap().value).unwrap();
    let wanted = Floor {
        target,
        serial: below,
    };
    assert_eq!(stands, Record::Floor(wanted));
    assert!(store.take_serial().await.unwrap().0 > serial.0 + (1 << 19));
    let told = feed.confirm(&"edge".into(), &kept).await;
    assert!(matches!(told, Err(FeedError::Lost(_))), "{told:?}");
}

/// What the store had kept is not brought back a second time: it would undo what came after it. Neither is
/// what was brought back before something went wrong.
#[tokio::test]
async fn nothing_is_brought_back_over_what_came_after_it() {
    let mut server = Server::start(&[]);
    let (store, other) = join_two(&server).await;
    let key = RecordKey::User(AccountId::parse("ada").unwrap());
    let ada = Key::from_record_key(&key);
    let start = Cursor::start(store.log());
    // The one gives, the other sees it and takes it away.
    one(&other, vec![put(user("ada"))]).await;
    one(&store, vec![Change::Delete(key)]).await;
    store.read_log(&start, Duration::ZERO).await.unwrap();
    server.keep();
    one(&store, vec![Change::Revoke(vec![Serial(7)])]).await;
    server.roll_back();
    reopen(&[&store, &other]).await;
    let stands = store.get(std::slice::from_ref(&ada)).await.unwrap();
    assert_eq!(stands, [None]);
}

/// A server that was away for longer than the lease holds old times of everybody: the first issuer that comes
/// must not take the others for dead, of which one may be the only one that remembers.
#[tokio::test]
async fn a_long_absence_of_the_store_makes_no_issuer_silent() {
    let mut server = Server::start(&[]);
    let (first, other) = join_two(&server).await;
    one(&first, vec![put(user("ada"))]).await;
    server.keep();
    one(&other, vec![Change::Revoke(vec![Serial(3)])]).await;
    server.signal("-STOP");
    tokio::time::sleep(CREATE.lease * 2).await;
    server.roll_back();
    let _ = first.able().await;
    reopen(&[&first, &other]).await;
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    assert_eq!(scan(&feed).await.unwrap().revoked, [3]);
}

/// What was acknowledged on a history is there again also if the store goes back to before its opening, and a
/// second time; what was brought back into it as well. One issuer has never seen the log of before.
#[tokio::test]
async fn a_store_that_went_back_past_a_history_gets_back_what_it_lost() {
    let mut server = Server::start(&[]);
    let (store, other) = join_two(&server).await;
    let mut logs = vec![store.log()];
    one(&store, vec![put(user("ada"))]).await;
    server.keep();
    let whole = commit(vec![Change::Revoke(vec![Serial(3)])]);
    other.commit(whole.clone()).await.unwrap();
    one(&store, vec![Change::Revoke(vec![Serial(5)])]).await;
    server.roll_back();
    // It brings back what the other one acknowledged, and from then on remembers that too.
    begin_to_open(&store).await;
    reopen(&[&store, &other]).await;
    logs.push(store.log());

    other.close().await;
    drop(other);
    let young = open(&server, CREATE.lease).await;
    one(&young, vec![Change::Revoke(vec![Serial(9)])]).await;
    one(&store, vec![put(user("bo"))]).await;
    let mut serial = store.take_serial().await.unwrap();
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    for _ in 0..2 {
        server.roll_back();
        reopen(&[&young, &store]).await;
        assert!(!logs.contains(&store.log()), "a log id is never used again");
        logs.push(store.log());
        let seen = scan(&feed).await.unwrap();
        assert_eq!(seen.revoked, [3, 5, 9]);
        assert_eq!(seen.records.len(), 2, "ada and bo");
        let next = store.take_serial().await.unwrap();
        assert!(next.0 > serial.0 + (1 << 19), "{next:?} after {serial:?}");
        serial = next;
        let again = young.commit(whole.clone()).await.unwrap();
        assert_eq!(again.repeated.as_deref(), Some(&b"first"[..]));
    }
}

/// The same where the only issuer that is left joined after the history was opened.
#[tokio::test]
async fn an_issuer_that_joined_a_history_knows_what_was_before_it() {
    let mut server = Server::start(&[]);
    let store = open(&server, CREATE.lease).await;
    one(&store, vec![put(user("ada"))]).await;
    server.keep();
    one(&store, vec![Change::Revoke(vec![Serial(3)])]).await;
    server.roll_back();
    reopen(&[&store]).await;
    let young = open(&server, CREATE.lease).await;
    store.close().await;
    drop(store);
    one(&young, vec![Change::Revoke(vec![Serial(9)])]).await;
    server.roll_back();
    reopen(&[&young]).await;
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    assert!(scan(&feed).await.unwrap().revoked.contains(&9));
}

/// With one data node, who opened a history and died is struck off like any other, and what all have handed in
/// is brought back by another.
#[tokio::test]
async fn an_opener_that_dies_is_not_waited_for() {
    let mut server = Server::start(&[]);
    let (opener, other) = join_two(&server).await;
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    one(&opener, vec![put(user("ada"))]).await;
    server.keep();
    one(&opener, vec![Change::Revoke(vec![Serial(3)])]).await;
    one(&other, vec![Change::Revoke(vec![Serial(9)])]).await;
    server.roll_back();
    begin_to_open(&opener).await;
    drop(opener);
    reopen(&[&other]).await;
    assert_eq!(scan(&feed).await.unwrap().revoked, [3, 9]);
}

/// The store goes back while a history is being opened: the opener stands where it stood before, and opens
/// another one.
#[tokio::test]
async fn an_opening_that_the_store_forgot_is_made_again() {
    let mut server = Server::start(&[]);
    let (opener, other) = join_two(&server).await;
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    one(&opener, vec![put(user("ada"))]).await;
    server.keep();
    let serial = opener.take_serial().await.unwrap();
    one(&opener, vec![Change::Revoke(vec![Serial(3)])]).await;
    server.roll_back();
    let old = opener.log();
    begin_to_open(&opener).await;
    let forgotten = opener.log();
    server.roll_back();
    reopen(&[&other, &opener]).await;
    assert!(![old, forgotten].contains(&opener.log()));
    assert_eq!(scan(&feed).await.unwrap().revoked, [3]);
    assert!(other.take_serial().await.unwrap().0 > serial.0 + (1 << 20));
}

/// A revocation whose first answer was lost is acknowledged by a repeat, maybe at another issuer, which then
/// remembers it too.
#[tokio::test]
async fn what_a_repeat_acknowledged_comes_back() {
    let mut server = Server::start(&[]);
    let (store, other) = join_two(&server).await;
    one(&store, vec![put(user("ada"))]).await;
    server.keep();
    let revocation = commit(vec![Change::Revoke(vec![Serial(7)])]);
    store.commit(revocation.clone()).await.unwrap();
    let again = other.commit(revocation).await.unwrap();
    assert!(again.repeated.is_some());
    drop(store);
    server.roll_back();
    reopen(&[&other]).await;
    let feed = RedisFeed::new(&server.url(), "hub").unwrap();
    assert_eq!(scan(&feed).await.unwrap().revoked, [7]);
}
