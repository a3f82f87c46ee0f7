//! Waits for receipts when a call requests it. It decides how long a call may wait.

use std::time::Duration;

use tokenward_common::id::Cursor;
use tokenward_proto::v1 as pb;

use super::Authenticator;
use crate::{
    error::Problem,
    receipts::{FollowerStatus, Receipts, Waited},
    tokens::wire,
};

pub(super) const DEFAULT_WAIT: Duration = Duration::from_secs(10);
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Reads how long a call wants to wait, if at all.
pub(super) fn wait(asked: Option<prost_types::Duration>) -> Result<Option<Duration>, Problem> {
    asked
        .map(|asked| wire::span("wait", Some(asked), DEFAULT_WAIT, SHORTEST..=LONGEST))
        .transpose()
}

/// Returns the receipt of a commit that was acknowledged just now. Receipts that can't be read don't affect
/// the commit: they give an incomplete receipt, never an error.
pub(super) async fn after(
    receipts: &Receipts,
    authenticator: &Authenticator,
    cursor: &Cursor,
    wait: Option<Duration>,
) -> Result<Option<pb::Receipt>, Problem> {
    let acknowledged = authenticator.clock.boot();
    let Some(limit) = wait else { return Ok(None) };
    let waited = receipts
        .wait(cursor.log, cursor.revision, acknowledged, limit)
        .await;
    let waited = waited.unwrap_or_default();
    if let Some(slowest) = waited.slowest() {
        authenticator.metrics.received(slowest);
    }
    Ok(Some(message(&waited)))
}

pub(super) fn message(waited: &Waited) -> pb::Receipt {
    let count = |standing| u32::try_from(waited.count(standing)).unwrap_or(u32::MAX);
    let span = |span: Duration| prost_types::Duration::try_from(span).ok();
    let verifiers = waited.verifiers.iter().map(|one| pb::VerifierReceipt {
        name: one.name.clone(),
        state: match one.standing {
            FollowerStatus::Applied => pb::ReceiptState::Applied,
            FollowerStatus::Silent => pb::ReceiptState::Silent,
            FollowerStatus::Pending => pb::ReceiptState::Pending,
        }
        .into(),
        lag: one.lag.and_then(span),
        last_heard: span(one.last_heard),
    });
    pb::Receipt {
        complete: waited.complete(),
        applied: count(FollowerStatus::Applied),
        silent: count(FollowerStatus::Silent),
        pending: count(FollowerStatus::Pending),
        slowest: waited.slowest().and_then(span),
        verifiers: verifiers.collect(),
    }
}
