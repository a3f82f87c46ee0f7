//! Handles the records that the hub feeds, and the redirects from their old names. This file must not judge a
//! request.

use crate::{
    id::{AccountId, GroupId, Name, RepoId},
    state::{
        Account, ApplyError, GroupHandle, PolicyView, RepoHandle, State,
        directory::STAMPED,
        held::Held,
        record::{
            GateGrant, GrantState, Group, GroupMember, GroupRole, Member, OldName, Org, OrgPolicy,
            OrgRole, Redirect, Repo, User,
        },
        redirects::Space,
        repos::RepoRows,
    },
};

/// Looks an account up by id, and requires that it is an org or a user, as `is_org` says.
fn account(state: &State, id: &AccountId, is_org: bool) -> Option<Account> {
    let account = state.account_by_id(id.as_str())?;
    (state.directory.accounts.is_org(account.0) == Some(is_org)).then_some(account)
}

impl Held for User {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.directory.accounts.put_user(self)
    }

    fn delete(state: &mut State, id: &AccountId) {
        state.directory.accounts.delete_user(id);
    }

    fn find(state: &State, id: &AccountId) -> Option<Self> {
        let user = account(state, id, false)?;
        state.directory.accounts.user_record(user.0)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.directory.accounts.users()
    }

    fn count(state: &State) -> u64 {
        state.directory.accounts.users
    }
}

impl Held for Org {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.directory.accounts.put_org(self)
    }

    fn delete(state: &mut State, id: &AccountId) {
        state.directory.accounts.delete_org(id);
    }

    fn find(state: &State, id: &AccountId) -> Option<Self> {
        let org = account(state, id, true)?;
        state.directory.accounts.org_record(org.0)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.directory.accounts.orgs()
    }

    fn count(state: &State) -> u64 {
        state.directory.accounts.orgs
    }
}

impl Member {
    /// Returns the membership of these rows, if both accounts exist.
    pub(in crate::state) fn at(state: &State, org: u32, user: u32) -> Option<Self> {
        let role = state.org_role(Account(org), Account(user))?;
        Some(Self {
            org: state.directory.accounts.id(org)?,
            user: state.directory.accounts.id(user)?,
            role,
        })
    }
}

impl Held for Member {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let org = directory.accounts.intern(&self.org)?;
        let user = directory.accounts.intern(&self.user)?;
        directory.members.put(org, user, self.role.number());
        Ok(())
    }

    fn delete(state: &mut State, (org, user): (&AccountId, &AccountId)) {
        let directory = &mut state.directory;
        if let Some((org, user)) = directory.accounts.find_both(org, user) {
            directory.members.remove(org, user);
        }
    }

    fn find(state: &State, (org, user): (&AccountId, &AccountId)) -> Option<Self> {
        let (org, user) = state.directory.accounts.find_both(org, user)?;
        Self::at(state, org, user)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        state
            .directory
            .members
            .iter()
            .filter_map(|(org, user, role)| {
                Some(Self {
                    org: accounts.id(org)?,
                    user: accounts.id(user)?,
                    role: OrgRole::from_number(role)?,
                })
            })
    }

    fn count(state: &State) -> u64 {
        state.directory.members.len()
    }
}

impl Held for Group {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let org = state.directory.accounts.intern(&self.org)?;
        state.directory.groups.put(self, org)
    }

    fn delete(state: &mut State, id: &GroupId) {
        state.directory.groups.delete(id);
    }

    fn find(state: &State, id: &GroupId) -> Option<Self> {
        let group = state.group_by_id(id.as_str())?;
        state.directory.group_record(group.0)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let rows = 0..state.directory.groups.rows();
        rows.filter_map(|row| state.directory.group_record(row))
    }

    fn count(state: &State) -> u64 {
        state.directory.groups.len
    }
}

impl GroupMember {
    /// Returns the group role of these rows, if both exist and the user is in the group's org by the same
    /// membership.
    pub(in crate::state) fn at(state: &State, group: u32, user: u32) -> Option<Self> {
        let directory = &state.directory;
        let role = directory.group_role(GroupHandle(group), Account(user))?;
        let org = directory.group(GroupHandle(group))?.org;
        Some(Self {
            group: directory.groups.id(group)?,
            user: directory.accounts.id(user)?,
            role,
            membership: directory.ended(org.0, user),
        })
    }
}

impl Held for GroupMember {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let group = directory.groups.intern(&self.group)?;
        let user = directory.accounts.intern(&self.user)?;
        let stamped = if self.membership == 0 {
            directory.stamps.remove((group, user));
            0
        } else {
            directory.stamps.put((group, user), self.membership);
            STAMPED
        };
        let value = self.role.number() | stamped;
        directory.group_members.put(group, user, value);
        Ok(())
    }

    fn delete(state: &mut State, (group, user): (&GroupId, &AccountId)) {
        let directory = &mut state.directory;
        let group = directory.groups.find(group.as_str());
        let user = directory.accounts.find(user.as_str());
        if let Some((group, user)) = group.zip(user) {
            directory.group_members.remove(group, user);
            directory.stamps.remove((group, user));
        }
    }

    fn find(state: &State, (group, user): (&GroupId, &AccountId)) -> Option<Self> {
        let group = state.directory.groups.find(group.as_str())?;
        let user = state.directory.accounts.find(user.as_str())?;
        Self::at(state, group, user)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let directory = &state.directory;
        directory
            .group_members
            .iter()
            .filter_map(|(group, user, value)| {
                Some(Self {
                    group: directory.groups.id(group)?,
                    user: directory.accounts.id(user)?,
                    role: GroupRole::from_number(value & !STAMPED)?,
                    membership: directory.stamp(group, user, value),
                })
            })
    }

    fn count(state: &State) -> u64 {
        state.directory.group_members.len()
    }
}

impl OrgPolicy {
    /// Returns the policy of this row, live or not.
    fn stored(state: &State, org: u32) -> Option<Self> {
        let view = state.org_tokens.policy(org)?;
        Some(Self {
            org: state.directory.accounts.id(org)?,
            policy: view.policy,
            max_lifetime: view.max_lifetime,
        })
    }

    /// Returns the policy of this row, if the row is a live org.
    pub(in crate::state) fn at(state: &State, org: u32) -> Option<Self> {
        let is_live = || state.directory.accounts.is_org(org) == Some(true);
        Self::stored(state, org).filter(|_| is_live())
    }
}

impl Held for OrgPolicy {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let org = state.directory.accounts.intern(&self.org)?;
        let view = PolicyView {
            policy: self.policy,
            max_lifetime: self.max_lifetime,
        };
        state.org_tokens.put_policy(org, view);
        Ok(())
    }

    fn delete(state: &mut State, org: &AccountId) {
        if let Some(org) = state.directory.accounts.find(org.as_str()) {
            state.org_tokens.remove_policy(org);
        }
    }

    fn find(state: &State, org: &AccountId) -> Option<Self> {
        Self::at(state, state.directory.accounts.find(org.as_str())?)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let orgs = state.org_tokens.policies();
        orgs.filter_map(|org| Self::stored(state, org))
    }

    fn count(state: &State) -> u64 {
        state.org_tokens.policy_count
    }
}

impl Held for Repo {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let creator = self
            .creator
            .as_ref()
            .map(|id| directory.accounts.intern(id));
        let group = self.group.as_ref().map(|id| directory.groups.intern(id));
        let rows = RepoRows {
            owner: directory.accounts.intern(&self.owner)?,
            creator: creator.transpose()?,
            group: group.transpose()?,
        };
        directory.repos.put(self, &rows)
    }

    fn delete(state: &mut State, id: &RepoId) {
        state.directory.repos.delete(id);
    }

    fn find(state: &State, id: &RepoId) -> Option<Self> {
        let repo = state.repo_by_id(id.as_str())?;
        state.directory.repo_record(&state.repo(repo)?)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let repos = state.directory.repos.iter();
        repos.filter_map(|view| state.directory.repo_record(&view))
    }

    fn count(state: &State) -> u64 {
        state.directory.repos.len
    }
}

impl GateGrant {
    /// Returns the gate grant of these rows, if both exist.
    pub(in crate::state) fn at(state: &State, repo: u32, user: u32) -> Option<Self> {
        let answer = state.grant(RepoHandle(repo), Account(user))?;
        Some(Self {
            repo: state.directory.repos.id(repo)?,
            user: state.directory.accounts.id(user)?,
            state: answer,
        })
    }
}

impl Held for GateGrant {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let repo = directory.repos.intern(&self.repo)?;
        let user = directory.accounts.intern(&self.user)?;
        directory.grants.put(repo, user, self.state.number());
        Ok(())
    }

    fn delete(state: &mut State, (repo, user): (&RepoId, &AccountId)) {
        let directory = &mut state.directory;
        let repo = directory.repos.find(repo.as_str());
        let user = directory.accounts.find(user.as_str());
        if let Some((repo, user)) = repo.zip(user) {
            directory.grants.remove(repo, user);
        }
    }

    fn find(state: &State, (repo, user): (&RepoId, &AccountId)) -> Option<Self> {
        let repo = state.directory.repos.find(repo.as_str())?;
        let user = state.directory.accounts.find(user.as_str())?;
        Self::at(state, repo, user)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let directory = &state.directory;
        directory.grants.iter().filter_map(|(repo, user, answer)| {
            Some(Self {
                repo: directory.repos.id(repo)?,
                user: directory.accounts.id(user)?,
                state: GrantState::from_number(answer)?,
            })
        })
    }

    fn count(state: &State) -> u64 {
        state.directory.grants.len()
    }
}

impl Held for Redirect {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let accounts = &mut directory.accounts;
        let (space, name, to) = match self {
            Self::Account { name, to } => (Space::Accounts, name, accounts.intern(to)?),
            Self::Repo {
                kind,
                owner,
                name,
                to,
            } => {
                let owner = Account(accounts.intern(owner)?);
                let to = directory.repos.intern(to)?;
                (Space::Repos(*kind, owner), name, to)
            }
        };
        directory.redirects.put(space, name.as_str(), to);
        Ok(())
    }

    fn delete(state: &mut State, old: &OldName) {
        if let Some((space, name)) = state.directory.space_of(old) {
            state.directory.redirects.remove(space, name.as_str());
        }
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let directory = &state.directory;
        let accounts = &directory.accounts;
        directory.redirects.iter().filter_map(|(space, name, to)| {
            let name = Name::parse(name).ok()?;
            Some(match space {
                Space::Accounts => Self::Account {
                    name,
                    to: accounts.id(to)?,
                },
                Space::Repos(kind, owner) => Self::Repo {
                    kind,
                    owner: accounts.id(owner.0)?,
                    name,
                    to: directory.repos.id(to)?,
                },
            })
        })
    }

    fn count(state: &State) -> u64 {
        state.directory.redirects.len
    }
}
