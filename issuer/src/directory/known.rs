//! Looks records up for a plan: in its own batch, then in the earlier batches in flight, then in the state.
//! It decides nothing.

use tokenward_common::{
    id::{AccountId, GroupId, RepoId},
    state::record::Record,
};

use crate::directory::{
    drafts::{AccountDraft, RepoDraft},
    plan::{NoPlan, Planner, draft_of, missing},
};

impl Planner<'_> {
    /// Returns the account, also a service account whose org was deleted.
    pub(super) fn account(&self, id: &AccountId) -> Option<AccountDraft> {
        if let Some(draft) = self
            .drafts
            .accounts
            .get(id)
            .or_else(|| self.earlier.account(id))
        {
            return draft.clone();
        }
        match self.state.account_record(id.as_str())? {
            Record::User(user) => Some(AccountDraft {
                is_org: false,
                of: user.service_account_of,
                name: user.name,
            }),
            Record::Org(org) => Some(AccountDraft {
                is_org: true,
                of: None,
                name: org.name,
            }),
            _ => None,
        }
    }

    pub(super) fn repo(&self, id: &RepoId) -> Option<RepoDraft> {
        if let Some(draft) = self.drafts.repos.get(id).or_else(|| self.earlier.repo(id)) {
            return draft.clone();
        }
        self.state.repo_record(id.as_str()).map(|it| draft_of(&it))
    }

    /// Returns the group's org, even if the org was deleted.
    pub(super) fn org_of_group(&self, id: &GroupId) -> Option<AccountId> {
        let drafts = self.drafts.groups.get(id);
        if let Some(draft) = drafts.or_else(|| self.earlier.group(id)) {
            return draft.clone();
        }
        self.state.group_record(id.as_str()).map(|group| group.org)
    }

    /// Returns the group's org, if both exist.
    pub(super) fn group(&self, id: &GroupId) -> Option<AccountId> {
        let drafts = self.drafts.groups.get(id);
        if let Some(draft) = drafts.or_else(|| self.earlier.group(id)) {
            return draft.clone();
        }
        let group = self.state.group(self.state.group_by_id(id.as_str())?)?;
        Some(self.state.account(group.org)?.id())
    }

    pub(super) fn is_member(&self, org: &AccountId, user: &AccountId) -> bool {
        let pair = (org.clone(), user.clone());
        let draft = self.drafts.members.get(&pair).copied();
        draft
            .or_else(|| self.earlier.member(&pair))
            .unwrap_or_else(|| {
                let org = self.state.account_by_id(org.as_str());
                let user = self.state.account_by_id(user.as_str());
                let both = org.zip(user);
                both.is_some_and(|(org, user)| self.state.org_role(org, user).is_some())
            })
    }

    /// Tells whether the account is an org; `None` means that there is no such account.
    pub(super) fn is_org(&self, id: &AccountId) -> Option<bool> {
        let drafts = self.drafts.accounts.get(id);
        if let Some(draft) = drafts.or_else(|| self.earlier.account(id)) {
            return draft.as_ref().map(|draft| draft.is_org);
        }
        let account = self.state.account_by_id(id.as_str())?;
        Some(self.state.account(account)?.is_org)
    }

    /// Tells whether the repo exists and its owner exists.
    pub(super) fn is_repo(&self, id: &RepoId) -> bool {
        let drafts = self.drafts.repos.get(id);
        match drafts.or_else(|| self.earlier.repo(id)) {
            Some(draft) => {
                let owner = draft.as_ref().map(|draft| &draft.owner);
                owner.is_some_and(|owner| self.is_org(owner).is_some())
            }
            None => self.state.repo_by_id(id.as_str()).is_some(),
        }
    }

    pub(super) fn need_user(
        &self,
        id: &AccountId,
        field: impl Fn() -> String,
    ) -> Result<(), NoPlan> {
        match self.is_org(id) {
            Some(false) => Ok(()),
            _ => Err(missing(field(), "user")),
        }
    }

    pub(super) fn need_org(
        &self,
        id: &AccountId,
        field: impl Fn() -> String,
    ) -> Result<(), NoPlan> {
        match self.is_org(id) {
            Some(true) => Ok(()),
            _ => Err(missing(field(), "org")),
        }
    }
}
