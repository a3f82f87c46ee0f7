//! Records, floors, buckets, the log: what lies in Redis and how it is read.

use std::{sync::Arc, time::Duration};

use tokenward_common::{
    id::{AccountId, Cursor, KeyId, Revision, Serial, TokenId},
    state::{
        codec::split,
        key::Key,
        record::{Change, Floor, FloorTarget, Kind, Record, RecordKey},
    },
    store::{
        Commit, CommitError, Committed, Expect, Feed, FeedError, PrivateWrite, Retention, Store,
        redis::{OpenError, OpenOptions, RedisStore},
    },
};

use super::{fixture::*, server::shared};

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

/// Also where only a key is left of it: a wiped or half restored realm must not begin again.
#[tokio::test]
async fn a_realm_is_not_made_where_one_was() {
    let make = async |realm: &str| RedisStore::make(shared(), realm, CREATE).await;
    for left in ["f:log", "receipts", "i:audit", "used:0", "anything"] {
        let realm = format!("realm-{}", unique());
        let key = format!("{{tw:{realm}}}:{left}");
        let client = ::redis::Client::open(shared()).unwrap();
        let mut server = client.get_multiplexed_async_connection().await.unwrap();
        let mut set = ::redis::cmd("SET");
        let set = set.arg(&key).arg("x");
        set.query_async::<()>(&mut server).await.unwrap();
        assert_eq!(make(&realm).await, Err(OpenError::Known), "{left}");
        let mut delete = ::redis::cmd("DEL");
        let delete = delete.arg(&key);
        delete.query_async::<()>(&mut server).await.unwrap();
        assert_eq!(make(&realm).await, Ok(()), "{left}");
        assert_eq!(make(&realm).await, Err(OpenError::Known), "{left}");
        let opened = RedisStore::open(shared(), &realm, OpenOptions::default()).await;
        assert!(opened.is_ok());
    }
}

#[tokio::test]
async fn a_commit_is_compared_written_numbered_and_repeated() {
    let store = open(shared()).await;
    let serial = store.take_serial().await.unwrap();
    assert_eq!(serial, Serial(1));
    let ada = Key::from_record_key(&user("ada").key());
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
    let key = Key::from_record_key(&RecordKey::Floor(target.clone()));
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
            let key = Key::from_record_key(&grant(number).key());
            assert!(seen.records.contains_key(&key), "{number} of {start}");
        }
        if start == 30_000 {
            assert_eq!(seen.records.len(), 30_000);
            break;
        }
    }
    writer.await.unwrap();
    let keys: Vec<_> = (0..500)
        .map(|n| Key::from_record_key(&grant(n * 60).key()))
        .collect();
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
        store.confirm(&"v".into(), &cursors[4]).await,
        Err(FeedError::Lost(_))
    ));
    store.confirm(&"v".into(), &cursors[5]).await.unwrap();
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
    store.confirm(&"v".into(), &cursors[20]).await.unwrap();
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
    let confirmed = store.confirm(&"edge-1".into(), &start).await.unwrap();
    assert_eq!(confirmed.head.cursor, done);
    let receipts = store.receipts().await.unwrap();
    assert_eq!(receipts.len(), 1);
    assert_eq!(receipts[0].follower, "edge-1");
    assert_eq!(receipts[0].mark / 1000, confirmed.time.0);
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
            store.confirm(&"v".into(), &lost).await,
            Err(FeedError::Lost(_))
        ));
        let read = store.read_log(&lost, Duration::from_secs(30)).await;
        assert!(matches!(read, Err(FeedError::Lost(_))));
    }
}
