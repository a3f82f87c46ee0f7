//! The naive model of the state: one map per kind of record, changed as the page on records says.
//! Knows the records' types and nothing else of the library.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokenward_common::{
    id::Serial,
    state::record::{
        Amendment, Approval, Change, Departures, Floor, FloorTarget, GateGrant, GrantState, Group,
        GroupMember, GroupRole, Kind, Member, OldName, Org, OrgPolicy, OrgRole, OrgTokenView,
        Record, RecordKey, Redirect, Repo, RepoKind, RetiredId, TokenPolicy, User,
    },
};

use crate::bugs::Bug;

#[derive(Clone, Default, Debug)]
pub struct Naive {
    pub users: BTreeMap<String, User>,
    pub orgs: BTreeMap<String, Org>,
    pub members: BTreeMap<(String, String), Member>,
    pub groups: BTreeMap<String, Group>,
    pub group_members: BTreeMap<(String, String), GroupMember>,
    pub policies: BTreeMap<String, OrgPolicy>,
    pub views: BTreeMap<(String, u64), OrgTokenView>,
    pub repos: BTreeMap<String, Repo>,
    pub grants: BTreeMap<(String, String), GateGrant>,
    pub amendments: BTreeMap<u64, Amendment>,
    pub floors: BTreeMap<String, Floor>,
    pub withdrawn: BTreeSet<String>,
    pub redirects: BTreeMap<String, Redirect>,
    pub revoked: BTreeSet<u64>,
    pub retired: BTreeMap<String, RetiredId>,
    pub departures: BTreeMap<(String, String), Departures>,
}

/// Spaces of ids.
const ACCOUNT: &str = "account";
const GROUP: &str = "group";
const REPO: &str = "repo";

fn retired_key(id: &RetiredId) -> String {
    match id {
        RetiredId::Account(id) => format!("{ACCOUNT} {id}"),
        RetiredId::Group(id) => format!("{GROUP} {id}"),
        RetiredId::Repo(id) => format!("{REPO} {id}"),
    }
}

pub fn floor_key(target: &FloorTarget) -> String {
    match target {
        FloorTarget::Realm => String::new(),
        FloorTarget::Owner(owner) => owner.to_string(),
        FloorTarget::OwnerInOrg { owner, org } => format!("{owner} {org}"),
        FloorTarget::Org(org) => format!(" {org}"),
    }
}

fn old_name_key(old: &OldName) -> String {
    match old {
        OldName::Account(name) => name.to_string(),
        OldName::Repo { kind, owner, name } => format!("{kind:?} {owner} {name}"),
    }
}

impl Naive {
    pub fn apply(&mut self, change: &Change, serial: Serial, bug: Option<Bug>) {
        match change {
            Change::Put(record) => self.put(record, bug),
            Change::Delete(key) => self.delete(key, bug),
            Change::Retire(key) => {
                self.delete(key, bug);
                self.put(&Record::Retired(key.retired().unwrap()), bug);
            }
            Change::Revoke(serials) => {
                if bug == Some(Bug::LaterRevocationsReplace) {
                    self.revoked.clear();
                }
                self.revoked.extend(serials.iter().map(|serial| serial.0));
            }
            Change::RaiseFloor(target) => {
                let target = target.clone();
                self.put(&Record::Floor(Floor { target, serial }), bug);
            }
        }
    }

    pub fn put(&mut self, record: &Record, bug: Option<Bug>) {
        match record {
            Record::User(user) => {
                self.users.insert(user.id.to_string(), user.clone());
            }
            Record::Org(org) => {
                self.orgs.insert(org.id.to_string(), org.clone());
            }
            Record::Member(member) => {
                let key = (member.org.to_string(), member.user.to_string());
                self.members.insert(key, member.clone());
            }
            Record::Group(group) => {
                self.groups.insert(group.id.to_string(), group.clone());
            }
            Record::GroupMember(member) => {
                let key = (member.group.to_string(), member.user.to_string());
                self.group_members.insert(key, member.clone());
            }
            Record::OrgPolicy(policy) => {
                let key = policy.org.to_string();
                if bug == Some(Bug::FirstPolicyStays) && self.policies.contains_key(&key) {
                    return;
                }
                self.policies.insert(key, policy.clone());
            }
            Record::OrgTokenView(view) => {
                let key = (view.org.to_string(), view.token.0);
                let stands = self.views.get(&key);
                let revoked = stands.is_some_and(|it| it.state == Approval::Revoked)
                    && bug != Some(Bug::RevokedViewsReplaced);
                let first = stands.is_some() && bug == Some(Bug::FirstViewStays);
                if !revoked && !first {
                    self.views.insert(key, view.clone());
                }
            }
            Record::Repo(repo) => {
                if bug == Some(Bug::FirstRecordStays) && self.repos.contains_key(repo.id.as_str()) {
                    return;
                }
                self.repos.insert(repo.id.to_string(), repo.clone());
            }
            Record::GateGrant(grant) => {
                let key = (grant.repo.to_string(), grant.user.to_string());
                self.grants.insert(key, grant.clone());
            }
            Record::Amendment(amendment) => {
                if bug == Some(Bug::FirstAmendmentStays)
                    && self.amendments.contains_key(&amendment.token.0)
                {
                    return;
                }
                self.amendments.insert(amendment.token.0, amendment.clone());
            }
            Record::Floor(floor) => {
                let slot = self
                    .floors
                    .entry(floor_key(&floor.target))
                    .or_insert_with(|| floor.clone());
                if floor.serial > slot.serial || bug == Some(Bug::FloorsAreLowered) {
                    slot.serial = floor.serial;
                }
            }
            Record::WithdrawnKey(kid) => {
                self.withdrawn.insert(kid.to_string());
            }
            Record::Redirect(redirect) => {
                let key = old_name_key(&redirect.old_name());
                if bug == Some(Bug::FirstRedirectStays) && self.redirects.contains_key(&key) {
                    return;
                }
                self.redirects.insert(key, redirect.clone());
            }
            Record::Retired(id) => {
                let forgets = match id {
                    RetiredId::Account(_) => Bug::RetiredAccountComesBack,
                    RetiredId::Group(_) => Bug::RetiredGroupComesBack,
                    RetiredId::Repo(_) => Bug::RetiredRepoComesBack,
                };
                if bug != Some(forgets) {
                    self.retired.insert(retired_key(id), id.clone());
                }
            }
            Record::Departures(it) => {
                let key = (it.org.to_string(), it.user.to_string());
                self.departures.insert(key, it.clone());
            }
        }
    }

    fn delete(&mut self, key: &RecordKey, bug: Option<Bug>) {
        match key {
            RecordKey::User(id) => {
                self.users.remove(id.as_str());
            }
            RecordKey::Org(id) => {
                self.orgs.remove(id.as_str());
                if bug == Some(Bug::DeletingRemovesChildren) {
                    self.members.retain(|(org, _), _| org != id.as_str());
                }
            }
            RecordKey::Member { org, user } => {
                self.members.remove(&(org.to_string(), user.to_string()));
            }
            RecordKey::Group(id) => {
                if bug != Some(Bug::GroupsStay) {
                    self.groups.remove(id.as_str());
                }
            }
            RecordKey::GroupMember { group, user } => {
                if bug != Some(Bug::GroupMembersStay) {
                    let key = (group.to_string(), user.to_string());
                    self.group_members.remove(&key);
                }
            }
            RecordKey::OrgPolicy(org) => {
                if bug != Some(Bug::DeletedPolicyStays) {
                    self.policies.remove(org.as_str());
                }
            }
            RecordKey::Repo(id) => {
                self.repos.remove(id.as_str());
            }
            RecordKey::GateGrant { repo, user } => {
                if bug != Some(Bug::GrantsStay) {
                    self.grants.remove(&(repo.to_string(), user.to_string()));
                }
            }
            RecordKey::Amendment(token) => {
                self.amendments.remove(&token.0);
            }
            RecordKey::Redirect(old) => {
                if bug != Some(Bug::DeletedRedirectStays) {
                    self.redirects.remove(&old_name_key(old));
                }
            }
            RecordKey::Floor(_)
            | RecordKey::WithdrawnKey(_)
            | RecordKey::OrgTokenView { .. }
            | RecordKey::Retired(_)
            | RecordKey::Departures { .. } => {}
        }
    }

    pub fn records(&self) -> Vec<Record> {
        let mut all = Vec::new();
        all.extend(self.users.values().cloned().map(Record::User));
        all.extend(self.orgs.values().cloned().map(Record::Org));
        all.extend(self.members.values().cloned().map(Record::Member));
        all.extend(self.groups.values().cloned().map(Record::Group));
        let group_members = self.group_members.values().cloned();
        all.extend(group_members.map(Record::GroupMember));
        all.extend(self.policies.values().cloned().map(Record::OrgPolicy));
        all.extend(self.views.values().cloned().map(Record::OrgTokenView));
        all.extend(self.repos.values().cloned().map(Record::Repo));
        all.extend(self.grants.values().cloned().map(Record::GateGrant));
        all.extend(self.amendments.values().cloned().map(Record::Amendment));
        all.extend(self.floors.values().cloned().map(Record::Floor));
        all.extend(self.redirects.values().cloned().map(Record::Redirect));
        all.extend(self.retired.values().cloned().map(Record::Retired));
        all.extend(self.departures.values().cloned().map(Record::Departures));
        for kid in &self.withdrawn {
            let kid = tokenward_common::id::KeyId::parse(kid).unwrap();
            all.push(Record::WithdrawnKey(kid));
        }
        all
    }

    pub fn count(&self, kind: Kind) -> u64 {
        let count = match kind {
            Kind::User => self.users.len(),
            Kind::Org => self.orgs.len(),
            Kind::Member => self.members.len(),
            Kind::Group => self.groups.len(),
            Kind::GroupMember => self.group_members.len(),
            Kind::OrgPolicy => self.policies.len(),
            Kind::OrgTokenView => self.views.len(),
            Kind::Repo => self.repos.len(),
            Kind::GateGrant => self.grants.len(),
            Kind::Amendment => self.amendments.len(),
            Kind::Floor => self.floors.len(),
            Kind::WithdrawnKey => self.withdrawn.len(),
            Kind::Redirect => self.redirects.len(),
            Kind::Retired => self.retired.len(),
            Kind::Departures => self.departures.len(),
            _ => 0,
        };
        count as u64
    }

    /// Whether the id was deleted: nobody and nothing has it ever again.
    fn is_retired(&self, space: &str, id: &str) -> bool {
        self.retired.contains_key(&format!("{space} {id}"))
    }

    /// How many memberships of a user in an org have ended.
    pub fn ended(&self, org: &str, user: &str) -> u32 {
        let ended = self.departures.get(&(org.to_owned(), user.to_owned()));
        ended.map_or(0, |it| it.count)
    }

    /// What an org says of a token; who left it and came back asks again.
    pub fn approval(&self, org: &str, token: u64, bug: Option<Bug>) -> Option<Approval> {
        let view = self.views.get(&(org.to_owned(), token))?;
        let left = view.membership != self.ended(org, view.owner.as_str());
        let asks = view.state == Approval::Approved && left && bug != Some(Bug::ApprovalComesBack);
        Some(if asks { Approval::Pending } else { view.state })
    }

    /// One id for both a user and an org means nobody.
    pub fn is_org(&self, id: &str) -> bool {
        let live = !self.is_retired(ACCOUNT, id);
        self.orgs.contains_key(id) && !self.users.contains_key(id) && live
    }

    /// A service account lives as long as its org.
    pub fn is_user(&self, id: &str, bug: Option<Bug>) -> bool {
        if self.orgs.contains_key(id) || self.is_retired(ACCOUNT, id) {
            return false;
        }
        match self.users.get(id) {
            None => false,
            Some(user) => match &user.service_account_of {
                None => true,
                Some(_) if bug == Some(Bug::ServiceAccountOutlivesOrg) => true,
                Some(org) => self.is_org(org.as_str()),
            },
        }
    }

    pub fn is_account(&self, id: &str, bug: Option<Bug>) -> bool {
        self.is_org(id) || self.is_user(id, bug)
    }

    pub fn repo(&self, id: &str, bug: Option<Bug>) -> Option<&Repo> {
        let repo = self.repos.get(id)?;
        if self.is_retired(REPO, id) {
            return None;
        }
        let owned = self.is_account(repo.owner.as_str(), bug);
        (owned || bug == Some(Bug::OrphanReposLive)).then_some(repo)
    }

    pub fn role(&self, org: &str, user: &str, bug: Option<Bug>) -> Option<OrgRole> {
        let member = self.members.get(&(org.to_owned(), user.to_owned()))?;
        (self.is_org(org) && self.is_user(user, bug)).then_some(member.role)
    }

    /// A group ends with its org.
    pub fn group(&self, id: &str, bug: Option<Bug>) -> Option<&Group> {
        let group = self.groups.get(id)?;
        if self.is_retired(GROUP, id) {
            return None;
        }
        let owned = self.is_org(group.org.as_str());
        (owned || bug == Some(Bug::GroupOutlivesOrg)).then_some(group)
    }

    /// Only of who is a member of the group's org.
    pub fn group_role(&self, group: &str, user: &str, bug: Option<Bug>) -> Option<GroupRole> {
        let member = self
            .group_members
            .get(&(group.to_owned(), user.to_owned()))?;
        let in_org = match self.group(group, bug) {
            Some(_) if bug == Some(Bug::GroupRoleOutlivesMembership) => true,
            Some(group) => {
                let org = group.org.as_str();
                let left = member.membership != self.ended(org, user);
                self.role(org, user, bug).is_some()
                    && (!left || bug == Some(Bug::GroupRoleComesBack))
            }
            None => bug == Some(Bug::GroupRoleOutlivesGroup),
        };
        in_org.then_some(member.role)
    }

    pub fn policy(&self, org: &str) -> (TokenPolicy, Option<Duration>) {
        let policy = self.policies.get(org);
        policy.map_or((TokenPolicy::Allow, None), |it| {
            (it.policy, it.max_lifetime)
        })
    }

    pub fn grant(&self, repo: &str, user: &str) -> Option<GrantState> {
        let grant = self.grants.get(&(repo.to_owned(), user.to_owned()))?;
        (self.repo(repo, None).is_some() && self.is_user(user, None)).then_some(grant.state)
    }

    /// The id behind a name, when exactly one account has it.
    pub fn account_named(&self, name: &str) -> Option<String> {
        let users = self.users.values().map(|user| (&user.id, &user.name));
        let orgs = self.orgs.values().map(|org| (&org.id, &org.name));
        let mut ids: Vec<String> = users
            .chain(orgs)
            .filter(|(id, _)| self.is_account(id.as_str(), None))
            .filter(|(_, own)| own.as_str().to_lowercase() == name.to_lowercase())
            .map(|(id, _)| id.to_string())
            .collect();
        let id = ids.pop()?;
        ids.is_empty().then_some(id)
    }

    pub fn repo_named(&self, kind: RepoKind, owner: &str, name: &str) -> Option<String> {
        let owner = self.account_named(owner)?;
        let mut ids: Vec<String> = self
            .repos
            .values()
            .filter(|repo| !self.is_retired(REPO, repo.id.as_str()))
            .filter(|repo| repo.kind == kind && repo.owner.as_str() == owner)
            .filter(|repo| repo.name.as_str().to_lowercase() == name.to_lowercase())
            .map(|repo| repo.id.to_string())
            .collect();
        let id = ids.pop()?;
        ids.is_empty().then_some(id)
    }

    /// The repo that had this name, if nothing has it: the owner by its name, or by its old one.
    pub fn repo_renamed(
        &self,
        kind: RepoKind,
        owner: &str,
        name: &str,
        bug: Option<Bug>,
    ) -> Option<String> {
        let taken = self.repo_named(kind, owner, name).is_some();
        if taken && bug != Some(Bug::RedirectBeforeTheName) {
            return None;
        }
        let owner = self.account_named(owner).or_else(|| {
            match self.redirects.get(&owner.to_lowercase())? {
                Redirect::Account { to, .. } => Some(to.to_string()),
                Redirect::Repo { .. } => None,
            }
        })?;
        let mut held = self.repos.values().filter(|repo| {
            !self.is_retired(REPO, repo.id.as_str())
                && repo.kind == kind
                && repo.owner.as_str() == owner
                && repo.name.as_str().to_lowercase() == name.to_lowercase()
        });
        let id = match (held.next(), held.next()) {
            (Some(repo), None) if !taken => repo.id.to_string(),
            _ => match self
                .redirects
                .get(&format!("{kind:?} {owner} {}", name.to_lowercase()))?
            {
                Redirect::Repo { to, .. } => to.to_string(),
                Redirect::Account { .. } => return None,
            },
        };
        let same_kind = self.repo(&id, None)?.kind == kind;
        (same_kind || bug == Some(Bug::RedirectToAnotherKind)).then_some(id)
    }
}
