//! Decides how far imports may run ahead of the verifiers that follow the log. It must not know what is
//! imported.
//!
//! The log keeps only so many entries and bytes, however young they are. An import that writes faster than a
//! verifier reads would push that verifier off the log, and it would have to load a snapshot while the
//! import makes the snapshot larger. So imports write in stretches, each an eighth of what the log keeps.
//! At the end of a stretch they wait until each verifier that may still answer has applied what was there
//! when the stretch before it ended.
//!
//! No verifier stops imports for ever: nobody waits for one that is silent for longer than its bound, and one
//! that confirms but doesn't advance is waited for once, then left out until it has caught up.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokenward_common::{
    id::Cursor,
    store::{Retention, Store},
};
use tokio::sync::Mutex;
use tracing::warn;

use crate::{
    error::Problem,
    receipts::{FollowerStatus, Receipts},
};

/// The log keeps so many stretches. At most two of them are on their way to a verifier for each issuer, so
/// several issuers may import at once.
const STRETCHES: u64 = 8;
/// A verifier that confirms but doesn't advance is waited for so long. It is enough to load a large snapshot.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks at the receipts.
const LOOK: Duration = Duration::from_millis(10);

/// The pace of all imports of an issuer.
pub struct Pace {
    store: Arc<dyn Store>,
    receipts: Arc<Receipts>,
    most: Stretch,
    patience: Duration,
    written: Stretched,
    end: Mutex<End>,
}

struct Stretch {
    entries: u64,
    bytes: u64,
}

/// What imports have written since the last stretch ended.
#[derive(Default)]
struct Stretched {
    entries: AtomicU64,
    bytes: AtomicU64,
}

/// The end of the last stretch.
#[derive(Default)]
struct End {
    head: Option<Cursor>,
    /// These verifiers were waited for in vain.
    left_out: HashSet<String>,
}

impl Pace {
    pub fn new(store: Arc<dyn Store>, receipts: Arc<Receipts>, retention: &Retention) -> Self {
        Self {
            store,
            receipts,
            most: Stretch {
                entries: retention.entries / STRETCHES,
                bytes: retention.bytes / STRETCHES,
            },
            patience: PATIENCE,
            written: Stretched::default(),
            end: Mutex::default(),
        }
    }

    /// Waits for a verifier that doesn't advance no longer than this.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Counts an entry that is about to be written.
    pub(crate) fn count(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.written.entries.fetch_add(1, Relaxed);
        self.written.bytes.fetch_add(bytes, Relaxed);
    }

    /// Tells whether the stretch is written, so that [`Self::wait`] is called before the next entry.
    pub(crate) fn is_full(&self) -> bool {
        let written = &self.written;
        written.entries.load(Relaxed) >= self.most.entries
            || written.bytes.load(Relaxed) >= self.most.bytes
    }

    /// Waits until the verifiers have applied what was there when the last stretch ended, and begins
    /// another stretch. All imports wait for the same, one after the other.
    pub(crate) async fn wait(&self) -> Result<(), Problem> {
        let mut end = self.end.lock().await;
        if !self.is_full() {
            return Ok(());
        }
        if let Some(head) = end.head {
            self.applied(head, &mut end.left_out).await?;
        }
        end.head = Some(self.store.head().await?.cursor);
        self.written.entries.store(0, Relaxed);
        self.written.bytes.store(0, Relaxed);
        Ok(())
    }

    async fn applied(&self, head: Cursor, left_out: &mut HashSet<String>) -> Result<(), Problem> {
        let begun = self.receipts.now();
        loop {
            let looked = self
                .receipts
                .wait(head.log, head.revision, begun, Duration::ZERO);
            let behind: HashSet<String> = looked
                .await?
                .verifiers
                .into_iter()
                .filter(|one| one.standing == FollowerStatus::Pending)
                .map(|one| one.name)
                .collect();
            left_out.retain(|name| behind.contains(name));
            let mut waited_for = behind.difference(left_out).peekable();
            if waited_for.peek().is_none() {
                return Ok(());
            }
            if self.receipts.now().since(begun) >= self.patience {
                for verifier in waited_for {
                    warn!(
                        verifier,
                        "imports wait no longer for a verifier that does not advance"
                    );
                }
                *left_out = behind;
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
