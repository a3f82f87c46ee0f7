//! Decides what a token's owner may do by their own standing now. This file must not look at a token's
//! ceiling.

use super::{ceiling::Ceiling, org_gate::TokenFacts, refusal::Refusal};
use crate::state::{
    Account, AccountStatus, GroupHandle, RepoView, State,
    record::{GroupRole, OrgRole},
};

/// Holds a token's owner, its ceiling, and what identifies it to an org.
pub(super) struct Holder<'a> {
    pub(super) owner: Account,
    pub(super) ceiling: &'a Ceiling,
    pub(super) token: TokenFacts,
    /// Names the org that a service account acts for. The account has that org's rights and is a member of no
    /// org.
    pub(super) acts_for: Option<Account>,
}

impl<'a> Holder<'a> {
    /// Tokens belong to users and service accounts; a token whose owner is gone finds nothing.
    pub(super) fn new(
        state: &State,
        owner: Account,
        ceiling: &'a Ceiling,
        token: TokenFacts,
    ) -> Result<Self, Refusal> {
        match state.standing(owner) {
            Some(AccountStatus::User { acts_for, .. }) => Ok(Self {
                owner,
                ceiling,
                token,
                acts_for,
            }),
            Some(AccountStatus::Org) | None => Err(Refusal::NotFound),
        }
    }

    pub(super) fn is_service_account(&self) -> bool {
        self.acts_for.is_some()
    }

    fn is(&self, account: Account) -> bool {
        self.owner == account || self.acts_for == Some(account)
    }

    /// Returns the owner's role as a member of the org; a service account has none.
    pub(super) fn role_in(&self, state: &State, org: Account) -> Option<OrgRole> {
        if self.is_service_account() {
            return None;
        }
        state.org_role(org, self.owner)
    }
}

/// Holds the owner's rights on a repo.
#[derive(Clone, Copy, Default)]
pub(super) struct Rights {
    /// States whether the owner may read the repo even if it is private.
    pub(super) read: bool,
    pub(super) write: bool,
    /// States whether the owner reads gated content without a gate grant.
    pub(super) past_the_gate: bool,
}

impl Rights {
    const ALL: Self = Self {
        read: true,
        write: true,
        past_the_gate: true,
    };

    pub(super) fn on(state: &State, caller: &Holder<'_>, repo: &RepoView<'_>) -> Self {
        if caller.is(repo.owner) {
            return Self::ALL;
        }
        let Some(role) = caller.role_in(state, repo.owner) else {
            return Self::default();
        };
        let creator = repo.creator == Some(caller.owner);
        let (write, administers) = match (role, repo.group) {
            (OrgRole::Admin, _) => (true, true),
            // A resource group admits only its own members, whatever their role in the org.
            (_, Some(group)) => match group_role(state, caller, repo, group) {
                None => return Self::default(),
                Some(GroupRole::Read) => (false, false),
                Some(GroupRole::Contributor) => (creator, false),
                Some(GroupRole::Write) => (true, false),
                Some(GroupRole::Admin) => (true, true),
            },
            (OrgRole::NoAccess, None) => return Self::default(),
            (OrgRole::Read, None) => (false, false),
            (OrgRole::Contributor, None) => (creator, false),
            (OrgRole::Write, None) => (true, false),
        };
        Self {
            read: true,
            write,
            past_the_gate: !repo.org_members_gated || administers || creator,
        }
    }
}

/// Returns the owner's role in the group. A group counts only on its own org's repos, and a deleted group
/// admits nobody.
fn group_role(
    state: &State,
    caller: &Holder<'_>,
    repo: &RepoView<'_>,
    group: GroupHandle,
) -> Option<GroupRole> {
    let ours = state.group(group)?.org == repo.owner;
    ours.then(|| state.group_role(group, caller.owner))
        .flatten()
}

/// States the owner's standing in a namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Own,
    Member(OrgRole),
    None,
}

impl Place {
    pub(super) fn find(state: &State, caller: &Holder<'_>, account: Account) -> Self {
        if caller.is(account) {
            return Self::Own;
        }
        caller
            .role_in(state, account)
            .map_or(Self::None, Self::Member)
    }
}
