//! These cases test what no store takes: entries that are too large, or at which a reader would stop.

use crate::{
    id::{KeyId, Serial},
    state::{
        key::Key,
        record::{Approval, Change, FloorTarget, Record, RecordKey},
    },
    store::{Commit, CommitError, MAX_CHANGE_BYTES, MAX_CHANGES, PrivateWrite},
    testing::conformance::{
        Backend,
        fixture::{commit, done, key, member, put, revoke, view, wide_user},
    },
};

/// Asserts that the commit is refused and leaves nothing behind.
async fn refused<B: Backend>(backend: &B, commit: Commit) -> CommitError {
    let (store, feed) = (backend.store(), backend.feed());
    let before = feed.head().await.unwrap();
    let request = commit.request;
    let error = store.commit(commit).await.unwrap_err();
    assert_eq!(feed.head().await.unwrap(), before);
    assert_eq!(store.request(&request).await.unwrap(), None);
    error
}

/// A commit of one change more than [`MAX_CHANGES`] is too large; one of exactly as many is taken.
pub async fn too_many_changes<B: Backend>() {
    let backend = B::fresh().await;
    let many = |n| commit((0..n).map(|n| Change::Put(member(n))).collect());
    let error = refused(&backend, many(MAX_CHANGES + 1)).await;
    assert!(matches!(error, CommitError::TooLarge(_)), "{error:?}");
    done(&*backend.store(), many(MAX_CHANGES)).await;
}

/// A commit of more than [`MAX_CHANGE_BYTES`] of changes is too large; one a little below is taken.
pub async fn too_many_bytes<B: Backend>() {
    let backend = B::fresh().await;
    let wide = |bytes| commit(vec![Change::Put(wide_user(1, bytes))]);
    let error = refused(&backend, wide(MAX_CHANGE_BYTES + 1)).await;
    assert!(matches!(error, CommitError::TooLarge(_)), "{error:?}");
    done(&*backend.store(), wide(MAX_CHANGE_BYTES - 1024)).await;
}

/// Each serial of a batch counts as a change.
pub async fn serials_weigh<B: Backend>() {
    let backend = B::fresh().await;
    let most = MAX_CHANGES as u64;
    let error = refused(&backend, revoke(1..=most + 1)).await;
    assert!(matches!(error, CommitError::TooLarge(_)), "{error:?}");
    done(&*backend.store(), revoke(1..=most)).await;
    let counts = backend.feed().head().await.unwrap().counts;
    assert_eq!(counts.revoked, most);
    let one = commit(vec![Change::Revoke(vec![Serial(1)])]);
    done(&*backend.store(), one).await;
}

/// Floors, withdrawn keys and orgs' views of tokens can't be deleted: a reader stops at an entry that
/// deletes one.
pub async fn undeletable_stays<B: Backend>() {
    let backend = B::fresh().await;
    let kid = KeyId::parse("key-1").unwrap();
    let withdrawn = Change::Put(Record::WithdrawnKey(kid.clone()));
    done(&*backend.store(), commit(vec![withdrawn])).await;
    for stays in [
        RecordKey::WithdrawnKey(kid),
        RecordKey::Floor(FloorTarget::Realm),
        view(1, Approval::Pending).key(),
    ] {
        let error = refused(&backend, commit(vec![Change::Delete(stays)])).await;
        assert!(matches!(error, CommitError::Rejected(_)), "{error:?}");
    }
}

/// An issuer-only write under a public kind would be in the snapshot, but in no entry.
pub async fn private_stays_private<B: Backend>() {
    let backend = B::fresh().await;
    let hidden: Key = key(1);
    for write in [
        PrivateWrite::Put {
            key: hidden.clone(),
            value: vec![1],
        },
        PrivateWrite::Delete(hidden.clone()),
    ] {
        let error = refused(&backend, put(2, "ada").with(write)).await;
        assert!(matches!(error, CommitError::Rejected(_)), "{error:?}");
    }
}
