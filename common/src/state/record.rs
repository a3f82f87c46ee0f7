//! What the state is made of: records, and the changes that the log carries.

use crate::{
    clock::UnixTime,
    id::{AccountId, KeyId, Name, RepoId, Serial, TokenId},
    token::{Role, Scopes},
};

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
    /// Issuer-only: what is known of a token.
    Token = 32,
    /// Issuer-only: when all tokens of an owner were revoked.
    Owner = 33,
}

impl Kind {
    /// In the feed, in number order.
    pub const PUBLIC: [Kind; 13] = [
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

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $number:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$note])* $variant = $number),+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// `None` for 0 and for every number that isn't listed.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            pub fn number(self) -> u32 {
                self as u8 as u32
            }
        }
    };
}

numbered!(
    /// Ordered: a later one may do all that an earlier one may.
    OrgRole {
        NoAccess = 1,
        Read = 2,
        Contributor = 3,
        Write = 4,
        Admin = 5,
    }
);
numbered!(RepoKind {
    Model = 1,
    Dataset = 2,
    Space = 3,
    Bucket = 4,
    Kernel = 5,
    Collection = 6,
    Endpoint = 7,
});
numbered!(
    /// Strictest first.
    Visibility {
        Private = 1,
        /// A space whose app is public and whose source is private.
        Protected = 2,
        Public = 3,
    }
);
numbered!(
    /// Strictest first.
    GateMode {
        Manual = 1,
        Auto = 2,
        None = 3,
    }
);
numbered!(GrantState {
    Pending = 1,
    Accepted = 2,
    Rejected = 3,
});

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    pub org: AccountId,
    pub user: AccountId,
    pub role: OrgRole,
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
    pub group: Option<AccountId>,
    /// The owning org's members need a grant too.
    pub org_members_gated: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateGrant {
    pub repo: RepoId,
    pub user: AccountId,
    pub state: GrantState,
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
    Repo(Repo),
    GateGrant(GateGrant),
    Amendment(Amendment),
    Floor(Floor),
    WithdrawnKey(KeyId),
}

/// What names a record within its kind.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RecordKey {
    User(AccountId),
    Org(AccountId),
    Member { org: AccountId, user: AccountId },
    Repo(RepoId),
    GateGrant { repo: RepoId, user: AccountId },
    Amendment(TokenId),
    Floor(FloorTarget),
    WithdrawnKey(KeyId),
}

/// One step of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Put(Record),
    /// Floors and withdrawn keys are never deleted.
    Delete(RecordKey),
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
            Self::Repo(repo) => RecordKey::Repo(repo.id.clone()),
            Self::GateGrant(grant) => RecordKey::GateGrant {
                repo: grant.repo.clone(),
                user: grant.user.clone(),
            },
            Self::Amendment(amendment) => RecordKey::Amendment(amendment.token),
            Self::Floor(floor) => RecordKey::Floor(floor.target.clone()),
            Self::WithdrawnKey(kid) => RecordKey::WithdrawnKey(kid.clone()),
        }
    }
}

impl RecordKey {
    pub fn kind(&self) -> Kind {
        match self {
            Self::User(_) => Kind::User,
            Self::Org(_) => Kind::Org,
            Self::Member { .. } => Kind::Member,
            Self::Repo(_) => Kind::Repo,
            Self::GateGrant { .. } => Kind::GateGrant,
            Self::Amendment(_) => Kind::Amendment,
            Self::Floor(_) => Kind::Floor,
            Self::WithdrawnKey(_) => Kind::WithdrawnKey,
        }
    }
}
