//! This file decides when each stage of a process's end begins: not ready → wait → stop accepting and
//! finish → hard stop.
//!
//! It must not know what is being stopped: everything that serves holds a [`Shutdown`] and acts on the
//! stages that concern it.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// The exit code that shells report for a program ended by Ctrl-C.
const ENDED_BY_SIGNAL: i32 = 130;

/// The times of a drain. Both count from the moment when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DrainTimes {
    /// How long the process still serves although it isn't ready: load balancers need this to
    /// choose another process.
    pub delay: Duration,
    /// The time after which all unfinished work is dropped.
    pub limit: Duration,
}

/// The stages of a process's end. Clones are cheap and share the stages. A reached stage stays reached.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    stopping: CancellationToken,
    over: CancellationToken,
    /// The number of SIGHUPs received.
    hangups: Arc<watch::Sender<u64>>,
    /// The name of a dead part without which the program must not go on.
    died: Arc<watch::Sender<Option<&'static str>>>,
}

impl Shutdown {
    /// Starts the stages on the current tokio runtime, which must outlive the drain.
    pub fn start(times: DrainTimes) -> Self {
        let shutdown = Self::default();
        let stages = shutdown.clone();
        tokio::spawn(async move {
            stages.draining.cancelled().await;
            tokio::time::sleep(times.delay).await;
            stages.stopping.cancel();
            tokio::time::sleep(times.limit.saturating_sub(times.delay)).await;
            stages.over.cancel();
        });
        shutdown
    }

    /// Starts the stages of a whole program: a signal begins the drain, and SIGHUP makes it reread its
    /// files.
    pub fn from_signals(times: DrainTimes) -> io::Result<Self> {
        let shutdown = Self::start(times);
        shutdown.on_signals()?;
        shutdown.on_hangup()?;
        Ok(shutdown)
    }

    /// Makes SIGTERM or SIGINT begin the drain. A second signal ends the process at once.
    pub fn on_signals(&self) -> io::Result<()> {
        let (mut term, mut int) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
                if shutdown.is_draining() {
                    tracing::warn!("told twice to end: ending now");
                    std::process::exit(ENDED_BY_SIGNAL);
                }
                shutdown.drain();
                tracing::info!("told to end: draining");
            }
        });
        Ok(())
    }

    /// Counts SIGHUPs, which then no longer end the process: parts that keep a settings file reread it.
    fn on_hangup(&self) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let hangups = Arc::clone(&self.hangups);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                hangups.send_modify(|n| *n = n.wrapping_add(1));
                tracing::info!("told to read its files again");
            }
        });
        Ok(())
    }

    /// Returns a receiver that changes at each SIGHUP.
    pub fn hangups(&self) -> watch::Receiver<u64> {
        self.hangups.subscribe()
    }

    /// Records that a part died. Only the first one is reported, because it may have killed the others.
    pub(super) fn tell_died(&self, part: &'static str) {
        self.died.send_if_modified(|died| {
            let first = died.is_none();
            died.get_or_insert(part);
            first
        });
        tracing::error!(part, "a part of the program died");
    }

    /// Resolves with a description when a part has died without which the program must not go on. Then
    /// there is no drain: the program must end at once.
    pub async fn died(&self) -> String {
        let mut died = self.died.subscribe();
        loop {
            if let Some(part) = *died.borrow_and_update() {
                return format!("{part} died");
            }
            // The sender lives in `self`, so it can't be gone.
            let _ = died.changed().await;
        }
    }

    /// Begins the drain. Further calls do nothing.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Whether the drain has begun, so that the process isn't ready any more.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Resolves when the drain begins.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Resolves when nothing new may be accepted.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Returns a cancellation token that is cancelled when nothing new may be accepted.
    pub fn stopping_token(&self) -> CancellationToken {
        self.stopping.child_token()
    }

    /// Resolves when all unfinished work must be dropped.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: DrainTimes = DrainTimes {
        delay: Duration::from_secs(5),
        limit: Duration::from_secs(30),
    };

    #[tokio::test(start_paused = true)]
    async fn stages_come_in_order_and_in_time() {
        let shutdown = Shutdown::start(TIMES);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(!shutdown.is_draining());

        let begun = tokio::time::Instant::now();
        shutdown.drain();
        shutdown.draining().await;
        assert!(shutdown.is_draining() && !shutdown.is_stopping());
        shutdown.stopping().await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        shutdown.over().await;
        assert_eq!(begun.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_again_changes_nothing() {
        let shutdown = Shutdown::start(TIMES);
        let begun = tokio::time::Instant::now();
        shutdown.drain();
        tokio::time::sleep(Duration::from_secs(4)).await;
        shutdown.clone().drain();
        shutdown.stopping().await;
        assert_eq!(begun.elapsed().as_secs(), 5);
    }
}
