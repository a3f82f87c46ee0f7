//! Resource groups: rows, each a byte of flags, the row of its org and its name.

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
    /// The org that the group belongs to, and whose repos alone it can close.
    pub org: Account,
    /// For people only: two groups may have the same name.
    pub name: &'a str,
}

impl GroupView<'_> {
    /// The group's id, made anew at each call: the state keeps it packed.
    pub fn id(&self) -> GroupId {
        GroupId::restored(unpack(self.packed_id))
    }
}

/// There is a record.
const GROUP: u8 = 1;
/// Its id was deleted.
const RETIRED: u8 = 2;

/// Bytes of a row that lies in one piece.
const SHORT: usize = 38;

pub(super) struct Groups {
    ids: Interner<SHORT>,
    pub(super) len: u64,
    pub(super) retired: u64,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self {
            ids: Interner::new(),
            len: 0,
            retired: 0,
        }
    }

    pub(super) fn intern(&mut self, id: &GroupId) -> Result<u32, ApplyError> {
        self.ids.intern(id.as_str())
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(id)
    }

    pub(super) fn packed_id(&self, row: u32) -> &[u8] {
        self.ids.id(row)
    }

    pub(super) fn id(&self, row: u32) -> Option<GroupId> {
        GroupId::parse(&unpack(self.ids.id(row))).ok()
    }

    /// What is said of a group whose id wasn't deleted; whether its org is there is for others.
    pub(super) fn view(&self, row: u32) -> Option<GroupView<'_>> {
        self.stored(row).filter(|_| !self.is_retired(row))
    }

    pub(super) fn is_retired(&self, row: u32) -> bool {
        let flags = self.ids.body(row).first();
        flags.is_some_and(|flags| flags & RETIRED != 0)
    }

    /// What is said of a group, live or not.
    pub(super) fn stored(&self, row: u32) -> Option<GroupView<'_>> {
        let mut body = Reader(self.ids.body(row));
        if body.u8()? & GROUP == 0 {
            return None;
        }
        Some(GroupView {
            packed_id: self.ids.id(row),
            org: Account(body.u32()?),
            name: std::str::from_utf8(body.0).ok()?,
        })
    }

    pub(super) fn put(&mut self, group: &Group, org: u32) -> Result<(), ApplyError> {
        let row = self.intern(&group.id)?;
        self.len += u64::from(self.stored(row).is_none());
        let flags = GROUP | if self.is_retired(row) { RETIRED } else { 0 };
        let name = group.name.as_str().as_bytes();
        let body = [&[flags][..], &org.to_le_bytes(), name].concat();
        self.ids.set_body(row, &body);
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &GroupId) {
        let there = self.find(id.as_str());
        if let Some(row) = there.filter(|&row| self.stored(row).is_some()) {
            let retired: &[u8] = if self.is_retired(row) {
                &[RETIRED]
            } else {
                &[]
            };
            self.ids.set_body(row, retired);
            self.len -= 1;
        }
    }

    /// For ever.
    pub(super) fn retire(&mut self, id: &GroupId) -> Result<(), ApplyError> {
        let row = self.intern(id)?;
        if self.is_retired(row) {
            return Ok(());
        }
        let body = match self.ids.body(row).split_first() {
            Some((flags, rest)) => [&[flags | RETIRED], rest].concat(),
            None => vec![RETIRED],
        };
        self.ids.set_body(row, &body);
        self.retired += 1;
        Ok(())
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
            name: Name::parse(self.stored(row)?.name).ok()?,
        })
    }
}
