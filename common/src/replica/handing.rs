//! This file hands in what the store lost and this follower still knows, so that followers that start later
//! know it too. It must not know which store is behind the feed.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tracing::{error, info, warn};

use crate::{
    id::Serial,
    replica::{Heard, Observer, backoff::Backoff},
    state::{State, record::Change},
    store::{Feed, FeedError, HandedIn, entries},
};

/// A follower hands in at most this many pieces for one loss. What is more stays in its own view.
const MOST: usize = 4096;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Handing(Mutex<VecDeque<HandedIn>>);

impl Handing {
    /// Notes what `old` knows and `new`, which is what the store holds, does not, and whether the store's
    /// counter fell behind what was heard. It replaces what was noted before: what the store still lacks of
    /// that is in it.
    pub(super) fn note(
        &self,
        follower: &str,
        old: &State,
        heard: &Heard,
        new: &State,
        counter: Serial,
    ) {
        let mut facts = 0;
        let beyond = old.facts_beyond(new).inspect(|change| {
            facts += match change {
                Change::Revoke(serials) => serials.len(),
                _ => 1,
            };
        });
        let mut groups = entries(beyond);
        let piece = |changes| HandedIn {
            follower: follower.to_owned(),
            left: old.cursor(),
            serial: heard.serial,
            changes,
            ancestors: heard.ancestors.clone(),
        };
        let mut pieces: VecDeque<HandedIn> = groups.by_ref().take(MOST).map(piece).collect();
        let more = groups.next().is_some();
        drop(groups);
        if !pieces.is_empty() {
            error!(
                facts,
                more,
                log = %old.cursor().log,
                "the store lost takeaways that are known here: they are kept, and handed in"
            );
        }
        if pieces.is_empty() && heard.serial > counter {
            warn!(
                heard = heard.serial.0,
                counter = counter.0,
                "the store forgot serials that it had given out: that is handed in"
            );
            pieces.push_back(piece(Vec::new()));
        }
        *self.pieces() = pieces;
    }

    fn pieces(&self) -> std::sync::MutexGuard<'_, VecDeque<HandedIn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in all that is noted. It never ends, so that it can stand beside what follows the log.
    pub(super) async fn run(&self, feed: &dyn Feed, observer: &dyn Observer) -> FeedError {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let Some(piece) = self.pieces().front().cloned() else {
                return std::future::pending().await;
            };
            match feed.hand_in(&piece).await {
                Ok(taken) => {
                    backoff.reset();
                    if taken {
                        observer.handed_in(piece.changes.len());
                    } else {
                        error!(
                            log = %piece.left.log,
                            "the store doesn't come from the log that was followed here: what it lacks \
                             holds in this view alone"
                        );
                    }
                    let mut pieces = self.pieces();
                    pieces.pop_front();
                    if taken && pieces.is_empty() {
                        info!("what the store lost is handed in");
                    }
                }
                Err(error) => {
                    warn!(%error, "what the store lost can't be handed in yet");
                    backoff.pause().await;
                }
            }
        }
    }
}
