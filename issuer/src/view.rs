//! Waits until the issuer's own view shows what the store holds. It must not know what the view is read for.

use std::time::Duration;

use tokenward_common::{id::Cursor, replica::Replica, store::Store};

use crate::error::Problem;

/// No call waits longer than this for the view.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Waits until the own view shows all that the store held when this was called. That includes what this
/// issuer or another one acknowledged a moment ago.
pub(crate) async fn catch_up(store: &dyn Store, replica: &Replica) -> Result<(), Problem> {
    let head = store.head().await?.cursor;
    caught_up_with(replica, head).await
}

/// Waits until the own view shows this revision.
pub(crate) async fn caught_up_with(replica: &Replica, cursor: Cursor) -> Result<(), Problem> {
    let reached = replica.reached(cursor.log, cursor.revision);
    tokio::time::timeout(CATCH_UP, reached)
        .await
        .map_err(|_| Problem::Unavailable)
}
