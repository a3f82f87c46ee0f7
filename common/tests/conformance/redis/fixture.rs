//! Commits, and what a snapshot holds.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use futures_util::StreamExt;
use tokenward_common::{
    id::{AccountId, Cursor, Name, RepoId, RequestId},
    state::{
        codec::split,
        key::Key,
        record::{Change, GateGrant, GrantState, Record, User},
    },
    store::{
        Commit, CommitClass, CommitError, Feed, FeedError, Head, Reason, SnapshotPart, Store,
        guards::Guards,
        redis::{OpenOptions, RedisStore},
    },
};

pub(super) const CREATE: OpenOptions = OpenOptions {
    create: true,
    allow_volatile: false,
    managed: false,
    data_nodes: 1,
    lease: std::time::Duration::from_secs(1),
    guards: Guards::ALL,
};

pub(super) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, SeqCst)
}

pub(super) fn request() -> RequestId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&unique().to_be_bytes());
    RequestId(id)
}

pub(super) fn commit(changes: Vec<Change>) -> Commit {
    Commit {
        request: request(),
        response: b"first".to_vec(),
        class: CommitClass::Ordinary,
        changes,
        private: Vec::new(),
        expect: Vec::new(),
    }
}

pub(super) fn grant(number: u64) -> Record {
    Record::GateGrant(GateGrant {
        repo: RepoId::parse(&format!("{:024x}", number / 1000)).unwrap(),
        user: AccountId::parse(&format!("{number:024x}")).unwrap(),
        state: GrantState::Accepted,
    })
}

pub(super) fn user(id: &str) -> Record {
    Record::User(User {
        id: AccountId::parse(id).unwrap(),
        name: Name::parse(id).unwrap(),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    })
}

pub(super) fn put(record: Record) -> Change {
    Change::Put(record)
}

pub(super) async fn open(server: &str) -> RedisStore {
    let realm = format!("realm-{}", unique());
    RedisStore::open(server, &realm, CREATE).await.unwrap()
}

pub(super) async fn one(store: &RedisStore, changes: Vec<Change>) -> Cursor {
    acknowledged(store, &commit(changes)).await
}

/// Commits, and repeats it as every caller does if its outcome is unknown: on a busy machine replicas are late.
pub(super) async fn acknowledged(store: &RedisStore, commit: &Commit) -> Cursor {
    let mut told = store.commit(commit.clone()).await;
    for _ in 0..5 {
        if !matches!(told, Err(CommitError::Unknown(_))) {
            break;
        }
        told = store.commit(commit.clone()).await;
    }
    told.unwrap().cursor
}

pub(super) struct Seen {
    pub(super) start: Head,
    pub(super) records: std::collections::BTreeMap<Key, Vec<u8>>,
    pub(super) revoked: Vec<u64>,
}

pub(super) async fn scan(feed: &impl Feed) -> Result<Seen, FeedError> {
    let mut parts = feed.snapshot();
    let Some(SnapshotPart::Start(start)) = parts.next().await.transpose()? else {
        panic!("a snapshot begins with its start");
    };
    let mut seen = Seen {
        start,
        records: Default::default(),
        revoked: Vec::new(),
    };
    while let Some(part) = parts.next().await {
        match part? {
            SnapshotPart::Records(records) => {
                seen.records.extend(records.iter().map(split));
            }
            SnapshotPart::Revoked { page, bits } => {
                for (at, byte) in bits.iter().enumerate() {
                    let set = (0..8).filter(|bit| byte & (1 << bit) != 0);
                    seen.revoked
                        .extend(set.map(|bit| (page << 18) + 8 * at as u64 + bit));
                }
            }
            SnapshotPart::Start(_) => panic!("a second start"),
        }
    }
    Ok(seen)
}

/// Waits until a store that was restarted under this handle, or opened anew, takes commits. Nobody is left
/// who remembers in a test that drops its store, so an operator says so.
pub(super) async fn until_able(store: &RedisStore) {
    for _ in 0..400 {
        match store.able().await {
            Ok(()) => return,
            Err(Reason::Unvouched) => _ = store.take_as_it_is().await,
            Err(Reason::Unreachable) => {}
            Err(reason) => panic!("{reason}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the store takes no commits: {:?}", store.able().await);
}

/// The value, once there is one.
pub(super) async fn eventually<T, E: std::fmt::Debug>(ask: impl AsyncFn() -> Result<T, E>) -> T {
    let mut told = ask().await;
    for _ in 0..100 {
        if told.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        told = ask().await;
    }
    told.unwrap()
}
