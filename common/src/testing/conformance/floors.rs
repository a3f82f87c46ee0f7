//! These cases test that a floor rises to the serial counter of its commit, and never goes down.

use crate::{
    id::Serial,
    state::{
        codec::join,
        key::Key,
        record::{Change, Floor, FloorTarget, Record, RecordKey},
    },
    store::Store,
    testing::conformance::{
        Backend,
        fixture::{account, commit, done},
    },
};

async fn floor(store: &dyn Store, target: &FloorTarget) -> Option<Serial> {
    let key = Key::from_record_key(&RecordKey::Floor(target.clone()));
    let stored = store.get(std::slice::from_ref(&key)).await.unwrap();
    let stored = stored[0].as_ref()?;
    match join(&key, &stored.value).unwrap() {
        Record::Floor(floor) => Some(floor.serial),
        other => panic!("not a floor: {other:?}"),
    }
}

fn targets() -> [FloorTarget; 4] {
    let (owner, org) = (account("ada"), account("org"));
    [
        FloorTarget::Realm,
        FloorTarget::Owner(owner.clone()),
        FloorTarget::OwnerInOrg {
            owner,
            org: org.clone(),
        },
        FloorTarget::Org(org),
    ]
}

async fn raise(store: &dyn Store, target: &FloorTarget) {
    done(store, commit(vec![Change::RaiseFloor(target.clone())])).await;
}

/// The entry states the counter to which a reader raises the floor.
pub async fn raised_to_the_counter<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    for (taken, target) in (1..).zip(targets()) {
        let serial = store.take_serial().await.unwrap();
        assert_eq!(serial, Serial(taken));
        assert_eq!(floor(&*store, &target).await, None);
        let before = feed.head().await.unwrap();
        raise(&*store, &target).await;
        assert_eq!(floor(&*store, &target).await, Some(serial));
        let entries = feed
            .read_log(&before.cursor, std::time::Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(entries[0].serial, serial);
        assert_eq!(feed.head().await.unwrap().serial, serial);
    }
}

/// A floor above the serial counter stays when it is raised to the counter.
pub async fn never_lowered<B: Backend>() {
    let backend = B::fresh().await;
    let store = backend.store();
    let [_, target, ..] = targets();
    let high = Floor {
        target: target.clone(),
        serial: Serial(1000),
    };
    done(&*store, commit(vec![Change::Put(Record::Floor(high))])).await;
    assert_eq!(floor(&*store, &target).await, Some(Serial(1000)));
    store.take_serial().await.unwrap();
    raise(&*store, &target).await;
    assert_eq!(floor(&*store, &target).await, Some(Serial(1000)));
}

/// However a floor is written, the higher one is kept, and it is counted once.
pub async fn put_is_folded_by_maximum<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let [_, _, _, target] = targets();
    for (put, stands) in [(5, 5), (3, 5), (9, 9), (9, 9), (1, 9)] {
        let floor_record = Record::Floor(Floor {
            target: target.clone(),
            serial: Serial(put),
        });
        done(&*store, commit(vec![Change::Put(floor_record)])).await;
        assert_eq!(floor(&*store, &target).await, Some(Serial(stands)));
    }
    let kind = crate::state::record::Kind::Floor;
    assert_eq!(feed.head().await.unwrap().counts.get(kind), 1);
}
