//! Vectors that grow a page at a time, so that growth never moves what is there.

/// Items per page.
const PAGE: usize = 256;
/// Rows per group: an update rewrites a group (about a kilobyte), a row costs 5 bytes beside itself.
const GROUP: usize = 16;

/// Only ever appended to; items are changed in place.
pub(super) struct Paged<T> {
    pages: Vec<Vec<T>>,
}

impl<T> Paged<T> {
    pub(super) fn new() -> Self {
        Self { pages: Vec::new() }
    }

    pub(super) fn push(&mut self, item: T) {
        match self.pages.last_mut().filter(|page| page.len() < PAGE) {
            Some(page) => page.push(item),
            None => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(item);
                self.pages.push(page);
            }
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }
}

/// Rows of bytes, numbered from 0. A row's old bytes are freed when it is replaced.
pub(super) struct Rows {
    groups: Paged<Group>,
    len: u32,
}

struct Group {
    ends: [u32; GROUP],
    bytes: Box<[u8]>,
}

impl Group {
    fn span(&self, slot: usize) -> (usize, usize) {
        let end = |slot: usize| self.ends.get(slot).map_or(0, |end| *end as usize);
        let start = slot.checked_sub(1).map_or(0, end);
        (start, end(slot))
    }

    fn replace(&mut self, slot: usize, row: &[u8]) {
        let (start, end) = self.span(slot);
        let before = self.bytes.get(..start).unwrap_or_default();
        let after = self.bytes.get(end..).unwrap_or_default();
        self.bytes = [before, row, after].concat().into_boxed_slice();
        for later in self.ends.iter_mut().skip(slot) {
            *later = *later - (end - start) as u32 + row.len() as u32;
        }
    }
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            groups: Paged::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The new row's number.
    pub(super) fn push(&mut self, row: &[u8]) -> u32 {
        let number = self.len;
        self.len += 1;
        if (number as usize).is_multiple_of(GROUP) {
            self.groups.push(Group {
                ends: [0; GROUP],
                bytes: Box::default(),
            });
        }
        self.set(number, row);
        number
    }

    /// Empty when there is no such row.
    pub(super) fn get(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let Some(group) = self.groups.get(number / GROUP) else {
            return &[];
        };
        let (start, end) = group.span(number % GROUP);
        group.bytes.get(start..end).unwrap_or_default()
    }

    pub(super) fn set(&mut self, number: u32, row: &[u8]) {
        let number = number as usize;
        if let Some(group) = self.groups.get_mut(number / GROUP) {
            group.replace(number % GROUP, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_replaced_in_place() {
        let mut rows = Rows::new();
        for number in 0..10_000_u32 {
            assert_eq!(rows.push(&number.to_le_bytes()), number);
        }
        rows.set(17, b"longer than before");
        rows.set(18, b"");
        assert_eq!(rows.get(16), 16_u32.to_le_bytes());
        assert_eq!(rows.get(17), b"longer than before");
        assert_eq!(rows.get(18), b"");
        assert_eq!(rows.get(19), 19_u32.to_le_bytes());
        assert_eq!(rows.get(9_999), 9_999_u32.to_le_bytes());
        assert_eq!(rows.get(10_000), b"");
        assert_eq!(rows.len(), 10_000);
    }
}
