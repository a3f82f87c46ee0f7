//! Servers that die, hang, forget or are wiped, under running handles.

use std::time::Duration;

use tokenward_common::{
    id::{AccountId, Cursor, Revision, Serial},
    state::record::Change,
    store::{Commit, CommitClass, CommitError, Feed, FeedError, Reason, Store, redis::RedisStore},
};

use super::{fixture::*, server::Server};

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
    assert_eq!(store.able().await, Err(Reason::Unreachable));
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
    store.confirm(&"v".into(), &kept).await.unwrap();
    server.keep();
    let lost = one(&store, vec![Change::Revoke(vec![Serial(7)])]).await;
    store.confirm(&"v".into(), &lost).await.unwrap();
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
        store.confirm(&"v".into(), &lost).await,
        Err(FeedError::Unavailable(_))
    ));
    assert_eq!(store.able().await, Err(Reason::Rollback));
    // The first may have gone out over the broken connection: a repeat wouldn't tell.
    let refused = store.commit(commit(Vec::new())).await;
    assert!(
        matches!(
            refused,
            Err(CommitError::Rejected(_) | CommitError::Unknown(_))
        ),
        "{refused:?}"
    );
    assert_eq!(store.head().await.unwrap().cursor, kept);
    let refused = store.take_serial().await;
    assert!(
        matches!(refused, Err(CommitError::Rejected(_))),
        "{refused:?}"
    );
    // Another issuer, which doesn't remember, does not go on without the one that does.
    let other = RedisStore::open(&server.url(), realm, CREATE)
        .await
        .unwrap();
    for _ in 0..20 {
        assert_eq!(other.able().await, Err(Reason::Unvouched));
        let told = store.confirm(&"v".into(), &kept).await;
        assert!(matches!(told, Err(FeedError::Unavailable(_))), "{told:?}");
        assert_eq!(store.able().await, Err(Reason::Rollback));
        tokio::time::sleep(CREATE.lease / 10).await;
    }
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
        let reason = if made { Reason::OtherLog } else { Reason::Gone };
        let refused = store.commit(commit(Vec::new())).await;
        assert!(
            matches!(refused, Err(CommitError::Unfit { reason: is, .. }) if is == reason),
            "{refused:?}"
        );
        let refused = store.take_serial().await;
        assert!(
            matches!(refused, Err(CommitError::Unfit { reason: is, .. }) if is == reason),
            "{refused:?}"
        );
        assert_eq!(store.able().await, Err(reason));
        assert!(matches!(store.get(&[]).await, Err(FeedError::Lost(_))));
        let remembered = store.request(&request()).await;
        assert!(matches!(remembered, Err(FeedError::Lost(_))));
        let owner = AccountId::parse("ada").unwrap();
        let tokens = store.tokens_of(&owner, None, 9).await;
        assert!(matches!(tokens, Err(FeedError::Lost(_))));
        let read = store.read_log(&cursor, Duration::from_secs(9)).await;
        assert!(matches!(read, Err(FeedError::Lost(_))));
        assert!(matches!(
            store.confirm(&"v".into(), &cursor).await,
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
        class: CommitClass::Takeaway,
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
