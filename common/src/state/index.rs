//! Implements a hash index for small items: row numbers by what the rows hold, and pairs. A look-up reads one
//! cache line, seldom two. This file must not know what the items mean.
//!
//! The index is many small tables, so that growth moves only one of them, within the time for which a writer
//! may block readers. A table is a list of lines, each as long as a cache line: it holds as many items as
//! fit, and a tag of sixteen hash bits for each. The tag alone determines an item's own line, so that growth
//! reads nothing else. An item whose own line is full is stored in the next line with room, and each line
//! that it passed counts it.

/// An index has this many tables: few, so that the list of tables stays in a cache close to the CPU. At 13
/// million rows a table has some 13,000 rows: that is 110 KiB, moved within a tenth of a millisecond.
pub(super) const FEW: usize = 1024;
/// This many tables hold tens of millions of pairs. A walk over all items of one table must stay short.
pub(super) const SOME: usize = 4096;
/// A table grows by a quarter when more than this share of it is full.
const FULL: (usize, usize) = (4, 5);

/// Indexes row numbers: ten of them, with a tag of sixteen bits each, fill a line.
pub(super) type Index = Lines<u32, 10>;

pub(super) struct Lines<T, const N: usize> {
    tables: Box<[Table<T, N>]>,
    /// Counts the items of each table. It is kept apart from `tables`, which every look-up reads.
    lens: Box<[u32]>,
}

struct Table<T, const N: usize> {
    lines: Box<[Line<T, N>]>,
}

#[derive(Clone)]
#[repr(align(64))]
struct Line<T, const N: usize> {
    items: [T; N],
    tags: [u16; N],
    len: u8,
    /// Counts the items that found this line full and passed it.
    passed: u16,
}

impl<T: Copy + Default + PartialEq, const N: usize> Line<T, N> {
    fn new() -> Self {
        Self {
            items: [T::default(); N],
            tags: [0; N],
            len: 0,
            passed: 0,
        }
    }

    /// Returns a bit mask of the items that have this tag.
    fn having(&self, tag: u16) -> u16 {
        let bit = |(at, own): (usize, &u16)| u16::from(*own == tag) << at;
        let all = self.tags.iter().enumerate().map(bit);
        all.fold(0, |all, bit| all | bit) & ((1 << self.len) - 1)
    }

    /// Returns whether there was room.
    fn push(&mut self, tag: u16, item: T) -> bool {
        let at = usize::from(self.len);
        let (Some(tags), Some(items)) = (self.tags.get_mut(at), self.items.get_mut(at)) else {
            return false;
        };
        (*tags, *items) = (tag, item);
        self.len += 1;
        true
    }

    /// Returns whether the item was there.
    fn remove(&mut self, tag: u16, item: T) -> bool {
        let last = usize::from(self.len).wrapping_sub(1);
        let there = self.tagged().position(|tagged| tagged == (tag, item));
        let Some(at) = there else { return false };
        self.tags.swap(at, last);
        self.items.swap(at, last);
        self.len -= 1;
        true
    }

    fn tagged(&self) -> impl Iterator<Item = (u16, T)> {
        let tags = self.tags.iter().copied();
        tags.zip(self.items.iter().copied())
            .take(usize::from(self.len))
    }
}

/// Returns the line in which an item with this tag is stored if there is room.
fn own_line(lines: usize, tag: u16) -> usize {
    (usize::from(tag) * lines) >> u16::BITS
}

/// Returns the lines in which items with this tag may be stored, in order, starting with their own line.
fn way(lines: usize, tag: u16) -> impl Iterator<Item = usize> {
    let own = own_line(lines, tag);
    (own..lines).chain(0..own)
}

impl<T: Copy + Default + PartialEq, const N: usize> Table<T, N> {
    fn new() -> Self {
        Self {
            lines: Box::default(),
        }
    }

    /// Inserts an item into a table that has `others` items already.
    fn insert(&mut self, others: u32, tag: u16, item: T) {
        if others as usize * FULL.1 >= self.lines.len() * N * FULL.0 {
            self.grow();
        }
        self.place(tag, item);
    }

    fn place(&mut self, tag: u16, item: T) {
        for at in way(self.lines.len(), tag) {
            let Some(line) = self.lines.get_mut(at) else {
                return;
            };
            if line.push(tag, item) {
                return;
            }
            line.passed = line.passed.saturating_add(1);
        }
    }

    fn grow(&mut self) {
        let lines = self.lines.len() * 5 / 4 + 1;
        let old = std::mem::replace(&mut self.lines, vec![Line::new(); lines].into());
        for (tag, item) in old.iter().flat_map(Line::tagged) {
            self.place(tag, item);
        }
    }

    /// Returns whether the item was there.
    fn remove(&mut self, tag: u16, item: T) -> bool {
        let lines = &mut self.lines;
        let mut way_there = way(lines.len(), tag);
        let removed = |at| {
            let line = lines.get_mut(at);
            line.is_some_and(|line: &mut Line<T, N>| line.remove(tag, item))
        };
        let Some(passed) = way_there.position(removed) else {
            return false;
        };
        for at in way(self.lines.len(), tag).take(passed) {
            if let Some(line) = self.lines.get_mut(at) {
                // A saturated counter has lost count, and must not fall any more.
                line.passed -= u16::from(line.passed != u16::MAX);
            }
        }
        true
    }

    fn items(&self) -> impl Iterator<Item = T> {
        self.lines
            .iter()
            .flat_map(|line| line.tagged().map(|(_, item)| item))
    }
}

/// Returns the tag of a hash: its highest 16 bits.
fn tag(hash: u64) -> u16 {
    (hash >> 48) as u16
}

/// Returns `hash` with the bits that select the table taken from `table`.
pub(super) fn chosen(hash: u64, table: u64) -> u64 {
    let bits = 0xffff << 32;
    (hash & !bits) | (table & bits)
}

impl<T: Copy + Default + PartialEq, const N: usize> Lines<T, N> {
    /// Makes an index of `tables` tables, which must be a power of two and at most 65,536.
    pub(super) fn new(tables: usize) -> Self {
        Self {
            tables: (0..tables).map(|_| Table::new()).collect(),
            lens: vec![0; tables].into(),
        }
    }

    /// Returns the number of the table for a hash. It uses other bits than the tag does.
    fn number(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.tables.len() - 1)
    }

    /// Returns all items that have this hash, and perhaps others.
    pub(super) fn candidates(&self, hash: u64) -> Candidates<'_, T, N> {
        let (tag, table) = (tag(hash), self.tables.get(self.number(hash)));
        let lines = table.map_or(&[][..], |table| &table.lines);
        let at = own_line(lines.len(), tag);
        let line = lines.get(at);
        Candidates {
            lines,
            tag,
            at,
            left: lines.len(),
            found: line.map_or(0, |line| line.having(tag)),
            line,
        }
    }

    /// Inserts an item. The caller must have made sure that it isn't there yet.
    pub(super) fn insert(&mut self, hash: u64, item: T) {
        let number = self.number(hash);
        let table = self.tables.get_mut(number).zip(self.lens.get_mut(number));
        if let Some((table, len)) = table {
            table.insert(*len, tag(hash), item);
            *len += 1;
        }
    }

    /// Returns whether the item was there.
    pub(super) fn remove(&mut self, hash: u64, item: T) -> bool {
        let number = self.number(hash);
        let table = self.tables.get_mut(number).zip(self.lens.get_mut(number));
        table.is_some_and(|(table, len)| {
            let removed = table.remove(tag(hash), item);
            *len -= u32::from(removed);
            removed
        })
    }

    /// Returns all items of one table; `None` past the last table. An item never leaves its table.
    pub(super) fn table(&self, index: usize) -> Option<impl Iterator<Item = T>> {
        Some(self.tables.get(index)?.items())
    }

    /// Returns all items of the table that this hash selects.
    pub(super) fn table_of(&self, hash: u64) -> Option<impl Iterator<Item = T>> {
        self.table(self.number(hash))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        self.tables.iter().flat_map(Table::items)
    }
}

pub(super) struct Candidates<'a, T, const N: usize> {
    lines: &'a [Line<T, N>],
    tag: u16,
    /// Holds the current line, of which `found` marks the items that are still to be returned.
    line: Option<&'a Line<T, N>>,
    at: usize,
    found: u16,
    /// Counts the lines that are left to read, including the current one.
    left: usize,
}

impl<T: Copy + Default + PartialEq, const N: usize> Iterator for Candidates<'_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            let line = self.line?;
            if self.found != 0 {
                let at = self.found.trailing_zeros();
                self.found &= self.found - 1;
                return line.items.get(at as usize).copied();
            }
            self.left -= 1;
            if line.passed == 0 || self.left == 0 {
                self.line = None;
                return None;
            }
            self.at = (self.at + 1) % self.lines.len();
            self.line = self.lines.get(self.at);
            self.found = self.line.map_or(0, |line| line.having(self.tag));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// All hashes select one table, so that it grows. There are few tags, so that lines overflow.
    fn hash(tag: u16) -> u64 {
        u64::from(tag) << 48 | 7 << 32 | 0xffff_ffff
    }

    fn found(index: &Index, tag: u16) -> Vec<u32> {
        let mut found: Vec<_> = index.candidates(hash(tag)).collect();
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn what_is_in_is_found_and_what_was_taken_out_is_not(
            steps in prop::collection::vec((any::<bool>(), prop::sample::select(vec![0, 1, 2, 0x7fff, 0x8000, 0xfffe, 0xffff]), 0..40_u32), 0..400),
        ) {
            let (mut index, mut model) = (Index::new(FEW), BTreeSet::new());
            for (put, tag, row) in steps {
                if put && model.insert((tag, row)) {
                    index.insert(hash(tag), row);
                } else if !put {
                    model.remove(&(tag, row));
                    index.remove(hash(tag), row);
                }
            }
            for tag in [0, 1, 2, 3, 0x7fff, 0x8000, 0xfffe, 0xffff] {
                let expected: Vec<_> = model.range((tag, 0)..=(tag, u32::MAX)).map(|(_, row)| *row).collect();
                prop_assert_eq!(found(&index, tag), expected);
            }
        }
    }

    #[test]
    fn a_line_is_a_cache_line_and_most_rows_lie_in_their_own() {
        assert_eq!(size_of::<Line<u32, 10>>(), 64);
        assert_eq!(size_of::<Line<u64, 6>>(), 64);
        let mut index = Index::new(FEW);
        let rows = 60_000_u32;
        let tag = |row: u32| (row.wrapping_mul(0x9e37_79b9) >> 16) as u16;
        for row in 0..rows {
            index.insert(hash(tag(row)), row);
        }
        let table = index.tables.get(7).unwrap();
        let passed: usize = table
            .lines
            .iter()
            .map(|line| usize::from(line.passed))
            .sum();
        assert!(passed < rows as usize / 8, "{passed}");
        assert!(table.lines.len() * 8 < rows as usize * 3 / 2);
        for row in 0..rows {
            assert!(index.candidates(hash(tag(row))).any(|found| found == row));
            index.remove(hash(tag(row)), row);
        }
        assert!(table_is_empty(&index));
    }

    fn table_is_empty(index: &Index) -> bool {
        let lines = index.tables.iter().flat_map(|table| &table.lines);
        lines
            .map(|line| line.len as usize + line.passed as usize)
            .sum::<usize>()
            == 0
    }
}
