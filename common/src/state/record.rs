//! Declares the records that make up the state, and the changes that the log carries. This file must not know
//! what the state does with them.

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

/// Holds a user or a service account, as the hub's back end wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Identifies the user. Users and orgs share one id space, and an id is never used again.
    pub id: AccountId,
    /// The name is unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// States whether the user is disabled: all tokens of a disabled user are refused.
    pub disabled: bool,
    /// Names the org that a service account acts for; it is set only for a service account.
    pub service_account_of: Option<AccountId>,
    /// Holds an encoded `tokenward.v1.UserDisplay`; no decision reads it.
    pub display: Box<[u8]>,
}

/// Holds an org, as the hub's back end wrote it: it owns repos and has no tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Org {
    /// Identifies the org. Users and orgs share one id space, and an id is never used again.
    pub id: AccountId,
    /// The name is unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// Holds an encoded `tokenward.v1.OrgDisplay`; no decision reads it.
    pub display: Box<[u8]>,
}

/// Holds a user's membership of an org; there is at most one for each pair of org and user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Names the org. The membership has no effect if that org was deleted.
    pub org: AccountId,
    /// Names the user; it is never another org.
    pub user: AccountId,
    /// States what the user may do with everything that the org owns.
    pub role: OrgRole,
}

/// Holds a resource group, which closes the org's private repos that lie in it to everyone but its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Names the group in an id space of its own; an id is never used again.
    pub id: GroupId,
    /// Names the org that the group belongs to for ever: a group never moves to another org.
    pub org: AccountId,
    /// The name is for people only: two groups may have the same name.
    pub name: Name,
}

/// Holds a user's role in a resource group; it counts only while the user is a member of the group's org.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    /// Names the group. The role has no effect if that group was deleted.
    pub group: GroupId,
    /// Names the user, who must be a member of the group's org.
    pub user: AccountId,
    /// States what the user may do with the repos in the group.
    pub role: GroupRole,
    /// Identifies the membership of the group's org that this role depends on: how many of the user's
    /// memberships of that org had ended before it.
    pub membership: u32,
}

/// Holds an org's policy for the tokens that reach it. An org without a policy allows all tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgPolicy {
    /// Names the org that set the policy; there is at most one policy for each org.
    pub org: AccountId,
    /// States which tokens may reach what the org owns and isn't public.
    pub policy: TokenPolicy,
    /// Limits the lifetime of a new token that reaches the org, in whole seconds, not zero.
    pub max_lifetime: Option<Duration>,
}

/// Holds an org's decision on one token, through all its rotations. A revoked decision never changes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgTokenView {
    /// Names the org that decided; the decision holds for that org alone.
    pub org: AccountId,
    /// Holds the serial of the token's first value, so that the decision holds for all later values too.
    pub token: TokenId,
    /// Names the token's owner. The decision doesn't apply to a token that names another owner.
    pub owner: AccountId,
    /// States what was decided. It takes effect as the org's policy says, but a revocation always takes
    /// effect.
    pub state: Approval,
    /// Identifies the membership of the org that an approval depends on: how many of the owner's memberships
    /// of that org had ended before it. It is 0 for a revocation, which depends on no membership.
    pub membership: u32,
}

/// Holds a repo, a collection or an endpoint, as the hub's back end wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repo {
    /// Identifies the repo, whatever its kind; an id is never used again.
    pub id: RepoId,
    /// States the repo's kind; two repos of different kinds may have the same owner and name.
    pub kind: RepoKind,
    /// Names the user or the org that owns the repo. If that account was deleted, the repo isn't found.
    pub owner: AccountId,
    /// Holds the name without the owner's. It is unique for each kind and owner, compared without ASCII case.
    pub name: Name,
    /// States who may see the repo without being its owner or a member.
    pub visibility: Visibility,
    /// States whether a gate grant is needed to read the repo's content.
    pub gate: GateMode,
    /// Names the user who created the repo, and who may write it as a mere contributor; `None` if unknown.
    pub creator: Option<AccountId>,
    /// States whether the repo is disabled: it is then closed to every token, and to every caller without
    /// one.
    pub disabled: bool,
    /// Names the resource group that the repo lies in.
    pub group: Option<GroupId>,
    /// States whether the owning org's members need a gate grant too.
    pub org_members_gated: bool,
}

/// Holds a user's request for access to a gated repo, and its outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateGrant {
    /// Names the gated repo. The record may outlive the gate, and has no effect then.
    pub repo: RepoId,
    /// Names the user who requested access; the grant holds for all of their tokens.
    pub user: AccountId,
    /// States what the repo's authors decided, or the hub on their behalf.
    pub state: GrantState,
}

/// Identifies what was deleted by an id that is never assigned again. Users and orgs share one id space.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RetiredId {
    /// The id was a user's or an org's.
    Account(AccountId),
    /// The id was a resource group's.
    Group(GroupId),
    /// The id was a repo's, of any kind.
    Repo(RepoId),
}

/// Counts the memberships of a user in an org that have ended. The count never falls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departures {
    /// Names the org that was left.
    pub org: AccountId,
    /// Names the user who left the org, or was removed from it.
    pub user: AccountId,
    /// The count is at most [`MAX_DEPARTURES`]. Whatever depends on a membership that ended is void.
    pub count: u32,
}

/// Limits the count of a [`Departures`].
pub const MAX_DEPARTURES: u32 = (1 << 24) - 1;

/// Identifies an account or a repo by a name that it once had. Names are folded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum OldName {
    /// Holds the name that a user or an org had.
    Account(Name),
    /// Holds the name that a repo had, or that it still has under an old name of its owner.
    Repo {
        /// States the repo's kind.
        kind: RepoKind,
        /// Identifies the account that owned the repo then.
        owner: AccountId,
        /// Holds the name without the owner's.
        name: Name,
    },
}

/// Points from an old name to the account or repo that had it. No decision follows it: it only leads a caller
/// that uses an old name to the present one, if that caller may see the account or repo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Redirect {
    /// Leads from an account's old name.
    Account {
        /// Holds the old name, folded.
        name: Name,
        /// Identifies the user or the org that had the name.
        to: AccountId,
    },
    /// Leads from a repo's old name.
    Repo {
        /// States the repo's kind.
        kind: RepoKind,
        /// Identifies the account that owned the repo when the repo had the name.
        owner: AccountId,
        /// Holds the old name, folded.
        name: Name,
        /// Identifies the repo that had the name.
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

/// States whose tokens a floor refuses.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum FloorTarget {
    /// Refuses all tokens of the realm.
    Realm,
    /// Refuses all tokens of this owner.
    Owner(AccountId),
    /// Refuses this owner's tokens, but only for what this org owns.
    OwnerInOrg {
        /// Names the account that the tokens act for.
        owner: AccountId,
        /// Names the org that refuses the tokens; other orgs are not affected.
        org: AccountId,
    },
}

/// Refuses every value of the target up to and including a serial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Floor {
    /// States whose tokens the floor refuses; there is at most one floor for each target.
    pub target: FloorTarget,
    /// Holds the highest serial that is refused; a lower serial that arrives later changes nothing.
    pub serial: Serial,
}

/// Holds what is in force for a token in place of its claims. It is complete, whatever was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amendment {
    /// Holds the serial of the token's first value: an amendment holds through all rotations.
    pub token: TokenId,
    /// Names the token's owner. A token that names another owner is refused.
    pub owner: AccountId,
    /// Holds all settings as they are in force now, including those that weren't changed.
    pub settings: Settings,
    /// Lists the ends of single values, ordered by serial and never later than the ends in their claims.
    /// There are at most [`MAX_EXPIRIES`].
    pub expiries: Vec<(Serial, UnixTime)>,
}

/// Limits the value ends in one amendment: there is one for each value replaced with an overlap that isn't
/// over.
pub const MAX_EXPIRIES: usize = 16;

/// Holds a token's settings that can be edited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Holds the name, for people: 1 to 100 characters, unique among the owner's live tokens.
    pub name: Box<str>,
    /// Holds the role, which is the most that the token may do.
    pub role: Role,
    /// Holds the scopes; they are set exactly when the role is fine-grained.
    pub scopes: Option<Scopes>,
}

/// Describes one step of the log.
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
