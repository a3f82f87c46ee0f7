//! Keeps the view between two runs: restores it before it is followed, and saves it again and again.
//!
//! This module decides when a snapshot is saved. It must not know what a file must be to be used; that is
//! `replica::snapshot`'s.

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokenward_common::{
    clock::BootTime,
    id::Cursor,
    replica::{
        Replica,
        snapshot::{Restored, Saved, SnapshotFile, Unsaved, Unusable},
    },
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{config::Config, metrics::Following};

/// How soon it is tried to save the first snapshot, and again while the view is not fresh.
const SOON: Duration = Duration::from_secs(1);
/// The longest time for the last snapshot, when the program ends. Of a view that takes longer the one
/// before it stands.
pub(crate) const LAST: Duration = Duration::from_secs(3);

/// The snapshots of one verifier.
pub(crate) struct Snapshots {
    file: SnapshotFile,
    interval: Duration,
    replica: Arc<Replica>,
    following: Arc<Following>,
}

/// What the file holds: the view's place, and since when it was fresh.
type Kept = (Cursor, BootTime);

impl Snapshots {
    /// Makes the folder. `None`: no snapshot is kept.
    pub(crate) fn open(
        config: &Config,
        replica: &Arc<Replica>,
        following: &Arc<Following>,
    ) -> Result<Option<Self>> {
        let Some(settings) = &config.snapshots else {
            return Ok(None);
        };
        let folder = settings.folder.clone();
        SnapshotFile::make_folder(&folder)
            .with_context(|| format!("--snapshot-dir: `{}`", folder.display()))?;
        Ok(Some(Self {
            file: SnapshotFile {
                folder,
                realm: config.realm.clone(),
                bound: Some(config.bounds.longest()),
            },
            interval: settings.interval,
            replica: Arc::clone(replica),
            following: Arc::clone(following),
        }))
    }

    /// Takes the saved view, before anything is followed.
    pub(crate) async fn restore(&self, stop: &CancellationToken) {
        let (file, clock) = (self.file.clone(), Arc::clone(self.replica.clock()));
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let load = tokio::task::spawn_blocking(move || file.load(&*clock, &end));
        let path = self.file.path();
        match stopped_by(stop, &ended, load).await {
            Ok(Ok(Some(restored))) => self.take(restored),
            Ok(Ok(None)) => info!("--snapshot-dir: there is no {} yet", path.display()),
            Ok(Err(Unusable::Stopped)) => {}
            Ok(Err(problem)) => {
                warn!(%problem, "--snapshot-dir: {} is not used", path.display());
            }
            Err(problem) => warn!(%problem, "--snapshot-dir: {} is not used", path.display()),
        }
    }

    fn take(&self, restored: Restored) {
        let age = restored.age(self.replica.clock().boot());
        let revision = restored.cursor().revision.0;
        let log = restored.cursor().log;
        self.replica.restore(restored);
        match age {
            Some(age) => info!(revision, %log, ?age, "restored the view"),
            None => info!(revision, %log, "restored a view of unknown age"),
        }
    }

    /// Saves the view once it is fresh, then at every interval, and at last when stopped.
    pub(crate) async fn keep(&self, stop: CancellationToken) {
        let mut kept = None;
        let mut pause = SOON;
        while stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            pause = match self.save(kept, true, &stop).await {
                Ok(now) => {
                    kept = now;
                    self.interval
                }
                Err(()) if kept.is_none() => SOON.min(self.interval),
                Err(()) => self.interval,
            };
        }
        // Nothing is served any more, so the view may be held without rests.
        let last = CancellationToken::new();
        let save = self.save(kept, false, &last);
        tokio::pin!(save);
        if timeout(LAST, &mut save).await.is_err() {
            last.cancel();
            let _ = save.await;
        }
    }

    /// Saves the view if it isn't what the file holds. The error was told already.
    async fn save(
        &self,
        kept: Option<Kept>,
        gentle: bool,
        stop: &CancellationToken,
    ) -> Result<Option<Kept>, ()> {
        if self.now().is_none_or(|now| Some(now) == kept) {
            // While the store is away nothing changes, and an unproved view is worth no file.
            return if kept.is_some() { Ok(kept) } else { Err(()) };
        }
        let (file, replica) = (self.file.clone(), Arc::clone(&self.replica));
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let save = tokio::task::spawn_blocking(move || file.save(&replica, gentle, &end));
        let problem = match stopped_by(stop, &ended, save).await {
            Ok(Ok(saved)) => {
                self.told(saved);
                return Ok(Some((saved.cursor, saved.as_of)));
            }
            Ok(Err(Unsaved::Stopped)) => return Err(()),
            Ok(Err(problem)) => problem.to_string(),
            Err(problem) => problem,
        };
        self.following.snapshot_failed();
        let path = self.file.path();
        warn!(problem, "--snapshot-dir: {} is not saved", path.display());
        Err(())
    }

    fn told(&self, saved: Saved) {
        self.following.snapshot_saved(saved.bytes);
        let (revision, bytes) = (saved.cursor.revision.0, saved.bytes);
        info!(revision, bytes, held = ?saved.held, "saved the view");
    }

    /// What would be saved now. `None`: the view is not proved fresh.
    fn now(&self) -> Option<Kept> {
        let view = self.replica.view()?;
        let as_of = view.freshness?.as_of;
        Some((view.state.cursor(), as_of))
    }
}

/// Waits for work on another thread, and asks it to end when told to stop. It then ends soon.
async fn stopped_by<T>(
    stop: &CancellationToken,
    ended: &AtomicBool,
    mut work: JoinHandle<T>,
) -> Result<T, String> {
    let done = tokio::select! {
        done = &mut work => done,
        () = stop.cancelled() => {
            ended.store(true, SeqCst);
            work.await
        }
    };
    done.map_err(|problem| problem.to_string())
}
