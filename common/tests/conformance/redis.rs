//! What only the store in Redis can get wrong: its server, its buckets, its connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::StreamExt;
use tokenward_common::{
    id::{AccountId, Cursor, KeyId, Name, RepoId, RequestId, Revision, Serial, TokenId},
    state::{
        codec::split,
        key::Key,
        record::{
            Change, Floor, FloorTarget, GateGrant, GrantState, Kind, Record, RecordKey, User,
        },
    },
    store::{
        Class, Commit, CommitError, Committed, Expect, Feed, FeedError, Head, PrivateWrite,
        Retention, SnapshotPart, Store,
        redis::{OpenError, OpenOptions, RedisFeed, RedisStore},
    },
};

use crate::redis_server::{Server, shared};

const CREATE: OpenOptions = OpenOptions {
    create: true,
    allow_volatile: false,
    managed: false,
    data_nodes: 1,
};

fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, SeqCst)
}

fn request() -> RequestId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&unique().to_be_bytes());
    RequestId(id)
}

fn commit(changes: Vec<Change>) -> Commit {
    Commit {
        request: request(),
        response: b"first".to_vec(),
        class: Class::Ordinary,
        changes,
        private: Vec::new(),
        expect: Vec::new(),
    }
}

fn grant(number: u64) -> Record {
    Record::GateGrant(GateGrant {
        repo: RepoId::parse(&format!("{:024x}", number / 1000)).unwrap(),
        user: AccountId::parse(&format!("{number:024x}")).unwrap(),
        state: GrantState::Accepted,
    })
}

fn user(id: &str) -> Record {
    Record::User(User {
        id: AccountId::parse(id).unwrap(),
        name: Name::parse(id).unwrap(),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    })
}

fn put(record: Record) -> Change {
    Change::Put(record)
}

async fn open(server: &str) -> RedisStore {
    let realm = format!("realm-{}", unique());
    RedisStore::open(server, &realm, CREATE).await.unwrap()
}

async fn one(store: &RedisStore, changes: Vec<Change>) -> Cursor {
    store.commit(commit(changes)).await.unwrap().cursor
}

struct Seen {
    start: Head,
    records: std::collections::BTreeMap<Key, Vec<u8>>,
    revoked: Vec<u64>,
}

async fn scan(feed: &impl Feed) -> Result<Seen, FeedError> {
    let mut parts = feed.snapshot();
    let Some(SnapshotPart::Start(start)) = parts.next().await.transpose()? else {
        panic!("a snapshot begins with its start");
    };
    let mut seen = Seen {
        start,
        records: Default::default(),
        revoked: Vec::new(),
    };
    while let Some(part) = parts.next().await {
        match part? {
            SnapshotPart::Records(records) => {
                seen.records.extend(records.iter().map(split));
            }
            SnapshotPart::Revoked { page, bits } => {
                for (at, byte) in bits.iter().enumerate() {
                    let set = (0..8).filter(|bit| byte & (1 << bit) != 0);
                    seen.revoked
                        .extend(set.map(|bit| (page << 18) + 8 * at as u64 + bit));
                }
            }
            SnapshotPart::Start(_) => panic!("a second start"),
        }
    }
    Ok(seen)
}

#[tokio::test]
async fn a_realm_is_made_only_when_asked() {
    let realm = format!("realm-{}", unique());
    let ask = OpenOptions::default();
    let none = RedisStore::open(shared(), &realm, ask).await.map(|_| ());
    assert_eq!(none, Err(OpenError::NoRealm));
    let made = RedisStore::open(shared(), &realm, CREATE).await.unwrap();
    let again = RedisStore::open(shared(), &realm, CREATE).await.unwrap();
    let found = RedisStore::open(shared(), &realm, ask).await.unwrap();
    assert_eq!((made.log(), made.log()), (again.log(), found.log()));
    assert_eq!(made.head().await.unwrap().cursor, Cursor::start(made.log()));
}

#[tokio::test]
async fn a_commit_is_compared_written_numbered_and_repeated() {
    let store = open(shared()).await;
    let serial = store.take_serial().await.unwrap();
    assert_eq!(serial, Serial(1));
    let ada = Key::of(&user("ada").key());
    let owner = AccountId::parse("ada").unwrap();
    let first = Commit {
        private: vec![
            PrivateWrite::Put {
                key: Key::token(TokenId(1)),
                value: b"made today".to_vec(),
            },
            PrivateWrite::IndexToken {
                owner: owner.clone(),
                token: TokenId(1),
            },
            PrivateWrite::Audit(b"minted".to_vec()),
        ],
        expect: vec![Expect::Absent(ada.clone()), Expect::NotRevoked(Serial(9))],
        ..commit(vec![
            put(user("ada")),
            Change::Revoke(vec![Serial(9), Serial(1 << 19)]),
        ])
    };
    let done = store.commit(first.clone()).await.unwrap();
    assert_eq!((done.cursor.revision, &done.repeated), (Revision(1), &None));
    let again = store.commit(first.clone()).await.unwrap();
    let repeated = Some(b"first".to_vec());
    assert_eq!(
        again,
        Committed {
            cursor: done.cursor,
            repeated
        }
    );
    assert_eq!(
        store.request(&first.request).await.unwrap(),
        Some(b"first".to_vec())
    );
    assert_eq!(store.request(&request()).await.unwrap(), None);

    for (index, expect) in [
        vec![Expect::Absent(ada.clone())],
        vec![Expect::Unchanged {
            key: Key::token(TokenId(2)),
            since: Revision(9),
        }],
        vec![Expect::Unchanged {
            key: ada.clone(),
            since: Revision(0),
        }],
        vec![
            Expect::Unchanged {
                key: ada.clone(),
                since: Revision(1),
            },
            Expect::NotRevoked(Serial(1 << 19)),
        ],
    ]
    .into_iter()
    .enumerate()
    {
        let failed = usize::from(index == 3);
        let tried = Commit {
            expect,
            ..commit(vec![put(user("eve"))])
        };
        let answer = store.commit(tried).await;
        assert_eq!(answer, Err(CommitError::Conflict(failed)), "{index}");
    }
    let head = store.head().await.unwrap();
    assert_eq!((head.cursor, head.serial), (done.cursor, Serial(1)));
    assert_eq!((head.counts.get(Kind::User), head.counts.revoked), (1, 2));

    let keys = [Key::token(TokenId(1)), Key::token(TokenId(2)), ada];
    let got = store.get(&keys).await.unwrap();
    assert_eq!(got[0].as_ref().unwrap().value, b"made today");
    assert_eq!(got[1], None);
    assert_eq!(got[2].as_ref().unwrap().value, split(&user("ada")).1);
    assert_eq!(got[2].as_ref().unwrap().revision, Revision(1));
    assert_eq!(
        store.tokens_of(&owner, None, 9).await.unwrap(),
        [TokenId(1)]
    );

    let log = store
        .read_log(&Cursor::start(store.log()), Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].cursor, log[0].serial), (done.cursor, Serial(1)));
    assert_eq!(log[0].changes, first.changes);
    let seen = scan(&store).await.unwrap();
    assert_eq!(seen.revoked, [9, 1 << 19]);
    assert_eq!(seen.records.len(), 1);

    let delete = Change::Delete(user("ada").key());
    one(&store, vec![delete.clone(), delete]).await;
    assert_eq!(store.head().await.unwrap().counts.get(Kind::User), 0);
}

#[tokio::test]
async fn floors_rise_to_the_counter_and_never_fall() {
    let store = open(shared()).await;
    for _ in 0..300 {
        store.take_serial().await.unwrap();
    }
    let target = FloorTarget::Owner(AccountId::parse("ada").unwrap());
    let key = Key::of(&RecordKey::Floor(target.clone()));
    let floor = |serial| {
        Record::Floor(Floor {
            target: target.clone(),
            serial: Serial(serial),
        })
    };
    let below = |serial| Commit {
        expect: vec![Expect::FloorBelow {
            target: target.clone(),
            serial: Serial(serial),
        }],
        ..commit(Vec::new())
    };
    store.commit(below(1)).await.unwrap();
    one(&store, vec![Change::RaiseFloor(target.clone())]).await;
    one(&store, vec![put(floor(5))]).await;
    let got = store.get(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(got[0].as_ref().unwrap().value, split(&floor(300)).1);
    assert_eq!(
        store.commit(below(300)).await,
        Err(CommitError::Conflict(0))
    );
    store.commit(below(301)).await.unwrap();
    one(&store, vec![put(floor(70_000))]).await;
    let kid = Record::WithdrawnKey(KeyId::parse("k1").unwrap());
    one(&store, vec![put(kid)]).await;
    let seen = scan(&store).await.unwrap();
    assert_eq!(seen.records[&key], split(&floor(70_000)).1);
    assert_eq!(seen.start.counts.get(Kind::Floor), 1);
}

#[tokio::test]
async fn buckets_split_under_readers_and_lose_nothing() {
    let store = Arc::new(open(shared()).await);
    let import = |from: u64| {
        commit(
            (from..from + 250)
                .map(|number| put(grant(number)))
                .collect(),
        )
    };
    for batch in 0..40 {
        store.commit(import(batch * 250)).await.unwrap();
    }
    let writer = tokio::spawn({
        let store = store.clone();
        let more: Vec<_> = (40..120).map(|batch| import(batch * 250)).collect();
        async move {
            for commit in more {
                store.commit(commit).await.unwrap();
            }
        }
    });
    loop {
        let seen = scan(&*store).await.unwrap();
        let start = seen.start.counts.get(Kind::GateGrant);
        for number in 0..start {
            let key = Key::of(&grant(number).key());
            assert!(seen.records.contains_key(&key), "{number} of {start}");
        }
        if start == 30_000 {
            assert_eq!(seen.records.len(), 30_000);
            break;
        }
    }
    writer.await.unwrap();
    let keys: Vec<_> = (0..500).map(|n| Key::of(&grant(n * 60).key())).collect();
    assert!(store.get(&keys).await.unwrap().iter().all(Option::is_some));
    let delete: Vec<_> = (0..250)
        .map(|n| Change::Delete(grant(n * 100).key()))
        .collect();
    one(&store, delete).await;
    assert_eq!(scan(&*store).await.unwrap().records.len(), 29_750);
}

#[tokio::test]
async fn the_log_is_trimmed_by_entries_bytes_and_time() {
    let store = open(shared()).await;
    let start = Cursor::start(store.log());
    let mut cursors = vec![start];
    for n in 0..20 {
        cursors.push(one(&store, vec![put(user(&format!("user-{n}")))]).await);
    }
    let all = Retention {
        time: Duration::from_secs(3600),
        entries: 100,
        bytes: 1 << 20,
    };
    let after = |at: usize| {
        let cursor = cursors[at];
        let store = &store;
        async move {
            store
                .read_log(&cursor, Duration::ZERO)
                .await
                .map(|log| log.len())
        }
    };
    store.trim(&all).await.unwrap();
    assert_eq!(after(0).await.unwrap(), 20);
    store.trim(&Retention { entries: 15, ..all }).await.unwrap();
    assert_eq!(after(5).await.unwrap(), 15);
    assert!(matches!(after(4).await, Err(FeedError::Lost(_))));
    assert!(matches!(
        store.confirm("v", &cursors[4]).await,
        Err(FeedError::Lost(_))
    ));
    store.confirm("v", &cursors[5]).await.unwrap();
    store.trim(&Retention { bytes: 1200, ..all }).await.unwrap();
    let mut kept = 15;
    while after(20 - kept).await.is_err() {
        kept -= 1;
    }
    assert!((5..=10).contains(&kept), "{kept}");
    store
        .trim(&Retention {
            time: Duration::ZERO,
            ..all
        })
        .await
        .unwrap();
    assert_eq!(after(20).await.unwrap(), 0);
    store.trim(&Retention { entries: 0, ..all }).await.unwrap();
    assert_eq!(after(20).await.unwrap(), 0);
    assert!(matches!(after(19).await, Err(FeedError::Lost(_))));
    store.confirm("v", &cursors[20]).await.unwrap();
    one(&store, Vec::new()).await;
    assert_eq!(after(20).await.unwrap(), 1);
}

#[tokio::test]
async fn a_follower_waits_is_woken_and_may_be_dropped() {
    let store = Arc::new(open(shared()).await);
    let start = Cursor::start(store.log());
    for _ in 0..5 {
        let waiting = store.read_log(&start, Duration::from_secs(30));
        assert!(
            tokio::time::timeout(Duration::from_millis(30), waiting)
                .await
                .is_err()
        );
    }
    assert_eq!(
        store
            .read_log(&start, Duration::from_millis(5))
            .await
            .unwrap(),
        []
    );
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.read_log(&start, Duration::from_secs(30)).await }
    });
    tokio::task::yield_now().await;
    let done = one(&store, vec![put(user("ada"))]).await;
    assert_eq!(waiting.await.unwrap().unwrap()[0].cursor, done);
    let confirmed = store.confirm("edge-1", &start).await.unwrap();
    assert_eq!(confirmed.head.cursor, done);
    let receipts = store.receipts().await.unwrap();
    assert_eq!(
        receipts,
        [("edge-1".to_owned(), Revision(0), confirmed.time)]
    );
    let foreign = Cursor {
        fingerprint: start.fingerprint,
        ..done
    };
    for lost in [
        foreign,
        Cursor {
            revision: Revision(2),
            ..done
        },
    ] {
        assert!(matches!(
            store.confirm("v", &lost).await,
            Err(FeedError::Lost(_))
        ));
        let read = store.read_log(&lost, Duration::from_secs(30)).await;
        assert!(matches!(read, Err(FeedError::Lost(_))));
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let mut server = Server::start(&[]);
    let store = open(&server.url()).await;
    let mut last = Cursor::start(store.log());
    for n in 0..50 {
        last = one(&store, vec![Change::Revoke(vec![Serial(n)])]).await;
    }
    server.kill();
    let down = store.commit(commit(Vec::new())).await;
    assert!(
        matches!(
            down,
            Err(CommitError::Rejected(_) | CommitError::Unknown(_))
        ),
        "{down:?}"
    );
    let down = store.commit(commit(Vec::new())).await;
    assert!(matches!(down, Err(CommitError::Rejected(_))), "{down:?}");
    assert!(matches!(store.head().await, Err(FeedError::Unavailable(_))));
    server.restart();
    assert_eq!(store.head().await.unwrap().cursor, last);
    assert_eq!(scan(&store).await.unwrap().revoked.len(), 50);
    one(&store, Vec::new()).await;
    server.kill();
    server.restart();
    // Over connections that are all broken: sent again once.
    one(&store, Vec::new()).await;
    assert_eq!(
        store.read_log(&last, Duration::ZERO).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_lost_tail_is_seen_and_nothing_is_written_upon_it() {
    let mut server = Server::start(&[]);
    let realm = "hub";
    let store = RedisStore::open(&server.url(), realm, CREATE)
        .await
        .unwrap();
    let kept = one(&store, vec![put(user("ada"))]).await;
    store.confirm("v", &kept).await.unwrap();
    server.keep();
    let lost = one(&store, vec![Change::Revoke(vec![Serial(7)])]).await;
    store.confirm("v", &lost).await.unwrap();
    assert_eq!(
        store
            .read_log(&lost, Duration::from_millis(1))
            .await
            .unwrap(),
        []
    );
    server.roll_back();
    let read = store.read_log(&lost, Duration::from_secs(30)).await;
    assert!(matches!(read, Err(FeedError::Lost(_))), "{read:?}");
    assert!(matches!(
        store.confirm("v", &lost).await,
        Err(FeedError::Lost(_))
    ));
    // The first may have gone out over the broken connection.
    let refused = store.commit(commit(Vec::new())).await;
    assert!(
        matches!(
            refused,
            Err(CommitError::Rejected(_) | CommitError::Unknown(_))
        ),
        "{refused:?}"
    );
    assert_eq!(store.head().await.unwrap().cursor, kept);
    assert!(matches!(
        store.take_serial().await,
        Err(CommitError::Rejected(_))
    ));
    store.confirm("v", &kept).await.unwrap();
    // Another issuer, which doesn't remember, goes on: the old cursor is on no log.
    let other = RedisStore::open(&server.url(), realm, CREATE)
        .await
        .unwrap();
    one(&other, Vec::new()).await;
    one(&other, Vec::new()).await;
    let read = store.read_log(&lost, Duration::ZERO).await;
    assert!(matches!(read, Err(FeedError::Lost(_))), "{read:?}");
    assert!(matches!(
        store.confirm("v", &lost).await,
        Err(FeedError::Lost(_))
    ));
    let refused = store.commit(commit(Vec::new())).await;
    assert!(
        matches!(refused, Err(CommitError::Rejected(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_wiped_store_is_lost_and_never_made_again() {
    let server = Server::start(&[]);
    let store = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    let cursor = one(&store, vec![put(user("ada"))]).await;
    server.ask(&["flushall"]);
    for made in [false, true] {
        if made {
            let again = RedisStore::open(&server.url(), "hub", CREATE)
                .await
                .unwrap();
            one(&again, Vec::new()).await;
        }
        assert!(matches!(
            store.commit(commit(Vec::new())).await,
            Err(CommitError::Rejected(_))
        ));
        assert!(matches!(
            store.take_serial().await,
            Err(CommitError::Rejected(_))
        ));
        assert!(matches!(store.get(&[]).await, Err(FeedError::Lost(_))));
        let read = store.read_log(&cursor, Duration::from_secs(9)).await;
        assert!(matches!(read, Err(FeedError::Lost(_))));
        assert!(matches!(
            store.confirm("v", &cursor).await,
            Err(FeedError::Lost(_))
        ));
        if !made {
            assert!(matches!(store.head().await, Err(FeedError::Lost(_))));
            assert_eq!(server.ask(&["dbsize"]), "0");
        }
    }
}

#[tokio::test]
async fn a_hung_server_leaves_the_outcome_unknown_until_it_is_repeated() {
    let server = Server::start(&[]);
    let store = open(&server.url()).await;
    one(&store, Vec::new()).await;
    server.signal("-STOP");
    let takeaway = Commit {
        class: Class::Takeaway,
        ..commit(vec![Change::Revoke(vec![Serial(3)])])
    };
    let hung = store.commit(takeaway.clone()).await;
    assert!(matches!(hung, Err(CommitError::Unknown(_))), "{hung:?}");
    assert!(matches!(store.head().await, Err(FeedError::Unavailable(_))));
    server.signal("-CONT");
    let done = store.commit(takeaway).await.unwrap();
    assert_eq!(done.cursor.revision, Revision(2));
    assert_eq!(store.head().await.unwrap().counts.revoked, 1);
}

#[tokio::test]
async fn a_server_that_may_forget_is_refused_by_name() {
    let server = Server::start(&[
        "--appendfsync",
        "everysec",
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let refused = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .map(|_| ());
    let Err(OpenError::Volatile(wrong)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        wrong,
        "appendfsync is everysec, set it to always; \
         maxmemory-policy is allkeys-lru, set it to noeviction"
    );
    let allowed = OpenOptions {
        allow_volatile: true,
        ..CREATE
    };
    let store = RedisStore::open(&server.url(), "hub", allowed)
        .await
        .unwrap();
    one(&store, Vec::new()).await;
    server.ask(&["config", "set", "appendfsync", "always"]);
    server.ask(&[
        "acl", "setuser", "hidden", "on", ">pw", "~*", "+@all", "-config",
    ]);
    let url = server.url_as("hidden", "pw");
    let refused = RedisStore::open(&url, "hub", CREATE).await.map(|_| ());
    assert!(matches!(&refused, Err(OpenError::Unavailable(text)) if text.contains("managed")));
    let managed = OpenOptions {
        managed: true,
        ..CREATE
    };
    one(
        &RedisStore::open(&url, "hub", managed).await.unwrap(),
        Vec::new(),
    )
    .await;
}

#[tokio::test]
async fn a_verifiers_user_follows_and_can_do_nothing_else() {
    let server = Server::start(&[]);
    let store = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    let private = PrivateWrite::Put {
        key: Key::token(TokenId(1)),
        value: b"x".to_vec(),
    };
    let first = Commit {
        private: vec![private],
        ..commit(vec![put(user("ada")), Change::Revoke(vec![Serial(4)])])
    };
    let cursor = store.commit(first).await.unwrap().cursor;
    let acl = "acl setuser verifier on >secret resetkeys resetchannels -@all \
        %R~{tw:hub}:f:* %RW~{tw:hub}:receipts \
        +xread +xrange +hget +hgetall +smembers +get +hset +eval +time +info +ping";
    let words: Vec<_> = acl.split_whitespace().collect();
    assert_eq!(server.ask(&words), "OK");
    let url = server.url_as("verifier", "secret");
    let feed = RedisFeed::new(&url, "hub").unwrap();
    assert_eq!(feed.head().await.unwrap().cursor, cursor);
    let seen = scan(&feed).await.unwrap();
    assert_eq!((seen.records.len(), seen.revoked), (1, vec![4]));
    let start = Cursor::start(cursor.log);
    assert_eq!(
        feed.read_log(&start, Duration::ZERO).await.unwrap().len(),
        1
    );
    assert_eq!(
        feed.read_log(&cursor, Duration::from_millis(5))
            .await
            .unwrap(),
        []
    );
    feed.confirm("edge", &cursor).await.unwrap();

    let as_verifier = |words: &[&str]| {
        let mut all = vec![
            "--user",
            "verifier",
            "--pass",
            "secret",
            "--no-auth-warning",
        ];
        all.extend(words);
        server.ask(&all)
    };
    for forbidden in [
        vec!["hset", "{tw:hub}:f:head", "revision", "9"],
        vec!["xadd", "{tw:hub}:f:log", "9-0", "f", "x"],
        vec!["hgetall", "{tw:hub}:i:r32:0"],
        vec![
            "eval",
            "return redis.call('hset', KEYS[1], 'a', 1)",
            "1",
            "{tw:hub}:f:head",
        ],
        vec![
            "eval",
            "return redis.call('hset', ARGV[1], 'a', 1)",
            "0",
            "{tw:hub}:f:head",
        ],
        vec!["flushall"],
        vec!["config", "get", "appendonly"],
    ] {
        let answer = as_verifier(&forbidden);
        let refused = answer.contains("NOPERM") || answer.contains("can't access");
        assert!(refused, "{forbidden:?}: {answer}");
    }
    let managed = OpenOptions {
        managed: true,
        ..OpenOptions::default()
    };
    let opened = RedisStore::open(&url, "hub", managed).await.map(|_| ());
    assert!(opened.is_err(), "{opened:?}");
}

#[tokio::test]
async fn short_of_memory_only_takeaways_are_taken() {
    let server = Server::start(&[]);
    let store = open(&server.url()).await;
    one(&store, vec![put(user("ada"))]).await;
    server.ask(&["config", "set", "maxmemory", "1mb"]);
    let refused = loop {
        match store.commit(commit(Vec::new())).await {
            // The reading may be a quarter of a second old.
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, CommitError::Rejected(_)), "{refused:?}");
    let takeaway = Commit {
        class: Class::Takeaway,
        ..commit(vec![Change::Revoke(vec![Serial(3)])])
    };
    let cursor = store.commit(takeaway).await.unwrap().cursor;
    store.confirm("edge", &cursor).await.unwrap();
    server.ask(&["config", "set", "maxmemory", "0"]);
    while store.commit(commit(Vec::new())).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn scripts_that_are_gone_are_loaded_and_errors_within_are_unknown() {
    let server = Server::start(&[]);
    let store = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    one(&store, vec![put(user("ada"))]).await;
    server.ask(&["script", "flush"]);
    one(&store, vec![put(user("eve"))]).await;
    server.ask(&["set", "{tw:hub}:f:pages", "sabotage"]);
    let broken = store
        .commit(commit(vec![Change::Revoke(vec![Serial(1)])]))
        .await;
    assert!(matches!(broken, Err(CommitError::Unknown(_))), "{broken:?}");
}
