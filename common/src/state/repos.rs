//! Stores the rows of repos, and an index of them by kind, owner and name. This file must not know whether an
//! owner exists.

use foldhash::quality::RandomState;

use crate::{
    id::{MAX_NAME, RepoId},
    state::{
        accounts::Account,
        entry::ApplyError,
        groups::GroupHandle,
        index::{FEW, Index},
        interner::Interner,
        names::{hash_name, same_name},
        packed::{Reader, unpack},
        record::{GateMode, Repo, RepoKind, Visibility},
    },
};

/// Refers to a repo of any kind. It is valid only in the state that returned it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RepoHandle(pub(super) u32);

/// Shows what the state knows of a repo.
#[derive(Clone, Copy)]
pub struct RepoView<'a> {
    pub(super) packed_id: &'a [u8],
    /// States the repo's kind; collections and endpoints have other permissions than the other kinds.
    pub kind: RepoKind,
    /// Names the user or the org that owns the repo.
    pub owner: Account,
    name: &'a [u8],
    /// States who may see the repo without being its owner or a member.
    pub visibility: Visibility,
    /// States whether a gate grant is needed to read the repo's content.
    pub gate: GateMode,
    /// Names the user who created the repo, even a deleted one; `None` if unknown.
    pub creator: Option<Account>,
    /// States whether the repo is disabled: it is then closed to everybody.
    pub disabled: bool,
    /// Names the resource group that the repo lies in, even a deleted one, which admits nobody.
    pub group: Option<GroupHandle>,
    /// States whether members of the owning org need a grant too, except admins of the org or the group, and
    /// the creator.
    pub org_members_gated: bool,
}

impl<'a> RepoView<'a> {
    /// Returns the name. Only valid names are ever written, so UTF-8 is checked here and not at every
    /// look-up.
    pub fn name(&self) -> &'a str {
        std::str::from_utf8(self.name).unwrap_or_default()
    }

    /// Returns the repo's id. It is rebuilt at each call, because the state keeps it packed.
    pub fn id(&self) -> RepoId {
        RepoId::restored(unpack(self.packed_id))
    }

    pub(crate) fn packed_id(&self) -> &'a [u8] {
        self.packed_id
    }

    /// Reads a row. It returns nothing for a deleted id, whose first byte is no kind's number.
    fn read(packed_id: &'a [u8], body: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        Self::read_as(kind, packed_id, rest)
    }

    /// Reads a row, even that of a deleted id.
    fn read_stored(packed_id: &'a [u8], body: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        Self::read_as(kind & !RETIRED, packed_id, rest)
    }

    fn read_as(kind: u8, packed_id: &'a [u8], body: &'a [u8]) -> Option<Self> {
        let mut body = Reader(body);
        let kind = RepoKind::from_number(u32::from(kind))?;
        let flags = u32::from(body.u8()?);
        let owner = Account(body.u32()?);
        let mut optional = |flag| {
            if flags & flag != 0 {
                Some(body.u32())
            } else {
                None
            }
        };
        let creator = optional(CREATOR);
        let group = optional(GROUP);
        Some(Self {
            packed_id,
            kind,
            owner,
            name: body.0,
            visibility: Visibility::from_number(flags & 3)?,
            gate: GateMode::from_number((flags >> 2) & 3)?,
            creator: present(creator)?.map(Account),
            disabled: flags & DISABLED != 0,
            group: present(group)?.map(GroupHandle),
            org_members_gated: flags & MEMBERS_GATED != 0,
        })
    }

    fn write(&self) -> Vec<u8> {
        let mut flags = self.visibility.number() | (self.gate.number() << 2);
        let mut set = |flag, on| flags |= if on { flag } else { 0 };
        set(DISABLED, self.disabled);
        set(MEMBERS_GATED, self.org_members_gated);
        set(CREATOR, self.creator.is_some());
        set(GROUP, self.group.is_some());
        let mut body = Vec::with_capacity(14 + MAX_NAME);
        body.extend_from_slice(&[self.kind.number() as u8, flags as u8]);
        let creator = self.creator.map(|account| account.0);
        let group = self.group.map(|group| group.0);
        for row in [Some(self.owner.0), creator, group].into_iter().flatten() {
            body.extend_from_slice(&row.to_le_bytes());
        }
        body.extend_from_slice(self.name);
        body
    }

    fn name_hash(&self, hasher: &RandomState) -> Option<u64> {
        name_hash(hasher, self.kind, self.owner, self.name)
    }
}

/// Returns whether a row has this name. It reads no more of the row than it must, and a malformed row has no
/// name.
fn is_named(body: &[u8], kind: RepoKind, owner: Account, name: &str) -> bool {
    let mut body = Reader(body);
    let own = (|| {
        let same_kind = u32::from(body.u8()?) == kind.number();
        let flags = u32::from(body.u8()?);
        let same_owner = body.u32()? == owner.0;
        let optional = (flags & CREATOR).count_ones() + (flags & GROUP).count_ones();
        body.bytes(4 * optional as usize)?;
        (same_kind && same_owner).then_some(body.0)
    })();
    own.is_some_and(|own| same_name(own, name.as_bytes()))
}

/// This flag in the byte of the kind says that the id was deleted.
const RETIRED: u8 = 0x80;

/// Makes the whole row unreadable if a field is flagged but missing.
fn present(field: Option<Option<u32>>) -> Option<Option<u32>> {
    match field {
        Some(None) => None,
        Some(some) => Some(some),
        None => Some(None),
    }
}

const DISABLED: u32 = 1 << 4;
const MEMBERS_GATED: u32 = 1 << 5;
const CREATOR: u32 = 1 << 6;
const GROUP: u32 = 1 << 7;

fn name_hash(hasher: &RandomState, kind: RepoKind, owner: Account, name: &[u8]) -> Option<u64> {
    let space = (u64::from(kind.number()) << 32) | u64::from(owner.0);
    hash_name(hasher, space, name)
}

/// Holds the interned rows of what a repo refers to.
pub(super) struct RepoRows {
    pub(super) owner: u32,
    pub(super) creator: Option<u32>,
    pub(super) group: Option<u32>,
}

/// A row of up to this many bytes is stored in one piece: enough for a name of 35 bytes, or of 43 without
/// creator and group.
const SHORT: usize = 62;

pub(super) struct Repos {
    hasher: RandomState,
    ids: Interner<SHORT>,
    pub(super) names: Index,
    pub(super) len: u64,
    pub(super) retired: u64,
}

impl Repos {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            ids: Interner::new(),
            names: Index::new(FEW),
            len: 0,
            retired: 0,
        }
    }

    pub(super) fn intern(&mut self, id: &RepoId) -> Result<u32, ApplyError> {
        self.ids.intern(id.as_str())
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(id)
    }

    pub(super) fn id(&self, row: u32) -> Option<RepoId> {
        RepoId::parse(&unpack(self.ids.id(row))).ok()
    }

    /// Returns the view of a repo, whether or not its owner exists.
    pub(super) fn view(&self, row: u32) -> Option<RepoView<'_>> {
        let (id, body) = self.ids.row(row);
        RepoView::read(id, body)
    }

    /// Returns the view of a repo, even if its id was deleted.
    pub(super) fn stored(&self, row: u32) -> Option<RepoView<'_>> {
        let (id, body) = self.ids.row(row);
        RepoView::read_stored(id, body)
    }

    pub(super) fn is_retired(&self, row: u32) -> bool {
        let kind = self.ids.body(row).first();
        kind.is_some_and(|kind| kind & RETIRED != 0)
    }

    /// Retires an id for ever.
    pub(super) fn retire(&mut self, id: &RepoId) -> Result<(), ApplyError> {
        let row = self.intern(id)?;
        if self.is_retired(row) {
            return Ok(());
        }
        let body = match self.ids.body(row).split_first() {
            Some((kind, rest)) => [&[kind | RETIRED], rest].concat(),
            None => vec![RETIRED],
        };
        self.ids.set_body(row, &body);
        self.retired += 1;
        Ok(())
    }

    /// Looks a repo up by name. Two repos with one name are a fault of the hub: neither is found then.
    pub(super) fn named(&self, kind: RepoKind, owner: Account, name: &str) -> Option<u32> {
        let hash = name_hash(&self.hasher, kind, owner, name.as_bytes())?;
        let mut found = self
            .names
            .candidates(hash)
            .filter(|&row| is_named(self.ids.body(row), kind, owner, name));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    pub(super) fn put(&mut self, repo: &Repo, rows: &RepoRows) -> Result<(), ApplyError> {
        let row = self.intern(&repo.id)?;
        let view = RepoView {
            packed_id: &[],
            kind: repo.kind,
            owner: Account(rows.owner),
            name: repo.name.as_str().as_bytes(),
            visibility: repo.visibility,
            gate: repo.gate,
            creator: rows.creator.map(Account),
            disabled: repo.disabled,
            group: rows.group.map(GroupHandle),
            org_members_gated: repo.org_members_gated,
        };
        let hash = view.name_hash(&self.hasher);
        self.take_out(row);
        let mut body = view.write();
        if self.is_retired(row)
            && let Some(kind) = body.first_mut()
        {
            *kind |= RETIRED;
        }
        self.ids.set_body(row, &body);
        self.len += 1;
        if let Some(hash) = hash {
            self.names.insert(hash, row);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, id: &RepoId) {
        if let Some(row) = self.find(id.as_str()) {
            self.take_out(row);
        }
    }

    fn take_out(&mut self, row: u32) {
        let Some(old) = self.stored(row) else { return };
        if let Some(hash) = old.name_hash(&self.hasher) {
            self.names.remove(hash, row);
        }
        let retired: &[u8] = if self.is_retired(row) {
            &[RETIRED]
        } else {
            &[]
        };
        self.ids.set_body(row, retired);
        self.len -= 1;
    }

    /// Returns the number of rows; every row number is below it.
    pub(super) fn rows(&self) -> u32 {
        self.ids.len()
    }

    /// Returns every record, live or not, by row.
    pub(super) fn iter(&self) -> impl Iterator<Item = RepoView<'_>> {
        (0..self.rows()).filter_map(|row| self.stored(row))
    }
}
