//! Waits for a condition, with a time limit.

use std::time::Duration;

use tokio::time::Instant;

/// The limit is far longer than anything takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);

/// Calls `ask` until it returns a value. Its `Err` describes the present state.
pub async fn level<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        let instead = match ask().await {
            Ok(value) => return value,
            Err(instead) => instead,
        };
        assert!(
            Instant::now() < end,
            "{what}: not within {LIMIT:?}; last: {instead}"
        );
        tokio::time::sleep(POLL).await;
    }
}
