//! What readers ask. What is deleted, or hangs on something deleted, isn't found.

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
    /// The account of this id; `None` if it was deleted, was never there, or is both a user and an org.
    pub fn account_by_id(&self, id: &str) -> Option<Account> {
        self.directory.account_by_id(id)
    }

    /// Without regard to ASCII case.
    pub fn account_by_name(&self, name: &str) -> Option<Account> {
        self.directory.accounts.named(name).map(Account)
    }

    /// Who keeps this name without being there: a service account that ended with its org. For those
    /// who keep names unique.
    pub fn ended_account_by_name(&self, name: &str) -> Option<AccountId> {
        let row = self.directory.accounts.ended_named(name)?;
        self.directory.accounts.id(row)
    }

    /// What is known of the account; `None` if it isn't there any more.
    pub fn account(&self, account: Account) -> Option<AccountView<'_>> {
        self.directory.account(account)
    }

    /// Finds an account by its id, and what a decision asks of it.
    pub fn known_account(&self, known: &KnownAccount) -> Option<(Account, AccountStatus)> {
        let account = Account(self.directory.accounts.find_known(known)?);
        Some((account, self.standing(account)?))
    }

    /// Reads a few bytes where [`Self::account`] reads the row.
    pub fn standing(&self, account: Account) -> Option<AccountStatus> {
        self.directory.accounts.standing(account.0)
    }

    /// As a ceiling names it, whether or not it is there.
    pub(crate) fn packed_account_id(&self, account: Account) -> &[u8] {
        self.directory.accounts.packed_id(account.0)
    }

    /// As a ceiling names it, whether or not it is there.
    pub(crate) fn packed_group_id(&self, group: GroupHandle) -> &[u8] {
        self.directory.groups.packed_id(group.0)
    }

    /// The org that a service account acts for.
    pub fn service_account_of(&self, account: Account) -> Option<Account> {
        let org = self.directory.accounts.service_account_of(account.0);
        org.map(Account)
    }

    /// The repo of this id; `None` if it or its owner isn't there.
    pub fn repo_by_id(&self, id: &str) -> Option<RepoHandle> {
        self.directory.repo_by_id(id)
    }

    /// By its owner's name and its own, without regard to ASCII case.
    pub fn repo_by_name(&self, kind: RepoKind, owner: &str, name: &str) -> Option<RepoHandle> {
        self.directory.repo_by_name(kind, owner, name)
    }

    /// The repo that is asked for by a name that it had, or under one that its owner had, and that
    /// nothing has now. No decision is made by it.
    pub fn renamed_repo(&self, kind: RepoKind, owner: &str, name: &str) -> Option<RepoHandle> {
        self.directory.renamed_repo(kind, owner, name)
    }

    /// Some repo that has nothing to do with this name or id, and another for each: as far away in memory
    /// as what had it. `None` where there is no repo at all.
    pub fn repo_beside(&self, name: &str) -> Option<RepoHandle> {
        let step = |place: u64, byte: u8| (place ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let place = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        let row = place.checked_rem(self.directory.repos.rows().into())?;
        u32::try_from(row).ok().map(RepoHandle)
    }

    /// Whether a record says where this led, followed or not.
    pub fn has_redirect(&self, old: &OldName) -> bool {
        self.directory.has_redirect(old)
    }

    /// What is known of the repo; `None` if it or its owner isn't there any more.
    pub fn repo(&self, repo: RepoHandle) -> Option<RepoView<'_>> {
        self.directory.repo(repo)
    }

    /// And what its owner is.
    pub fn owned_repo(&self, repo: RepoHandle) -> Option<(RepoView<'_>, AccountStatus)> {
        self.directory.owned_repo(repo)
    }

    /// A repo's record, also when its owner is gone: for those who keep names unique.
    pub fn repo_record(&self, id: &str) -> Option<Repo> {
        let view = self.directory.repos.view(self.directory.repos.find(id)?)?;
        self.directory.repo_record(&view)
    }

    /// Whether this id was deleted: nothing is ever found under it again.
    pub fn is_retired(&self, id: &RetiredId) -> bool {
        self.directory.is_retired(id)
    }

    /// Whether a record says so, whatever became of the org and of the user.
    pub fn has_member(&self, org: &AccountId, user: &AccountId) -> bool {
        let accounts = &self.directory.accounts;
        let both = accounts
            .find(org.as_str())
            .zip(accounts.find(user.as_str()));
        both.is_some_and(|(org, user)| self.directory.members.find(org, user).is_some())
    }

    /// How many memberships of this user in this org have ended; `None`: no record says.
    pub fn departures(&self, org: &AccountId, user: &AccountId) -> Option<u32> {
        let accounts = &self.directory.accounts;
        let org = accounts.find(org.as_str())?;
        let user = accounts.find(user.as_str())?;
        self.directory.departures.find((org, user))
    }

    /// As [`Self::departures`]; 0 when none has.
    pub fn departures_of(&self, org: &AccountId, user: &AccountId) -> u32 {
        self.departures(org, user).unwrap_or_default()
    }

    /// A user's or an org's record, also one whose org is gone: for those who keep ids unique.
    pub fn account_record(&self, id: &str) -> Option<Record> {
        let accounts = &self.directory.accounts;
        let row = accounts.find(id)?;
        let user = accounts.user_record(row).map(Record::User);
        user.or_else(|| accounts.org_record(row).map(Record::Org))
    }

    /// A group's record, also one whose org is gone.
    pub fn group_record(&self, id: &str) -> Option<Group> {
        self.directory.group_record(self.directory.groups.find(id)?)
    }

    /// The user's role as a member of the org; `None` if they are none, or one of the two isn't there.
    pub fn org_role(&self, org: Account, user: Account) -> Option<OrgRole> {
        self.directory.org_role(org, user)
    }

    /// The orgs that a user is a member of, and their roles, by the orgs' names.
    pub fn memberships(&self, user: Account) -> Vec<(Account, OrgRole)> {
        let orgs = self.directory.members.of_right(user.0);
        let mut orgs: Vec<_> = orgs
            .map(|(org, _)| Account(org))
            .filter_map(|org| Some((org, self.org_role(org, user)?)))
            .collect();
        orgs.sort_by_cached_key(|(org, _)| self.account(*org).map(|view| view.name.to_owned()));
        orgs
    }

    /// The groups of an org in which a user has a role, by the groups' names.
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

    /// The resource group of this id; `None` if it or its org isn't there.
    pub fn group_by_id(&self, id: &str) -> Option<GroupHandle> {
        let group = GroupHandle(self.directory.groups.find(id)?);
        self.group(group).map(|_| group)
    }

    /// What is known of the group; `None` if it or its org isn't there any more.
    pub fn group(&self, group: GroupHandle) -> Option<GroupView<'_>> {
        self.directory.group(group)
    }

    /// The group that a repo lies in, also one that isn't there any more, in which nobody has a role.
    /// It counts only if it is of the repo's owner.
    pub fn group_of(&self, repo: RepoHandle) -> Option<GroupHandle> {
        self.repo(repo)?.group
    }

    /// Of who is a member of the group's org, too.
    pub fn group_role(&self, group: GroupHandle, user: Account) -> Option<GroupRole> {
        self.directory.group_role(group, user)
    }

    /// An org that said nothing allows all tokens.
    pub fn org_policy(&self, org: Account) -> PolicyView {
        self.org_tokens.policy(org.0).unwrap_or_default()
    }

    /// What this org decided of a token; the caller compares the token's owner with it. Who left the
    /// org since it approved, and came back, asks again.
    pub fn org_token_view(&self, org: Account, token: TokenId) -> Option<Decided> {
        let mut decided = self.org_tokens.view(org.0, token)?;
        if decided.state == Approval::Approved
            && decided.membership != self.directory.ended(org.0, decided.owner.0)
        {
            decided.state = Approval::Pending;
        }
        Some(decided)
    }

    /// Every token of this owner up to and with this serial is refused by this org.
    pub fn org_floor(&self, org: Account, owner: Account) -> Serial {
        let floor = self.revocations.floor(owner.0, Some(org.0));
        floor.unwrap_or_default()
    }

    /// What became of the user's request for access to the repo; `None` if they never asked.
    pub fn grant(&self, repo: RepoHandle, user: Account) -> Option<GrantState> {
        self.directory.grant(repo, user)
    }

    /// What is in force for this token over its claims.
    pub fn amendment(&self, token: TokenId) -> Option<AmendmentView<'_>> {
        self.amendments.find(token)
    }

    /// Whether this value's bit is set; floors are asked apart, by [`Self::refused_up_to`].
    pub fn is_revoked(&self, serial: Serial) -> bool {
        self.revocations.is_revoked(serial)
    }

    /// Every token of this owner up to and with this serial is refused everywhere.
    pub fn refused_up_to(&self, owner: Account) -> Serial {
        let realm = self.revocations.realm_floor();
        let own = self.revocations.floor(owner.0, None);
        realm.max(own).unwrap_or_default()
    }

    /// One floor as it stands; zero when it was never raised. Deleted owners keep theirs.
    pub fn floor(&self, target: &FloorTarget) -> Serial {
        let accounts = &self.directory.accounts;
        let floor = match target {
            FloorTarget::Realm => self.revocations.realm_floor(),
            FloorTarget::Owner(owner) => accounts
                .find(owner.as_str())
                .and_then(|owner| self.revocations.floor(owner, None)),
            FloorTarget::OwnerInOrg { owner, org } => accounts
                .find(owner.as_str())
                .zip(accounts.find(org.as_str()))
                .and_then(|(owner, org)| self.revocations.floor(owner, Some(org))),
        };
        floor.unwrap_or_default()
    }

    /// Whether this signing key was withdrawn: all its tokens are refused then, for ever.
    pub fn is_withdrawn(&self, kid: &str) -> bool {
        self.revocations.withdrawn.contains(kid)
    }

    /// The keys that were withdrawn, in no order that means anything.
    pub fn withdrawn_keys(&self) -> impl Iterator<Item = KeyId> {
        let kids = self.revocations.withdrawn.iter();
        kids.map(|kid| KeyId::restored(kid.to_string()))
    }

    /// In order.
    pub fn revoked_serials(&self) -> impl Iterator<Item = Serial> {
        self.revocations.serials()
    }
}
