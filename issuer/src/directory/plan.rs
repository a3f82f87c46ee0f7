//! Turns operations into the writes of one commit: checks them against the state, and writes nothing.
//!
//! Decides whether a batch may be written, and which expectations make it safe against other issuers: a name
//! is held by one record, an account's id by one user or org.

use foldhash::{HashMap, HashSet};
use tokenward_common::{
    id::{AccountId, Name, RepoId, Revision},
    state::{
        State,
        key::Key,
        record::{Change, RecordKey, Repo, RetiredId},
    },
    store::{Expect, PrivateWrite},
};

use crate::{
    commit::Writes,
    directory::{
        drafts::{AccountDraft, Claim, Drafts, Earlier, RepoDraft},
        kinds,
        wire::Operation,
    },
    error::{ErrorReason, Problem},
};

/// Says why there is no plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoPlan {
    Problem(Problem),
    /// An earlier batch wrote one of the records, and the state doesn't show it yet, so the caller must wait.
    Behind,
}

impl From<Problem> for NoPlan {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Plans one batch over the state and the drafts of earlier batches, and adds its own drafts to them.
pub(super) fn plan(
    state: &State,
    earlier: &mut Earlier,
    operations: &[Operation],
) -> Result<Writes, NoPlan> {
    let mut planner = Planner {
        state,
        since: state.cursor().revision,
        earlier,
        drafts: Drafts::default(),
        expected: HashSet::default(),
        redirects: HashMap::default(),
        overridden: 0,
        plan: Writes::default(),
    };
    for (index, operation) in operations.iter().enumerate() {
        planner.add(index, operation)?;
    }
    let Planner {
        drafts, mut plan, ..
    } = planner;
    // Stores compare expectations of one kind in one go, and look up neighbouring keys faster.
    plan.expect.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    earlier.extend(drafts);
    Ok(plan)
}

/// Adds the expectation that these records are still as the state shows them.
pub(super) fn expect_unchanged(plan: &mut Writes, since: Revision, records: Vec<RecordKey>) {
    for record in &records {
        let expect = Expect::Unchanged {
            key: Key::from_record_key(record),
            since,
        };
        if !plan.expect.contains(&expect) {
            plan.expect.push(expect);
        }
    }
    if !records.is_empty() {
        plan.expect.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    }
}

/// Orders expectations by whether they require a record to exist, then by key.
fn order(expect: &Expect) -> (bool, Option<&Key>) {
    match expect {
        Expect::Absent(key) => (false, Some(key)),
        Expect::Unchanged { key, .. } => (true, Some(key)),
        Expect::FloorBelow { .. } | Expect::NotRevoked(_) => (true, None),
    }
}

pub(super) struct Planner<'a> {
    pub(super) state: &'a State,
    pub(super) since: Revision,
    pub(super) earlier: &'a Earlier,
    pub(super) drafts: Drafts,
    expected: HashSet<Key>,
    /// Old names, and whether this batch makes each a redirect (`true`) or removes its redirect (`false`).
    pub(super) redirects: HashMap<Claim, bool>,
    /// Counts the redirects that this batch removes.
    pub(super) overridden: usize,
    pub(super) plan: Writes,
}

impl Planner<'_> {
    fn add(&mut self, index: usize, operation: &Operation) -> Result<(), NoPlan> {
        match operation {
            Operation::Put(record) => {
                let record = kinds::put(self, index, record)?;
                self.plan.changes.push(Change::Put(record));
            }
            Operation::Delete(key) => {
                if kinds::delete(self, index, key)? {
                    // An id is retired together with its record, for ever.
                    self.plan.changes.push(match key.retired() {
                        Some(_) => Change::Retire(key.clone()),
                        None => Change::Delete(key.clone()),
                    });
                }
            }
            // `mask` turns every update into a whole put before it is planned.
            Operation::Update(_) => return Err(Problem::Internal.into()),
        }
        Ok(())
    }

    pub(super) fn put_account(
        &mut self,
        put: AccountPut<'_>,
        field: impl Fn(&str) -> String,
    ) -> Result<(), NoPlan> {
        let AccountPut {
            id,
            name,
            is_org,
            of,
        } = put;
        let (own, other) = (RecordKey::User(id.clone()), RecordKey::Org(id.clone()));
        let (own, other) = if is_org { (other, own) } else { (own, other) };
        self.current(
            &Key::from_record_key(&own),
            self.earlier.account(id).is_some(),
        )?;
        let old = self.account(id);
        if old.as_ref().is_some_and(|old| old.is_org != is_org) {
            let rule = "is another kind of account's id; users and orgs share one namespace of ids";
            return Err(Problem::invalid(field("id"), rule).into());
        }
        self.never_deleted(RetiredId::Account(id.clone()), old.is_some(), || {
            field("id")
        })?;
        if let Some(org) = old.as_ref().and_then(|old| old.of.as_ref()) {
            self.not_ended(org, of != Some(org), || field("id"))?;
        }
        self.expect(Key::from_record_key(&own), old.is_some());
        self.expect(Key::from_record_key(&other), false);
        self.take_name(
            account_name(name),
            old.map(|old| account_name(&old.name)),
            id.as_str(),
            || field("name"),
        )?;
        let draft = AccountDraft {
            is_org,
            of: of.cloned(),
            name: name.clone(),
        };
        self.drafts.accounts.insert(id.clone(), Some(draft));
        Ok(())
    }

    pub(super) fn put_repo(
        &mut self,
        id: &RepoId,
        draft: RepoDraft,
        field: impl Fn(&str) -> String,
    ) -> Result<(), NoPlan> {
        let key = Key::from_record_key(&RecordKey::Repo(id.clone()));
        self.current(&key, self.earlier.repo(id).is_some())?;
        let old = self.repo(id);
        self.never_deleted(RetiredId::Repo(id.clone()), old.is_some(), || field("id"))?;
        self.expect(key, old.is_some());
        self.take_name(
            repo_name(&draft),
            old.as_ref().map(repo_name),
            id.as_str(),
            || field("name"),
        )?;
        self.drafts.repos.insert(id.clone(), Some(draft));
        Ok(())
    }

    /// Checks that the group belongs to the repo's owner. A deleted group may stay, because it closes the
    /// repo.
    pub(super) fn check_group_of(
        &mut self,
        repo: &Repo,
        field: impl Fn() -> String,
    ) -> Result<(), NoPlan> {
        let Some(group) = &repo.group else {
            return Ok(());
        };
        match self.group(group) {
            Some(org) if org == repo.owner => {
                // A group that this stream wrote a moment ago stays in its org, as every group does.
                if self.earlier.group(group).is_none() {
                    self.expect(Key::from_record_key(&RecordKey::Group(group.clone())), true);
                }
                Ok(())
            }
            Some(_) => {
                let rule = "is a group of another account than the repo's owner";
                Err(Problem::invalid(field(), rule).into())
            }
            None => {
                let stays =
                    |old: &RepoDraft| old.owner == repo.owner && old.group.as_ref() == Some(group);
                match self.repo(&repo.id) {
                    Some(old) if stays(&old) => Ok(()),
                    _ => Err(missing(field(), "group")),
                }
            }
        }
    }

    /// Gives the name to this holder; its old name becomes free and redirects to it.
    fn take_name(
        &mut self,
        new: Claim,
        old: Option<Claim>,
        holder: &str,
        field: impl Fn() -> String,
    ) -> Result<(), NoPlan> {
        if old.as_ref() == Some(&new) {
            self.expect(new.key(), true);
            return Ok(());
        }
        // A record that already has such a name keeps it, because it may have to be disabled.
        if !new.is_free_of_words() {
            let rule = "is a word of the hub's paths, where nobody could reach it by this name";
            return Err(Problem::invalid(field(), rule).into());
        }
        let held = self.holder(&new)?;
        if held.as_deref().is_some_and(|held| held != holder) {
            let ended = new.ended_holder(self.state);
            let rule = match ended.filter(|ended| held.as_deref() == Some(ended.as_str())) {
                // Only the deletion of its account frees a name, because the name's record in the store holds
                // the account's id.
                Some(id) => format!(
                    "is still that of the service account {id}, which ended with its org: delete that \
                     account first (delete_user)"
                ),
                None => "is taken".into(),
            };
            return Err(
                Problem::Exists(ErrorReason::NameTaken, format!("{}: {rule}", field())).into(),
            );
        }
        if let Some(old) = old {
            self.redirect(&old, holder)?;
            self.free_name(old);
        }
        self.override_redirect(&new);
        let key = new.key();
        self.expect(key.clone(), held.is_some());
        self.drafts.names.insert(new, Some(holder.to_owned()));
        self.plan.private.push(PrivateWrite::Put {
            key,
            value: holder.as_bytes().to_vec(),
        });
        Ok(())
    }

    pub(super) fn free_name(&mut self, name: Claim) {
        let key = name.key();
        self.expect(key.clone(), true);
        self.drafts.names.insert(name, None);
        self.plan.private.push(PrivateWrite::Delete(key));
    }

    /// Adds an expectation. It is compared once per batch, before all its writes; later writes of the batch
    /// see the earlier ones.
    pub(super) fn expect(&mut self, key: Key, present: bool) {
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
    pub(super) fn current(&self, key: &Key, on_its_way: bool) -> Result<(), NoPlan> {
        if on_its_way && !self.expected.contains(key) {
            return Err(NoPlan::Behind);
        }
        Ok(())
    }

    fn holder(&self, name: &Claim) -> Result<Option<String>, NoPlan> {
        if let Some(held) = self.drafts.names.get(name) {
            return Ok(held.clone());
        }
        if self.earlier.holds(name) {
            return Err(NoPlan::Behind);
        }
        Ok(name.holder(self.state))
    }
}

/// This is a put of a user or an org.
pub(super) struct AccountPut<'a> {
    pub(super) id: &'a AccountId,
    pub(super) name: &'a Name,
    pub(super) is_org: bool,
    pub(super) of: Option<&'a AccountId>,
}

pub(super) fn account_name(name: &Name) -> Claim {
    Claim::Account {
        folded: name.folded(),
    }
}

pub(super) fn draft_of(repo: &Repo) -> RepoDraft {
    RepoDraft {
        kind: repo.kind,
        owner: repo.owner.clone(),
        name: repo.name.clone(),
        group: repo.group.clone(),
    }
}

pub(super) fn repo_name(repo: &RepoDraft) -> Claim {
    Claim::Repo {
        kind: repo.kind,
        owner: repo.owner.clone(),
        folded: repo.name.folded(),
    }
}

pub(super) fn missing(field: String, what: &str) -> NoPlan {
    Problem::invalid(field, format!("there is no such {what}")).into()
}

#[cfg(test)]
pub(super) mod tests;
