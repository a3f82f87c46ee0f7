//! Tokens found genuine, by a secretly keyed 128-bit hash of the whole token. Bounded; holds no
//! token's text. Only positive facts are kept: a flood of bad tokens fills nothing.

use std::sync::Arc;

use quick_cache::sync::Cache;
use tokenward_common::token::{MemoHasher, MemoKey};

use crate::genuine::Genuine;

pub struct Memo {
    hasher: MemoHasher,
    // The key is already a keyed hash: nobody can choose collisions.
    facts: Cache<MemoKey, Arc<Genuine>>,
}

impl Memo {
    /// For at most this many tokens.
    pub fn new(hasher: MemoHasher, capacity: usize) -> Self {
        Self {
            hasher,
            facts: Cache::new(capacity),
        }
    }

    pub fn key(&self, token: &str) -> MemoKey {
        self.hasher.key(token)
    }

    pub fn get(&self, key: MemoKey) -> Option<Arc<Genuine>> {
        self.facts.get(&key)
    }

    pub fn insert(&self, key: MemoKey, genuine: Arc<Genuine>) {
        self.facts.insert(key, genuine);
    }

    pub fn len(&self) -> usize {
        self.facts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.facts.len() == 0
    }
}
