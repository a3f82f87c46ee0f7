//! An issuer that revokes without a pause, and a follower that reads and confirms, while a test harms
//! the servers. The follower checks the promise at each confirm: what was acknowledged before the
//! confirm was sent is at or before the head that it returned.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tokenward_common::{
    id::{Cursor, Serial},
    state::record::Change,
    store::{
        Commit, CommitClass, Feed, FeedError, Store,
        redis::{RedisFeed, RedisStore},
    },
};
use tokio::task::JoinHandle;

use super::fixture::*;

/// A call is repeated at most this often, and between two tries passes this time.
const TRIES: usize = 3000;
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    /// The newest revision that was acknowledged.
    acknowledged: AtomicU64,
    /// How many commits were acknowledged, and how many confirms were answered.
    commits: AtomicU64,
    confirms: AtomicU64,
    /// What went wrong on the way; each call was repeated until it went well.
    errors: Mutex<Vec<String>>,
}

pub(super) struct Workload {
    seen: Arc<Seen>,
    store: Arc<RedisStore>,
    tasks: Vec<JoinHandle<()>>,
}

impl Workload {
    pub(super) async fn begin(store: RedisStore, feed: RedisFeed) -> Self {
        let (seen, store) = (Arc::<Seen>::default(), Arc::new(store));
        let start = Cursor::start(store.log());
        let tasks = vec![
            tokio::spawn(revoke(store.clone(), seen.clone())),
            tokio::spawn(follow(feed, start, seen.clone())),
        ];
        let workload = Self { seen, store, tasks };
        workload.goes_on().await;
        workload
    }

    /// Waits until more commits are acknowledged and more confirms answered.
    pub(super) async fn goes_on(&self) {
        let now = || {
            (
                self.seen.commits.load(SeqCst),
                self.seen.confirms.load(SeqCst),
            )
        };
        let before = now();
        for _ in 0..TRIES {
            let (commits, confirms) = now();
            if commits >= before.0 + 50 && confirms >= before.1 + 5 {
                return;
            }
            assert!(
                !self.tasks.iter().any(JoinHandle::is_finished),
                "a task failed"
            );
            tokio::time::sleep(PAUSE).await;
        }
        panic!("nothing goes on: {:?}", self.errors());
    }

    pub(super) fn errors(&self) -> Vec<String> {
        self.seen.errors.lock().unwrap().clone()
    }

    /// Ends, and finds every acknowledged revocation in the store.
    pub(super) async fn end(self) {
        self.seen.stop.store(true, SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        let commits = self.seen.commits.load(SeqCst);
        let all: Vec<u64> = (1..=commits).collect();
        assert_eq!(scan(&*self.store).await.unwrap().revoked, all);
    }
}

async fn revoke(store: Arc<RedisStore>, seen: Arc<Seen>) {
    while !seen.stop.load(SeqCst) {
        let serial = seen.commits.load(SeqCst) + 1;
        let takeaway = Commit {
            class: CommitClass::Takeaway,
            ..commit(vec![Change::Revoke(vec![Serial(serial)])])
        };
        let mut tries = 0;
        // A repeat of the same request settles what is unknown.
        let cursor = loop {
            match store.commit(takeaway.clone()).await {
                Ok(committed) => break committed.cursor,
                Err(error) => seen.errors.lock().unwrap().push(error.to_string()),
            }
            tries += 1;
            assert!(tries < TRIES, "{:?}", seen.errors.lock().unwrap().last());
            tokio::time::sleep(PAUSE).await;
        };
        seen.acknowledged.fetch_max(cursor.revision.0, SeqCst);
        // An issuer follows too, and loads the followers' function where it is missing.
        if serial.is_multiple_of(20)
            && let Err(error) = store.confirm(&"issuer".into(), &cursor).await
        {
            seen.errors.lock().unwrap().push(error.to_string());
        }
        seen.commits.fetch_add(1, SeqCst);
    }
}

async fn follow(feed: RedisFeed, start: Cursor, seen: Arc<Seen>) {
    let mut at = start;
    while !seen.stop.load(SeqCst) {
        let acknowledged = seen.acknowledged.load(SeqCst);
        let told = async {
            let entries = feed.read_log(&at, Duration::from_millis(5)).await?;
            if let Some(last) = entries.last() {
                at = last.cursor;
            }
            feed.confirm(&"edge".into(), &at).await
        };
        match told.await {
            Ok(confirmed) => {
                let head = confirmed.head.cursor.revision.0;
                assert!(
                    head >= acknowledged,
                    "fresh at {head} without {acknowledged}"
                );
                seen.confirms.fetch_add(1, SeqCst);
            }
            Err(FeedError::Unavailable(why)) => {
                seen.errors.lock().unwrap().push(why);
                tokio::time::sleep(PAUSE).await;
            }
            Err(FeedError::Lost(_)) if at.revision.0 > acknowledged => {
                // What was read before a majority had it may be lost: a view begins again then.
                at = start;
            }
            Err(lost) => panic!("{lost}, and {acknowledged} was acknowledged"),
        }
    }
}
