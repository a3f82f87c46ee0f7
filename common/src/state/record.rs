//! What the state is made of: records, and the changes that the log carries.

mod kind;
mod numbered;
pub(super) mod part;

use std::time::Duration;

use crate::{
    clock::UnixTime,
    id::{AccountId, GroupId, Name, RepoId, Serial, TokenId},
    token::{Role, Scopes},
};

pub(in crate::state) use kind::{Keyed, for_each_kind};
pub use kind::{Kind, Record, RecordKey};
pub use numbered::*;

/// A user or a service account, as the hub's back end wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The user's id, in one space with the ids of orgs and never used again.
    pub id: AccountId,
    /// Unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// All tokens of a disabled user are refused.
    pub disabled: bool,
    /// Set for a service account.
    pub service_account_of: Option<AccountId>,
    /// An encoded `tokenward.v1.UserDisplay`; no decision looks at it.
    pub display: Box<[u8]>,
}

/// An org, as the hub's back end wrote it: it owns repos and no tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Org {
    /// The org's id, in one space with the ids of users and never used again.
    pub id: AccountId,
    /// Unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// An encoded `tokenward.v1.OrgDisplay`; no decision looks at it.
    pub display: Box<[u8]>,
}

/// A user's membership of an org; there is at most one for each pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Names the org; if it was deleted, the membership counts for nothing.
    pub org: AccountId,
    /// Names the user, never another org.
    pub user: AccountId,
    /// What the user may do with all that the org owns.
    pub role: OrgRole,
}

/// A resource group: it closes an org's private repos that lie in it to all but its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Names the group in a space of ids of its own; never used again.
    pub id: GroupId,
    /// The org that the group belongs to for ever: a group doesn't move.
    pub org: AccountId,
    /// For people only: two groups may have the same name.
    pub name: Name,
}

/// A user's role in a resource group; it counts only while they are a member of the group's org.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    /// Names the group; if it was deleted, this role counts for nothing.
    pub group: GroupId,
    /// Names the user, who must be a member of the group's org.
    pub user: AccountId,
    /// What the user may do with the repos in the group.
    pub role: GroupRole,
    /// Which of the user's memberships of the group's org it hangs on: as many had ended before.
    pub membership: u32,
}

/// An org without one allows all tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgPolicy {
    /// The org that asks it; there is at most one policy for each org.
    pub org: AccountId,
    /// Which tokens reach what the org owns and isn't public.
    pub policy: TokenPolicy,
    /// The longest that a token that reaches the org may be made to live. Whole seconds, not zero.
    pub max_lifetime: Option<Duration>,
}

/// An org's decision on one token, through all its rotations. Once revoked it stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgTokenView {
    /// The org that decided, for itself alone.
    pub org: AccountId,
    /// The serial of the token's first value, so that the decision holds for all later values too.
    pub token: TokenId,
    /// Says nothing of a token that names another owner.
    pub owner: AccountId,
    /// What was decided; it counts by the org's policy, but what is revoked counts always.
    pub state: Approval,
    /// Which of the owner's memberships of the org an approval hangs on: as many had ended before.
    /// 0 for what is revoked: that hangs on none.
    pub membership: u32,
}

/// A repo, a collection or an endpoint, as the hub's back end wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repo {
    /// The repo's id, of whatever kind it is; never used again.
    pub id: RepoId,
    /// What it is; two repos of different kinds may have the same owner and name.
    pub kind: RepoKind,
    /// The user or the org that owns it; if that account was deleted, the repo isn't found.
    pub owner: AccountId,
    /// The name without the owner's, unique for each kind and owner, compared without ASCII case.
    pub name: Name,
    /// Who may see it without being its owner or a member.
    pub visibility: Visibility,
    /// Whether a grant is needed to read its content.
    pub gate: GateMode,
    /// The user who made it, and may write it as a mere contributor; `None` if nobody is known.
    pub creator: Option<AccountId>,
    /// A disabled repo is closed to every token and to everybody without one.
    pub disabled: bool,
    /// The resource group it lies in.
    pub group: Option<GroupId>,
    /// The owning org's members need a grant too.
    pub org_members_gated: bool,
}

/// A user's request for access to a gated repo, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateGrant {
    /// The gated repo; the record may stay when the gate is gone, and counts for nothing then.
    pub repo: RepoId,
    /// The user who asked, with all of their tokens.
    pub user: AccountId,
    /// What the repo's authors, or the hub for them, decided.
    pub state: GrantState,
}

/// An id that was deleted, and is never taken again. Users and orgs share their ids.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RetiredId {
    /// Of a user or an org.
    Account(AccountId),
    /// Of a resource group.
    Group(GroupId),
    /// Of a repo of any kind.
    Repo(RepoId),
}

/// How many memberships of a user in an org have ended. Never fewer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departures {
    /// The org that was left.
    pub org: AccountId,
    /// The user who left it, or was removed from it.
    pub user: AccountId,
    /// At most [`MAX_DEPARTURES`]; what hangs on one of the memberships that ended is void.
    pub count: u32,
}

/// The most that a [`Departures`] counts.
pub const MAX_DEPARTURES: u32 = (1 << 24) - 1;

/// What had a name once, by that name. Names are folded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum OldName {
    /// The name that a user or an org had.
    Account(Name),
    /// The name that a repo had, or has under an owner's old name.
    Repo {
        /// The kind that the repo is of.
        kind: RepoKind,
        /// The id of the account whose repo it was.
        owner: AccountId,
        /// The name without the owner's.
        name: Name,
    },
}

/// Where what once had a name is now. No decision follows it: it leads those who ask by an old name to
/// the present one, if they may see what has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Redirect {
    /// From an account's old name.
    Account {
        /// Folded.
        name: Name,
        /// The id of the user or the org that had the name.
        to: AccountId,
    },
    /// From a repo's old name.
    Repo {
        /// The kind that the repo is of.
        kind: RepoKind,
        /// The id of the account whose repo it was when it had the name.
        owner: AccountId,
        /// Folded.
        name: Name,
        /// The id of the repo that had the name.
        to: RepoId,
    },
}

impl Redirect {
    /// The name that it leads from, which is also its record's key.
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
    /// All tokens of the realm.
    Realm,
    /// All tokens of this owner.
    Owner(AccountId),
    /// This owner's tokens, but only for what this org owns.
    OwnerInOrg {
        /// The account that the tokens act for.
        owner: AccountId,
        /// The org that refuses them; others are not concerned.
        org: AccountId,
    },
}

/// Everything of the target up to and with this serial is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Floor {
    /// Whose tokens it refuses; there is at most one floor for each target.
    pub target: FloorTarget,
    /// The highest serial that is refused; a lower one that comes later changes nothing.
    pub serial: Serial,
}

/// What is in force for a token, over its claims: all of it, whatever was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amendment {
    /// The serial of the token's first value: it is amended through all its rotations.
    pub token: TokenId,
    /// A token that names another owner is refused.
    pub owner: AccountId,
    /// All settings as they are in force now, also those that weren't changed.
    pub settings: Settings,
    /// Ends of single values, never later than their claims' own. At most
    /// [`MAX_EXPIRIES`], by serial.
    pub expiries: Vec<(Serial, UnixTime)>,
}

/// Ends of values in one amendment: values replaced with an overlap that isn't over.
pub const MAX_EXPIRIES: usize = 16;

/// A token's settings that can be edited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// For people, 1 to 100 characters, unique among the owner's live tokens.
    pub name: Box<str>,
    /// What the token may do at most.
    pub role: Role,
    /// Exactly with the fine-grained role.
    pub scopes: Option<Scopes>,
}

/// One step of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Writes a whole record in place of the old one; but floors never fall, and what an org revoked stays.
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
