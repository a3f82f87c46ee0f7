//! The end of a process, in stages: not ready → wait → stop accepting and finish → hard stop.
//!
//! Decides when each stage begins. Must not know what is being stopped: everything that serves
//! holds a [`Shutdown`] and acts on the stages that concern it.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// What a shell reports for a program ended by Ctrl-C.
const ENDED_BY_SIGNAL: i32 = 130;

/// Both count from the moment the drain begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DrainTimes {
    /// Not ready, yet serving: load balancers need this long to look elsewhere.
    pub delay: Duration,
    /// Whatever hasn't finished by then is dropped.
    pub limit: Duration,
}

/// Cheap to clone; every clone sees the same stages. A stage once reached stays reached.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    stopping: CancellationToken,
    over: CancellationToken,
    /// How often SIGHUP came.
    hangups: Arc<watch::Sender<u64>>,
    /// A part without which nothing may go on.
    died: Arc<watch::Sender<Option<&'static str>>>,
}

impl Shutdown {
    /// The stages follow each other on the current tokio runtime, which must outlive the drain.
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

    /// Of a program of its own: it drains when told by a signal, and reads its files again at SIGHUP.
    pub fn of_process(times: DrainTimes) -> io::Result<Self> {
        let shutdown = Self::start(times);
        shutdown.on_signals()?;
        shutdown.on_hangup()?;
        Ok(shutdown)
    }

    /// SIGTERM or SIGINT begins the drain; a second one ends the process at once.
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

    /// SIGHUP no longer ends the process: whoever keeps a file of settings reads it again.
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

    /// Changes whenever SIGHUP came.
    pub fn hangups(&self) -> watch::Receiver<u64> {
        self.hangups.subscribe()
    }

    /// The first of them is told: others may have died of it.
    pub(super) fn tell_died(&self, part: &'static str) {
        self.died.send_if_modified(|died| {
            let first = died.is_none();
            died.get_or_insert(part);
            first
        });
        tracing::error!(part, "a part of the program died");
    }

    /// Resolves, in words, when a part has died without which the program must not go on. There is no
    /// drain then: the program is to end at once.
    pub async fn died(&self) -> String {
        let mut died = self.died.subscribe();
        loop {
            if let Some(part) = *died.borrow_and_update() {
                return format!("{part} died");
            }
            // The sender lives in `self`: it can't be gone.
            let _ = died.changed().await;
        }
    }

    /// Begin. Again does nothing.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Not ready any more.
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

    /// The same for whoever takes a token.
    pub fn stopping_token(&self) -> CancellationToken {
        self.stopping.child_token()
    }

    /// Resolves when whatever is left must be dropped.
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
