//! Tokens found genuine, by a secretly keyed 128-bit hash of the whole token. Bounded; holds no
//! token's text. Only positive facts are kept: a flood of bad tokens fills nothing.

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
    /// For at most so many tokens.
    pub fn new(hasher: MemoHasher, capacity: usize) -> anyhow::Result<Self> {
        // It remembers the keys of as many tokens as it forgot: one that comes back is kept. So new tokens
        // take the places of those that nobody uses any more, however many come.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(capacity)
            .weight_capacity(capacity as u64)
            .ghost_allocation(1.0)
            .build()?;
        let by_bits = BuildHasherDefault::default();
        let tokens = Cache::with_options(options, UnitWeighter, by_bits, Default::default());
        Ok(Self { hasher, tokens })
    }

    pub fn key(&self, token: &str) -> MemoKey {
        self.hasher.key(token)
    }

    pub fn get(&self, key: MemoKey) -> Option<Arc<Genuine>> {
        self.tokens.get(&key)
    }

    /// Under its key. A token that was not asked for again makes room first.
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

/// A [`MemoKey`] is a keyed hash already: its own bits are as good as any.
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
