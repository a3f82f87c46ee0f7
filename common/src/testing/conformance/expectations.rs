//! These cases test that expectations are compared in the same step as the commit is written.

use futures_util::future::join_all;

use crate::{
    id::{Cursor, Revision, Serial, TokenId},
    state::{
        key::Key,
        record::{Change, FloorTarget, RecordKey},
    },
    store::{Commit, CommitError, Committed, Expect, PrivateWrite, Store},
    testing::conformance::{
        Backend,
        fixture::{account, commit, done, head, key, put, revoke, user, user_key},
    },
};

async fn conflict(store: &dyn Store, commit: Commit) -> usize {
    match store.commit(commit).await {
        Err(CommitError::Conflict(index)) => index,
        other => panic!("not a conflict: {other:?}"),
    }
}

fn unchanged_since(key: Key, since: Revision) -> Expect {
    Expect::Unchanged { key, since }
}

/// A conflict writes nothing: no public or issuer-only record, no index and no request.
pub async fn nothing_of_a_conflict_is_written<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    done(&*store, put(1, "ada")).await;
    let before = feed.head().await.unwrap();
    let refused = Commit {
        changes: vec![
            Change::Put(user(2, "bob")),
            Change::Revoke(vec![Serial(5)]),
            Change::RaiseFloor(FloorTarget::Realm),
        ],
        ..put(2, "bob")
    }
    .with(PrivateWrite::Put {
        key: Key::account_name("bob"),
        value: vec![1],
    })
    .with(PrivateWrite::IndexToken {
        owner: account("bob"),
        token: TokenId(1),
    })
    .expecting(Expect::Absent(key(3)))
    .expecting(Expect::Absent(key(1)));
    let request = refused.request;
    assert_eq!(conflict(&*store, refused).await, 1);
    assert_eq!(feed.head().await.unwrap(), before);
    let keys = [
        key(2),
        Key::account_name("bob"),
        Key::from_record_key(&RecordKey::Floor(FloorTarget::Realm)),
    ];
    assert_eq!(store.get(&keys).await.unwrap(), [None, None, None]);
    let tokens = store.tokens_of(&account("bob"), None, 10).await.unwrap();
    assert_eq!(tokens, []);
    assert_eq!(store.request(&request).await.unwrap(), None);
    let serial = put(4, "eve").expecting(Expect::NotRevoked(Serial(5)));
    done(&*store, serial).await;
}

/// `Absent` holds while no record stands under the key, public or issuer-only, and again after a delete.
pub async fn absent<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let name = Key::account_name("ada");
    let claim = || {
        put(1, "ada")
            .with(PrivateWrite::Put {
                key: name.clone(),
                value: vec![1],
            })
            .expecting(Expect::Absent(name.clone()))
            .expecting(Expect::Absent(key(1)))
    };
    done(&*store, claim()).await;
    assert_eq!(conflict(&*store, claim()).await, 0);
    let free = commit(vec![Change::Delete(user_key(1))]).with(PrivateWrite::Delete(name.clone()));
    done(&*store, free).await;
    done(&*store, claim()).await;
}

/// `Unchanged` compares revisions, also of a record that another commit wrote; it fails for a missing
/// record.
pub async fn unchanged<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let write = |since| put(1, "ada").expecting(unchanged_since(key(1), since));
    assert_eq!(conflict(&*store, write(Revision(9))).await, 0);
    let first = done(&*store, put(1, "ada")).await;
    let other = done(&*store, put(2, "bob")).await;
    assert_eq!(conflict(&*store, write(Revision(0))).await, 0);
    let second = done(&*store, write(first.revision)).await;
    assert_eq!(conflict(&*store, write(first.revision)).await, 0);
    assert_eq!(conflict(&*store, write(other.revision)).await, 0);
    done(&*store, write(second.revision)).await;
    let gone = done(&*store, commit(vec![Change::Delete(user_key(1))])).await;
    assert_eq!(conflict(&*store, write(gone.revision)).await, 0);
}

/// `FloorBelow` holds while the target's floor is below the serial, and for a floor never raised.
pub async fn floor_below<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let target = FloorTarget::Owner(account("ada"));
    let below = |serial| {
        put(1, "ada").expecting(Expect::FloorBelow {
            target: target.clone(),
            serial: Serial(serial),
        })
    };
    done(&*store, below(1)).await;
    for _ in 0..3 {
        store.take_serial().await.unwrap();
    }
    let raise = commit(vec![Change::RaiseFloor(target.clone())]);
    done(&*store, raise).await;
    assert_eq!(conflict(&*store, below(1)).await, 0);
    assert_eq!(conflict(&*store, below(3)).await, 0);
    done(&*store, below(4)).await;
    // Another target has another floor.
    let other = put(1, "ada").expecting(Expect::FloorBelow {
        target: FloorTarget::Realm,
        serial: Serial(1),
    });
    done(&*store, other).await;
}

/// `NotRevoked` fails for exactly the serials that were revoked.
pub async fn not_revoked<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let live = |serial| put(1, "ada").expecting(Expect::NotRevoked(Serial(serial)));
    done(&*store, live(70)).await;
    done(&*store, revoke([70, 1 << 20])).await;
    for revoked in [70, 1 << 20] {
        assert_eq!(conflict(&*store, live(revoked)).await, 0);
    }
    for near in [69, 71, 62, 78, (1 << 20) - 1, (1 << 20) + 1] {
        done(&*store, live(near)).await;
    }
}

/// A conflict names the first expectation that fails, by its place in the commit.
pub async fn the_first_that_fails_is_named<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let at = done(&*store, put(1, "ada")).await;
    let mixed = put(2, "bob")
        .expecting(unchanged_since(key(1), at.revision))
        .expecting(Expect::Absent(key(2)))
        .expecting(Expect::Absent(key(1)))
        .expecting(unchanged_since(key(2), at.revision));
    assert_eq!(conflict(&*store, mixed).await, 2);
}

/// If many commits expect the same version, exactly one wins, in every round.
pub async fn one_of_many_racers_wins<B: Backend>() {
    let backend = B::fresh().await;
    let feed = backend.feed();
    let mut expect = Expect::Absent(key(1));
    for round in 0..10 {
        let racers = (0..16).map(|racer| {
            let store = backend.store();
            let claim = put(1, &format!("racer-{racer}")).expecting(expect.clone());
            tokio::spawn(async move { store.commit(claim).await })
        });
        let mut won: Vec<Cursor> = Vec::new();
        for outcome in join_all(racers).await {
            match outcome.unwrap() {
                Ok(Committed { cursor, .. }) => won.push(cursor),
                Err(CommitError::Conflict(0)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(head(&*feed).await, won[0]);
        assert_eq!(won[0].revision.0, round + 1);
        expect = unchanged_since(key(1), won[0].revision);
    }
}

/// Commits that are sent together succeed or fail one by one.
pub async fn a_conflict_harms_no_neighbour<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    done(&*store, put(0, "ada")).await;
    let outcomes = join_all((0..200).map(|number| {
        let claim = put(number, "bob");
        let bad = number % 3 == 0;
        store.commit(if bad {
            claim.expecting(Expect::Absent(key(0)))
        } else {
            claim
        })
    }))
    .await;
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let refused = outcome == Err(CommitError::Conflict(0));
        assert_eq!(refused, number % 3 == 0, "{outcome:?}");
    }
    let good = (0..200).filter(|number| number % 3 != 0).count() as u64;
    assert_eq!(head(&*feed).await.revision.0, 1 + good);
}
