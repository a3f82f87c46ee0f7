//! Redirects: a rename or a move leaves an old name that leads to the record, until another record takes it.
//!
//! Decides where an old name leads. No decision on access depends on it.

use tokenward_common::{
    id::{AccountId, Name, RepoId},
    state::record::{Change, OldName, Record, RecordKey, Redirect},
    store::MAX_CHANGES,
};

use crate::{
    directory::{
        MAX_OPERATIONS,
        drafts::Claim,
        plan::{NoPlan, Planner},
    },
    error::Problem,
};

/// How many redirects a batch may remove, because its operations need up to two changes each besides. A
/// redirect beyond that stays, but no reader follows it while a record has the name.
const MOST_OVERRIDDEN: usize = MAX_CHANGES - 2 * MAX_OPERATIONS;

impl Planner<'_> {
    /// Makes the old name of this holder lead to it.
    pub(super) fn redirect(&mut self, old: &Claim, holder: &str) -> Result<(), NoPlan> {
        let redirect = redirect(old, holder).ok_or(Problem::Internal)?;
        self.plan
            .changes
            .push(Change::Put(Record::Redirect(redirect)));
        self.redirects.insert(old.clone(), true);
        Ok(())
    }

    /// Removes the redirect of a name that is taken. A redirect of an earlier batch shows in the state
    /// already, because the plan waited for that batch.
    pub(super) fn override_redirect(&mut self, taken: &Claim) {
        let Some(old) = old_name(taken) else {
            return;
        };
        let planned = self.redirects.get(taken).copied();
        let leads = planned.unwrap_or_else(|| self.state.has_redirect(&old));
        if leads && self.overridden < MOST_OVERRIDDEN {
            let key = RecordKey::Redirect(old);
            self.plan.changes.push(Change::Delete(key));
            self.redirects.insert(taken.clone(), false);
            self.overridden += 1;
        }
    }
}

fn old_name(claim: &Claim) -> Option<OldName> {
    Some(match claim {
        Claim::Account { folded } => OldName::Account(Name::parse(folded).ok()?),
        Claim::Repo {
            kind,
            owner,
            folded,
        } => OldName::Repo {
            kind: *kind,
            owner: owner.clone(),
            name: Name::parse(folded).ok()?,
        },
    })
}

fn redirect(old: &Claim, holder: &str) -> Option<Redirect> {
    Some(match old_name(old)? {
        OldName::Account(name) => Redirect::Account {
            name,
            to: AccountId::parse(holder).ok()?,
        },
        OldName::Repo { kind, owner, name } => Redirect::Repo {
            kind,
            owner,
            name,
            to: RepoId::parse(holder).ok()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use tokenward_common::{
        id::LogId,
        state::{State, record::RepoKind},
    };
    use tokenward_proto::v1::{self as pb, operation::Operation as Op};

    use crate::{
        commit::Writes,
        directory::{
            MAX_OPERATIONS,
            drafts::Earlier,
            plan::{
                plan,
                tests::{applied, operations},
            },
        },
    };

    fn planned(state: &State, all: Vec<Op>) -> Writes {
        plan(state, &mut Earlier::default(), &operations(all)).unwrap()
    }

    fn write(state: &mut State, all: Vec<Op>) {
        let changes = planned(state, all).changes;
        applied(state, changes);
    }

    fn org(name: &str) -> Op {
        Op::PutOrg(pb::Org {
            id: "o1".into(),
            name: name.into(),
            display: None,
        })
    }

    fn model(id: &str, name: &str) -> Op {
        Op::PutRepo(pb::Repo {
            id: id.into(),
            kind: pb::RepoKind::Model.into(),
            owner_id: "o1".into(),
            name: name.into(),
            visibility: pb::Visibility::Private.into(),
            gate: pb::GateMode::None.into(),
            ..Default::default()
        })
    }

    /// Returns the id of the repo to which the old name leads.
    fn leads(state: &State, owner: &str, name: &str) -> Option<String> {
        let repo = state.renamed_repo(RepoKind::Model, owner, name)?;
        Some(state.repo(repo)?.id().to_string())
    }

    fn hub() -> State {
        let mut state = State::new(LogId([1; 16]));
        write(&mut state, vec![org("acme"), model("m1", "Llama")]);
        state
    }

    fn redirects(state: &State) -> u64 {
        state
            .counts()
            .get(tokenward_common::state::record::Kind::Redirect)
    }

    #[test]
    fn old_names_lead_to_the_present_one_and_never_round() {
        let mut state = hub();
        // Another case of letters is no other name.
        write(&mut state, vec![model("m1", "LLAMA")]);
        assert_eq!(redirects(&state), 0);
        for name in ["b", "c", "llama", "d"] {
            write(&mut state, vec![model("m1", name)]);
        }
        for name in ["LLama", "b", "C"] {
            assert_eq!(leads(&state, "ACME", name).as_deref(), Some("m1"), "{name}");
        }
        assert_eq!(leads(&state, "acme", "d"), None);
        write(&mut state, vec![org("initech")]);
        for name in ["llama", "b", "d"] {
            assert_eq!(leads(&state, "acme", name).as_deref(), Some("m1"), "{name}");
        }
        assert_eq!(leads(&state, "initech", "d"), None);
        assert_eq!(leads(&state, "initech", "b").as_deref(), Some("m1"));
        write(&mut state, vec![Op::DeleteRepo("m1".into())]);
        assert_eq!(leads(&state, "acme", "b"), None);
    }

    #[test]
    fn what_takes_a_name_has_it_alone_and_for_good() {
        let mut state = hub();
        // A name is taken within one batch first, then in two batches.
        write(&mut state, vec![model("m1", "b"), model("m2", "llama")]);
        assert_eq!(redirects(&state), 0);
        write(&mut state, vec![model("m2", "c")]);
        write(&mut state, vec![model("m3", "llama")]);
        assert_eq!(leads(&state, "acme", "llama"), None);
        assert_eq!(redirects(&state), 0);
        write(&mut state, vec![Op::DeleteRepo("m3".into())]);
        assert_eq!(leads(&state, "acme", "llama"), None);
        // An account's old name doesn't lead on either, once another account has it.
        write(&mut state, vec![org("initech")]);
        let user = pb::User {
            id: "u1".into(),
            name: "Acme".into(),
            ..Default::default()
        };
        write(&mut state, vec![Op::PutUser(user)]);
        assert_eq!(leads(&state, "acme", "b"), None);
    }

    #[test]
    fn names_that_change_places_fit_into_an_entry() {
        let mut state = hub();
        let all = |names: &str| {
            let model = |n: usize| model(&format!("r{n}"), &format!("{names}{n}"));
            (0..MAX_OPERATIONS).map(model).collect::<Vec<_>>()
        };
        write(&mut state, all("a"));
        write(&mut state, all("b"));
        let back = planned(&state, all("a")).changes.len();
        assert_eq!(back, tokenward_common::store::MAX_CHANGES);
        write(&mut state, all("a"));
        for n in 0..MAX_OPERATIONS {
            assert_eq!(leads(&state, "acme", &format!("a{n}")), None);
            let id = format!("r{n}");
            assert_eq!(leads(&state, "acme", &format!("b{n}")), Some(id));
        }
    }
}
