//! Holds the keys in force, and decides whether a token may be refused because its key is none of them.
//!
//! The key of such a token may be newer than the keys here. The token is refused only after a fetch
//! that began after the key could be known; until then nothing is certain. All of this is read during a
//! Check, so nothing here waits: an unknown key only requests a fetch, which another task makes.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use tokenward_common::{
    clock::{BootTime, UnixTime},
    id::{Cursor, KeyId, RevisionToken},
    token::VerifyKeys,
};
use tokio::sync::Notify;

/// The most unknown kids that are remembered. In a flood of more made-up kids, no token is refused by
/// mistake: its caller must try again.
const MOST_ASKED: usize = 4096;

/// Seconds by which issuers' clocks may run ahead. A claim of issue from further ahead proves nothing:
/// it would be too new for any fetch.
const CLOCKS_DIFFER: u64 = 60;

/// The keys in force, and how far they can be believed to be complete.
#[derive(Debug, Default)]
pub struct TrustedKeys {
    set: ArcSwap<VerifyKeys>,
    /// The last good fetch. It is stored after its keys and loaded before them, so a reader of a fetch
    /// also sees its keys.
    fetched: ArcSwapOption<Fetched>,
    /// Nothing is fetched, so the set is complete.
    fixed: bool,
    asked: Mutex<UnknownKeys>,
    wanted: AtomicBool,
    wake: Notify,
    unusable: AtomicU64,
}

/// A whole key set's fetch, and how long it counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// When the fetch began. Every key published before is in the set.
    pub began: BootTime,
    /// The view's cursor when the fetch began.
    pub at: Cursor,
    /// How long the fetch can be grounds to refuse a token.
    pub lasts: Duration,
    /// The kids of entries that can't be used. Their tokens can't be judged.
    pub unusable: Box<[KeyId]>,
}

#[derive(Debug, Default)]
struct UnknownKeys {
    first: HashMap<KeyId, BootTime>,
    /// When the fetch began that settled the entries removed last.
    swept: BootTime,
}

/// A token of an unknown key, and when it was shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// When the question arrived.
    pub now: BootTime,
    /// The store's time when the question arrived.
    pub time: UnixTime,
    /// When the token claims to be made. Its key existed by then.
    pub issued: Option<UnixTime>,
    pub least: Option<RevisionToken>,
}

impl TrustedKeys {
    /// Makes a set that is never fetched.
    pub fn fixed(keys: VerifyKeys) -> Self {
        Self {
            set: ArcSwap::from_pointee(keys),
            fixed: true,
            ..Self::default()
        }
    }

    pub fn load(&self) -> Guard<Arc<VerifyKeys>> {
        self.set.load()
    }

    pub fn store(&self, keys: Arc<VerifyKeys>) {
        self.set.store(keys);
    }

    /// Notes that this fetch brought the set in force.
    pub fn fetched(&self, by: Fetched) {
        self.fetched.store(Some(Arc::new(by)));
    }

    /// Whether a token may be refused because its key is unknown. If not, a fetch is requested.
    pub fn surely_unknown(&self, kid: &KeyId, shown: &Shown) -> bool {
        if self.fixed {
            return true;
        }
        let fetched = self.fetched.load_full();
        let keys = self.set.load();
        if keys.is_empty() {
            return false;
        }
        if keys.get(kid).is_some() {
            // The key came in after the token was looked at.
            return false;
        }
        let named = |by: &Arc<Fetched>| by.unusable.contains(kid);
        if fetched.as_ref().is_some_and(named) {
            return false;
        }
        let first = self.first_asked(kid, shown.now, fetched.as_deref());
        let settled = fetched
            .zip(first)
            .is_some_and(|(by, first)| first <= by.began && by.settles(shown));
        if !settled && !self.wanted.swap(true, SeqCst) {
            self.wake.notify_one();
        }
        settled
    }

    /// When a token of this kid was first seen. It is `None` if there are too many kids to remember or
    /// another thread holds the lock.
    fn first_asked(
        &self,
        kid: &KeyId,
        now: BootTime,
        fetched: Option<&Fetched>,
    ) -> Option<BootTime> {
        let mut asked = self.asked.try_lock().ok()?;
        if let Some(first) = asked.first.get(kid) {
            return Some(*first);
        }
        if asked.first.len() >= MOST_ASKED {
            let began = fetched.map_or(BootTime::default(), |by| by.began);
            if began <= asked.swept {
                return None;
            }
            asked.swept = began;
            asked.first.retain(|_, first| *first > began);
            if asked.first.len() >= MOST_ASKED {
                return None;
            }
        }
        asked.first.insert(kid.clone(), now);
        Some(now)
    }

    /// Must be called before a fetch begins. A fetch that is requested from now on is another.
    pub(super) fn begin(&self) {
        self.wanted.store(false, SeqCst);
    }

    /// Waits until a key that isn't in force is requested.
    pub(super) async fn wanted(&self) {
        while !self.wanted.load(SeqCst) {
            self.wake.notified().await;
        }
    }

    pub(super) fn note_unusable(&self, entries: usize) {
        self.unusable.store(entries as u64, SeqCst);
    }

    /// The number of entries of the last good key set that were skipped, for the metrics.
    pub fn unusable(&self) -> u64 {
        self.unusable.load(SeqCst)
    }
}

impl Fetched {
    /// Whether the fetch began after this token's key could be known, and not too long ago.
    fn settles(&self, shown: &Shown) -> bool {
        let age = shown.now.since(self.began);
        let reached =
            |least: RevisionToken| least.log == self.at.log && least.revision <= self.at.revision;
        let issued = shown
            .issued
            .filter(|issued| issued.0 <= shown.time.0.saturating_add(CLOCKS_DIFFER));
        // Times are in whole seconds, and both roundings favour the token.
        let after = |issued: UnixTime| {
            shown.time.0.saturating_sub(issued.0) >= age.as_secs().saturating_add(2)
        };
        age <= self.lasts && shown.least.is_none_or(reached) && issued.is_none_or(after)
    }
}

#[cfg(test)]
mod tests {
    use tokenward_common::{
        id::{LogId, Revision},
        token::SigningKey,
    };

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const LOG: LogId = LogId([1; 16]);

    fn kid(text: &str) -> KeyId {
        KeyId::parse(text).unwrap()
    }

    fn at(seconds: u64) -> BootTime {
        BootTime(seconds * SECOND)
    }

    fn cursor(revision: u64) -> Cursor {
        Cursor {
            revision: Revision(revision),
            ..Cursor::start(LOG)
        }
    }

    fn fetch(began: u64, revision: u64) -> Fetched {
        Fetched {
            began: at(began),
            at: cursor(revision),
            lasts: Duration::from_secs(60),
            unusable: Box::new([kid("odd")]),
        }
    }

    /// Makes a token shown at `now`. The store's time is the machine's plus 1,000 s.
    fn shown(now: u64) -> Shown {
        Shown {
            now: at(now),
            time: UnixTime(1000 + now),
            issued: Some(UnixTime(1000)),
            least: None,
        }
    }

    fn keys() -> TrustedKeys {
        let keys = TrustedKeys::default();
        let key = SigningKey::from_seed(kid("k1"), &[1; 32]).unwrap();
        let set = VerifyKeys::new([key.public().clone()]).unwrap();
        keys.store(Arc::new(set));
        keys.fetched(fetch(10, 5));
        keys
    }

    fn wants(keys: &TrustedKeys) -> bool {
        let wanted = keys.wanted.load(SeqCst);
        keys.begin();
        wanted
    }

    #[test]
    fn an_unknown_key_is_refused_by_a_fetch_that_began_after_it_was_asked_for() {
        let keys = keys();
        assert!(!keys.surely_unknown(&kid("k2"), &shown(20)));
        assert!(wants(&keys));
        // The fetch is under way, or failed.
        assert!(!keys.surely_unknown(&kid("k2"), &shown(21)));
        assert!(wants(&keys));
        keys.fetched(fetch(22, 5));
        assert!(keys.surely_unknown(&kid("k2"), &shown(23)));
        assert!(!wants(&keys), "it is settled");
        // Another kid isn't settled by this.
        assert!(!keys.surely_unknown(&kid("k3"), &shown(23)));
        // No fetch is grounds for ever.
        assert!(keys.surely_unknown(&kid("k2"), &shown(82)));
        assert!(!keys.surely_unknown(&kid("k2"), &shown(83)));
        assert!(wants(&keys));
    }

    #[test]
    fn a_key_that_was_asked_for_too_early_is_not_settled_by_that() {
        let keys = keys();
        keys.surely_unknown(&kid("k2"), &shown(11));
        keys.fetched(fetch(20, 5));
        assert!(keys.surely_unknown(&kid("k2"), &shown(21)));
        // The token was made after the fetch, by its own claim or by the revision of its making.
        let made = |issued| Shown {
            issued: Some(UnixTime(issued)),
            ..shown(25)
        };
        for issued in [1019, 1020, 1025, 1085] {
            assert!(!keys.surely_unknown(&kid("k2"), &made(issued)), "{issued}");
            assert!(wants(&keys));
        }
        // This claim is further ahead than any issuer's clock.
        assert!(keys.surely_unknown(&kid("k2"), &made(1086)));
        let least = |log, revision| Shown {
            least: Some(RevisionToken {
                log,
                revision: Revision(revision),
            }),
            ..shown(25)
        };
        assert!(keys.surely_unknown(&kid("k2"), &least(LOG, 5)));
        assert!(!keys.surely_unknown(&kid("k2"), &least(LOG, 6)));
        assert!(wants(&keys));
        assert!(!keys.surely_unknown(&kid("k2"), &least(LogId([2; 16]), 5)));
        keys.fetched(fetch(26, 6));
        assert!(keys.surely_unknown(&kid("k2"), &least(LOG, 6)));
    }

    #[test]
    fn what_can_not_be_judged_is_never_refused() {
        let keys = keys();
        keys.surely_unknown(&kid("odd"), &shown(11));
        keys.fetched(fetch(20, 5));
        // The kid's entry is in the set, but can't be used.
        assert!(!keys.surely_unknown(&kid("odd"), &shown(21)));
        // The key came in a moment ago.
        assert!(!keys.surely_unknown(&kid("k1"), &shown(21)));
        keys.surely_unknown(&kid("k2"), &shown(11));
        keys.store(Arc::default());
        assert!(!keys.surely_unknown(&kid("k2"), &shown(21)), "no keys");
        let never = TrustedKeys::default();
        never.store(Arc::new(VerifyKeys::clone(&self::keys().load())));
        for now in [1, 2, 100] {
            assert!(!never.surely_unknown(&kid("k2"), &shown(now)), "unfetched");
        }
    }

    #[test]
    fn a_flood_of_made_up_keys_is_bounded() {
        let keys = keys();
        for n in 0..2 * MOST_ASKED {
            assert!(!keys.surely_unknown(&kid(&format!("x{n}")), &shown(11)));
        }
        assert_eq!(keys.asked.lock().unwrap().first.len(), MOST_ASKED);
        keys.fetched(fetch(12, 5));
        assert!(keys.surely_unknown(&kid("x0"), &shown(13)));
        assert!(!keys.surely_unknown(&kid("y"), &shown(13)));
        assert_eq!(keys.asked.lock().unwrap().first.len(), 1);
        keys.fetched(fetch(14, 5));
        assert!(keys.surely_unknown(&kid("y"), &shown(15)));
    }
}
