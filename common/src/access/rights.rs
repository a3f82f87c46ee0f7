//! What a token's owner may do by their own standing now, whatever the token.

use super::{ceiling::Ceiling, refusal::Refusal};
use crate::state::{Account, RepoView, State, record::OrgRole};

/// A token's owner and ceiling.
pub(super) struct Caller<'a> {
    pub(super) owner: Account,
    pub(super) ceiling: &'a Ceiling,
    pub(super) packed_id: &'a [u8],
    /// The org that a service account acts for. It has that org's rights and is a member of none.
    pub(super) acts_for: Option<Account>,
}

impl<'a> Caller<'a> {
    /// Tokens belong to users and service accounts; one whose owner is gone finds nothing.
    pub(super) fn new(
        state: &'a State,
        owner: Account,
        ceiling: &'a Ceiling,
    ) -> Result<Self, Refusal> {
        match state.account(owner) {
            Some(view) if !view.is_org => Ok(Self {
                owner,
                ceiling,
                packed_id: view.packed_id(),
                acts_for: view.service_account_of,
            }),
            _ => Err(Refusal::NotFound),
        }
    }

    pub(super) fn is_service_account(&self) -> bool {
        self.acts_for.is_some()
    }

    fn is(&self, account: Account) -> bool {
        self.owner == account || self.acts_for == Some(account)
    }

    /// Their role as a member.
    pub(super) fn role_in(&self, state: &State, org: Account) -> Option<OrgRole> {
        if self.is_service_account() {
            return None;
        }
        state.org_role(org, self.owner)
    }
}

/// On a repo.
#[derive(Clone, Copy, Default)]
pub(super) struct Rights {
    /// Even if it is private.
    pub(super) read: bool,
    pub(super) write: bool,
    /// Reads gated content without a grant.
    pub(super) past_the_gate: bool,
}

impl Rights {
    const ALL: Self = Self {
        read: true,
        write: true,
        past_the_gate: true,
    };

    pub(super) fn on(state: &State, caller: &Caller<'_>, repo: &RepoView<'_>) -> Self {
        if caller.is(repo.owner) {
            return Self::ALL;
        }
        let Some(role) = caller.role_in(state, repo.owner) else {
            return Self::default();
        };
        // A resource group admits its own members only, and groups aren't known yet: until they
        // are, that is the org's admins.
        if repo.group.is_some() && role != OrgRole::Admin {
            return Self::default();
        }
        let creator = repo.creator == Some(caller.owner);
        let write = match role {
            OrgRole::NoAccess => return Self::default(),
            OrgRole::Read => false,
            OrgRole::Contributor => creator,
            OrgRole::Write | OrgRole::Admin => true,
        };
        Self {
            read: true,
            write,
            past_the_gate: !repo.org_members_gated || role == OrgRole::Admin || creator,
        }
    }
}

/// In a namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Own,
    Member(OrgRole),
    None,
}

impl Place {
    pub(super) fn of(state: &State, caller: &Caller<'_>, account: Account) -> Self {
        if caller.is(account) {
            return Self::Own;
        }
        caller
            .role_in(state, account)
            .map_or(Self::None, Self::Member)
    }
}
