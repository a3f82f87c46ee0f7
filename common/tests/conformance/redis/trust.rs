//! Which servers are trusted, and what whom is allowed.

use std::time::Duration;

use tokenward_common::{
    id::{Cursor, Serial, TokenId},
    state::{key::Key, record::Change},
    store::{
        Class, Commit, CommitError, Feed, PrivateWrite, Report, Store, Used,
        redis::{OpenError, OpenOptions, RedisFeed, RedisStore},
    },
};

use super::{fixture::*, server::Server};

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
        %R~{tw:hub}:f:* %RW~{tw:hub}:receipts %RW~{tw:hub}:used:* \
        +xread +xrange +hget +hgetall +smembers +get +getrange +setrange +hset +eval +time +info +ping";
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
    store.take_serial().await.unwrap();
    let report = Report {
        used: vec![Used {
            token: TokenId(1),
            hour: 480_000,
        }],
        ..Report::from("edge")
    };
    feed.confirm(&report, &cursor).await.unwrap();
    let hours = store.last_used(&[TokenId(1)]).await.unwrap();
    assert_eq!(hours, [Some(480_000)]);

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
    store.confirm(&"edge".into(), &cursor).await.unwrap();
    server.ask(&["config", "set", "maxmemory", "0"]);
    while store.commit(commit(Vec::new())).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
