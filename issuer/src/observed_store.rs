//! Shows operators the store's commits: counts, times and traces them, and writes their audit records to the
//! program's log too. It decides nothing; everything else passes through.

use std::sync::Arc;

use async_trait::async_trait;
use prost::Message as _;
use tokenward_common::{
    clock::Clock,
    process::Traces,
    store::{Commit, CommitError, Committed, PrivateWrite, Store, overlay::Overlay},
    token::Role,
};
use tokenward_proto::internal::AuditRecord;
use tracing::info;

use crate::{
    ability::Ability,
    metrics::{Metrics, Outcome},
};

/// The audit trail's lines in the program's log can be filtered by this target.
const AUDIT: &str = "tokenward::audit";

pub(crate) struct ObservedStore {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) traces: Traces,
    pub(crate) ability: Arc<Ability>,
}

impl ObservedStore {
    /// Logs the audit records of a commit that was written, or whose outcome is unknown.
    fn report(&self, outcome: Outcome, audited: &[AuditRecord]) {
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
                role = Role::from_number(record.role).map_or("", Role::word),
                last_four = record.last_four,
                kid = record.kid,
                operations = record.operations,
                reason = record.reason,
                request_id = record.request_id,
                "audit"
            );
        }
    }
}

/// Returns the audit records that the commit would store.
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
            Err(
                CommitError::TooLarge(_)
                | CommitError::Rejected(_)
                | CommitError::Short(_)
                | CommitError::Unfit { sent: false, .. },
            ) => Self::Refused,
            Err(CommitError::Unknown(_) | CommitError::Unfit { sent: true, .. }) => Self::Unknown,
        }
    }
}

#[async_trait]
impl Overlay for ObservedStore {
    fn under(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let class = commit.class;
        let audited = audited(&commit);
        let span = self.traces.within("store.commit");
        let began = self.clock.boot();
        let result = self.store.commit(commit).await;
        let outcome = Outcome::from(&result);
        if matches!(outcome, Outcome::Refused | Outcome::Unknown) {
            self.ability.doubted();
        }
        let took = self.clock.boot().since(began);
        self.metrics.committed(class, outcome, took);
        if let Some(span) = span {
            span.set("tokenward.outcome", outcome.as_str());
        }
        self.report(outcome, &audited);
        result
    }
}
