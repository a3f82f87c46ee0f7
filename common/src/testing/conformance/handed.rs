//! These cases test what becomes of the takeaways that a follower hands in.

use std::time::Duration;

use crate::{
    id::{Cursor, LogId, Serial},
    state::record::Change,
    store::{HandedIn, Store},
    testing::conformance::{Backend, fixture::start, soon},
};

fn piece(left: Cursor, serials: std::ops::Range<u64>) -> HandedIn {
    HandedIn {
        follower: "follower-1".into(),
        left,
        serial: Serial(serials.end),
        changes: vec![Change::Revoke(serials.map(Serial).collect())],
        ancestors: Vec::new(),
    }
}

/// Takes what waits, until this many pieces came.
async fn take(store: &dyn Store, pieces: usize) -> Vec<HandedIn> {
    let mut taken = Vec::new();
    while taken.len() < pieces {
        for (name, piece) in store.handed_in().await.unwrap() {
            store.took_in(&name).await.unwrap();
            taken.push(piece);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    taken
}

/// A piece waits for the issuer, whole, and is gone once that took it.
pub async fn it_waits_until_it_is_taken<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let left = start(&*feed).await;
    let (one, two) = (piece(left, 1..200), piece(left, 300..301));
    let (first, second, mut taken) =
        soon(async { tokio::join!(feed.hand_in(&one), feed.hand_in(&two), take(&*store, 2)) })
            .await;
    first.unwrap();
    second.unwrap();
    taken.sort_by_key(|piece| piece.serial);
    assert_eq!(taken, [one, two]);
    assert_eq!(store.handed_in().await.unwrap(), []);
}

/// What is known of another log says nothing of this one.
pub async fn another_log_s_is_dropped<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let foreign = Cursor::start(LogId([9; 16]));
    assert!(!soon(feed.hand_in(&piece(foreign, 1..2))).await.unwrap());
    assert_eq!(store.handed_in().await.unwrap(), []);
}

/// A follower of a log that the store forgot was on the store's log before that.
pub async fn a_log_that_the_store_forgot_is_known_by_its_ancestor<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let log = start(&*feed).await.log;
    let forgotten = Cursor::start(LogId([9; 16]));
    let piece = HandedIn {
        ancestors: vec![LogId([8; 16]), log],
        ..piece(forgotten, 1..2)
    };
    let (told, taken) = soon(async { tokio::join!(feed.hand_in(&piece), take(&*store, 1)) }).await;
    assert!(told.unwrap());
    assert_eq!(taken, [piece]);
}

/// However many wait, each is taken.
pub async fn none_waits_behind_others<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let left = start(&*feed).await;
    let pieces: Vec<HandedIn> = (1..=700).map(|at| piece(left, at..at + 1)).collect();
    let hand_in = futures_util::future::join_all(pieces.iter().map(|piece| feed.hand_in(piece)));
    let taking = async { tokio::join!(hand_in, take(&*store, pieces.len())) };
    let taken = tokio::time::timeout(Duration::from_secs(60), taking).await;
    let mut taken = taken.unwrap().1;
    taken.sort_by_key(|piece| piece.serial);
    taken.dedup();
    assert_eq!(taken, pieces);
}

/// Serials go on after one that was passed, and never go back.
pub async fn passed_serials_are_not_given_out<B: Backend>() {
    let mut backend = B::fresh().await;
    let store = backend.store();
    store.pass_serial(Serial(41)).await.unwrap();
    // A serial whose answer was lost is a gap.
    let next = store.take_serial().await.unwrap();
    assert!((42..50).contains(&next.0), "{next:?}");
    store.pass_serial(Serial(7)).await.unwrap();
    assert!(store.take_serial().await.unwrap() > next);
    store.pass_serial(Serial(100)).await.unwrap();
    drop(store);
    backend.kill().await;
    let store = backend.store();
    assert!(store.take_serial().await.unwrap() > Serial(100));
}
