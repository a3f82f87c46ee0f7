//! Which servers are trusted, and what whom is allowed.

use std::time::Duration;

use tokenward_common::{
    id::{Cursor, Serial, TokenId},
    state::{key::Key, record::Change},
    store::{
        Commit, CommitClass, CommitError, Feed, FeedError, PrivateWrite, Reason, Report, Store,
        Used,
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

/// Redis replays its log with the rights of its user `default`, whether anybody may be that user or not.
#[tokio::test]
async fn a_server_that_would_not_take_its_log_back_is_refused() {
    let server = Server::start(&[]);
    let ask = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        server.ask(&words)
    };
    let issuer = "acl setuser issuer on >pw resetkeys resetchannels ~{tw:hub}:* +@all -@dangerous \
        +info +config|get";
    assert_eq!(ask(issuer), "OK");
    let url = server.url_as("issuer", "pw");
    let open = async || {
        let opened = RedisStore::open(&url, "hub", CREATE).await;
        opened.map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = open().await.unwrap_err();
    assert!(refused.contains("+acl|dryrun"), "{refused}");
    assert_eq!(ask("acl setuser issuer +acl|dryrun"), "OK");
    open().await.unwrap();
    let by_root = |rights: &str| {
        let words = format!("--user root --pass pw --no-auth-warning acl setuser default {rights}");
        assert_eq!(ask(&words), "OK");
    };
    assert_eq!(ask("acl setuser root on >pw ~* &* +@all"), "OK");
    for rights in [
        "off -@all",
        "+@all resetkeys ~other:*",
        "allkeys -hset",
        "-xadd",
    ] {
        by_root(rights);
        let refused = open().await.unwrap_err();
        assert!(
            refused.contains("user default may not run"),
            "{rights}: {refused}"
        );
    }
    by_root("off ~* &* +@all");
    open().await.unwrap();
}

/// A healthy connection lives for ever: what changes meanwhile is seen all the same.
#[tokio::test]
async fn a_server_that_begins_to_forget_is_refused_soon() {
    let server = Server::start(&[]);
    let store = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    one(&store, Vec::new()).await;
    store.able().await.unwrap();
    for (name, wrong, right) in [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ] {
        server.ask(&["config", "set", name, wrong]);
        until(async || store.able().await == Err(Reason::Volatile)).await;
        let refused = store.commit(commit(Vec::new())).await.unwrap_err();
        assert!(
            matches!(&refused, CommitError::Rejected(text) if text.contains(name)),
            "{refused:?}"
        );
        server.ask(&["config", "set", name, right]);
        until(async || store.able().await.is_ok()).await;
    }
    one(&store, Vec::new()).await;
}

async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came");
}

/// What that guard is for: a managed server isn't asked.
#[tokio::test]
async fn a_server_that_does_not_take_its_log_back_forgets_what_it_acknowledged() {
    let users = "--user issuer on >pw ~* &* +@all --user default on nopass -@all +ping +dbsize";
    let users: Vec<_> = users.split_whitespace().collect();
    let mut server = Server::start(&users);
    let unasked = OpenOptions {
        managed: true,
        ..CREATE
    };
    let url = server.url_as("issuer", "pw");
    let store = RedisStore::open(&url, "hub", unasked).await.unwrap();
    one(&store, vec![Change::Revoke(vec![Serial(4)])]).await;
    let keys = |server: &Server| -> u32 { server.ask(&["dbsize"]).parse().unwrap() };
    let before = keys(&server);
    server.kill();
    server.restart();
    assert!(keys(&server) < before, "{before}");
}

/// As the store's text has it.
const VERIFIER: &str = "acl setuser verifier on >secret resetkeys resetchannels -@all \
    %R~{tw:hub}:f:* %RW~{tw:hub}:receipts %RW~{tw:hub}:seen \
    +xread +xrange +hget +hgetall +hlen +smembers +get +hset +fcall +time +info +ping";

fn as_verifier(server: &Server, words: &[&str]) -> String {
    let mut all = vec![
        "--user",
        "verifier",
        "--pass",
        "secret",
        "--no-auth-warning",
    ];
    all.extend(words);
    server.ask(&all)
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
    let words: Vec<_> = VERIFIER.split_whitespace().collect();
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

    let sha = server.ask(&["script", "load", "return 1"]);
    for forbidden in [
        vec!["hset", "{tw:hub}:f:head", "revision", "9"],
        vec!["xadd", "{tw:hub}:f:log", "9-0", "f", "x"],
        vec!["del", "{tw:hub}:receipts"],
        vec!["set", "{tw:hub}:seen", "x"],
        vec!["setrange", "{tw:hub}:seen", "536870000", "x"],
        vec!["setrange", "{tw:hub}:used:9", "536870000", "x"],
        vec!["hset", "{tw:hub}:used:9", "a", "x"],
        vec!["hgetall", "{tw:hub}:i:r32:0"],
        vec!["eval", "while true do end", "0"],
        vec!["eval_ro", "while true do end", "0"],
        vec!["evalsha", &sha, "0"],
        vec!["script", "flush"],
        vec!["function", "flush"],
        vec!["function", "load", "replace", "#!lua name=a\nreturn 1"],
        vec!["flushall"],
        vec!["config", "get", "appendonly"],
        vec!["acl", "list"],
    ] {
        let answer = as_verifier(&server, &forbidden);
        assert!(answer.contains("NOPERM"), "{forbidden:?}: {answer}");
    }
    // A function's commands are judged by its caller's rights: no other keys through it.
    let library = server.ask(&["function", "list"]);
    let confirm = library
        .lines()
        .find(|line| line.starts_with("tokenward_confirm_"));
    let through = as_verifier(
        &server,
        &[
            "fcall",
            confirm.unwrap(),
            "2",
            "{tw:hub}:f:head",
            "{tw:hub}:f:head",
        ],
    );
    assert!(through.contains("NOPERM"), "{through}");
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
    assert_eq!(refused, CommitError::Short(Reason::Memory));
    assert_eq!(store.able().await, Err(Reason::Memory));
    let takeaway = Commit {
        class: CommitClass::Takeaway,
        ..commit(vec![Change::Revoke(vec![Serial(3)])])
    };
    let cursor = store.commit(takeaway).await.unwrap().cursor;
    store.confirm(&"edge".into(), &cursor).await.unwrap();
    server.ask(&["config", "set", "maxmemory", "0"]);
    while store.commit(commit(Vec::new())).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.able().await, Ok(()));
}

/// Functions outlive a server's end; where they are gone an issuer's own confirm brings them back.
#[tokio::test]
async fn the_function_is_found_again() {
    let mut server = Server::start(&[]);
    let store = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    let cursor = one(&store, vec![put(user("ada"))]).await;
    let words: Vec<_> = VERIFIER.split_whitespace().collect();
    server.ask(&words);
    let feed = RedisFeed::new(&server.url_as("verifier", "secret"), "hub").unwrap();
    let edge = Report::from("edge");
    feed.confirm(&edge, &cursor).await.unwrap();
    server.kill();
    server.restart();
    server.ask(&words);
    until_able(&store).await;
    feed.confirm(&edge, &cursor).await.unwrap();
    server.ask(&["function", "flush"]);
    let refused = feed.confirm(&edge, &cursor).await;
    let Err(FeedError::Unavailable(text)) = refused else {
        panic!("{refused:?}");
    };
    assert!(text.contains("an issuer of this version loads"), "{text}");
    store.confirm(&"issuer".into(), &cursor).await.unwrap();
    feed.confirm(&edge, &cursor).await.unwrap();
    // Wiped, and functions with it: whoever makes the realm loads them.
    server.ask(&["flushall"]);
    server.ask(&["function", "flush"]);
    let again = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    let cursor = one(&again, Vec::new()).await;
    feed.confirm(&edge, &cursor).await.unwrap();
}

/// Without functions the confirm is a script, for a user who may run one.
#[tokio::test]
async fn without_functions_a_script_confirms() {
    let server = Server::start(&["--rename-command", "FUNCTION", ""]);
    let store = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    let cursor = one(&store, vec![put(user("ada"))]).await;
    let more = format!("{VERIFIER} %RW~{{tw:hub}}:used:* +eval +getrange +setrange");
    let words: Vec<_> = more.split_whitespace().collect();
    assert_eq!(server.ask(&words), "OK");
    let feed = RedisFeed::new(&server.url_as("verifier", "secret"), "hub").unwrap();
    let serial = store.take_serial().await.unwrap();
    let used = Used {
        token: TokenId(serial.0),
        hour: 480_000,
    };
    let report = Report {
        used: vec![used],
        ..Report::from("edge")
    };
    feed.confirm(&report, &cursor).await.unwrap();
    store.confirm(&"issuer".into(), &cursor).await.unwrap();
    let hours = store.last_used(&[used.token]).await.unwrap();
    assert_eq!(hours, [Some(480_000)]);
    assert_eq!(store.receipts().await.unwrap().len(), 2);
}

/// What a stranger with a verifier's password leaves there makes nothing else.
#[tokio::test]
async fn notes_that_nobody_saw_are_dropped() {
    let server = Server::start(&[]);
    let store = RedisStore::open(&server.url(), "hub", CREATE)
        .await
        .unwrap();
    let serial = store.take_serial().await.unwrap().0;
    let note = |token: u64, hour: u32| {
        let bytes = [token.to_be_bytes().as_slice(), &hour.to_be_bytes()].concat();
        String::from_utf8(bytes).unwrap()
    };
    // In hours since 1970 that are text: 0x00074747 is 2024, 0x01010101 far ahead.
    for (follower, notes) in [
        ("good", note(serial, 0x0007_4747)),
        ("ahead", note(serial, 0x0101_0101)),
        ("unminted", note(0x7777_7777, 0x0007_4747)),
        ("cut", "short".to_owned()),
        ("long", "x".repeat(60_000)),
    ] {
        // As standard input: an argument can't hold a zero byte.
        server.feed(&["-x", "hset", "{tw:hub}:seen", follower], &notes);
    }
    let hours = store.last_used(&[TokenId(serial)]).await.unwrap();
    assert_eq!(hours, [Some(0x0007_4747)]);
    assert_eq!(server.ask(&["exists", "{tw:hub}:seen"]), "0");
    let pages = server.ask(&["keys", "{tw:hub}:used:*"]);
    assert_eq!(pages, "{tw:hub}:used:0");
}
