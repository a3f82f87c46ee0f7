//! From operations to one commit: checked against the state, nothing written.
//!
//! Decides whether a batch may be written, and which expectations make it safe against other
//! issuers: a name is held by one record, an account's id by one user or org.

use std::collections::{HashMap, HashSet};

use tokenward_common::{
    id::{AccountId, Name, RepoId, Revision},
    state::{
        State,
        key::Key,
        record::{Change, FloorTarget, Record, RecordKey, RepoKind},
    },
    store::{Expect, PrivateWrite},
};

use crate::{directory::wire::Operation, error::Problem};

/// What is to be written.
#[derive(Default, Debug)]
pub(super) struct Plan {
    pub changes: Vec<Change>,
    pub private: Vec<PrivateWrite>,
    pub expect: Vec<Expect>,
}

/// Why there is no plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Problem(Problem),
    /// A named record was written by an earlier batch that the state doesn't show yet: wait for it.
    Behind,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

#[derive(Clone, PartialEq, Eq)]
struct AccountDraft {
    is_org: bool,
    name: Name,
}

#[derive(Clone, PartialEq, Eq)]
struct RepoDraft {
    kind: RepoKind,
    owner: AccountId,
    name: Name,
}

/// A name among those that must differ.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Claim {
    Account {
        folded: String,
    },
    Repo {
        kind: RepoKind,
        owner: AccountId,
        folded: String,
    },
}

impl Claim {
    fn key(&self) -> Key {
        match self {
            Self::Account { folded } => Key::account_name(folded),
            Self::Repo {
                kind,
                owner,
                folded,
            } => Key::repo_name(*kind, owner, folded),
        }
    }

    /// Who holds it, by the state.
    fn holder(&self, state: &State) -> Option<String> {
        match self {
            Self::Account { folded } => {
                let account = state.account_by_name(folded)?;
                Some(state.account(account)?.id())
            }
            Self::Repo {
                kind,
                owner,
                folded,
            } => {
                let owner = state.account(state.account_by_id(owner.as_str())?)?;
                let repo = state.repo_by_name(*kind, owner.name, folded)?;
                Some(state.repo(repo)?.id())
            }
        }
    }
}

/// Records written by batches that are on their way to the state; `None`: deleted.
#[derive(Default)]
pub(super) struct Drafts {
    accounts: HashMap<AccountId, Option<AccountDraft>>,
    repos: HashMap<RepoId, Option<RepoDraft>>,
    /// Who holds a name; `None`: nobody.
    names: HashMap<Claim, Option<String>>,
}

/// The drafts of one stream of batches, in two generations: the older one is forgotten once the state
/// shows what it holds.
#[derive(Default)]
pub(super) struct Earlier {
    newer: Drafts,
    older: Drafts,
}

impl Earlier {
    pub(super) fn turn(&mut self) {
        self.older = std::mem::take(&mut self.newer);
    }

    fn account(&self, id: &AccountId) -> Option<&Option<AccountDraft>> {
        let newer = self.newer.accounts.get(id);
        newer.or_else(|| self.older.accounts.get(id))
    }

    fn repo(&self, id: &RepoId) -> Option<&Option<RepoDraft>> {
        let newer = self.newer.repos.get(id);
        newer.or_else(|| self.older.repos.get(id))
    }

    fn holds(&self, name: &Claim) -> bool {
        self.newer.names.contains_key(name) || self.older.names.contains_key(name)
    }

    fn extend(&mut self, drafts: Drafts) {
        self.newer.accounts.extend(drafts.accounts);
        self.newer.repos.extend(drafts.repos);
        self.newer.names.extend(drafts.names);
    }
}

/// Plans one batch over the state and over the drafts of earlier ones, to which it adds its own.
pub(super) fn plan(
    state: &State,
    earlier: &mut Earlier,
    operations: &[Operation],
) -> Result<Plan, Refusal> {
    let mut planner = Planner {
        state,
        since: state.cursor().revision,
        earlier,
        drafts: Drafts::default(),
        expected: HashSet::new(),
        plan: Plan::default(),
    };
    for (index, operation) in operations.iter().enumerate() {
        planner.add(index, operation)?;
    }
    let Planner { drafts, plan, .. } = planner;
    earlier.extend(drafts);
    Ok(plan)
}

struct Planner<'a> {
    state: &'a State,
    since: Revision,
    earlier: &'a Earlier,
    drafts: Drafts,
    expected: HashSet<Key>,
    plan: Plan,
}

impl Planner<'_> {
    fn add(&mut self, index: usize, operation: &Operation) -> Result<(), Refusal> {
        let field = |name: &str| format!("operations[{index}].{name}");
        match operation {
            Operation::Put(record) => {
                match record {
                    Record::User(user) => {
                        if let Some(org) = &user.service_account_of {
                            self.need_org(org, || field("put_user.service_account_of"))?;
                        }
                        self.put_account(index, "put_user", &user.id, &user.name, false)?;
                    }
                    Record::Org(org) => {
                        self.put_account(index, "put_org", &org.id, &org.name, true)?;
                    }
                    Record::Member(member) => {
                        self.need_org(&member.org, || field("put_member.org_id"))?;
                        self.need_user(&member.user, || field("put_member.user_id"))?;
                    }
                    Record::Repo(repo) => {
                        if self.account(&repo.owner).is_none() {
                            return Err(missing(field("put_repo.owner_id"), "account"));
                        }
                        let draft = RepoDraft {
                            kind: repo.kind,
                            owner: repo.owner.clone(),
                            name: repo.name.clone(),
                        };
                        self.put_repo(index, &repo.id, draft)?;
                    }
                    Record::GateGrant(grant) => {
                        if self.repo(&grant.repo).is_none() {
                            return Err(missing(field("put_gate_grant.repo_id"), "repo"));
                        }
                        self.need_user(&grant.user, || field("put_gate_grant.user_id"))?;
                    }
                    // The directory's messages hold no others.
                    _ => {
                        return Err(Problem::Internal.into());
                    }
                }
                self.plan.changes.push(Change::Put(record.clone()));
            }
            Operation::Delete(key) => self.delete(index, key)?,
        }
        Ok(())
    }

    fn put_account(
        &mut self,
        index: usize,
        operation: &str,
        id: &AccountId,
        name: &Name,
        is_org: bool,
    ) -> Result<(), Refusal> {
        let field = |name: &str| format!("operations[{index}].{operation}.{name}");
        let (own, other) = (RecordKey::User(id.clone()), RecordKey::Org(id.clone()));
        let (own, other) = if is_org { (other, own) } else { (own, other) };
        self.current(&Key::of(&own), self.earlier.account(id).is_some())?;
        let old = self.account(id);
        if old.as_ref().is_some_and(|old| old.is_org != is_org) {
            let rule = "is another kind of account's id; users and orgs share one namespace of ids";
            return Err(Problem::invalid(field("id"), rule).into());
        }
        self.expect(Key::of(&own), old.is_some());
        self.expect(Key::of(&other), false);
        self.take_name(
            account_name(name),
            old.map(|old| account_name(&old.name)),
            id.as_str(),
            || field("name"),
        )?;
        let draft = AccountDraft {
            is_org,
            name: name.clone(),
        };
        self.drafts.accounts.insert(id.clone(), Some(draft));
        Ok(())
    }

    fn put_repo(&mut self, index: usize, id: &RepoId, draft: RepoDraft) -> Result<(), Refusal> {
        let key = Key::of(&RecordKey::Repo(id.clone()));
        self.current(&key, self.earlier.repo(id).is_some())?;
        let old = self.repo(id);
        self.expect(key, old.is_some());
        self.take_name(
            repo_name(&draft),
            old.as_ref().map(repo_name),
            id.as_str(),
            || format!("operations[{index}].put_repo.name"),
        )?;
        self.drafts.repos.insert(id.clone(), Some(draft));
        Ok(())
    }

    /// What this view doesn't know may have been acknowledged a moment ago: that it isn't there is
    /// expected of the store, or its deletion would be acknowledged and not happen.
    fn delete(&mut self, index: usize, key: &RecordKey) -> Result<(), Refusal> {
        match key {
            RecordKey::User(id) | RecordKey::Org(id) => {
                self.current(&Key::of(key), self.earlier.account(id).is_some())?;
                let is_org = matches!(key, RecordKey::Org(_));
                let Some(old) = self.account(id) else {
                    self.expect(Key::of(key), false);
                    return Ok(());
                };
                if old.is_org != is_org {
                    let (field, rule) = if is_org {
                        ("delete_org", "is a user's id")
                    } else {
                        ("delete_user", "is an org's id")
                    };
                    return Err(
                        Problem::invalid(format!("operations[{index}].{field}"), rule).into(),
                    );
                }
                self.expect(Key::of(key), true);
                self.free_name(account_name(&old.name));
                self.drafts.accounts.insert(id.clone(), None);
                if !is_org {
                    // Should the id ever come back, its old tokens don't.
                    let target = FloorTarget::Owner(id.clone());
                    self.plan.changes.push(Change::RaiseFloor(target));
                }
            }
            RecordKey::Repo(id) => {
                self.current(&Key::of(key), self.earlier.repo(id).is_some())?;
                let Some(old) = self.repo(id) else {
                    self.expect(Key::of(key), false);
                    return Ok(());
                };
                self.expect(Key::of(key), true);
                self.free_name(repo_name(&old));
                self.drafts.repos.insert(id.clone(), None);
            }
            RecordKey::Member { .. } | RecordKey::GateGrant { .. } => {}
            _ => {
                return Err(Problem::Internal.into());
            }
        }
        self.plan.changes.push(Change::Delete(key.clone()));
        Ok(())
    }

    /// The name goes to this holder, and its old one is free.
    fn take_name(
        &mut self,
        new: Claim,
        old: Option<Claim>,
        holder: &str,
        field: impl Fn() -> String,
    ) -> Result<(), Refusal> {
        if old.as_ref() == Some(&new) {
            self.expect(new.key(), true);
            return Ok(());
        }
        let held = self.holder(&new)?;
        if held.as_deref().is_some_and(|held| held != holder) {
            return Err(Problem::Exists(format!("{}: is taken", field())).into());
        }
        if let Some(old) = old {
            self.free_name(old);
        }
        let key = new.key();
        self.expect(key.clone(), held.is_some());
        self.drafts.names.insert(new, Some(holder.to_owned()));
        self.plan.private.push(PrivateWrite::Put {
            key,
            value: holder.as_bytes().to_vec(),
        });
        Ok(())
    }

    fn free_name(&mut self, name: Claim) {
        let key = name.key();
        self.expect(key.clone(), true);
        self.drafts.names.insert(name, None);
        self.plan.private.push(PrivateWrite::Delete(key));
    }

    /// Compared once per batch, before all of its writes; later writes of the batch see its own.
    fn expect(&mut self, key: Key, present: bool) {
        if !self.expected.insert(key.clone()) {
            return;
        }
        self.plan.expect.push(if present {
            Expect::Unchanged {
                key,
                since: self.since,
            }
        } else {
            Expect::Absent(key)
        });
    }

    /// A record that an earlier batch wrote can't be expected unchanged before the state shows it.
    fn current(&self, key: &Key, on_its_way: bool) -> Result<(), Refusal> {
        if on_its_way && !self.expected.contains(key) {
            return Err(Refusal::Behind);
        }
        Ok(())
    }

    fn holder(&self, name: &Claim) -> Result<Option<String>, Refusal> {
        if let Some(held) = self.drafts.names.get(name) {
            return Ok(held.clone());
        }
        if self.earlier.holds(name) {
            return Err(Refusal::Behind);
        }
        Ok(name.holder(self.state))
    }

    fn account(&self, id: &AccountId) -> Option<AccountDraft> {
        if let Some(draft) = self
            .drafts
            .accounts
            .get(id)
            .or_else(|| self.earlier.account(id))
        {
            return draft.clone();
        }
        let account = self.state.account_by_id(id.as_str())?;
        let account = self.state.account(account)?;
        Some(AccountDraft {
            is_org: account.is_org,
            name: Name::parse(account.name).ok()?,
        })
    }

    fn repo(&self, id: &RepoId) -> Option<RepoDraft> {
        if let Some(draft) = self.drafts.repos.get(id).or_else(|| self.earlier.repo(id)) {
            return draft.clone();
        }
        let (kind, owner, name) = self.state.repo_record(id.as_str())?;
        Some(RepoDraft { kind, owner, name })
    }

    fn need_user(&self, id: &AccountId, field: impl Fn() -> String) -> Result<(), Refusal> {
        match self.account(id) {
            Some(account) if !account.is_org => Ok(()),
            _ => Err(missing(field(), "user")),
        }
    }

    fn need_org(&self, id: &AccountId, field: impl Fn() -> String) -> Result<(), Refusal> {
        match self.account(id) {
            Some(account) if account.is_org => Ok(()),
            _ => Err(missing(field(), "org")),
        }
    }
}

fn account_name(name: &Name) -> Claim {
    Claim::Account {
        folded: name.folded(),
    }
}

fn repo_name(repo: &RepoDraft) -> Claim {
    Claim::Repo {
        kind: repo.kind,
        owner: repo.owner.clone(),
        folded: repo.name.folded(),
    }
}

fn missing(field: String, what: &str) -> Refusal {
    Problem::invalid(field, format!("there is no such {what}")).into()
}
