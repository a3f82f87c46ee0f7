//! Decides which changes make one state hold every fact of another: what a store lost, as a follower that
//! remembers it can bring it back. This file must not know who remembers, nor why a store lost anything.
//!
//! The result holds what memory holds, and of the facts that only grow whatever either state holds: no bit is
//! cleared, no floor falls, no id comes back, no org's revocation is undone. An org's approval that memory
//! doesn't know becomes pending, as a record of its kind can't be deleted.
//!
//! The order of the changes is part of the decision. After each single one of them, nothing is allowed that
//! neither state allows, although records of both stand side by side:
//!
//! 1. The facts that only grow, which only take away.
//! 2. What stands in the store is narrowed: what memory lacks is deleted, children before their parents; what
//!    memory holds more narrowly is replaced; what is neither narrower nor wider there (a repo that moved) is
//!    deleted for the moment. Now each right is in both states.
//! 3. What narrows rights as a record of its own: policies that are stricter in memory, then amendments, then
//!    the other policies.
//! 4. What memory holds and the store still lacks, parents before their children, and approvals last.

use std::cmp::Ordering;

use crate::{
    id::Serial,
    state::{
        State,
        held::Held,
        record::{
            Approval, Change, GateGrant, GrantState, Kind, OrgTokenView, Record, RecordKey, Repo,
            RetiredId,
        },
    },
};

/// Lists the kinds whose records give rights, or lead to what gives them: parents come before their children.
/// Without such a record nobody has more rights than with it.
const GIVING: [Kind; 8] = [
    Kind::Org,
    Kind::User,
    Kind::Member,
    Kind::Group,
    Kind::GroupMember,
    Kind::Repo,
    Kind::GateGrant,
    Kind::Redirect,
];

/// Lists the kinds whose facts only grow, but for the orgs' decisions on tokens: of those only a revocation
/// is such a fact.
const GROWING: [Kind; 4] = [
    Kind::Floor,
    Kind::WithdrawnKey,
    Kind::Retired,
    Kind::Departures,
];

/// One change revokes at most so many serials, so that every entry has room for it.
const SERIALS_AT_ONCE: usize = 64;

/// Compares what memory and the store hold under one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Beside {
    /// Both hold the same record.
    Same,
    /// With memory's record nobody may do more than with the store's.
    Narrower,
    /// With memory's record nobody may do less than with the store's.
    Wider,
    /// Somebody may do more with memory's record, somebody else with the store's.
    Apart,
}

impl State {
    /// Returns the changes after which `store` holds every fact of this state, in an order in which they may
    /// be applied one by one. There are none if it holds them already. It looks at every record of both
    /// states, and keeps none of them.
    pub fn changes_for<'a>(&'a self, store: &'a State) -> impl Iterator<Item = Change> + 'a {
        let pair = Pair {
            memory: self,
            store,
        };
        pair.grown()
            .chain(pair.narrowed())
            .chain(pair.policies(true))
            .chain(pair.amendments())
            .chain(pair.policies(false))
            .chain(pair.given())
    }

    /// Returns the facts of this state that only grow and that `store` has not, as changes that may be
    /// applied in any order. Where `store` still holds what was deleted here for ever, the deletion is one
    /// of them.
    pub fn facts_beyond<'a>(&'a self, store: &'a State) -> impl Iterator<Item = Change> + 'a {
        let pair = Pair {
            memory: self,
            store,
        };
        // What is retired in both is inert there, whether its record stands or not.
        let dead = RetiredId::all(self).filter(|id| !store.is_retired(id));
        let dead = dead.flat_map(|id| id.keys());
        let dead = dead.filter(move |key| pair.lacks(key));
        pair.grown().chain(dead.map(Change::Retire))
    }
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    memory: &'a State,
    store: &'a State,
}

impl<'a> Pair<'a> {
    /// Brings back the facts that only grow.
    fn grown(self) -> impl Iterator<Item = Change> + 'a {
        let (memory, store) = (self.memory, self.store);
        let bits = memory.revocations.serials_not_in(&store.revocations);
        let mut bits = bits.peekable();
        let revoked = std::iter::from_fn(move || {
            bits.peek()?;
            let some: Vec<Serial> = bits.by_ref().take(SERIALS_AT_ONCE).collect();
            Some(Change::Revoke(some))
        });
        let records = GROWING.into_iter().flat_map(|kind| memory.records_of(kind));
        let facts = records.filter(move |record| self.grows(record));
        let views = memory.records_of(Kind::OrgTokenView).filter(move |record| {
            let stands = store.stored(&record.key());
            is_revoked(record) && !stands.as_ref().is_some_and(is_revoked)
        });
        revoked.chain(facts.chain(views).map(Change::Put))
    }

    /// Returns whether this fact of memory is more than the store knows.
    fn grows(self, record: &Record) -> bool {
        match (record, self.store.stored(&record.key())) {
            (Record::Floor(new), Some(Record::Floor(old))) => new.serial > old.serial,
            (Record::Departures(new), Some(Record::Departures(old))) => new.count > old.count,
            (_, Some(_)) => false,
            // Where a record still stands in the store, its deletion retires the id.
            (Record::Retired(id), None) => !id.keys().iter().any(|key| self.lacks(key)),
            (_, None) => true,
        }
    }

    /// Returns whether the store holds a record under this key, and memory doesn't.
    fn lacks(self, key: &RecordKey) -> bool {
        self.store.stored(key).is_some() && self.memory.stored(key).is_none()
    }

    /// Takes out of the store what gives more than memory's record does.
    fn narrowed(self) -> impl Iterator<Item = Change> + 'a {
        let kinds = GIVING.into_iter().rev();
        let records = kinds.flat_map(move |kind| self.store.records_of(kind));
        let records = records.filter_map(move |old| {
            let key = old.key();
            let Some(new) = self.memory.stored(&key) else {
                let dies = key.retired().is_some_and(|id| self.memory.is_retired(&id));
                return Some(if dies {
                    Change::Retire(key)
                } else {
                    Change::Delete(key)
                });
            };
            match compare(&new, &old) {
                Beside::Narrower => Some(Change::Put(new)),
                Beside::Apart => Some(Change::Delete(key)),
                Beside::Same | Beside::Wider => None,
            }
        });
        let views = self.store.records_of(Kind::OrgTokenView);
        records.chain(views.filter_map(move |old| self.narrowed_view(old).map(Change::Put)))
    }

    /// Returns what stands for the moment in place of the store's decision on a token, if that gives more
    /// than memory's.
    fn narrowed_view(self, old: Record) -> Option<Record> {
        let new = self.memory.stored(&old.key());
        let beside = new.as_ref().map(|new| compare(new, &old));
        match (beside, old) {
            (Some(Beside::Narrower), _) => new,
            (Some(Beside::Apart) | None, Record::OrgTokenView(old))
                if old.state == Approval::Approved =>
            {
                let state = Approval::Pending;
                Some(Record::OrgTokenView(OrgTokenView { state, ..old }))
            }
            _ => None,
        }
    }

    /// Brings the orgs' policies to what memory holds: those that narrow rights, or the others. An org
    /// without a policy allows all tokens.
    fn policies(self, narrow: bool) -> impl Iterator<Item = Change> + 'a {
        let (memory, store) = (self.memory, self.store);
        let kept = memory.records_of(Kind::OrgPolicy).filter_map(move |new| {
            let beside = match store.stored(&new.key()) {
                Some(old) => compare(&new, &old),
                None => Beside::Narrower,
            };
            let wanted = beside != Beside::Same && (beside == Beside::Narrower) == narrow;
            wanted.then_some(Change::Put(new))
        });
        let others = (!narrow).then(|| self.foreign(Kind::OrgPolicy));
        kept.chain(others.into_iter().flatten())
    }

    /// Brings what stands in place of tokens' claims to what memory holds.
    fn amendments(self) -> impl Iterator<Item = Change> + 'a {
        let kept = self.memory.records_of(Kind::Amendment);
        let kept = kept.filter(move |new| self.store.stored(&new.key()).as_ref() != Some(new));
        kept.map(Change::Put).chain(self.foreign(Kind::Amendment))
    }

    /// Deletes the store's records of a kind that memory doesn't hold.
    fn foreign(self, kind: Kind) -> impl Iterator<Item = Change> + 'a {
        let keys = self.store.records_of(kind).map(|old| old.key());
        keys.filter(move |key| self.memory.stored(key).is_none())
            .map(Change::Delete)
    }

    /// Puts what memory holds and the store lacks, or holds more narrowly.
    fn given(self) -> impl Iterator<Item = Change> + 'a {
        let kinds = GIVING.into_iter().chain([Kind::OrgTokenView]);
        let records = kinds.flat_map(move |kind| self.memory.records_of(kind));
        let records = records.filter(move |new| match self.store.stored(&new.key()) {
            Some(old) => matches!(compare(new, &old), Beside::Wider | Beside::Apart),
            // The first step put these.
            None => !is_revoked(new),
        });
        records.map(Change::Put)
    }
}

fn is_revoked(record: &Record) -> bool {
    matches!(record, Record::OrgTokenView(view) if view.state == Approval::Revoked)
}

/// Compares what two records under one key give. Where it can't tell, they are apart, which is always safe.
fn compare(memory: &Record, store: &Record) -> Beside {
    if memory == store {
        return Beside::Same;
    }
    match (memory, store) {
        // Names, and texts for people, give nothing.
        (Record::Org(_), Record::Org(_)) | (Record::Redirect(_), Record::Redirect(_)) => {
            Beside::Narrower
        }
        (Record::Group(new), Record::Group(old)) if new.org == old.org => Beside::Narrower,
        (Record::User(new), Record::User(old))
            if new.service_account_of == old.service_account_of =>
        {
            of_parts(&[old.disabled.cmp(&new.disabled)])
        }
        (Record::Member(new), Record::Member(old)) => of_parts(&[new.role.cmp(&old.role)]),
        (Record::GroupMember(new), Record::GroupMember(old))
            if new.membership == old.membership =>
        {
            of_parts(&[new.role.cmp(&old.role)])
        }
        (Record::Repo(new), Record::Repo(old)) if same_place(new, old) => of_parts(&[
            new.visibility.cmp(&old.visibility),
            new.gate.cmp(&old.gate),
            old.disabled.cmp(&new.disabled),
            old.org_members_gated.cmp(&new.org_members_gated),
        ]),
        (Record::GateGrant(new), Record::GateGrant(old)) => {
            let opens = |it: &GateGrant| it.state == GrantState::Accepted;
            of_parts(&[opens(new).cmp(&opens(old))])
        }
        (Record::OrgPolicy(new), Record::OrgPolicy(old)) => {
            of_parts(&[new.policy.cmp(&old.policy)])
        }
        (Record::OrgTokenView(new), Record::OrgTokenView(old)) => compare_views(new, old),
        _ => Beside::Apart,
    }
}

fn compare_views(new: &OrgTokenView, old: &OrgTokenView) -> Beside {
    let is = |view: &OrgTokenView, state| view.state == state;
    // The first step brings a revocation, and where one stands it stays.
    if is(new, Approval::Revoked) || is(old, Approval::Revoked) {
        return Beside::Same;
    }
    match (is(new, Approval::Approved), is(old, Approval::Approved)) {
        _ if new.owner != old.owner => Beside::Apart,
        (true, true) => Beside::Apart,
        (new, old) => of_parts(&[new.cmp(&old)]),
    }
}

/// Returns whether both records let the same people at the repo, but for what says how far it is open.
fn same_place(new: &Repo, old: &Repo) -> bool {
    new.kind == old.kind
        && new.owner == old.owner
        && new.creator == old.creator
        && new.group == old.group
}

/// Compares two records by their parts: less is narrower.
fn of_parts(parts: &[Ordering]) -> Beside {
    if parts.iter().all(|part| part.is_le()) {
        Beside::Narrower
    } else if parts.iter().all(|part| part.is_ge()) {
        Beside::Wider
    } else {
        Beside::Apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kind that stood in no list would never be brought back.
    #[test]
    fn each_kind_is_brought_back_by_one_step() {
        let alone = [Kind::OrgPolicy, Kind::Amendment, Kind::OrgTokenView];
        for kind in Kind::PUBLIC {
            let lists = [GIVING.as_slice(), &GROWING, &alone];
            let places = lists.iter().filter(|list| list.contains(&kind)).count();
            assert_eq!(places, usize::from(kind != Kind::HistoryOpened), "{kind:?}");
            assert!(!GIVING.contains(&kind) || !kind.is_kept(), "{kind:?}");
        }
    }
}
