//! Splits a hash table into many small ones: growth moves only one of them, within the time for which a
//! writer may block readers. This file must not know what the items mean.

use hashbrown::HashTable;

/// This many tables hold tens of millions of items.
pub(super) const MIDDLE: usize = 8_192;
/// This many tables hold a set that stays small.
pub(super) const SMALL: usize = 256;

/// This is the lowest of the hash bits that select a table.
const CHOOSING: u32 = 32;

pub(super) struct Shards<T> {
    shards: Box<[HashTable<T>]>,
}

impl<T> Shards<T> {
    /// Makes `count` tables; `count` must be a power of two.
    pub(super) fn new(count: usize) -> Self {
        Self {
            shards: (0..count).map(|_| HashTable::new()).collect(),
        }
    }

    /// Returns the table of a hash. It takes the middle bits, because the tables use the lowest and the
    /// highest.
    fn index(&self, hash: u64) -> usize {
        (hash >> CHOOSING) as usize & (self.shards.len() - 1)
    }

    pub(super) fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.shards.get(self.index(hash))?.find(hash, is)
    }

    pub(super) fn find_mut(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let index = self.index(hash);
        self.shards.get_mut(index)?.find_mut(hash, is)
    }

    /// Inserts an item. The caller must have made sure that it isn't there yet.
    pub(super) fn insert(&mut self, hash: u64, item: T, hash_of: impl Fn(&T) -> u64) {
        let index = self.index(hash);
        if let Some(shard) = self.shards.get_mut(index) {
            shard.insert_unique(hash, item, hash_of);
        }
    }

    pub(super) fn remove(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<T> {
        let index = self.index(hash);
        let entry = self.shards.get_mut(index)?.find_entry(hash, is).ok()?;
        Some(entry.remove().0)
    }

    /// Returns the items of one table; `None` past the last table. An item never leaves its table.
    pub(super) fn table(&self, index: usize) -> Option<impl Iterator<Item = &T>> {
        Some(self.shards.get(index)?.iter())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().flat_map(HashTable::iter)
    }
}
