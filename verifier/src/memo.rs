//! Remembers tokens found genuine, by a secretly keyed 128-bit hash of the whole token. It is bounded
//! and holds no token's text. Only positive facts are kept, so a flood of bad tokens fills nothing.

#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use quick_cache::{OptionsBuilder, UnitWeighter, sync::Cache};
use tokenward_common::token::{MemoHasher, MemoKey};

use crate::genuine::Genuine;

pub struct Memo {
    hasher: MemoHasher,
    tokens: Cache<MemoKey, Arc<Genuine>, UnitWeighter, BuildHasherDefault<KeyBits>>,
}

impl Memo {
    /// Makes a memo for at most `capacity` tokens.
    pub fn new(hasher: MemoHasher, capacity: usize) -> anyhow::Result<Self> {
        // The cache remembers the keys of as many tokens as it evicted, and keeps a token that comes
        // back. So any number of new tokens only displaces tokens that are no longer used.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(capacity)
            .weight_capacity(capacity as u64)
            .ghost_allocation(1.0)
            .build()?;
        let by_bits = BuildHasherDefault::default();
        let tokens = Cache::with_options(options, UnitWeighter, by_bits, Default::default());
        // No look-up waits while a table grows.
        tokens.reserve(capacity);
        Ok(Self { hasher, tokens })
    }

    pub fn key(&self, token: &str) -> MemoKey {
        self.hasher.key(token)
    }

    pub fn get(&self, key: MemoKey) -> Option<Arc<Genuine>> {
        self.tokens.get(&key)
    }

    /// Stores a token under its key. Tokens that were not requested again are evicted first.
    pub fn insert(&self, genuine: Arc<Genuine>) {
        self.tokens.insert(genuine.key, genuine);
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// Hashes a [`MemoKey`], which is a keyed hash already, by its own bits.
#[derive(Default)]
struct KeyBits(u64);

impl Hasher for KeyBits {
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        // A key is written as its number, and nothing else is hashed here.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
