//! A store that holds one commit back, between its planning and its writing, for as long as a test
//! does something else: the window of every race, held open.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Cursor, RequestId, Serial, TokenId},
    state::{Entry, key::Key},
    store::{
        AuditId, Commit, CommitError, Committed, Confirmed, Feed, FeedError, Head, Receipt, Report,
        Retention, Snapshot, Store, Stored,
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

pub(crate) struct Held {
    store: Arc<dyn Store>,
    next: Mutex<Option<Guard>>,
    arrived: Notify,
    released: Notify,
}

impl Held {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            next: Mutex::default(),
            arrived: Notify::new(),
            released: Notify::new(),
        })
    }

    /// Runs `whole` from its beginning to its end while the first commit of `held` waits.
    pub(crate) async fn race<A, B>(
        &self,
        guard: Guard,
        held: impl Future<Output = A>,
        whole: impl Future<Output = B>,
    ) -> (A, B) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
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
            .expect("a commit of the held call")
    }
}

#[async_trait]
impl Feed for Held {
    async fn head(&self) -> Result<Head, FeedError> {
        self.store.head().await
    }

    fn snapshot(&self) -> Snapshot<'_> {
        self.store.snapshot()
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        self.store.read_log(after, wait).await
    }

    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError> {
        self.store.confirm(report, applied).await
    }
}

#[async_trait]
impl Store for Held {
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

    async fn take_serial(&self) -> Result<Serial, CommitError> {
        self.store.take_serial().await
    }

    async fn request(&self, request: &RequestId) -> Result<Option<Vec<u8>>, FeedError> {
        self.store.request(request).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError> {
        self.store.get(keys).await
    }

    async fn tokens_of(
        &self,
        owner: &AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenId>, FeedError> {
        self.store.tokens_of(owner, after, limit).await
    }

    async fn expiring(
        &self,
        from: UnixTime,
        to: UnixTime,
        after: Option<(UnixTime, TokenId)>,
        limit: usize,
    ) -> Result<Vec<(UnixTime, TokenId)>, FeedError> {
        self.store.expiring(from, to, after, limit).await
    }

    async fn last_used(&self, tokens: &[TokenId]) -> Result<Vec<Option<u32>>, FeedError> {
        self.store.last_used(tokens).await
    }

    async fn receipts(&self) -> Result<Vec<Receipt>, FeedError> {
        self.store.receipts().await
    }

    async fn audit(
        &self,
        after: AuditId,
        limit: usize,
    ) -> Result<Vec<(AuditId, Vec<u8>)>, FeedError> {
        self.store.audit(after, limit).await
    }

    async fn trim(&self, retention: &Retention) -> Result<(), FeedError> {
        self.store.trim(retention).await
    }
}
