//! Holds accounts, repos, members, groups and gate grants. A child whose parent is gone is treated as absent,
//! though its record stays until the log deletes it. This file must not know tokens.

use crate::{
    id::Name,
    state::{
        accounts::{Account, AccountStatus, AccountView, Accounts},
        entry::ApplyError,
        groups::{GroupHandle, GroupView, Groups},
        memberships::Numbers,
        pairs::Pairs,
        record::{GrantState, Group, GroupRole, OldName, OrgRole, Repo, RepoKind, RetiredId},
        redirects::{Redirects, Space},
        repos::{RepoHandle, RepoView, Repos},
    },
};

pub(super) struct Directory {
    pub(super) accounts: Accounts,
    pub(super) groups: Groups,
    pub(super) repos: Repos,
    /// Maps an org and a user to the member's role.
    pub(super) members: Pairs,
    /// Maps a group and a user to the group member's role.
    pub(super) group_members: Pairs,
    /// Maps a repo and a user to the grant's state.
    pub(super) grants: Pairs,
    pub(super) redirects: Redirects,
    /// Maps an org and a user to the number of memberships that ended.
    pub(super) departures: Numbers,
    /// Maps a group and a user to the membership that the role depends on, if its value has [`STAMPED`] set.
    pub(super) stamps: Numbers,
}

/// This flag in a group member's value, beside the role, says that the role depends on a membership other
/// than the first.
pub(super) const STAMPED: u32 = 8;

impl Directory {
    pub(super) fn new() -> Self {
        Self {
            accounts: Accounts::new(),
            groups: Groups::new(),
            repos: Repos::new(),
            members: Pairs::new(),
            group_members: Pairs::new(),
            grants: Pairs::new(),
            redirects: Redirects::new(),
            departures: Numbers::new(),
            stamps: Numbers::new(),
        }
    }

    pub(super) fn account(&self, account: Account) -> Option<AccountView<'_>> {
        self.accounts.view(account.0)
    }

    pub(super) fn account_by_id(&self, id: &str) -> Option<Account> {
        let row = self.accounts.find(id)?;
        self.accounts.is_org(row).map(|_| Account(row))
    }

    pub(super) fn repo(&self, repo: RepoHandle) -> Option<RepoView<'_>> {
        self.owned_repo(repo).map(|(view, _)| view)
    }

    /// Returns what is known of the repo, and its owner's status.
    pub(super) fn owned_repo(&self, repo: RepoHandle) -> Option<(RepoView<'_>, AccountStatus)> {
        let view = self.repos.view(repo.0)?;
        Some((view, self.accounts.standing(view.owner.0)?))
    }

    pub(super) fn repo_by_id(&self, id: &str) -> Option<RepoHandle> {
        let repo = RepoHandle(self.repos.find(id)?);
        self.repo(repo).map(|_| repo)
    }

    pub(super) fn repo_by_name(
        &self,
        kind: RepoKind,
        owner: &str,
        name: &str,
    ) -> Option<RepoHandle> {
        let owner = Account(self.accounts.named(owner)?);
        self.repos.named(kind, owner, name).map(RepoHandle)
    }

    /// Looks a repo up by an old name. It ignores a repo that has this name now, and one that is gone.
    pub(super) fn renamed_repo(
        &self,
        kind: RepoKind,
        owner: &str,
        name: &str,
    ) -> Option<RepoHandle> {
        let now = self.accounts.named(owner).map(Account);
        let account = now.or_else(|| self.redirects.account(owner))?;
        let repo = match self.repos.named(kind, account, name).map(RepoHandle) {
            // The repo was found by its owner's old name.
            Some(repo) => now.is_none().then_some(repo)?,
            None => self.redirects.repo(kind, account, name)?,
        };
        (self.repo(repo)?.kind == kind).then_some(repo)
    }

    pub(super) fn org_role(&self, org: Account, user: Account) -> Option<OrgRole> {
        let role = OrgRole::from_number(self.members.find(org.0, user.0)?)?;
        let both = self.accounts.is_org(org.0) == Some(true)
            && self.accounts.is_org(user.0) == Some(false);
        both.then_some(role)
    }

    pub(super) fn group(&self, group: GroupHandle) -> Option<GroupView<'_>> {
        let view = self.groups.view(group.0)?;
        (self.accounts.is_org(view.org.0) == Some(true)).then_some(view)
    }

    /// Returns the user's role in the group, if they are still in the group's org by the same membership.
    pub(super) fn group_role(&self, group: GroupHandle, user: Account) -> Option<GroupRole> {
        let value = self.group_members.find(group.0, user.0)?;
        let role = GroupRole::from_number(value & !STAMPED)?;
        let org = self.group(group)?.org;
        self.org_role(org, user)?;
        let same = self.stamp(group.0, user.0, value) == self.ended(org.0, user.0);
        same.then_some(role)
    }

    pub(super) fn stamp(&self, group: u32, user: u32, value: u32) -> u32 {
        if value & STAMPED == 0 {
            return 0;
        }
        self.stamps.find((group, user)).unwrap_or_default()
    }

    /// Returns how many memberships of this user in this org have ended.
    pub(super) fn ended(&self, org: u32, user: u32) -> u32 {
        self.departures.find((org, user)).unwrap_or_default()
    }

    pub(super) fn grant(&self, repo: RepoHandle, user: Account) -> Option<GrantState> {
        let state = GrantState::from_number(self.grants.find(repo.0, user.0)?)?;
        let both = self.repo(repo).is_some() && self.accounts.is_org(user.0) == Some(false);
        both.then_some(state)
    }

    /// Retires an id: a record under it, now or later, is treated as absent.
    pub(super) fn retire(&mut self, id: &RetiredId) -> Result<(), ApplyError> {
        match id {
            RetiredId::Account(id) => self.accounts.retire(id),
            RetiredId::Group(id) => self.groups.retire(id),
            RetiredId::Repo(id) => self.repos.retire(id),
        }
    }

    pub(super) fn is_retired(&self, id: &RetiredId) -> bool {
        match id {
            RetiredId::Account(id) => {
                let row = self.accounts.find(id.as_str());
                row.is_some_and(|row| self.accounts.is_retired(row))
            }
            RetiredId::Group(id) => {
                let row = self.groups.find(id.as_str());
                row.is_some_and(|row| self.groups.is_retired(row))
            }
            RetiredId::Repo(id) => {
                let row = self.repos.find(id.as_str());
                row.is_some_and(|row| self.repos.is_retired(row))
            }
        }
    }

    pub(super) fn retired_ids(&self) -> impl Iterator<Item = RetiredId> {
        let (accounts, groups, repos) = (&self.accounts, &self.groups, &self.repos);
        let retired = (0..accounts.rows()).filter(|&row| accounts.is_retired(row));
        let of_accounts = retired.filter_map(|row| accounts.id(row).map(RetiredId::Account));
        let retired = (0..groups.rows()).filter(|&row| groups.is_retired(row));
        let of_groups = retired.filter_map(|row| groups.id(row).map(RetiredId::Group));
        let retired = (0..repos.rows()).filter(|&row| repos.is_retired(row));
        let of_repos = retired.filter_map(|row| repos.id(row).map(RetiredId::Repo));
        of_accounts.chain(of_groups).chain(of_repos)
    }

    pub(super) fn has_redirect(&self, old: &OldName) -> bool {
        let found = self.space_of(old);
        let to = found.and_then(|(space, name)| self.redirects.find(space, name.as_str()));
        to.is_some()
    }

    pub(super) fn space_of<'a>(&self, old: &'a OldName) -> Option<(Space, &'a Name)> {
        Some(match old {
            OldName::Account(name) => (Space::Accounts, name),
            OldName::Repo { kind, owner, name } => {
                let owner = Account(self.accounts.find(owner.as_str())?);
                (Space::Repos(*kind, owner), name)
            }
        })
    }

    pub(super) fn repo_record(&self, view: &RepoView<'_>) -> Option<Repo> {
        let accounts = &self.accounts;
        Some(Repo {
            id: view.id(),
            kind: view.kind,
            owner: accounts.id(view.owner.0)?,
            name: Name::parse(view.name()).ok()?,
            visibility: view.visibility,
            gate: view.gate,
            creator: view.creator.and_then(|account| accounts.id(account.0)),
            disabled: view.disabled,
            group: view.group.and_then(|group| self.groups.id(group.0)),
            org_members_gated: view.org_members_gated,
        })
    }

    /// Returns the group's record, live or not.
    pub(super) fn group_record(&self, row: u32) -> Option<Group> {
        let org = self.accounts.id(self.groups.stored(row)?.org.0)?;
        self.groups.record(row, org)
    }
}
