//! What the state is made of: records, and the changes that the log carries.

mod numbered;

use std::time::Duration;

use crate::{
    clock::UnixTime,
    id::{AccountId, GroupId, KeyId, Name, RepoId, Serial, TokenId},
    token::{Role, Scopes},
};

pub use numbered::*;

/// The kinds of records; the numbers are those of `Record` in `record.proto`, for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Kind {
    User = 1,
    Org = 2,
    Member = 3,
    Group = 4,
    GroupMember = 5,
    Repo = 6,
    /// Issuer-only: who holds a name.
    Name = 7,
    GateGrant = 8,
    OrgPolicy = 9,
    Amendment = 10,
    OrgTokenView = 11,
    Floor = 12,
    WithdrawnKey = 13,
    HistoryOpened = 14,
    // 15 is no kind: the message's MAC has it.
    Redirect = 16,
    Retired = 17,
    Departures = 18,
    /// Issuer-only: what is known of a token.
    Token = 32,
    /// Issuer-only: when all tokens of an owner were revoked.
    Owner = 33,
}

impl Kind {
    /// In the feed, in number order.
    pub const PUBLIC: [Kind; 16] = [
        Kind::User,
        Kind::Org,
        Kind::Member,
        Kind::Group,
        Kind::GroupMember,
        Kind::Repo,
        Kind::GateGrant,
        Kind::OrgPolicy,
        Kind::Amendment,
        Kind::OrgTokenView,
        Kind::Floor,
        Kind::WithdrawnKey,
        Kind::HistoryOpened,
        Kind::Redirect,
        Kind::Retired,
        Kind::Departures,
    ];

    pub fn from_number(number: u32) -> Option<Self> {
        Self::PUBLIC
            .into_iter()
            .chain([Kind::Name, Kind::Token, Kind::Owner])
            .find(|kind| kind.number() == number)
    }

    pub fn number(self) -> u32 {
        self as u8 as u32
    }

    /// Never deleted, and kept by a view that is built anew: it holds what is never undone, or may.
    pub fn is_kept(self) -> bool {
        matches!(
            self,
            Self::Floor
                | Self::WithdrawnKey
                | Self::OrgTokenView
                | Self::Retired
                | Self::Departures
        )
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub id: AccountId,
    pub name: Name,
    pub disabled: bool,
    /// Set for a service account.
    pub service_account_of: Option<AccountId>,
    /// An encoded `tokenward.v1.UserDisplay`; no decision looks at it.
    pub display: Box<[u8]>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Org {
    pub id: AccountId,
    pub name: Name,
    /// An encoded `tokenward.v1.OrgDisplay`; no decision looks at it.
    pub display: Box<[u8]>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    pub org: AccountId,
    pub user: AccountId,
    pub role: OrgRole,
}

/// A resource group: it closes an org's private repos that lie in it to all but its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub id: GroupId,
    pub org: AccountId,
    pub name: Name,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    pub group: GroupId,
    pub user: AccountId,
    pub role: GroupRole,
    /// Which of the user's memberships of the group's org it hangs on: as many had ended before.
    pub membership: u32,
}

/// An org without one allows all tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgPolicy {
    pub org: AccountId,
    pub policy: TokenPolicy,
    /// The longest that a token that reaches the org may be made to live. Whole seconds, not zero.
    pub max_lifetime: Option<Duration>,
}

/// An org's decision on one token, through all its rotations. Once revoked it stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgTokenView {
    pub org: AccountId,
    pub token: TokenId,
    /// Says nothing of a token that names another owner.
    pub owner: AccountId,
    pub state: Approval,
    /// Which of the owner's memberships of the org an approval hangs on: as many had ended before.
    /// 0 for what is revoked: that hangs on none.
    pub membership: u32,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repo {
    pub id: RepoId,
    pub kind: RepoKind,
    pub owner: AccountId,
    pub name: Name,
    pub visibility: Visibility,
    pub gate: GateMode,
    pub creator: Option<AccountId>,
    pub disabled: bool,
    /// The resource group it lies in.
    pub group: Option<GroupId>,
    /// The owning org's members need a grant too.
    pub org_members_gated: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateGrant {
    pub repo: RepoId,
    pub user: AccountId,
    pub state: GrantState,
}

/// An id that was deleted, and is never taken again. Users and orgs share their ids.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RetiredId {
    Account(AccountId),
    Group(GroupId),
    Repo(RepoId),
}

/// How many memberships of a user in an org have ended. Never fewer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departures {
    pub org: AccountId,
    pub user: AccountId,
    pub count: u32,
}

/// The most that a [`Departures`] counts.
pub const MAX_DEPARTURES: u32 = (1 << 24) - 1;

/// What had a name once, by that name. Names are folded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum OldName {
    Account(Name),
    Repo {
        kind: RepoKind,
        owner: AccountId,
        name: Name,
    },
}

/// Where what once had a name is now. No decision follows it: it leads those who ask by an old name to
/// the present one, if they may see what has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Redirect {
    Account {
        /// Folded.
        name: Name,
        to: AccountId,
    },
    Repo {
        kind: RepoKind,
        owner: AccountId,
        /// Folded.
        name: Name,
        to: RepoId,
    },
}

impl Redirect {
    pub fn old_name(&self) -> OldName {
        match self {
            Self::Account { name, .. } => OldName::Account(name.clone()),
            Self::Repo {
                kind, owner, name, ..
            } => OldName::Repo {
                kind: *kind,
                owner: owner.clone(),
                name: name.clone(),
            },
        }
    }
}

/// Whose tokens a floor refuses.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FloorTarget {
    Realm,
    Owner(AccountId),
    OwnerInOrg { owner: AccountId, org: AccountId },
}

/// Everything of the target up to and with this serial is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Floor {
    pub target: FloorTarget,
    pub serial: Serial,
}

/// What is in force for a token, over its claims: all of it, whatever was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amendment {
    pub token: TokenId,
    /// A token that names another owner is refused.
    pub owner: AccountId,
    pub settings: Settings,
    /// Ends of single values, never later than their claims' own. At most
    /// [`MAX_EXPIRIES`](super::MAX_EXPIRIES), by serial.
    pub expiries: Vec<(Serial, UnixTime)>,
}

/// A token's settings that can be edited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    pub name: Box<str>,
    pub role: Role,
    /// Exactly with the fine-grained role.
    pub scopes: Option<Scopes>,
}

/// A public record, whole. Kinds of `record.proto` that aren't here yet are refused on reading:
/// a reader that skipped one could allow what it forbids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    User(User),
    Org(Org),
    Member(Member),
    Group(Group),
    GroupMember(GroupMember),
    Repo(Repo),
    GateGrant(GateGrant),
    OrgPolicy(OrgPolicy),
    Amendment(Amendment),
    OrgTokenView(OrgTokenView),
    Floor(Floor),
    WithdrawnKey(KeyId),
    Redirect(Redirect),
    Retired(RetiredId),
    Departures(Departures),
}

/// What names a record within its kind.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RecordKey {
    User(AccountId),
    Org(AccountId),
    Member {
        org: AccountId,
        user: AccountId,
    },
    Group(GroupId),
    GroupMember {
        group: GroupId,
        user: AccountId,
    },
    Repo(RepoId),
    GateGrant {
        repo: RepoId,
        user: AccountId,
    },
    /// By the org.
    OrgPolicy(AccountId),
    Amendment(TokenId),
    OrgTokenView {
        org: AccountId,
        token: TokenId,
    },
    Floor(FloorTarget),
    WithdrawnKey(KeyId),
    Redirect(OldName),
    Retired(RetiredId),
    Departures {
        org: AccountId,
        user: AccountId,
    },
}

/// One step of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Put(Record),
    /// But never what [`is_kept`](RecordKey::is_kept).
    Delete(RecordKey),
    /// Deletes a record and its id with it: see [`RecordKey::retired`], of which there must be one.
    Retire(RecordKey),
    /// For ever.
    Revoke(Vec<Serial>),
    /// To the serial counter as the entry states it, if that is higher.
    RaiseFloor(FloorTarget),
}

impl Record {
    pub fn key(&self) -> RecordKey {
        match self {
            Self::User(user) => RecordKey::User(user.id.clone()),
            Self::Org(org) => RecordKey::Org(org.id.clone()),
            Self::Member(member) => RecordKey::Member {
                org: member.org.clone(),
                user: member.user.clone(),
            },
            Self::Group(group) => RecordKey::Group(group.id.clone()),
            Self::GroupMember(member) => RecordKey::GroupMember {
                group: member.group.clone(),
                user: member.user.clone(),
            },
            Self::Repo(repo) => RecordKey::Repo(repo.id.clone()),
            Self::GateGrant(grant) => RecordKey::GateGrant {
                repo: grant.repo.clone(),
                user: grant.user.clone(),
            },
            Self::OrgPolicy(policy) => RecordKey::OrgPolicy(policy.org.clone()),
            Self::Amendment(amendment) => RecordKey::Amendment(amendment.token),
            Self::OrgTokenView(view) => RecordKey::OrgTokenView {
                org: view.org.clone(),
                token: view.token,
            },
            Self::Floor(floor) => RecordKey::Floor(floor.target.clone()),
            Self::WithdrawnKey(kid) => RecordKey::WithdrawnKey(kid.clone()),
            Self::Redirect(redirect) => RecordKey::Redirect(redirect.old_name()),
            Self::Retired(id) => RecordKey::Retired(id.clone()),
            Self::Departures(it) => RecordKey::Departures {
                org: it.org.clone(),
                user: it.user.clone(),
            },
        }
    }
}

impl RecordKey {
    pub fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Org(_) => Kind::Org,
            Self::Member { .. } => Kind::Member,
            Self::Group(_) => Kind::Group,
            Self::GroupMember { .. } => Kind::GroupMember,
            Self::Repo(_) => Kind::Repo,
            Self::GateGrant { .. } => Kind::GateGrant,
            Self::OrgPolicy(_) => Kind::OrgPolicy,
            Self::Amendment(_) => Kind::Amendment,
            Self::OrgTokenView { .. } => Kind::OrgTokenView,
            Self::Floor(_) => Kind::Floor,
            Self::WithdrawnKey(_) => Kind::WithdrawnKey,
            Self::Redirect(_) => Kind::Redirect,
            Self::Retired(_) => Kind::Retired,
            Self::Departures { .. } => Kind::Departures,
        }
    }

    /// Never deleted: it holds what is never undone, or may.
    pub fn is_kept(&self) -> bool {
        self.kind().is_kept()
    }

    /// The id that ends for ever with such a record; `None` for kinds that may come back.
    pub fn retired(&self) -> Option<RetiredId> {
        match self {
            Self::User(id) | Self::Org(id) => Some(RetiredId::Account(id.clone())),
            Self::Group(id) => Some(RetiredId::Group(id.clone())),
            Self::Repo(id) => Some(RetiredId::Repo(id.clone())),
            _ => None,
        }
    }
}
