//! These cases test order, cursors, waiting and confirming.

use std::{pin::pin, time::Duration};

use futures_util::{future::join_all, poll};

use crate::{
    id::{Cursor, Revision, Serial},
    state::{key::Key, record::Change},
    store::{Commit, CommitClass, MAX_BATCH, PrivateWrite},
    testing::conformance::{
        Backend,
        fixture::{commit, done, head, put, read_to, revoke, start, user},
        fold::assert_chained,
        soon,
    },
};

/// Revisions have no gaps, each entry names its predecessor, and the entry is what was committed.
pub async fn order<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    assert_eq!(head(&*feed).await, start, "a fresh log is empty");
    let mut cursors = Vec::new();
    for number in 0..20 {
        cursors.push(done(&*store, put(number, "ada")).await);
    }
    // A commit without public changes is still an entry.
    cursors.push(done(&*store, commit(Vec::new())).await);
    let entries = read_to(&*feed, start, cursors[20].revision).await;
    assert_chained(start, &entries);
    let read: Vec<Cursor> = entries.iter().map(|entry| entry.cursor).collect();
    assert_eq!(read, cursors);
    assert_eq!(entries[3].changes, [Change::Put(user(3, "ada"))]);
    assert_eq!(entries[20].changes, []);
    assert!(entries.iter().all(|entry| entry.time.0 > 0));
    assert_eq!(head(&*feed).await, cursors[20]);
}

/// Many callers commit at once: each gets a revision of its own, and the log is one chain.
pub async fn many_at_once<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    let callers = (0..500).map(|number| {
        let store = backend.store();
        tokio::spawn(async move { done(&*store, put(number, "ada")).await })
    });
    let mut cursors: Vec<Cursor> = join_all(callers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    cursors.sort_by_key(|cursor| cursor.revision);
    let last = done(&*store, commit(Vec::new())).await;
    cursors.push(last);
    let entries = read_to(&*feed, start, last.revision).await;
    assert_chained(start, &entries);
    let read: Vec<Cursor> = entries.iter().map(|entry| entry.cursor).collect();
    assert_eq!(read, cursors);
}

/// Reading after a cursor gives the next entry, never its own.
pub async fn exclusive_cursors<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let mut cursors = vec![start(&*feed).await];
    for number in 0..5 {
        cursors.push(done(&*store, put(number, "ada")).await);
    }
    for pair in cursors.windows(2) {
        let entries = feed.read_log(&pair[0], Duration::ZERO).await.unwrap();
        assert_eq!(entries[0].cursor, pair[1]);
    }
}

/// A read at the head returns nothing, without an error, and without a wait if none is requested.
pub async fn empty_wait<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    for wait in [Duration::ZERO, Duration::from_millis(30)] {
        assert_eq!(feed.read_log(&start, wait).await.unwrap(), []);
    }
    let last = done(&*store, put(1, "ada")).await;
    for wait in [Duration::ZERO, Duration::from_millis(30)] {
        assert_eq!(feed.read_log(&last, wait).await.unwrap(), []);
    }
}

/// A waiting reader is answered when an entry comes, not when its wait is over. A reader that gave up
/// misses nothing.
pub async fn wakes_at_once<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let mut at = start(&*feed).await;
    for number in 0..10 {
        // The wait is longer than the suite's patience.
        let after = at;
        let mut reading = pin!(feed.read_log(&after, Duration::from_secs(25)));
        assert!(poll!(reading.as_mut()).is_pending());
        {
            let mut given_up = pin!(feed.read_log(&after, Duration::from_secs(25)));
            assert!(poll!(given_up.as_mut()).is_pending());
        }
        let committed = done(&*store, put(number, "ada")).await;
        let entries = soon(reading).await.unwrap();
        assert_eq!(entries.len(), 1);
        at = entries[0].cursor;
        assert_eq!(at, committed);
    }
}

/// No answer holds more entries than allowed, and many answers make the whole log.
pub async fn batches_are_bounded<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    let many = MAX_BATCH + 50;
    join_all((0..many).map(|_| done(&*store, commit(Vec::new())))).await;
    let entries = feed.read_log(&start, Duration::ZERO).await.unwrap();
    assert!((1..=MAX_BATCH).contains(&entries.len()));
    let head = head(&*feed).await;
    assert_eq!(head.revision.0, many as u64);
    let entries = read_to(&*feed, start, head.revision).await;
    assert_eq!(entries.len(), many);
    assert_chained(start, &entries);
}

/// A takeaway doesn't wait behind an import.
pub async fn takeaways_before_imports<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    // These imports are quick to queue and slow to write, so the queue is long when the takeaway comes.
    let imports = (0..2000u64).map(|number| {
        let writes = (0..8).map(|i| PrivateWrite::Put {
            key: Key::account_name(&format!("name-{number}-{i}")),
            value: vec![1; 64],
        });
        Commit {
            class: CommitClass::Import,
            private: writes.collect(),
            ..commit(Vec::new())
        }
    });
    let mut imports = pin!(join_all(imports.map(|import| store.commit(import))));
    assert!(poll!(imports.as_mut()).is_pending());
    let takeaway = done(&*store, revoke([7])).await;
    let revisions = imports
        .await
        .into_iter()
        .map(|import| import.unwrap().cursor.revision);
    let last = revisions.max().unwrap();
    assert!(takeaway.revision < last, "{takeaway:?} came last");
}

/// A confirm at the start of an empty log is answered with that start, serial 0 and a time.
pub async fn confirm_of_an_empty_log<B: Backend>() {
    let backend = B::fresh().await;
    let feed = backend.feed();
    let start = start(&*feed).await;
    let confirmed = feed.confirm(&"follower-1".into(), &start).await.unwrap();
    assert_eq!(confirmed.head.cursor, start);
    assert_eq!(confirmed.head.serial, Serial(0));
    assert!(confirmed.time.0 > 0);
}

/// A confirm that begins after a commit was acknowledged shows the commit, whatever had been applied.
pub async fn confirm_shows_what_was_acknowledged<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let mut applied = vec![start(&*feed).await];
    let mut time = 0;
    for number in 0..10 {
        let committed = done(&*store, put(number, "ada")).await;
        for applied in &applied {
            let confirmed = feed.confirm(&"follower-1".into(), applied).await.unwrap();
            assert_eq!(confirmed.head.cursor, committed);
            assert!(confirmed.time.0 >= time);
            time = confirmed.time.0;
        }
        applied.push(committed);
    }
}

/// An entry's fingerprint covers all that came before it: after two logs went apart, the same commit at the
/// same revision is another entry on each.
pub async fn fingerprints_cover_all_before<B: Backend>() {
    let last = put(9, "ada");
    let mut fingerprints = Vec::new();
    for first in [1, 2] {
        let backend = B::fresh().await;
        let store = backend.store();
        done(&*store, put(first, "ada")).await;
        let cursor = done(&*store, last.clone()).await;
        assert_eq!(cursor.revision, Revision(2));
        fingerprints.push(cursor.fingerprint);
    }
    assert_ne!(fingerprints[0], fingerprints[1]);
}
