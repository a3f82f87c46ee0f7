//! Ids to row numbers and back. An id keeps its number for the state's life, whether or not there
//! is a record: a scan may tell of a member before it tells of the org.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use super::{
    entry::ApplyError,
    packed::{self, PackedId},
    paged::Rows,
    pairs::MAX_ROWS,
    sharded::Shards,
};

pub(super) struct Interner {
    hasher: RandomState,
    /// The packed id, then what is known of it: nothing, for an id without a record.
    rows: Rows,
    by_id: Shards<u32>,
}

fn hash(hasher: &RandomState, id: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(id);
    hasher.finish()
}

impl Interner {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            hasher: RandomState::default(),
            rows: Rows::new(),
            by_id: Shards::new(shards),
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.find_packed(PackedId::of(id)?.as_bytes())
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
            .find(hash(&self.hasher, id), |&row| self.id(row) == id)
            .copied()
    }

    pub(super) fn intern(&mut self, id: &str) -> Result<u32, ApplyError> {
        if let Some(row) = self.find(id) {
            return Ok(row);
        }
        let id = PackedId::of(id).ok_or(ApplyError::Unstorable)?;
        if self.rows.len() >= MAX_ROWS {
            return Err(ApplyError::Unstorable);
        }
        let row = self.rows.push(id.as_bytes());
        let (rows, hasher) = (&self.rows, &self.hasher);
        self.by_id.insert(hash(hasher, id.as_bytes()), row, |&row| {
            hash(hasher, id_in(rows.get(row)))
        });
        Ok(row)
    }

    pub(super) fn len(&self) -> u32 {
        self.rows.len()
    }

    /// Packed.
    pub(super) fn id(&self, row: u32) -> &[u8] {
        self.row(row).0
    }

    /// What follows the id; empty when there is no record.
    pub(super) fn body(&self, row: u32) -> &[u8] {
        self.row(row).1
    }

    /// The packed id, and what follows it.
    pub(super) fn row(&self, row: u32) -> (&[u8], &[u8]) {
        packed::split(self.rows.get(row)).unwrap_or_default()
    }

    pub(super) fn set_body(&mut self, row: u32, body: &[u8]) {
        let whole = [self.id(row), body].concat();
        self.rows.set(row, &whole);
    }
}

fn id_in(row: &[u8]) -> &[u8] {
    packed::split(row).map_or(&[], |(id, _)| id)
}
