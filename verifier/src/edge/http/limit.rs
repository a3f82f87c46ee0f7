//! How often may one ask? So many times in a fixed window, as the hub counts; each verifier counts for
//! itself. Must not know who asks what: it is handed a key and the time.
//!
//! A table of one size, of our own: the crates for this keep a row for everybody who ever came, and
//! don't tell what is left until the window's end, which the hub's clients read. Where a place
//! overflows, whoever asked least there is forgotten: a crowd can't push out who is over the limit.

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokenward_common::clock::BootTime;

/// As long as the hub's.
const WINDOW: Duration = Duration::from_secs(300);
/// Some 1.2 MiB: 65,536 keys in one window, most of them with a place for sure.
const PLACES: usize = 16 * 1024;
const WAYS: usize = 4;

/// For one sort of keys.
#[derive(Debug)]
pub(super) struct Limit {
    /// In one window; 0: as often as anybody likes.
    most: u32,
    hasher: RandomState,
    places: Box<[Mutex<[Count; WAYS]>]>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Count {
    key: u64,
    window: u64,
    asked: u32,
}

/// Where a key stands, this time included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Quota {
    pub(super) refused: bool,
    pub(super) most: u32,
    pub(super) left: u32,
    /// Until the window ends, in seconds, rounded up.
    pub(super) ends_in: u64,
}

impl Quota {
    /// As the hub's clients read them (draft-ietf-httpapi-ratelimit-headers-09), of one resource.
    pub(super) fn headers(&self, resource: &str) -> Vec<(&'static str, String)> {
        let Self {
            most,
            left,
            ends_in,
            refused,
        } = self;
        let window = WINDOW.as_secs();
        let mut headers = vec![
            ("ratelimit", format!("\"{resource}\";r={left};t={ends_in}")),
            (
                "ratelimit-policy",
                format!("\"fixed window\";\"{resource}\";q={most};w={window}"),
            ),
        ];
        if *refused {
            headers.push(("retry-after", ends_in.to_string()));
        }
        headers
    }
}

impl Limit {
    pub(super) fn new(most: u32) -> Self {
        let places = if most == 0 { 0 } else { PLACES };
        Self {
            most,
            hasher: RandomState::new(),
            places: (0..places).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts one. `None`: there is no limit.
    pub(super) fn take(&self, key: impl std::hash::Hash, now: BootTime) -> Option<Quota> {
        let key = self.hasher.hash_one(key);
        let elapsed = now.since(BootTime::default());
        let window = elapsed.as_secs() / WINDOW.as_secs();
        let place = (key >> 32) as usize & self.places.len().checked_sub(1)?;
        // A count has no half-done state.
        let mut counts = self
            .places
            .get(place)?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let asked = count(&mut counts, key, window, self.most);
        let ends = Duration::from_secs((window + 1) * WINDOW.as_secs());
        let left = ends.saturating_sub(elapsed);
        Some(Quota {
            refused: asked > self.most,
            most: self.most,
            left: self.most.saturating_sub(asked),
            ends_in: left.as_secs() + u64::from(left.subsec_nanos() > 0),
        })
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        size_of_val(&*self.places)
    }
}

/// How often this key asked in this window, this time included, at most once more than `most`.
fn count(counts: &mut [Count; WAYS], key: u64, window: u64, most: u32) -> u32 {
    let asked = |count: &Count| match count.window == window {
        true => count.asked,
        false => 0,
    };
    // Its own first, then the one that asked least.
    let rank = |count: &Count| match count.key == key && asked(count) > 0 {
        true => (0, 0),
        false => (1, asked(count)),
    };
    let Some(slot) = counts.iter_mut().min_by_key(|count| rank(count)) else {
        return 0;
    };
    if rank(slot).0 > 0 {
        *slot = Count {
            key,
            window,
            asked: 0,
        };
    }
    slot.asked = slot.asked.saturating_add(1).min(most.saturating_add(1));
    slot.asked
}
