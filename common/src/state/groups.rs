//! Resource groups: rows, each the row of its org and its name.

use crate::{
    id::{GroupId, Name},
    state::{
        accounts::Account,
        entry::ApplyError,
        interner::Interner,
        packed::{Reader, unpack},
        record::Group,
    },
};

/// A resource group, in the state that gave it: means nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupHandle(pub(super) u32);

/// What the state knows of a group.
#[derive(Clone, Copy)]
pub struct GroupView<'a> {
    packed_id: &'a [u8],
    pub org: Account,
    pub name: &'a str,
}

impl GroupView<'_> {
    pub fn id(&self) -> String {
        unpack(self.packed_id)
    }
}

/// Bytes of a row that lies in one piece.
const SHORT: usize = 38;

pub(super) struct Groups {
    ids: Interner<SHORT>,
    pub(super) len: u64,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            ids: Interner::new(),
            len: 0,
        }
    }

    pub(super) fn intern(&mut self, id: &GroupId) -> Result<u32, ApplyError> {
        self.ids.intern(id.as_str())
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(id)
    }

    pub(super) fn id(&self, row: u32) -> Option<GroupId> {
        GroupId::parse(&unpack(self.ids.id(row))).ok()
    }

    /// What is said of a group; whether its org is there is for others.
    pub(super) fn view(&self, row: u32) -> Option<GroupView<'_>> {
        let mut body = Reader(self.ids.body(row));
        Some(GroupView {
            packed_id: self.ids.id(row),
            org: Account(body.u32()?),
            name: std::str::from_utf8(body.0).ok()?,
        })
    }

    pub(super) fn put(&mut self, group: &Group, org: u32) -> Result<(), ApplyError> {
        let row = self.intern(&group.id)?;
        self.len += u64::from(self.view(row).is_none());
        let body = [&org.to_le_bytes(), group.name.as_str().as_bytes()].concat();
        self.ids.set_body(row, &body);
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &GroupId) {
        let there = self.find(id.as_str());
        if let Some(row) = there.filter(|&row| self.view(row).is_some()) {
            self.ids.set_body(row, &[]);
            self.len -= 1;
        }
    }

    /// Rows are numbered below this.
    pub(super) fn rows(&self) -> u32 {
        self.ids.len()
    }

    /// `org` is the id of the view's.
    pub(super) fn record(&self, row: u32, org: crate::id::AccountId) -> Option<Group> {
        Some(Group {
            id: self.id(row)?,
            org,
            name: Name::parse(self.view(row)?.name).ok()?,
        })
    }
}
