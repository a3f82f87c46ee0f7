//! Repos: rows, and an index by kind, owner and name.

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

/// A repo of any kind, in the state that gave it: means nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RepoHandle(pub(super) u32);

/// What the state knows of a repo.
#[derive(Clone, Copy)]
pub struct RepoView<'a> {
    pub(super) packed_id: &'a [u8],
    /// What it is; for a collection or an endpoint other permissions count.
    pub kind: RepoKind,
    /// The user or the org that owns it.
    pub owner: Account,
    name: &'a [u8],
    /// Who may see it without being its owner or a member.
    pub visibility: Visibility,
    /// Whether a grant is needed to read its content.
    pub gate: GateMode,
    /// The user who made it, also one that isn't there any more; `None` if nobody is known.
    pub creator: Option<Account>,
    /// A disabled repo is closed to everybody.
    pub disabled: bool,
    /// The resource group it lies in, also one that isn't there: that admits nobody.
    pub group: Option<GroupHandle>,
    /// Members of the owning org need a grant too, except admins of the org or the group, and the creator.
    pub org_members_gated: bool,
}

impl<'a> RepoView<'a> {
    /// Only a name is ever written: proved text where one is asked for, not at every look-up.
    pub fn name(&self) -> &'a str {
        std::str::from_utf8(self.name).unwrap_or_default()
    }

    /// The repo's id, made anew at each call: the state keeps it packed.
    pub fn id(&self) -> RepoId {
        RepoId::restored(unpack(self.packed_id))
    }

    pub(crate) fn packed_id(&self) -> &'a [u8] {
        self.packed_id
    }

    /// Of a deleted id nothing is read: its byte is no kind's.
    fn read(packed_id: &'a [u8], body: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = body.split_first()?;
        Self::read_as(kind, packed_id, rest)
    }

    /// Also of a deleted id.
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

/// Looks at no more of a row than it must: what isn't a row isn't named.
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

/// In the byte of the kind: the id was deleted.
const RETIRED: u8 = 0x80;

/// A flagged field that isn't there makes the whole row unreadable.
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

/// The rows that a repo names, interned.
pub(super) struct RepoRows {
    pub(super) owner: u32,
    pub(super) creator: Option<u32>,
    pub(super) group: Option<u32>,
}

/// Bytes of a row that lies in one piece: with a name of 35, or of 43 without creator and group.
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

    /// Whether or not its owner is there.
    pub(super) fn view(&self, row: u32) -> Option<RepoView<'_>> {
        let (id, body) = self.ids.row(row);
        RepoView::read(id, body)
    }

    /// Also of a deleted id.
    fn stored(&self, row: u32) -> Option<RepoView<'_>> {
        let (id, body) = self.ids.row(row);
        RepoView::read_stored(id, body)
    }

    pub(super) fn is_retired(&self, row: u32) -> bool {
        let kind = self.ids.body(row).first();
        kind.is_some_and(|kind| kind & RETIRED != 0)
    }

    /// For ever.
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

    /// Two repos of one name are a fault of the hub: neither is meant then.
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

    /// Rows are numbered below this.
    pub(super) fn rows(&self) -> u32 {
        self.ids.len()
    }

    /// Every record there is, live or not, by row.
    pub(super) fn iter(&self) -> impl Iterator<Item = RepoView<'_>> {
        (0..self.rows()).filter_map(|row| self.stored(row))
    }
}
