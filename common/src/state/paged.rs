//! Stores rows of bytes that grow one page at a time, so that growth never moves existing rows. This file
//! must not know what a row holds.

use super::short::Short;

/// A page has this many rows. There are few pages, so that the list of them stays in a cache close to the
/// CPU.
const PAGE: usize = 4096;
/// This many bytes of a long row are stored in its page.
const HEAD: usize = 22;

/// Stores rows of bytes, numbered from 0. A row of up to `SHORT` bytes is stored in one piece. A row's old
/// bytes are freed when it is replaced.
pub(super) struct Rows<const SHORT: usize> {
    pages: Vec<Vec<Short<SHORT, HEAD>>>,
    len: u32,
}

impl<const SHORT: usize> Rows<SHORT> {
    pub(super) fn new() -> Self {
        Self {
            pages: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Adds a row, and returns its number.
    pub(super) fn push(&mut self, row: &[u8]) -> u32 {
        let number = self.len;
        self.len += 1;
        let row = Short::from_bytes(row);
        match self.pages.last_mut().filter(|page| page.len() < PAGE) {
            Some(page) => page.push(row),
            None => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(row);
                self.pages.push(page);
            }
        }
        number
    }

    fn at(&self, number: u32) -> Option<&Short<SHORT, HEAD>> {
        let number = number as usize;
        self.pages.get(number / PAGE)?.get(number % PAGE)
    }

    /// Returns the row's bytes; they are empty if there is no such row.
    pub(super) fn get(&self, number: u32) -> &[u8] {
        self.at(number).map(Short::whole).unwrap_or_default()
    }

    /// Returns the beginning of the row: the bytes that are stored in the page.
    pub(super) fn head(&self, number: u32) -> &[u8] {
        self.at(number).map(Short::head).unwrap_or_default()
    }

    pub(super) fn set(&mut self, number: u32, row: &[u8]) {
        let number = number as usize;
        let page = self.pages.get_mut(number / PAGE);
        if let Some(old) = page.and_then(|page| page.get_mut(number % PAGE)) {
            *old = Short::from_bytes(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_replaced_in_place() {
        let mut rows = Rows::<38>::new();
        for number in 0..10_000_u32 {
            assert_eq!(rows.push(&number.to_le_bytes()), number);
        }
        let long = [7; 100];
        rows.set(17, &long);
        rows.set(18, b"");
        assert_eq!(rows.get(16), 16_u32.to_le_bytes());
        assert_eq!(rows.get(17), long);
        assert_eq!(rows.head(17), &long[..HEAD]);
        assert_eq!(rows.get(18), b"");
        assert_eq!(rows.head(19), 19_u32.to_le_bytes());
        assert_eq!(rows.get(9_999), 9_999_u32.to_le_bytes());
        assert_eq!(rows.get(10_000), b"");
        assert_eq!(rows.len(), 10_000);
        rows.set(17, b"short again");
        assert_eq!(rows.get(17), b"short again");
    }
}
