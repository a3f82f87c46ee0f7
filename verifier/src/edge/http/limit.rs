//! Decides how often a key may ask: so many times in a fixed window, as the hub counts. Each verifier
//! counts for itself. It must not know who asks what: it gets only a key and the time.
//!
//! The table has a fixed size and is our own: the crates for this keep a row for every key that ever came,
//! and don't report what is left until the window's end, which the hub's clients read. When a place
//! overflows, the key that asked least there is forgotten, so a crowd can't push out a key that is over the
//! limit.

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokenward_common::clock::BootTime;

/// The window is as long as the hub's.
const WINDOW: Duration = Duration::from_secs(300);
/// The table takes some 1.2 MiB. It holds 65,536 keys in one window, and most of them are sure of a place.
const PLACES: usize = 16 * 1024;
const WAYS: usize = 4;

/// Limits one sort of keys.
#[derive(Debug)]
pub(super) struct Limit {
    /// A key may ask this often in one window. 0 means no limit.
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

/// Describes how much of its limit a key has used, this time included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Quota {
    pub(super) refused: bool,
    pub(super) most: u32,
    pub(super) left: u32,
    /// The window ends in this many seconds, rounded up.
    pub(super) ends_in: u64,
}

impl Quota {
    /// Returns the headers for one resource as the hub's clients read them
    /// (draft-ietf-httpapi-ratelimit-headers-09).
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

    /// Counts one request. `None` means that there is no limit.
    pub(super) fn take(&self, key: impl std::hash::Hash, now: BootTime) -> Option<Quota> {
        let key = self.hasher.hash_one(key);
        let elapsed = now.since(BootTime::default());
        let window = elapsed.as_secs() / WINDOW.as_secs();
        let place = (key >> 32) as usize & self.places.len().checked_sub(1)?;
        // An update of a count cannot be interrupted halfway, so a poisoned lock is safe to use.
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

/// Counts this time, and returns how often the key has asked in this window, at most `most` plus one.
fn count(counts: &mut [Count; WAYS], key: u64, window: u64, most: u32) -> u32 {
    let asked = |count: &Count| match count.window == window {
        true => count.asked,
        false => 0,
    };
    // The key's own count comes first, and then the one that asked least.
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
