//! Maps ids to row numbers and back. An id keeps its number as long as the state exists, whether or not it
//! has a record: a scan may report a member before it reports the org. This file must not know what a row
//! holds.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use super::{
    entry::ApplyError,
    index::{FEW, Index},
    packed::{self, PackedId},
    paged::Rows,
    pairs::MAX_ROWS,
};

/// Holds ids and their rows. A row of up to `SHORT` bytes is read in one memory access.
pub(super) struct Interner<const SHORT: usize> {
    hasher: RandomState,
    /// A row is the packed id and then its body, which is empty for an id without a record.
    rows: Rows<SHORT>,
    by_id: Index,
}

fn hash(hasher: &RandomState, id: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(id);
    hasher.finish()
}

impl<const SHORT: usize> Interner<SHORT> {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            rows: Rows::new(),
            by_id: Index::new(FEW),
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.find_packed(PackedId::pack(id)?.as_bytes())
    }

    /// As [`Self::find`]: looks first where it was found before, perhaps in another state. Whatever
    /// `hint` says, what is found is the row of this very id.
    pub(super) fn find_at(&self, hint: u32, id: &[u8]) -> Option<u32> {
        if self.id(hint) == id {
            return Some(hint);
        }
        self.find_packed(id)
    }

    fn find_packed(&self, id: &[u8]) -> Option<u32> {
        self.by_id
            .candidates(hash(&self.hasher, id))
            .find(|&row| self.id(row) == id)
    }

    pub(super) fn intern(&mut self, id: &str) -> Result<u32, ApplyError> {
        if let Some(row) = self.find(id) {
            return Ok(row);
        }
        let id = PackedId::pack(id).ok_or(ApplyError::Unstorable)?;
        if self.rows.len() >= MAX_ROWS {
            return Err(ApplyError::Unstorable);
        }
        let row = self.rows.push(id.as_bytes());
        self.by_id.insert(hash(&self.hasher, id.as_bytes()), row);
        Ok(row)
    }

    pub(super) fn len(&self) -> u32 {
        self.rows.len()
    }

    /// Returns the packed id.
    pub(super) fn id(&self, row: u32) -> &[u8] {
        match packed::split(self.rows.head(row)) {
            Some((id, _)) => id,
            None => self.row(row).0,
        }
    }

    /// Returns at least the first `LEN` bytes of the body, or the whole body if it is shorter.
    pub(super) fn head<const LEN: usize>(&self, row: u32) -> &[u8] {
        match packed::split(self.rows.head(row)) {
            Some((_, head)) if head.len() >= LEN => head,
            _ => self.body(row),
        }
    }

    /// Returns the bytes after the id; they are empty if there is no record.
    pub(super) fn body(&self, row: u32) -> &[u8] {
        self.row(row).1
    }

    /// Returns the packed id, and the bytes after it.
    pub(super) fn row(&self, row: u32) -> (&[u8], &[u8]) {
        packed::split(self.rows.get(row)).unwrap_or_default()
    }

    pub(super) fn set_body(&mut self, row: u32, body: &[u8]) {
        let whole = [self.id(row), body].concat();
        self.rows.set(row, &whole);
    }
}
