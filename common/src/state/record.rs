//! This file declares the records that make up the state, and the changes that the log carries. It must not
//! know how they are encoded or indexed.

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
    /// The user's id. Users and orgs share one id space, and an id is never used again.
    pub id: AccountId,
    /// The name is unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// Whether the user is disabled: all tokens of a disabled user are refused.
    pub disabled: bool,
    /// The org that a service account acts for; it is set only for a service account.
    pub service_account_of: Option<AccountId>,
    /// An encoded `tokenward.v1.UserDisplay`; no decision reads it.
    pub display: Box<[u8]>,
}

/// An org, as the hub's back end wrote it: it owns repos and has no tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Org {
    /// The org's id. Users and orgs share one id space, and an id is never used again.
    pub id: AccountId,
    /// The name is unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// An encoded `tokenward.v1.OrgDisplay`; no decision reads it.
    pub display: Box<[u8]>,
}

/// A user's membership of an org; there is at most one for each pair of org and user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Names the org. The membership has no effect if that org was deleted.
    pub org: AccountId,
    /// Names the user; it is never another org.
    pub user: AccountId,
    /// What the user may do with everything that the org owns.
    pub role: OrgRole,
}

/// A resource group: it closes the org's private repos that lie in it to everyone but its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Names the group in an id space of its own; an id is never used again.
    pub id: GroupId,
    /// The org that the group belongs to for ever: a group never moves to another org.
    pub org: AccountId,
    /// The name is for people only: two groups may have the same name.
    pub name: Name,
}

/// A user's role in a resource group; it counts only while the user is a member of the group's org.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    /// Names the group. The role has no effect if that group was deleted.
    pub group: GroupId,
    /// Names the user, who must be a member of the group's org.
    pub user: AccountId,
    /// What the user may do with the repos in the group.
    pub role: GroupRole,
    /// The membership of the group's org that this role depends on: how many of the user's memberships of
    /// that org had ended before it.
    pub membership: u32,
}

/// An org's policy for the tokens that reach it. An org without a policy allows all tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgPolicy {
    /// The org that set the policy; there is at most one policy for each org.
    pub org: AccountId,
    /// Which tokens may reach what the org owns and isn't public.
    pub policy: TokenPolicy,
    /// The longest lifetime for which a token that reaches the org may be minted, in whole seconds, not zero.
    pub max_lifetime: Option<Duration>,
}

/// An org's decision on one token, through all its rotations. A revoked decision never changes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgTokenView {
    /// The org that decided; the decision holds for that org alone.
    pub org: AccountId,
    /// The serial of the token's first value, so that the decision holds for all later values too.
    pub token: TokenId,
    /// The token's owner. The decision doesn't apply to a token that names another owner.
    pub owner: AccountId,
    /// What was decided. It takes effect as the org's policy says, but a revocation always takes effect.
    pub state: Approval,
    /// The membership of the org that an approval depends on: how many of the owner's memberships of that org
    /// had ended before it. It is 0 for a revocation, which depends on no membership.
    pub membership: u32,
}

/// A repo, a collection or an endpoint, as the hub's back end wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repo {
    /// The repo's id, whatever its kind; an id is never used again.
    pub id: RepoId,
    /// The repo's kind; two repos of different kinds may have the same owner and name.
    pub kind: RepoKind,
    /// The user or the org that owns the repo. If that account was deleted, the repo isn't found.
    pub owner: AccountId,
    /// The name without the owner's. It is unique for each kind and owner, compared without ASCII case.
    pub name: Name,
    /// Who may see the repo without being its owner or a member.
    pub visibility: Visibility,
    /// Whether a gate grant is needed to read the repo's content.
    pub gate: GateMode,
    /// The user who created the repo, and who may write it as a mere contributor; `None` if unknown.
    pub creator: Option<AccountId>,
    /// Whether the repo is disabled: it is then closed to every token, and to every caller without one.
    pub disabled: bool,
    /// The resource group that the repo lies in.
    pub group: Option<GroupId>,
    /// Whether the owning org's members need a gate grant too.
    pub org_members_gated: bool,
}

/// A user's request for access to a gated repo, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateGrant {
    /// The gated repo. The record may outlive the gate, and has no effect then.
    pub repo: RepoId,
    /// The user who requested access; the grant holds for all of their tokens.
    pub user: AccountId,
    /// What the repo's authors decided, or the hub on their behalf.
    pub state: GrantState,
}

/// An id that was deleted, and is never assigned again. Users and orgs share one id space.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RetiredId {
    /// The id was a user's or an org's.
    Account(AccountId),
    /// The id was a resource group's.
    Group(GroupId),
    /// The id was a repo's, of any kind.
    Repo(RepoId),
}

/// How many memberships of a user in an org have ended. The count never falls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departures {
    /// The org that was left.
    pub org: AccountId,
    /// The user who left it, or was removed from it.
    pub user: AccountId,
    /// The count is at most [`MAX_DEPARTURES`]. Whatever depends on a membership that ended is void.
    pub count: u32,
}

/// The highest count that a [`Departures`] can hold.
pub const MAX_DEPARTURES: u32 = (1 << 24) - 1;

/// Identifies an account or a repo by a name that it once had. Names are folded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum OldName {
    /// The name that a user or an org had.
    Account(Name),
    /// The name that a repo had, or that it still has under an old name of its owner.
    Repo {
        /// The repo's kind.
        kind: RepoKind,
        /// The id of the account that owned the repo then.
        owner: AccountId,
        /// The name without the owner's.
        name: Name,
    },
}

/// Where the account or repo that once had a name is now. No decision follows it: it only leads a caller that
/// uses an old name to the present one, if that caller may see the account or repo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Redirect {
    /// Leads from an account's old name.
    Account {
        /// The old name, folded.
        name: Name,
        /// The id of the user or the org that had the name.
        to: AccountId,
    },
    /// Leads from a repo's old name.
    Repo {
        /// The repo's kind.
        kind: RepoKind,
        /// The id of the account that owned the repo when the repo had the name.
        owner: AccountId,
        /// The old name, folded.
        name: Name,
        /// The id of the repo that had the name.
        to: RepoId,
    },
}

impl Redirect {
    /// Returns the name that the redirect leads from, which is also its record's key.
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
    /// Refuses all tokens of the realm.
    Realm,
    /// Refuses all tokens of this owner.
    Owner(AccountId),
    /// Refuses this owner's tokens, but only for what this org owns.
    OwnerInOrg {
        /// The account that the tokens act for.
        owner: AccountId,
        /// The org that refuses the tokens; other orgs are not affected.
        org: AccountId,
    },
}

/// A floor: every value of the target is refused up to and including this serial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Floor {
    /// Whose tokens the floor refuses; there is at most one floor for each target.
    pub target: FloorTarget,
    /// The highest serial that is refused; a lower serial that arrives later changes nothing.
    pub serial: Serial,
}

/// The settings that are in force for a token in place of its claims. It is complete, whatever was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amendment {
    /// The serial of the token's first value: an amendment holds through all rotations.
    pub token: TokenId,
    /// The token's owner. A token that names another owner is refused.
    pub owner: AccountId,
    /// All settings as they are in force now, including those that weren't changed.
    pub settings: Settings,
    /// Ends of single values, ordered by serial and never later than the ends in their claims. There are at
    /// most [`MAX_EXPIRIES`].
    pub expiries: Vec<(Serial, UnixTime)>,
}

/// The most value ends in one amendment: one for each value replaced with an overlap that isn't over.
pub const MAX_EXPIRIES: usize = 16;

/// A token's settings that can be edited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The name, for people: 1 to 100 characters, unique among the owner's live tokens.
    pub name: Box<str>,
    /// The role, which is the most that the token may do.
    pub role: Role,
    /// The scopes; they are set exactly when the role is fine-grained.
    pub scopes: Option<Scopes>,
}

/// One step of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Writes a whole record in place of the old one. Floors never fall, however, and an org's revocation
    /// stays.
    Put(Record),
    /// Deletes a record, but never one of a kind that [`is_kept`](RecordKey::is_kept).
    Delete(RecordKey),
    /// Deletes a record and retires its id; the key must have one ([`RecordKey::retired`]).
    Retire(RecordKey),
    /// Revokes the values with these serials for ever.
    Revoke(Vec<Serial>),
    /// Raises a floor to the serial counter that the entry states, if that is higher.
    RaiseFloor(FloorTarget),
}
