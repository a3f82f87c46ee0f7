//! Stores the rows of resource groups: each is a byte of flags, the row of its org and its name. This file
//! must not know whether an org exists.

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

/// Refers to a resource group. It is valid only in the state that returned it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupHandle(pub(super) u32);

/// Shows what the state knows of a group.
#[derive(Clone, Copy)]
pub struct GroupView<'a> {
    packed_id: &'a [u8],
    /// Names the org that the group belongs to; the group can close only this org's repos.
    pub org: Account,
    /// The name is for people only: two groups may have the same name.
    pub name: &'a str,
}

impl GroupView<'_> {
    /// Returns the group's id. It is rebuilt at each call, because the state keeps it packed.
    pub fn id(&self) -> GroupId {
        GroupId::restored(unpack(self.packed_id))
    }
}

/// This flag says that there is a record.
const GROUP: u8 = 1;
/// This flag says that the id was deleted.
const RETIRED: u8 = 2;

/// A row of up to this many bytes is stored in one piece.
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

    /// Returns a group whose id wasn't deleted. The caller must check whether its org exists.
    pub(super) fn view(&self, row: u32) -> Option<GroupView<'_>> {
        self.stored(row).filter(|_| !self.is_retired(row))
    }

    pub(super) fn is_retired(&self, row: u32) -> bool {
        let flags = self.ids.body(row).first();
        flags.is_some_and(|flags| flags & RETIRED != 0)
    }

    /// Returns a group, live or not.
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

    /// Retires an id for ever.
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

    /// Returns the number of rows; every row number is below it.
    pub(super) fn rows(&self) -> u32 {
        self.ids.len()
    }

    /// Returns the record of a group; `org` must be the id of the org in its view.
    pub(super) fn record(&self, row: u32, org: crate::id::AccountId) -> Option<Group> {
        Some(Group {
            id: self.id(row)?,
            org,
            name: Name::parse(self.stored(row)?.name).ok()?,
        })
    }
}
