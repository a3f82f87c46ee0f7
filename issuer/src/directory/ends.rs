//! What ends for ever: deleted ids, and the roles that depended on a membership.
//!
//! Decides that no put brings back what a deletion took, however late the put comes and at whichever issuer.
//! The fold enforces this too; here the caller gets an error.

use tokenward_common::{
    id::AccountId,
    state::{
        key::Key,
        record::{
            Change, Departures, FloorTarget, Group, GroupMember, MAX_DEPARTURES, Record, RecordKey,
            RetiredId,
        },
    },
};

use crate::{
    directory::plan::{NoPlan, Planner, account_name, missing, repo_name},
    error::Problem,
};

impl Planner<'_> {
    /// Ends a user or an org; returns whether there is one. An absent id is retired as well, because a put of it
    /// may still be in flight. Another issuer may have acknowledged such a put a moment ago, so the store is
    /// expected not to hold the record; otherwise the deletion would be acknowledged without effect.
    pub(super) fn delete_account(&mut self, key: &RecordKey, at: &str) -> Result<bool, NoPlan> {
        let (RecordKey::User(id) | RecordKey::Org(id)) = key else {
            return Err(Problem::Internal.into());
        };
        self.current(
            &Key::from_record_key(key),
            self.earlier.account(id).is_some(),
        )?;
        let is_org = matches!(key, RecordKey::Org(_));
        let Some(old) = self.account(id) else {
            // Both kinds are expected absent, because users and orgs share one namespace of ids.
            self.expect(Key::from_record_key(&RecordKey::User(id.clone())), false);
            self.expect(Key::from_record_key(&RecordKey::Org(id.clone())), false);
            self.retire_absent(key, RetiredId::Account(id.clone()));
            self.drafts.accounts.insert(id.clone(), None);
            return Ok(false);
        };
        if old.is_org != is_org {
            let rule = if is_org {
                "is a user's id"
            } else {
                "is an org's id"
            };
            return Err(Problem::invalid(at, rule).into());
        }
        self.expect(Key::from_record_key(key), true);
        self.free_name(account_name(&old.name));
        self.drafts.accounts.insert(id.clone(), None);
        if !is_org {
            // The raised floor makes concurrent mints for the user fail, because a mint expects the floor
            // below it.
            let target = FloorTarget::Owner(id.clone());
            self.plan.changes.push(Change::RaiseFloor(target));
        }
        Ok(true)
    }

    /// Ends a repo, as [`Self::delete_account`] ends an account.
    pub(super) fn delete_repo(&mut self, key: &RecordKey) -> Result<bool, NoPlan> {
        let RecordKey::Repo(id) = key else {
            return Err(Problem::Internal.into());
        };
        self.current(&Key::from_record_key(key), self.earlier.repo(id).is_some())?;
        let old = self.repo(id);
        self.expect(Key::from_record_key(key), old.is_some());
        match &old {
            Some(old) => self.free_name(repo_name(old)),
            None => self.retire_absent(key, RetiredId::Repo(id.clone())),
        }
        self.drafts.repos.insert(id.clone(), None);
        Ok(old.is_some())
    }

    /// Ends a group, as [`Self::delete_account`] ends an account.
    pub(super) fn delete_group(&mut self, key: &RecordKey) -> Result<bool, NoPlan> {
        let RecordKey::Group(id) = key else {
            return Err(Problem::Internal.into());
        };
        self.current(&Key::from_record_key(key), self.earlier.group(id).is_some())?;
        let there = self.org_of_group(id).is_some();
        self.expect(Key::from_record_key(key), there);
        if !there {
            self.retire_absent(key, RetiredId::Group(id.clone()));
        }
        self.drafts.groups.insert(id.clone(), None);
        Ok(there)
    }

    /// Retires an absent id once; a repeated deletion writes nothing.
    fn retire_absent(&mut self, key: &RecordKey, id: RetiredId) {
        if self.was_deleted(&id) {
            return;
        }
        self.expect(Key::retired(id), false);
        self.plan.changes.push(Change::Retire(key.clone()));
    }

    /// Puts a group. It belongs to one org for good, so that nobody gets access to another org's repos by
    /// moving a group.
    pub(super) fn put_group(
        &mut self,
        group: &Group,
        field: impl Fn(&str) -> String,
    ) -> Result<(), NoPlan> {
        self.need_org(&group.org, || field("org_id"))?;
        let key = Key::from_record_key(&RecordKey::Group(group.id.clone()));
        self.current(&key, self.earlier.group(&group.id).is_some())?;
        let old = self.org_of_group(&group.id);
        let id = RetiredId::Group(group.id.clone());
        self.never_deleted(id, old.is_some(), || field("id"))?;
        if old.as_ref().is_some_and(|org| *org != group.org) {
            let rule = "is another org's: a group stays in its org; make a new one";
            return Err(Problem::invalid(field("id"), rule).into());
        }
        self.expect(key, old.is_some());
        let org = Some(group.org.clone());
        self.drafts.groups.insert(group.id.clone(), org);
        Ok(())
    }

    /// Returns the group member as it is written: with the number of the membership that it depends on.
    pub(super) fn put_group_member(
        &mut self,
        member: &GroupMember,
        field: impl Fn(&str) -> String,
    ) -> Result<GroupMember, NoPlan> {
        let Some(org) = self.group(&member.group) else {
            return Err(missing(field("group_id"), "group"));
        };
        self.need_user(&member.user, || field("user_id"))?;
        if !self.is_member(&org, &member.user) {
            let rule = "is no member of the group's org: put the member first, in any role";
            return Err(Problem::invalid(field("user_id"), rule).into());
        }
        // If a membership ended that this view doesn't know, the new role would be void from the start.
        let ended = self.expect_departures(&org, &member.user)?;
        Ok(GroupMember {
            membership: ended,
            ..member.clone()
        })
    }

    /// Returns how many of a user's memberships of an org have ended, and expects that this doesn't change.
    pub(super) fn expect_departures(
        &mut self,
        org: &AccountId,
        user: &AccountId,
    ) -> Result<u32, NoPlan> {
        let (org, user) = (org.clone(), user.clone());
        let key = Key::from_record_key(&RecordKey::Departures {
            org: org.clone(),
            user: user.clone(),
        });
        let pair = (org, user);
        self.current(&key, self.earlier.departures(&pair).is_some())?;
        let known = self.state.departures(&pair.0, &pair.1);
        self.expect(key, known.is_some());
        let draft = self.drafts.departures.get(&pair).copied();
        Ok(draft.or(known).unwrap_or_default())
    }

    /// Checks that a user who left an org may join it again. The count of ended memberships tells what belongs to
    /// an earlier one; at its highest it would not grow with the next end, and roles in groups would come back.
    pub(super) fn may_join(
        &self,
        org: &AccountId,
        user: &AccountId,
        field: impl Fn() -> String,
    ) -> Result<(), NoPlan> {
        let pair = (org.clone(), user.clone());
        let ended = self.drafts.departures.get(&pair).copied();
        let ended = ended.or_else(|| self.state.departures(org, user));
        if ended.unwrap_or_default() < MAX_DEPARTURES || self.is_member(org, user) {
            return Ok(());
        }
        let rule = "has left this org as often as can be counted: make a new account, or a new org";
        Err(Problem::invalid(field(), rule).into())
    }

    /// Ends a membership with everything that depends on it: none of it comes back if the user rejoins. It
    /// plans the deletion of the record itself, because that comes before the count of ended memberships.
    pub(super) fn delete_member(&mut self, key: &RecordKey) -> Result<bool, NoPlan> {
        let RecordKey::Member { org, user } = key else {
            return Err(Problem::Internal.into());
        };
        let pair = (org.clone(), user.clone());
        let draft = self.drafts.members.get(&pair).copied();
        let there = draft
            .or_else(|| self.earlier.member(&pair))
            .unwrap_or_else(|| self.state.has_member(org, user));
        if !there {
            if draft.is_none() {
                self.expect(Key::from_record_key(key), false);
            }
            return Ok(false);
        }
        let count = self.expect_departures(org, user)?.saturating_add(1);
        let count = count.min(MAX_DEPARTURES);
        self.plan.changes.push(Change::Delete(key.clone()));
        let ended = Departures {
            org: org.clone(),
            user: user.clone(),
            count,
        };
        self.plan
            .changes
            .push(Change::Put(Record::Departures(ended)));
        self.drafts.members.insert(pair.clone(), false);
        self.drafts.departures.insert(pair, count);
        Ok(false)
    }

    /// Checks that the id was never deleted: ids are never used again, and a late put brings nothing back. If
    /// the record is `there`, its own expectation already detects a deletion.
    pub(super) fn never_deleted(
        &mut self,
        id: RetiredId,
        there: bool,
        field: impl Fn() -> String,
    ) -> Result<(), NoPlan> {
        if self.was_deleted(&id) {
            let rule = "was deleted, and an id is never used again: make a new one";
            return Err(Problem::invalid(field(), rule).into());
        }
        if !there {
            self.expect(Key::retired(id), false);
        }
        Ok(())
    }

    /// Tells whether this batch deleted the id, or the state shows it as retired.
    pub(super) fn was_deleted(&self, id: &RetiredId) -> bool {
        let here = match id {
            RetiredId::Account(id) => matches!(self.drafts.accounts.get(id), Some(None)),
            RetiredId::Group(id) => matches!(self.drafts.groups.get(id), Some(None)),
            RetiredId::Repo(id) => matches!(self.drafts.repos.get(id), Some(None)),
        };
        here || self.state.is_retired(id)
    }

    /// Checks that a service account's org still exists. The account and its tokens ended with the org, so no
    /// other org can have it. A repo of a deleted owner can be moved, and keeps its grants as in any other
    /// move.
    pub(super) fn not_ended(
        &mut self,
        org: &AccountId,
        moves: bool,
        field: impl Fn() -> String,
    ) -> Result<(), NoPlan> {
        if self.is_org(org) != Some(true) {
            let rule = "ended with its org, which was deleted: make a new one";
            return Err(Problem::invalid(field(), rule).into());
        }
        if moves {
            let key = Key::from_record_key(&RecordKey::Org(org.clone()));
            self.current(&key, self.earlier.account(org).is_some())?;
            self.expect(key, true);
        }
        Ok(())
    }
}
