//! What a majority of the data nodes must have, and servers whose settings or number don't fit.

use std::time::Duration;

use tokenward_common::{
    id::{Cursor, LogId, Serial},
    state::record::Change,
    store::{
        CommitError, Feed, FeedError, Store,
        guards::Guards,
        redis::{OpenError, OpenOptions, RedisFeed, RedisStore},
    },
};

use super::{
    fixture::*,
    group::{self, free_port, until},
    server::{REDIS_7, REDIS_8, Server, VALKEY_9},
    suites,
};

/// Three data nodes of one program, without users. Without its replicas the primary goes on writing, as
/// one that was cut off does for a while.
struct Three {
    primary: Server,
    replicas: [Server; 2],
    port: String,
}

impl Three {
    fn start(program: usize) -> Self {
        let port = free_port().to_string();
        let settings = [
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--repl-diskless-sync-delay",
            "0",
        ];
        let primary = Server::of(program, &settings);
        let replicas = [0; 2].map(|_| Server::of(program, &["--replicaof", "127.0.0.1", &port]));
        let three = Self {
            primary,
            replicas,
            port,
        };
        three.are_joined();
        three
    }

    fn are_joined(&self) {
        until("two replicas", || {
            let told = self.primary.ask(&["info", "replication"]);
            told.matches("state=online").count() == 2
        });
    }

    fn part(&self) {
        for replica in &self.replicas {
            assert_eq!(replica.ask(&["replicaof", "no", "one"]), "OK");
        }
        until("no replica", || {
            self.primary
                .ask(&["info", "replication"])
                .contains("connected_slaves:0")
        });
    }

    fn join(&self) {
        for replica in &self.replicas {
            assert_eq!(replica.ask(&["replicaof", "127.0.0.1", &self.port]), "OK");
        }
        self.are_joined();
    }

    async fn open(&self, guards: Guards) -> RedisStore {
        let options = OpenOptions {
            data_nodes: 3,
            allow_volatile: true,
            guards,
            ..CREATE
        };
        // A replica that was just filled says for a while nothing of what it has synced.
        eventually(async || RedisStore::open(&self.primary.url(), "hub", options).await).await
    }

    fn follow(&self, guards: Guards) -> RedisFeed {
        RedisFeed::of_nodes(&self.primary.url(), "hub", 3, guards).unwrap()
    }
}

fn is_unavailable<T>(told: &Result<T, FeedError>) -> bool {
    matches!(told, Err(FeedError::Unavailable(why)) if why.contains("majority"))
}

async fn what_no_majority_has_proves_nothing(program: usize) {
    let three = Three::start(program);
    let store = three.open(Guards::ALL).await;
    let feed = three.follow(Guards::ALL);
    let kept = one(&store, vec![put(user("ada"))]).await;
    feed.confirm(&"edge".into(), &kept).await.unwrap();
    store.take_serial().await.unwrap();
    three.part();
    let revocation = commit(vec![Change::Revoke(vec![Serial(7)])]);
    // As often as it is asked: a repeat writes again, and no majority has that either.
    for _ in 0..2 {
        let unknown = store.commit(revocation.clone()).await;
        assert!(
            matches!(&unknown, Err(CommitError::Unknown(why)) if why.contains("majority")),
            "{unknown:?}"
        );
    }
    assert!(matches!(
        store.take_serial().await,
        Err(CommitError::Unknown(_) | CommitError::Rejected(_))
    ));
    assert!(is_unavailable(&feed.confirm(&"edge".into(), &kept).await));
    assert!(is_unavailable(
        &store.confirm(&"issuer".into(), &kept).await
    ));
    three.join();
    let settled = eventually(async || store.commit(revocation.clone()).await).await;
    assert_eq!(settled.repeated.as_deref(), Some(&b"first"[..]));
    feed.confirm(&"edge".into(), &settled.cursor).await.unwrap();
}

#[tokio::test]
async fn what_no_majority_has_proves_nothing_on_redis_7() {
    what_no_majority_has_proves_nothing(REDIS_7).await;
}

#[tokio::test]
async fn what_no_majority_has_proves_nothing_on_redis_8() {
    what_no_majority_has_proves_nothing(REDIS_8).await;
}

#[tokio::test]
async fn what_no_majority_has_proves_nothing_on_valkey_9() {
    what_no_majority_has_proves_nothing(VALKEY_9).await;
}

/// An old primary that came back alone has a shorter log: what it lacks is not lost.
#[tokio::test]
async fn a_server_alone_says_of_no_cursor_that_it_is_lost() {
    let three = Three::start(REDIS_7);
    let store = three.open(Guards::ALL).await;
    let feed = three.follow(Guards::ALL);
    let kept = one(&store, vec![put(user("ada"))]).await;
    let beyond = Cursor {
        revision: tokenward_common::id::Revision(kept.revision.0 + 9),
        ..kept
    };
    let read = async || feed.read_log(&beyond, Duration::ZERO).await;
    let lost = read().await;
    assert!(matches!(lost, Err(FeedError::Lost(_))), "{lost:?}");
    three.part();
    let alone = read().await;
    assert!(is_unavailable(&alone), "{alone:?}");
    three.join();
    let again = eventually(async || match read().await {
        Err(FeedError::Lost(why)) => Ok(why),
        other => Err(other),
    });
    again.await;
}

/// What the guard is for.
#[tokio::test]
async fn without_the_guard_a_revocation_is_acknowledged_that_the_next_primary_lacks() {
    let three = Three::start(REDIS_7);
    let off = Guards {
        majority: false,
        ..Guards::ALL
    };
    let store = three.open(off).await;
    let kept = one(&store, vec![put(user("ada"))]).await;
    until("the first commit at a replica", || {
        let asked = ["hget", "{tw:hub}:f:head", "revision"];
        three.replicas[0].ask(&asked) == "1"
    });
    three.part();
    let acknowledged = one(&store, vec![Change::Revoke(vec![Serial(7)])]).await;
    assert!(acknowledged.revision > kept.revision);
    // A view is fresh at the primary that was cut off, and at the next one without the revocation.
    three
        .follow(off)
        .confirm(&"edge".into(), &kept)
        .await
        .unwrap();
    let unguarded = Guards {
        vouching: false,
        ..off
    };
    let next = three.replicas[0].url();
    let next = RedisFeed::of_nodes(&next, "hub", 1, unguarded).unwrap();
    let fresh = next.confirm(&"edge".into(), &kept).await.unwrap();
    assert_eq!(fresh.head.cursor, kept);
    assert!(scan(&next).await.unwrap().revoked.is_empty());
}

async fn refused(server: &Server, nodes: u8) -> String {
    let options = OpenOptions {
        data_nodes: nodes,
        ..CREATE
    };
    match RedisStore::open(&server.url(), "hub", options)
        .await
        .map(|_| ())
    {
        Err(OpenError::Volatile(why)) => why,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_primary_that_would_write_without_its_replicas_is_refused() {
    let server = Server::start(&[]);
    assert_eq!(
        refused(&server, 5).await,
        "min-replicas-to-write is 0, set it to 2 or more; min-replicas-max-lag is 10, set it to 1 or 2"
    );
    server.ask(&["config", "set", "min-replicas-to-write", "1"]);
    server.ask(&["config", "set", "min-replicas-max-lag", "0"]);
    assert_eq!(
        refused(&server, 3).await,
        "min-replicas-max-lag is 0, set it to 1 or 2"
    );
    assert_eq!(refused(&server, 1).await, "Ok(())");
    for nodes in [0, 2, 4] {
        let told = refused(&server, nodes).await;
        assert_eq!(told, format!("Err(DataNodes({nodes}))"));
    }
}

#[tokio::test]
async fn more_data_nodes_than_the_majority_is_counted_from_are_refused() {
    let group = group::take(group::SENTINELS);
    suites::open(&group).await;
    let one = RedisStore::open(&group.place("issuer"), "hub", CREATE).await;
    let told = one.map(|_| ()).unwrap_err().to_string();
    assert!(
        told.contains("it has 2 replicas") && told.contains("--store-nodes"),
        "{told}"
    );
    // A follower would be fresh by a primary that was cut off.
    let feed = RedisFeed::of_nodes(&group.place("verifier"), "hub", 1, Guards::ALL).unwrap();
    let told = feed
        .confirm(&"edge".into(), &Cursor::start(LogId([0; 16])))
        .await;
    assert!(
        matches!(&told, Err(FeedError::Unavailable(why)) if why.contains("--store-nodes")),
        "{told:?}"
    );
    group::give_back(group);
}

#[tokio::test]
async fn a_cursor_of_nobody_is_lost_by_majority_too() {
    let group = group::take(group::SENTINELS);
    let store = suites::open(&group).await;
    let mut beyond = Cursor::start(store.log());
    beyond.revision.0 = 9;
    let told = suites::follow(&group)
        .confirm(&"edge".into(), &beyond)
        .await;
    assert!(matches!(told, Err(FeedError::Lost(_))), "{told:?}");
    group::give_back(group);
}
