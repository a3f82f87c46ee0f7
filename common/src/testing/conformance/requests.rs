//! These cases test that a request id names one commit: a repeat changes nothing, and gets the answer
//! of the first.

use futures_util::future::join_all;

use crate::{
    store::{Commit, CommitError, Expect},
    testing::conformance::{
        Backend,
        fixture::{commit, done, head, key, put},
    },
};

/// A second commit with a request id writes nothing, whatever else it holds, and gets the answer of the
/// first.
pub async fn a_repeat_changes_nothing<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let first = Commit {
        response: b"the answer".to_vec(),
        ..put(1, "ada")
    };
    assert_eq!(store.request(&first.request).await.unwrap(), None);
    let cursor = done(&*store, first.clone()).await;
    assert_eq!(
        store.request(&first.request).await.unwrap(),
        Some(b"the answer".to_vec())
    );
    done(&*store, put(1, "bob")).await;
    let before = feed.head().await.unwrap();
    // Only the request id is the same as in the first commit.
    let other = Commit {
        response: b"another".to_vec(),
        request: first.request,
        ..put(2, "eve")
    };
    for repeat in [first.clone(), other] {
        let answer = store.commit(repeat).await.unwrap();
        assert_eq!(answer.cursor, cursor);
        assert_eq!(answer.repeated, Some(b"the answer".to_vec()));
    }
    assert_eq!(feed.head().await.unwrap(), before);
    // An empty response is kept and returned too.
    let quiet = Commit {
        response: Vec::new(),
        ..commit(Vec::new())
    };
    done(&*store, quiet.clone()).await;
    let answer = store.commit(quiet.clone()).await.unwrap();
    assert_eq!(answer.repeated, Some(Vec::new()));
    let kept = store.request(&quiet.request).await.unwrap();
    assert_eq!(kept, Some(Vec::new()));
}

/// The id is looked up before the expectations are compared, because the first commit itself broke
/// them.
pub async fn a_repeat_outlives_its_expectations<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let first = put(1, "ada").expecting(Expect::Absent(key(1)));
    let cursor = done(&*store, first.clone()).await;
    let answer = store.commit(first.clone()).await.unwrap();
    assert_eq!(answer.cursor, cursor);
    assert_eq!(answer.repeated, Some(first.response));
}

/// A conflict wrote nothing, so the same id may be tried again.
pub async fn a_conflict_is_not_remembered<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    done(&*store, put(1, "ada")).await;
    let mut retried = put(1, "bob").expecting(Expect::Absent(key(1)));
    assert_eq!(
        store.commit(retried.clone()).await,
        Err(CommitError::Conflict(0))
    );
    retried.expect.clear();
    done(&*store, retried).await;
}

/// If one request is sent many times at once, one commits, and all answers have its cursor.
pub async fn the_same_request_twice_at_once<B: Backend>() {
    let backend = B::fresh().await;
    let feed = backend.feed();
    for round in 1..=5 {
        let request = put(1, "ada");
        let sent = (0..8).map(|_| {
            let (store, request) = (backend.store(), request.clone());
            tokio::spawn(async move { store.commit(request).await.unwrap() })
        });
        let mut answers = Vec::new();
        for answer in join_all(sent).await {
            answers.push(answer.unwrap());
        }
        let firsts = answers.iter().filter(|answer| answer.repeated.is_none());
        assert_eq!(firsts.count(), 1);
        let head = head(&*feed).await;
        assert_eq!(head.revision.0, round);
        assert!(answers.iter().all(|answer| answer.cursor == head));
    }
}
