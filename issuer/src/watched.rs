//! The store as operators watch it: its commits counted, timed, traced, and what they audit written
//! to the log too. Decides nothing; everything else passes through.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use prost::Message as _;
use tokenward_common::{
    clock::{Clock, UnixTime},
    id::{AccountId, Cursor, RequestId, Serial, TokenId},
    process::Traces,
    state::{Entry, key::Key},
    store::{
        AuditId, Commit, CommitError, Committed, Confirmed, Feed, FeedError, Head, PrivateWrite,
        Receipt, Report, Retention, Snapshot, Store, Stored,
    },
};
use tokenward_proto::internal::AuditRecord;
use tracing::info;

use crate::metrics::{Metrics, Outcome};

/// What the audit trail's lines in the log are filtered by.
const AUDIT: &str = "tokenward::audit";

pub(crate) struct Watched {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) traces: Traces,
}

impl Watched {
    /// Counted and told, also when it isn't known whether it was written.
    fn told(&self, outcome: Outcome, audited: &[AuditRecord]) {
        if !matches!(outcome, Outcome::Written | Outcome::Unknown) {
            return;
        }
        for record in audited {
            info!(
                target: AUDIT,
                outcome = outcome.as_str(),
                caller = record.caller,
                peer = record.peer,
                method = record.method,
                owner = record.owner_id,
                org = record.org_id,
                token = record.tid,
                role = record.role,
                last_four = record.last_four,
                kid = record.kid,
                operations = record.operations,
                request_id = record.request_id,
                "audit"
            );
        }
    }
}

/// As it is to be stored.
fn audited(commit: &Commit) -> Vec<AuditRecord> {
    let records = commit.private.iter().filter_map(|write| match write {
        PrivateWrite::Audit(record) => AuditRecord::decode(record.as_slice()).ok(),
        _ => None,
    });
    records.collect()
}

impl From<&Result<Committed, CommitError>> for Outcome {
    fn from(result: &Result<Committed, CommitError>) -> Self {
        match result {
            Ok(committed) if committed.repeated.is_some() => Self::Repeated,
            Ok(_) => Self::Written,
            Err(CommitError::Conflict(_)) => Self::Conflict,
            Err(CommitError::TooLarge(_) | CommitError::Rejected(_)) => Self::Refused,
            Err(CommitError::Unknown(_)) => Self::Unknown,
        }
    }
}

#[async_trait]
impl Feed for Watched {
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
impl Store for Watched {
    async fn take_serial(&self) -> Result<Serial, CommitError> {
        self.store.take_serial().await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let class = commit.class;
        let audited = audited(&commit);
        let span = self.traces.within("store.commit");
        let began = self.clock.boot();
        let result = self.store.commit(commit).await;
        let outcome = Outcome::from(&result);
        let took = self.clock.boot().since(began);
        self.metrics.committed(class, outcome, took);
        if let Some(span) = span {
            span.set("tokenward.outcome", outcome.as_str());
        }
        self.told(outcome, &audited);
        result
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
