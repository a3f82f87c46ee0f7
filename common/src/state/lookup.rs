//! Answers the state's look-ups. A record that is deleted, or whose parent is deleted, isn't found. This file
//! must not change the state.

use crate::{
    id::{AccountId, KeyId, Serial, TokenId},
    state::{
        Account, AccountStatus, AccountView, AmendmentView, Decided, GroupHandle, GroupView,
        KnownAccount, PolicyView, RepoHandle, RepoView, State,
        record::{
            Approval, FloorTarget, GrantState, Group, GroupRole, OldName, OrgRole, Record, Repo,
            RepoKind, RetiredId,
        },
    },
};

impl State {
    /// Returns the account with this id; `None` if it was deleted, never existed, or is both a user and an
    /// org.
    pub fn account_by_id(&self, id: &str) -> Option<Account> {
        self.directory.account_by_id(id)
    }

    /// Looks an account up by name. It ignores the case of ASCII letters.
    pub fn account_by_name(&self, name: &str) -> Option<Account> {
        self.directory.accounts.named(name).map(Account)
    }

    /// Returns the service account that still holds this name although it ended with its org. It is for
    /// callers that keep names unique.
    pub fn ended_account_by_name(&self, name: &str) -> Option<AccountId> {
        let row = self.directory.accounts.ended_named(name)?;
        self.directory.accounts.id(row)
    }

    /// Returns what is known of the account; `None` if it doesn't exist any more.
    pub fn account(&self, account: Account) -> Option<AccountView<'_>> {
        self.directory.account(account)
    }

    /// Finds an account by its id, and what a decision asks of it.
    pub fn known_account(&self, known: &KnownAccount) -> Option<(Account, AccountStatus)> {
        let account = Account(self.directory.accounts.find_known(known)?);
        Some((account, self.standing(account)?))
    }

    /// Returns the account's status. It reads a few bytes where [`Self::account`] reads the whole row.
    pub fn standing(&self, account: Account) -> Option<AccountStatus> {
        self.directory.accounts.standing(account.0)
    }

    /// Returns the packed id, by which a ceiling names the account, whether or not the account exists.
    pub(crate) fn packed_account_id(&self, account: Account) -> &[u8] {
        self.directory.accounts.packed_id(account.0)
    }

    /// Returns the packed id, by which a ceiling names the group, whether or not the group exists.
    pub(crate) fn packed_group_id(&self, group: GroupHandle) -> &[u8] {
        self.directory.groups.packed_id(group.0)
    }

    /// Returns the org that a service account acts for.
    pub fn service_account_of(&self, account: Account) -> Option<Account> {
        let org = self.directory.accounts.service_account_of(account.0);
        org.map(Account)
    }

    /// Returns the repo with this id; `None` if the repo or its owner doesn't exist.
    pub fn repo_by_id(&self, id: &str) -> Option<RepoHandle> {
        self.directory.repo_by_id(id)
    }

    /// Looks a repo up by its owner's name and its own. It ignores the case of ASCII letters.
    pub fn repo_by_name(&self, kind: RepoKind, owner: &str, name: &str) -> Option<RepoHandle> {
        self.directory.repo_by_name(kind, owner, name)
    }

    /// Looks a repo up by an old name of the repo or of its owner, if nothing has that name now. No decision
    /// depends on it.
    pub fn renamed_repo(&self, kind: RepoKind, owner: &str, name: &str) -> Option<RepoHandle> {
        self.directory.renamed_repo(kind, owner, name)
    }

    /// Returns some repo that is unrelated to this name or id, and as far away in memory as the repo with
    /// that name would be. Names are spread over all repos. `None` if there is no repo at all.
    pub fn repo_beside(&self, name: &str) -> Option<RepoHandle> {
        let step = |place: u64, byte: u8| (place ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let place = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        let row = place.checked_rem(self.directory.repos.rows().into())?;
        u32::try_from(row).ok().map(RepoHandle)
    }

    /// Returns whether a record redirects this old name, even if lookups don't follow it.
    pub fn has_redirect(&self, old: &OldName) -> bool {
        self.directory.has_redirect(old)
    }

    /// Returns what is known of the repo; `None` if the repo or its owner doesn't exist any more.
    pub fn repo(&self, repo: RepoHandle) -> Option<RepoView<'_>> {
        self.directory.repo(repo)
    }

    /// Returns what is known of the repo, and its owner's status.
    pub fn owned_repo(&self, repo: RepoHandle) -> Option<(RepoView<'_>, AccountStatus)> {
        self.directory.owned_repo(repo)
    }

    /// Returns a repo's record, even when its owner is gone. It is for callers that keep names unique.
    pub fn repo_record(&self, id: &str) -> Option<Repo> {
        let view = self.directory.repos.view(self.directory.repos.find(id)?)?;
        self.directory.repo_record(&view)
    }

    /// Returns whether this id was deleted: nothing is ever found under it again.
    pub fn is_retired(&self, id: &RetiredId) -> bool {
        self.directory.is_retired(id)
    }

    /// Returns whether a membership record exists, even if the org or the user is gone.
    pub fn has_member(&self, org: &AccountId, user: &AccountId) -> bool {
        let accounts = &self.directory.accounts;
        let both = accounts
            .find(org.as_str())
            .zip(accounts.find(user.as_str()));
        both.is_some_and(|(org, user)| self.directory.members.find(org, user).is_some())
    }

    /// Returns how many memberships of this user in this org have ended; `None` if there is no record of it.
    pub fn departures(&self, org: &AccountId, user: &AccountId) -> Option<u32> {
        let accounts = &self.directory.accounts;
        let org = accounts.find(org.as_str())?;
        let user = accounts.find(user.as_str())?;
        self.directory.departures.find((org, user))
    }

    /// Returns how many memberships of this user in this org have ended; 0 if there is no record of it.
    pub fn departures_of(&self, org: &AccountId, user: &AccountId) -> u32 {
        self.departures(org, user).unwrap_or_default()
    }

    /// Returns a user's or an org's record, even when a user's org is gone. It is for callers that keep ids
    /// unique.
    pub fn account_record(&self, id: &str) -> Option<Record> {
        let accounts = &self.directory.accounts;
        let row = accounts.find(id)?;
        let user = accounts.user_record(row).map(Record::User);
        user.or_else(|| accounts.org_record(row).map(Record::Org))
    }

    /// Returns a group's record, even when its org is gone.
    pub fn group_record(&self, id: &str) -> Option<Group> {
        self.directory.group_record(self.directory.groups.find(id)?)
    }

    /// Returns the user's role as a member of the org; `None` if they are no member, or one of the two
    /// doesn't exist.
    pub fn org_role(&self, org: Account, user: Account) -> Option<OrgRole> {
        self.directory.org_role(org, user)
    }

    /// Returns the orgs that a user is a member of, and the user's roles, sorted by the orgs' names.
    pub fn memberships(&self, user: Account) -> Vec<(Account, OrgRole)> {
        let orgs = self.directory.members.of_right(user.0);
        let mut orgs: Vec<_> = orgs
            .map(|(org, _)| Account(org))
            .filter_map(|org| Some((org, self.org_role(org, user)?)))
            .collect();
        orgs.sort_by_cached_key(|(org, _)| self.account(*org).map(|view| view.name.to_owned()));
        orgs
    }

    /// Returns the groups of an org in which a user has a role, sorted by the groups' names.
    pub fn groups_in(&self, org: Account, user: Account) -> Vec<(GroupHandle, GroupRole)> {
        let groups = self.directory.group_members.of_right(user.0);
        let mut groups: Vec<_> = groups
            .map(|(group, _)| GroupHandle(group))
            .filter(|group| self.group(*group).is_some_and(|view| view.org == org))
            .filter_map(|group| Some((group, self.group_role(group, user)?)))
            .collect();
        groups.sort_by_cached_key(|(group, _)| self.group(*group).map(|view| view.name.to_owned()));
        groups
    }

    /// Returns the resource group with this id; `None` if the group or its org doesn't exist.
    pub fn group_by_id(&self, id: &str) -> Option<GroupHandle> {
        let group = GroupHandle(self.directory.groups.find(id)?);
        self.group(group).map(|_| group)
    }

    /// Returns what is known of the group; `None` if the group or its org doesn't exist any more.
    pub fn group(&self, group: GroupHandle) -> Option<GroupView<'_>> {
        self.directory.group(group)
    }

    /// Returns the group that a repo lies in, even a deleted one, in which nobody has a role. It counts only
    /// if it belongs to the repo's owner.
    pub fn group_of(&self, repo: RepoHandle) -> Option<GroupHandle> {
        self.repo(repo)?.group
    }

    /// Returns the user's role in the group, if the user is also a member of the group's org.
    pub fn group_role(&self, group: GroupHandle, user: Account) -> Option<GroupRole> {
        self.directory.group_role(group, user)
    }

    /// Returns the org's policy. An org that set none allows all tokens.
    pub fn org_policy(&self, org: Account) -> PolicyView {
        self.org_tokens.policy(org.0).unwrap_or_default()
    }

    /// Returns what this org decided on a token; the caller must compare the token's owner with it. An
    /// approval becomes pending again when the owner has left the org since, even if they came back.
    pub fn org_token_view(&self, org: Account, token: TokenId) -> Option<Decided> {
        let mut decided = self.org_tokens.view(org.0, token)?;
        if decided.state == Approval::Approved
            && decided.membership != self.directory.ended(org.0, decided.owner.0)
        {
            decided.state = Approval::Pending;
        }
        Some(decided)
    }

    /// Returns the serial up to and including which this org refuses every token of this owner, by a floor of
    /// the owner's there or of the whole org.
    pub fn org_floor(&self, org: Account, owner: Account) -> Serial {
        let own = self.revocations.floor(Some(owner.0), Some(org.0));
        let whole = self.revocations.floor(None, Some(org.0));
        own.max(whole).unwrap_or_default()
    }

    /// Returns the outcome of the user's request for access to the repo; `None` if they never requested it.
    pub fn grant(&self, repo: RepoHandle, user: Account) -> Option<GrantState> {
        self.directory.grant(repo, user)
    }

    /// Returns what is in force for this token in place of its claims.
    pub fn amendment(&self, token: TokenId) -> Option<AmendmentView<'_>> {
        self.amendments.find(token)
    }

    /// Returns whether this value's bit is set. It doesn't consider floors, which [`Self::refused_up_to`]
    /// returns.
    pub fn is_revoked(&self, serial: Serial) -> bool {
        self.revocations.is_revoked(serial)
    }

    /// Returns the serial up to and including which every token of this owner is refused everywhere.
    pub fn refused_up_to(&self, owner: Account) -> Serial {
        let realm = self.revocations.realm_floor();
        let own = self.revocations.floor(Some(owner.0), None);
        realm.max(own).unwrap_or_default()
    }

    /// Returns one floor as it stands; zero if it was never raised. A deleted owner keeps its floors.
    pub fn floor(&self, target: &FloorTarget) -> Serial {
        self.raised_floor(target).unwrap_or_default()
    }

    /// Returns one floor as it stands; `None` if it was never raised.
    pub(super) fn raised_floor(&self, target: &FloorTarget) -> Option<Serial> {
        let accounts = &self.directory.accounts;
        match target {
            FloorTarget::Realm => self.revocations.realm_floor(),
            FloorTarget::Owner(owner) => accounts
                .find(owner.as_str())
                .and_then(|owner| self.revocations.floor(Some(owner), None)),
            FloorTarget::OwnerInOrg { owner, org } => accounts
                .find(owner.as_str())
                .zip(accounts.find(org.as_str()))
                .and_then(|(owner, org)| self.revocations.floor(Some(owner), Some(org))),
            FloorTarget::Org(org) => accounts
                .find(org.as_str())
                .and_then(|org| self.revocations.floor(None, Some(org))),
        }
    }

    /// Returns whether this signing key was withdrawn: all its tokens are then refused, for ever.
    pub fn is_withdrawn(&self, kid: &str) -> bool {
        self.revocations.withdrawn.contains(kid)
    }

    /// Returns the withdrawn keys, in an arbitrary order.
    pub fn withdrawn_keys(&self) -> impl Iterator<Item = KeyId> {
        let kids = self.revocations.withdrawn.iter();
        kids.map(|kid| KeyId::restored(kid.to_string()))
    }

    /// Returns all revoked serials, in ascending order.
    pub fn revoked_serials(&self) -> impl Iterator<Item = Serial> {
        self.revocations.serials()
    }
}
