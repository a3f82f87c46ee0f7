//! Checks all the time whether the store would take a commit now: an issuer that can't write isn't ready,
//! whatever it can still read. It decides nothing about calls: the store itself refuses them.

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

/// The store is checked at this interval. After a refused commit it is checked at once.
const ASK: Duration = Duration::from_millis(500);
/// A store that answers later than this counts as unable.
const ANSWER: Duration = Duration::from_millis(2500);
/// Two checks are at least this far apart, also when commits are refused.
const PAUSE: Duration = Duration::from_millis(50);
/// The issuer is not ready if its own last confirm, which proves that writes are taken, is older than this.
const PROOF: Duration = Duration::from_secs(3);

#[derive(Default)]
pub struct Ability {
    unable: Mutex<Option<Reason>>,
    doubted: Notify,
}

impl Ability {
    /// Returns why the store would take no commits, or only takeaways.
    pub fn unable(&self) -> Option<Reason> {
        *self.unable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports that a commit was refused or its outcome is unknown, so that the store is checked at once.
    pub(crate) fn doubted(&self) {
        self.doubted.notify_one();
    }

    /// Checks the store until stopped, or until the store is closed. A store closes when its writer died, and
    /// then takes nothing ever again.
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

    /// Logs a change of the store's ability once.
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

    /// The issuer is ready if a write was proved a moment ago, and nothing is known against the next one. An
    /// issuer that takes takeaways only is ready, because some issuer must take them.
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

    /// Describes what is short while the issuer is ready.
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
