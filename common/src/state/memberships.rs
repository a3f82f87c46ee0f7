//! How many memberships of a user in an org have ended, and which membership a group member hangs on.
//!
//! Who leaves an org and comes back has none of what hung on the membership that ended: a child says
//! how many had ended before it, and counts only while no more have. Nearly all say none, which takes
//! no room: here is only who left, and what was put after somebody came back.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::state::sharded::{SMALL, Shards};

#[derive(Clone, Copy)]
struct Item {
    pair: (u32, u32),
    number: u32,
}

/// A number of each of few pairs of rows; 0 where there is none.
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

    pub(super) fn iter(&self) -> impl Iterator<Item = ((u32, u32), u32)> {
        self.items.iter().map(|item| (item.pair, item.number))
    }
}
