//! Whether the store would take a commit now, asked all the time: an issuer that can't write isn't
//! ready, whatever it can still read. Decides nothing about calls: the store itself refuses them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokenward_common::{
    process::CHANGES,
    replica::Replica,
    store::{Reason, Store},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// How often it is asked; at once when a commit was refused.
const ASK: Duration = Duration::from_millis(500);
/// A store that answers later than this isn't able.
const ANSWER: Duration = Duration::from_millis(2500);
/// A commit that was refused makes it ask at once, at most this often.
const PAUSE: Duration = Duration::from_millis(50);
/// The last proof that a write is taken, a confirm of its own, is older: no longer ready.
const PROOF: Duration = Duration::from_secs(3);

#[derive(Default)]
pub struct Ability {
    unable: Mutex<Option<Reason>>,
    doubted: Notify,
}

impl Ability {
    /// Why nothing, or nothing but takeaways, would be taken.
    pub fn unable(&self) -> Option<Reason> {
        *self.unable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was refused.
    pub(crate) fn doubted(&self) {
        self.doubted.notify_one();
    }

    /// Until stopped, or until the store is closed, as it is when its writer died: it takes nothing
    /// ever again.
    pub(crate) async fn watch(self: Arc<Self>, store: Arc<dyn Store>, stop: CancellationToken) {
        let watching = async {
            loop {
                let asked = tokio::time::timeout(ANSWER, store.able()).await;
                let unable = asked.unwrap_or(Err(Reason::Unreachable)).err();
                self.learn(unable);
                if unable == Some(Reason::Closed) {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
                let _ = tokio::time::timeout(ASK, self.doubted.notified()).await;
            }
        };
        stop.run_until_cancelled(watching).await;
    }

    /// Told once, when it changes.
    fn learn(&self, now: Option<Reason>) {
        let mut unable = self.unable.lock().unwrap_or_else(PoisonError::into_inner);
        let was = std::mem::replace(&mut *unable, now);
        drop(unable);
        match now {
            _ if was == now => {}
            None => info!(target: CHANGES, "the store takes commits again"),
            Some(reason) if reason.spares_takeaways() => {
                warn!(
                    reason = reason.as_str(),
                    "no commits but takeaways: {reason}"
                );
            }
            Some(reason) => {
                error!(target: CHANGES, reason = reason.as_str(), "no commits: {reason}")
            }
        }
    }

    /// Ready: a write was proved a moment ago, and nothing is known against the next one.
    /// An issuer that takes takeaways only is: somebody must.
    pub fn ready(&self, view: &Replica) -> Result<(), String> {
        if let Some(reason) = self.unable()
            && !reason.spares_takeaways()
        {
            return Err(format!("{}: {reason}", reason.as_str()));
        }
        let age = view.age().ok_or("no view of the store yet")?;
        if age > PROOF {
            return Err(format!(
                "unproved: the last write that the store took was {} ms ago",
                age.as_millis()
            ));
        }
        Ok(())
    }

    /// What is short while it is ready.
    pub fn note(&self) -> Option<String> {
        let reason = self.unable()?;
        Some(format!("{}: {reason}", reason.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use tokenward_common::clock::{ManualClock, UnixMillis};

    use super::*;

    #[test]
    fn what_is_known_against_it_comes_first() {
        let clock = Arc::new(ManualClock::new(UnixMillis(1_700_000_000_000)));
        let view = Replica::new(clock);
        let ability = Ability::default();
        assert_eq!(
            ability.ready(&view),
            Err("no view of the store yet".to_owned())
        );
        for reason in Reason::ALL {
            ability.learn(Some(reason));
            let why = ability.ready(&view).unwrap_err();
            if reason.spares_takeaways() {
                assert_eq!(why, "no view of the store yet");
            } else {
                assert_eq!(why, format!("{}: {}", reason.as_str(), reason.words()));
            }
            assert!(ability.note().is_some());
        }
        ability.learn(None);
        assert_eq!(ability.note(), None);
    }
}
