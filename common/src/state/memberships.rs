//! Stores how many memberships of a user in an org have ended, and which membership a group member's role
//! depends on.
//!
//! A user who leaves an org and comes back has nothing that depended on the ended membership: a child states
//! how many had ended before it, and counts only while no more have ended. Nearly all children state 0, which
//! takes no memory: only users who left are stored here, and what was written after a user came back.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::state::sharded::{SMALL, Shards};

#[derive(Clone, Copy)]
struct Item {
    pair: (u32, u32),
    number: u32,
}

/// Stores numbers for few pairs of rows. A pair without an entry has the number 0.
pub(super) struct Numbers {
    hasher: RandomState,
    items: Shards<Item>,
    pub(super) len: u64,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            items: Shards::new(SMALL),
            len: 0,
        }
    }

    pub(super) fn find(&self, pair: (u32, u32)) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(pair);
        let item = self.items.find(hash, |item| item.pair == pair)?;
        Some(item.number)
    }

    pub(super) fn put(&mut self, pair: (u32, u32), number: u32) {
        let hash = self.hasher.hash_one(pair);
        if let Some(item) = self.items.find_mut(hash, |item| item.pair == pair) {
            item.number = number;
            return;
        }
        let hasher = &self.hasher;
        self.items.insert(hash, Item { pair, number }, |item| {
            hasher.hash_one(item.pair)
        });
        self.len += 1;
    }

    pub(super) fn remove(&mut self, pair: (u32, u32)) {
        if self.len == 0 {
            return;
        }
        let hash = self.hasher.hash_one(pair);
        if self.items.remove(hash, |item| item.pair == pair).is_some() {
            self.len -= 1;
        }
    }

    /// Returns the pairs of one table; `None` past the last table.
    pub(super) fn pairs_of(&self, table: usize) -> Option<impl Iterator<Item = (u32, u32)>> {
        Some(self.items.table(table)?.map(|item| item.pair))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ((u32, u32), u32)> {
        self.items.iter().map(|item| (item.pair, item.number))
    }
}
