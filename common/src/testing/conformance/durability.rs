//! These cases test that everything acknowledged survives a kill, and that no serial is given out
//! twice.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;

use crate::{
    state::record::{Change, FloorTarget},
    store::{Commit, CommitClass},
    testing::conformance::{
        Backend,
        fixture::{commit, done, head, key, put, read_to, revoke, start},
        fold::{assert_chained, fold, scan},
    },
};

/// Every acknowledged commit survives, of many that run at once.
pub async fn commits_survive_a_kill<B: Backend>() {
    let mut backend = B::fresh().await;
    let start = start(&*backend.feed()).await;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let store = backend.store();
        let commits = (0..50).map(|number| {
            let number = round * 50 + number;
            done(&*store, put(number, "ada"))
        });
        acknowledged.extend(join_all(commits).await);
        acknowledged.push(done(&*store, revoke([round as u64 + 1])).await);
        let raise = commit(vec![Change::RaiseFloor(FloorTarget::Realm)]);
        acknowledged.push(done(&*store, raise).await);
        let before = backend.feed().head().await.unwrap();
        drop(store);
        backend.kill().await;
        let feed = backend.feed();
        let after = feed.head().await.unwrap();
        assert_eq!(after, before);
        let entries = read_to(&*feed, start, after.cursor.revision).await;
        assert_chained(start, &entries);
        acknowledged.sort_by_key(|cursor| cursor.revision);
        let read: Vec<_> = entries.iter().map(|entry| entry.cursor).collect();
        assert_eq!(read, acknowledged);
        let (_, scanned) = scan(&*feed).await;
        assert_eq!(scanned, fold(&entries));
    }
}

/// The request is remembered, so a caller that never got the answer may repeat it.
pub async fn a_repeat_survives_a_kill<B: Backend>() {
    let mut backend = B::fresh().await;
    let first = Commit {
        class: CommitClass::Takeaway,
        ..put(1, "ada")
    };
    let cursor = done(&*backend.store(), first.clone()).await;
    for _ in 0..2 {
        backend.kill().await;
        let store = backend.store();
        let answer = store.commit(first.clone()).await.unwrap();
        assert_eq!(answer.cursor, cursor);
        assert_eq!(answer.repeated, Some(first.response.clone()));
        assert_eq!(head(&*backend.feed()).await, cursor);
        assert!(store.get(&[key(1)]).await.unwrap()[0].is_some());
    }
}

/// After a restart a follower goes on at its cursor.
pub async fn restart_keeps_cursors<B: Backend>() {
    let mut backend = B::fresh().await;
    let start = start(&*backend.feed()).await;
    let mut cursors = vec![start];
    for number in 0..3 {
        cursors.push(done(&*backend.store(), put(number, "ada")).await);
    }
    let before = backend.feed().head().await.unwrap();
    backend.restart().await;
    let (store, feed) = (backend.store(), backend.feed());
    assert_eq!(feed.head().await.unwrap(), before);
    for cursor in &cursors {
        feed.read_log(cursor, Duration::ZERO).await.unwrap();
        let confirmed = feed.confirm(&"follower-1".into(), cursor).await.unwrap();
        assert_eq!(confirmed.head, before);
    }
    let next = done(&*store, put(9, "ada")).await;
    let entries = feed.read_log(&cursors[3], Duration::ZERO).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].cursor, next);
    assert_eq!(entries[0].predecessor, cursors[3].fingerprint);
}

/// Serials are given out once, also with many callers at once and after every kind of end. They are dense: a
/// gap is a serial whose answer was lost, at most one for each that is on its way at once.
pub async fn serials_never_repeat<B: Backend>() {
    let mut backend = B::fresh().await;
    let mut taken = BTreeSet::new();
    for round in 0..3u64 {
        let takers = (0..40).map(|_| {
            let store = backend.store();
            tokio::spawn(async move { store.take_serial().await.unwrap() })
        });
        for serial in join_all(takers).await {
            assert!(taken.insert(serial.unwrap()), "{taken:?}");
        }
        let highest = *taken.last().unwrap();
        let (least, gaps) = ((round + 1) * 40, (round + 1) * 8);
        assert!((least..=least + gaps).contains(&highest.0), "{highest:?}");
        assert!(backend.feed().head().await.unwrap().serial >= highest);
        if round % 2 == 0 {
            backend.kill().await;
        } else {
            backend.restart().await;
        }
    }
}
