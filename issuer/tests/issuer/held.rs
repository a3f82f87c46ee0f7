//! A store that holds one commit back, between its planning and its writing, or one record, between its
//! reading and its use, for as long as a test does something else: the window of every race, held open.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokenward_common::{
    state::key::Key,
    store::{
        Commit, CommitError, Committed, FeedError, Store, Stored,
        overlay::{Over, Overlay},
    },
};
use tokio::sync::Notify;

const LIMIT: Duration = Duration::from_secs(20);

/// What becomes of the commit that is held.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    On,
    /// It expects nothing: to see what its expectations are for.
    Off,
}

pub(crate) type Held = Over<Gate>;

pub(crate) struct Gate {
    store: Arc<dyn Store>,
    next: Mutex<Option<Guard>>,
    read: Mutex<Option<Key>>,
    arrived: Notify,
    released: Notify,
}

impl Gate {
    pub(crate) fn over(store: Arc<dyn Store>) -> Arc<Held> {
        Arc::new(Over(Self {
            store,
            next: Mutex::default(),
            read: Mutex::default(),
            arrived: Notify::new(),
            released: Notify::new(),
        }))
    }

    /// Runs `whole` from its beginning to its end while the first commit of `held` waits.
    pub(crate) async fn race<A, B>(
        &self,
        guard: Guard,
        held: impl Future<Output = A>,
        whole: impl Future<Output = B>,
    ) -> (A, B) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
        self.both(held, whole).await
    }

    /// The same while the first record under this key that `held` has read waits for its use.
    pub(crate) async fn race_reading<A, B>(
        &self,
        key: Key,
        held: impl Future<Output = A>,
        whole: impl Future<Output = B>,
    ) -> (A, B) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        self.both(held, whole).await
    }

    async fn both<A, B>(
        &self,
        held: impl Future<Output = A>,
        whole: impl Future<Output = B>,
    ) -> (A, B) {
        let both = async {
            tokio::join!(held, async {
                self.arrived.notified().await;
                let done = whole.await;
                self.released.notify_one();
                done
            })
        };
        tokio::time::timeout(LIMIT, both)
            .await
            .expect("a commit or a record of the held call")
    }
}

#[async_trait]
impl Overlay for Gate {
    fn under(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed, CommitError> {
        let guard = self
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(guard) = guard {
            if guard == Guard::Off {
                commit.expect.clear();
            }
            self.arrived.notify_one();
            self.released.notified().await;
        }
        self.store.commit(commit).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError> {
        let found = self.store.get(keys).await;
        let waits = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.take_if(|key| keys.contains(key)).is_some()
        };
        if waits {
            self.arrived.notify_one();
            self.released.notified().await;
        }
        found
    }
}
