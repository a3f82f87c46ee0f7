//! These cases test that a cursor that isn't on the log is `Lost`, to a reader and to a confirm.

use std::time::Duration;

use crate::{
    id::{Cursor, Fingerprint, LogId, Revision},
    store::{Feed, FeedError, Retention},
    testing::conformance::{
        Backend,
        fixture::{done, head, put, start},
        fold::{fold, scan},
        soon,
    },
};

const KEEP_ALL: Retention = Retention {
    time: Duration::from_secs(24 * 3600),
    entries: u64::MAX >> 12,
    bytes: u64::MAX >> 12,
};

/// Asserts that the cursor is lost at once, however long the read would wait.
async fn assert_lost(feed: &dyn Feed, cursor: Cursor) {
    let read = soon(feed.read_log(&cursor, Duration::from_secs(25))).await;
    assert!(matches!(read, Err(FeedError::Lost(_))), "{read:?}");
    let confirmed = soon(feed.confirm(&"follower-1".into(), &cursor)).await;
    assert!(
        matches!(confirmed, Err(FeedError::Lost(_))),
        "{confirmed:?}"
    );
}

async fn assert_on_log(feed: &dyn Feed, cursor: Cursor) {
    feed.read_log(&cursor, Duration::ZERO).await.unwrap();
    feed.confirm(&"follower-1".into(), &cursor).await.unwrap();
}

/// A cursor of another log is lost, also at revision 0.
pub async fn other_log<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    assert_lost(&*feed, Cursor::start(LogId([9; 16]))).await;
    let committed = done(&*store, put(1, "ada")).await;
    let foreign = LogId([9; 16]);
    assert_lost(
        &*feed,
        Cursor {
            log: foreign,
            ..committed
        },
    )
    .await;
    assert_lost(&*feed, Cursor::start(foreign)).await;
}

/// A cursor with another fingerprint than the entry's is lost.
pub async fn other_fingerprint<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    let fingerprint = Fingerprint([9; 16]);
    assert_lost(
        &*feed,
        Cursor {
            fingerprint,
            ..start
        },
    )
    .await;
    for number in 0..3 {
        let committed = done(&*store, put(number, "ada")).await;
        assert_lost(
            &*feed,
            Cursor {
                fingerprint,
                ..committed
            },
        )
        .await;
        assert_on_log(&*feed, committed).await;
    }
    assert_lost(
        &*feed,
        Cursor {
            fingerprint,
            ..start
        },
    )
    .await;
}

/// A cursor beyond the head is lost.
pub async fn beyond_the_head<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    let beyond = |cursor: Cursor, by| Cursor {
        revision: Revision(cursor.revision.0 + by),
        fingerprint: Fingerprint([9; 16]),
        ..cursor
    };
    assert_lost(&*feed, beyond(start, 1)).await;
    let committed = done(&*store, put(1, "ada")).await;
    assert_lost(&*feed, beyond(committed, 1)).await;
    assert_lost(&*feed, beyond(committed, 1000)).await;
}

/// A cursor whose next entry was trimmed away is lost; the cursors of kept entries are on the log.
pub async fn trimmed<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let mut cursors = vec![start(&*feed).await];
    for number in 0..20 {
        cursors.push(done(&*store, put(number, "ada")).await);
    }
    store.trim(&KEEP_ALL).await.unwrap();
    for cursor in &cursors {
        assert_on_log(&*feed, *cursor).await;
    }
    let keep = Retention {
        entries: 5,
        ..KEEP_ALL
    };
    store.trim(&keep).await.unwrap();
    assert_lost(&*feed, cursors[0]).await;
    assert_lost(&*feed, cursors[1]).await;
    assert_lost(&*feed, cursors[14]).await;
    for cursor in &cursors[16..] {
        assert_on_log(&*feed, *cursor).await;
    }
    let after = feed.read_log(&cursors[16], Duration::ZERO).await.unwrap();
    assert_eq!(after.len(), 4);
    // The snapshot has what the log has lost.
    let (head, all) = scan(&*feed).await;
    assert_eq!(head.cursor, cursors[20]);
    assert_eq!(all.counts(), head.counts);
    assert_eq!(head.counts.kinds[1], 20);
}

/// A cursor at the head is valid without its entry, and the next entry is read after it.
pub async fn trimmed_to_nothing<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    let first = done(&*store, put(1, "ada")).await;
    let last = done(&*store, put(2, "ada")).await;
    let nothing = Retention {
        entries: 0,
        ..KEEP_ALL
    };
    store.trim(&nothing).await.unwrap();
    assert_lost(&*feed, start).await;
    assert_lost(&*feed, first).await;
    assert_on_log(&*feed, last).await;
    assert_eq!(head(&*feed).await, last);
    let next = done(&*store, put(3, "ada")).await;
    let entries = feed.read_log(&last, Duration::ZERO).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].cursor, next);
    assert_eq!(entries[0].predecessor, last.fingerprint);
}

/// A new realm never takes an old realm's cursor, not even the one of an empty log.
pub async fn wiped<B: Backend>() {
    let mut backend = B::fresh().await;
    let old_start = start(&*backend.feed()).await;
    let old = done(&*backend.store(), put(1, "ada")).await;
    backend.wipe().await;
    let feed = backend.feed();
    assert_ne!(head(&*feed).await.log, old.log);
    assert_lost(&*feed, old).await;
    assert_lost(&*feed, old_start).await;
    let new = done(&*backend.store(), put(1, "ada")).await;
    assert_eq!(new.revision, Revision(1));
    assert_lost(&*feed, old).await;
}

/// After a rollback of the store, a follower that knows more learns that its cursor is lost.
pub async fn rolled_back<B: Backend>() {
    let mut backend = B::fresh().await;
    let kept = done(&*backend.store(), put(1, "ada")).await;
    backend.back_up().await;
    let gone = done(&*backend.store(), put(2, "ada")).await;
    assert_on_log(&*backend.feed(), gone).await;
    backend.roll_back().await;
    let feed = backend.feed();
    assert_lost(&*feed, gone).await;
    assert_on_log(&*feed, kept).await;
}

/// A cursor is lost also when the store has meanwhile gone past its revision with other entries.
pub async fn rolled_back_and_gone_on<B: Backend>() {
    let mut backend = B::fresh().await;
    let kept = done(&*backend.store(), put(1, "ada")).await;
    backend.back_up().await;
    let gone = done(&*backend.store(), put(2, "ada")).await;
    backend.roll_back().await;
    let other = done(&*backend.store(), put(2, "bob")).await;
    done(&*backend.store(), put(3, "bob")).await;
    assert_eq!(other.revision, gone.revision);
    assert_ne!(other.fingerprint, gone.fingerprint);
    let feed = backend.feed();
    assert_lost(&*feed, gone).await;
    let entries = feed.read_log(&kept, Duration::ZERO).await.unwrap();
    assert_eq!(entries[0].cursor, other);
    assert_eq!(entries[0].predecessor, kept.fingerprint);
    assert_eq!(fold(&entries).counts().kinds[1], 2);
}
