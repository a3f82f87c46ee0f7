//! This file lays a store over another: the overlay handles commits, and may handle `get`. Every other
//! call passes through. The overlay must not know which store is beneath it.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    AuditId, Commit, CommitError, Committed, Confirmed, Feed, FeedError, HandedIn, Head, Reason,
    Recalled, Receipt, Reopening, Report, Retention, Snapshot, Store, Stored,
};
use crate::{
    clock::UnixTime,
    id::{AccountId, Cursor, RequestId, Serial, TokenId},
    state::{Entry, key::Key, record::Change},
};

/// What an overlay does with commits.
#[async_trait]
pub trait Overlay: Send + Sync + 'static {
    /// Returns the store beneath.
    fn under(&self) -> &dyn Store;

    /// Replaces [`Store::commit`]; it must keep the promises of that method.
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError>;

    /// Replaces [`Store::get`]; the default passes the call through.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError> {
        self.under().get(keys).await
    }
}

/// The store that the overlay and the store beneath make together.
pub struct Over<O>(pub O);

#[async_trait]
impl<O: Overlay> Feed for Over<O> {
    async fn head(&self) -> Result<Head, FeedError> {
        self.0.under().head().await
    }

    fn snapshot(&self) -> Snapshot<'_> {
        self.0.under().snapshot()
    }

    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError> {
        self.0.under().read_log(after, wait).await
    }

    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError> {
        self.0.under().confirm(report, applied).await
    }

    async fn hand_in(&self, piece: &HandedIn) -> Result<bool, FeedError> {
        self.0.under().hand_in(piece).await
    }
}

#[async_trait]
impl<O: Overlay> Store for Over<O> {
    async fn take_serial(&self) -> Result<Serial, CommitError> {
        self.0.under().take_serial().await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.0.commit(commit).await
    }

    async fn request(&self, request: &RequestId) -> Result<Option<Vec<u8>>, FeedError> {
        self.0.under().request(request).await
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError> {
        self.0.get(keys).await
    }

    async fn tokens_of(
        &self,
        owner: &AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenId>, FeedError> {
        self.0.under().tokens_of(owner, after, limit).await
    }

    async fn expiring(
        &self,
        from: UnixTime,
        to: UnixTime,
        after: Option<(UnixTime, TokenId)>,
        limit: usize,
    ) -> Result<Vec<(UnixTime, TokenId)>, FeedError> {
        self.0.under().expiring(from, to, after, limit).await
    }

    async fn last_used(&self, tokens: &[TokenId]) -> Result<Vec<Option<u32>>, FeedError> {
        self.0.under().last_used(tokens).await
    }

    async fn receipts(&self) -> Result<Vec<Receipt>, FeedError> {
        self.0.under().receipts().await
    }

    async fn audit(
        &self,
        after: AuditId,
        limit: usize,
    ) -> Result<Vec<(AuditId, Vec<u8>)>, FeedError> {
        self.0.under().audit(after, limit).await
    }

    async fn able(&self) -> Result<(), Reason> {
        self.0.under().able().await
    }

    async fn reopen(&self, state: &Cursor) -> Result<Reopening, FeedError> {
        self.0.under().reopen(state).await
    }

    async fn recalled(&self) -> Result<Vec<Recalled>, FeedError> {
        self.0.under().recalled().await
    }

    async fn bring_back(&self, entry: &Recalled) -> Result<(), CommitError> {
        self.0.under().bring_back(entry).await
    }

    async fn bring(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.0.under().bring(changes).await
    }

    async fn settle(&self) -> Result<(), FeedError> {
        self.0.under().settle().await
    }

    async fn handed_in(&self) -> Result<Vec<(Vec<u8>, HandedIn)>, FeedError> {
        self.0.under().handed_in().await
    }

    async fn took_in(&self, name: &[u8]) -> Result<(), FeedError> {
        self.0.under().took_in(name).await
    }

    async fn pass_serial(&self, serial: Serial) -> Result<(), CommitError> {
        self.0.under().pass_serial(serial).await
    }

    async fn trim(&self, retention: &Retention) -> Result<(), FeedError> {
        self.0.under().trim(retention).await
    }
}
