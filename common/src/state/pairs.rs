//! Stores a small number for each of many pairs of rows, in eight bytes each: members, group members, gate
//! grants. This file must not know what the numbers mean.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::index::{Lines, SOME, chosen};

/// Row numbers are below 2^30, so that a pair and its value fit in 64 bits.
pub(super) const MAX_ROWS: u32 = 1 << 30;
const VALUE_BITS: u32 = 4;
const VALUE: u64 = (1 << VALUE_BITS) - 1;

pub(super) struct Pairs {
    hasher: RandomState,
    items: Lines<u64, 6>,
    len: u64,
}

/// Holds the left row, the right row and the value of a pair.
pub(super) type Item = (u32, u32, u32);

fn packed(left: u32, right: u32) -> u64 {
    (u64::from(left) << 34) | (u64::from(right) << VALUE_BITS)
}

impl Pairs {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            items: Lines::new(SOME),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the hash of a pair. The right row's hash alone selects the table, so that all pairs of one
    /// right row are in one small table.
    fn hash(&self, pair: u64) -> u64 {
        let right = (pair >> VALUE_BITS) & u64::from(MAX_ROWS - 1);
        chosen(self.hasher.hash_one(pair), self.hasher.hash_one(right))
    }

    fn item(&self, pair: u64) -> Option<u64> {
        let mut items = self.items.candidates(self.hash(pair));
        items.find(|item| item & !VALUE == pair)
    }

    pub(super) fn find(&self, left: u32, right: u32) -> Option<u32> {
        let item = self.item(packed(left, right))?;
        Some((item & VALUE) as u32)
    }

    /// Returns the left rows of a right row, with their values. It walks through one small table.
    pub(super) fn of_right(&self, right: u32) -> impl Iterator<Item = (u32, u32)> {
        let table = self.items.table_of(self.hash(packed(0, right)));
        let pairs = table.into_iter().flatten().map(unpacked);
        pairs.filter_map(move |(left, own, value)| (own == right).then_some((left, value)))
    }

    /// Stores the value of a pair; `value` must be below 16.
    pub(super) fn put(&mut self, left: u32, right: u32, value: u32) {
        self.remove(left, right);
        let pair = packed(left, right);
        let item = pair | (u64::from(value) & VALUE);
        self.items.insert(self.hash(pair), item);
        self.len += 1;
    }

    pub(super) fn remove(&mut self, left: u32, right: u32) {
        let pair = packed(left, right);
        if let Some(item) = self.item(pair) {
            self.len -= u64::from(self.items.remove(self.hash(pair), item));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Item> {
        self.items.iter().map(unpacked)
    }

    /// Returns the pairs of one small table, in no order; `None` past the last table.
    pub(super) fn items_of(&self, index: usize) -> Option<impl Iterator<Item = Item>> {
        Some(self.items.table(index)?.map(unpacked))
    }

    /// Returns the wanted pairs of one small table, ordered by row numbers, and how many pairs the table
    /// holds in all; `None` past the last table. A pair never leaves its table.
    pub(super) fn table(
        &self,
        index: usize,
        wanted: impl Fn(u32, u32) -> bool,
    ) -> Option<(Vec<Item>, usize)> {
        let (mut found, mut all) = (Vec::new(), 0);
        for (left, right, value) in self.items.table(index)?.map(unpacked) {
            all += 1;
            if wanted(left, right) {
                found.push((left, right, value));
            }
        }
        found.sort_unstable();
        Some((found, all))
    }
}

fn unpacked(item: u64) -> Item {
    let right = (item >> VALUE_BITS) & u64::from(MAX_ROWS - 1);
    ((item >> 34) as u32, right as u32, (item & VALUE) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_rows_pairs_are_found_together() {
        let mut pairs = Pairs::new();
        for left in 0..300 {
            for right in 0..30 {
                if left % (right + 1) == 0 {
                    pairs.put(left, right, right % 15);
                }
            }
        }
        for right in 0..30 {
            let mut found: Vec<_> = pairs.of_right(right).collect();
            found.sort_unstable();
            let lefts = (0..300).filter(|left| left % (right + 1) == 0);
            assert_eq!(
                found,
                lefts.map(|left| (left, right % 15)).collect::<Vec<_>>()
            );
        }
        pairs.remove(0, 7);
        assert!(pairs.of_right(7).all(|(left, _)| left != 0));
        assert_eq!(pairs.find(8, 7), Some(7));
    }

    #[test]
    fn pairs_keep_their_order_and_value() {
        let mut pairs = Pairs::new();
        let last = MAX_ROWS - 1;
        pairs.put(last, 0, 5);
        pairs.put(0, last, 3);
        pairs.put(0, last, 4);
        assert_eq!(pairs.find(last, 0), Some(5));
        assert_eq!(pairs.find(0, last), Some(4));
        assert_eq!(pairs.find(0, 0), None);
        let mut all: Vec<_> = pairs.iter().collect();
        all.sort_unstable();
        assert_eq!(all, [(0, last, 4), (last, 0, 5)]);
        pairs.remove(last, 0);
        pairs.remove(last, 0);
        assert_eq!(pairs.len(), 1);
    }
}
