//! This file watches the parts of a program that must live as long as it does. Without one of them it
//! would work only in part and still look healthy.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

use super::shutdown::Shutdown;

/// Runs a part of the program in the background. If it panics, or ends before the program is stopping,
/// then [`Shutdown::died`] reports it, and the caller that runs the program must end it.
pub(super) fn watched<F>(name: &'static str, shutdown: &Shutdown, part: F) -> JoinHandle<()>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        // The state after a panic is never read, because the program ends.
        let panicked = AssertUnwindSafe(part).catch_unwind().await.is_err();
        if panicked || !shutdown.is_stopping() {
            shutdown.tell_died(name);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn died(shutdown: &Shutdown) -> Option<String> {
        let told = tokio::time::timeout(Duration::from_secs(1), shutdown.died());
        told.await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_panics_or_ends_too_soon_is_told_and_others_are_not() {
        let shutdown = Shutdown::default();
        watched("the steady", &shutdown, std::future::pending::<()>());
        assert_eq!(died(&shutdown).await, None);

        watched("the follower", &shutdown, async { panic!("a bug") });
        assert_eq!(died(&shutdown).await.unwrap(), "the follower died");
        // The first death is the cause of the others.
        let _ = watched("the other", &shutdown, async {}).await;
        assert_eq!(died(&shutdown).await.unwrap(), "the follower died");

        let shutdown = Shutdown::default();
        watched("the hasty", &shutdown, async {});
        assert_eq!(died(&shutdown).await.unwrap(), "the hasty died");
    }

    #[tokio::test(start_paused = true)]
    async fn when_it_stops_parts_end() {
        let shutdown = Shutdown::start(crate::process::DrainTimes {
            delay: Duration::ZERO,
            limit: Duration::from_secs(60),
        });
        let stopping = shutdown.clone();
        let part = watched("the part", &shutdown, async move {
            stopping.stopping().await;
        });
        shutdown.drain();
        part.await.unwrap();
        assert_eq!(died(&shutdown).await, None);
    }
}
