//! Tests the law of takeaways on what an issuer plans: after random deletions and puts of every parent, no
//! later write has given back what a deletion took. The model has one rule: a role, a grant or an approval
//! counts only if it was written after the last deletion of everything that it depends on, and a deleted id
//! belongs to nobody.

use std::collections::{BTreeMap, BTreeSet};

use tokenward_common::{
    id::{AccountId, TokenId},
    state::record::{Approval, OrgTokenView},
};
use tokenward_proto::v1::{self as pb, operation::Operation as Op};

use super::*;

const USERS: [&str; 3] = ["u1", "u2", "u3"];
const ORGS: [&str; 2] = ["org1", "org2"];
const GROUPS: [&str; 2] = ["grp1", "grp2"];
const REPOS: [&str; 2] = ["rep1", "rep2"];

/// A small random generator, so that a failure can be repeated by its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// The present records by name. A deletion takes all records that depend on its record.
#[derive(Default)]
struct Model {
    gone: BTreeSet<String>,
    there: BTreeMap<String, Vec<String>>,
}

impl Model {
    /// Puts a record that depends on these others. It is refused if one of them is missing, or if it was
    /// itself deleted for ever.
    fn put(&mut self, what: String, on: &[String]) -> bool {
        let parents = on.iter().all(|it| self.there.contains_key(it));
        if !parents || self.gone.contains(&what) {
            return false;
        }
        self.there.insert(what, on.to_vec());
        true
    }

    /// Deletes a record. A missing one is deleted for ever too, because a put in flight then comes too late.
    fn delete(&mut self, what: &str, for_ever: bool) {
        if for_ever {
            self.gone.insert(what.to_owned());
        }
        if self.there.remove(what).is_none() {
            return;
        }
        let children: Vec<String> = self
            .there
            .iter()
            .filter(|(_, on)| on.iter().any(|it| it == what))
            .map(|(child, _)| child.clone())
            .collect();
        for child in children {
            // A record whose parent is deleted for ever can't be put under another parent.
            let kept = !child.contains(' ');
            self.delete(&child, kept && for_ever);
        }
    }
}

fn membership(org: &str, user: &str) -> String {
    format!("member {org} {user}")
}

fn grant(repo: &str, user: &str) -> Op {
    Op::PutGateGrant(pb::GateGrant {
        repo_id: repo.into(),
        user_id: user.into(),
        state: pb::GrantState::Accepted.into(),
    })
}

fn model(id: &str, owner: &str) -> Op {
    Op::PutRepo(pb::Repo {
        id: id.into(),
        kind: pb::RepoKind::Model.into(),
        owner_id: owner.into(),
        name: id.into(),
        visibility: pb::Visibility::Private.into(),
        gate: pb::GateMode::Manual.into(),
        ..Default::default()
    })
}

/// Makes one random operation, applies it to the model, and returns whether the model takes it.
fn step(
    chance: &mut Chance,
    model_of: &mut Model,
    orgs_of: &mut BTreeMap<String, String>,
) -> (Op, bool) {
    let (u, o) = (chance.of(&USERS), chance.of(&ORGS));
    let (g, r) = (chance.of(&GROUPS), chance.of(&REPOS));
    let (us, os, gs, rs) = (u.to_owned(), o.to_owned(), g.to_owned(), r.to_owned());
    match chance.below(24) {
        0 | 1 => (user(u), model_of.put(us, &[])),
        2 | 3 => (org(o, o), model_of.put(os, &[])),
        4..7 => (member(o, u), model_of.put(membership(o, u), &[os, us])),
        7 | 8 => {
            let moves = orgs_of.get(g).is_some_and(|own| own != o);
            let taken = !moves && model_of.put(gs, &[os]);
            if taken {
                orgs_of.insert(g.to_owned(), o.to_owned());
            }
            (group(g, o), taken)
        }
        9..13 => {
            let of = orgs_of.get(g).cloned().unwrap_or_default();
            let on = [gs, us, membership(&of, u)];
            (
                group_member(g, u),
                model_of.put(format!("role {g} {u}"), &on),
            )
        }
        // The owner is always the same, because a move is not tested here.
        13 | 14 => (model(r, ORGS[0]), model_of.put(rs, &[ORGS[0].to_owned()])),
        15..18 => (
            grant(r, u),
            model_of.put(format!("grant {r} {u}"), &[rs, us]),
        ),
        18 if chance.below(6) == 0 => {
            model_of.delete(u, true);
            (Op::DeleteUser(us), true)
        }
        19 if chance.below(8) == 0 => {
            model_of.delete(o, true);
            (Op::DeleteOrg(os), true)
        }
        20 if chance.below(4) == 0 => {
            model_of.delete(g, true);
            (Op::DeleteGroup(gs), true)
        }
        21 if chance.below(4) == 0 => {
            model_of.delete(r, true);
            (Op::DeleteRepo(rs), true)
        }
        18..22 => {
            model_of.delete(&membership(o, u), false);
            let (org_id, user_id) = (os, us);
            (Op::DeleteMember(pb::MemberKey { org_id, user_id }), true)
        }
        22 => {
            model_of.delete(&format!("role {g} {u}"), false);
            let (group_id, user_id) = (gs, us);
            (
                Op::DeleteGroupMember(pb::GroupMemberKey { group_id, user_id }),
                true,
            )
        }
        _ => {
            model_of.delete(&format!("grant {r} {u}"), false);
            let (repo_id, user_id) = (rs, us);
            (
                Op::DeleteGateGrant(pb::GateGrantKey { repo_id, user_id }),
                true,
            )
        }
    }
}

/// Writes an org admin's approval of the one token that each user has.
fn approve(state: &mut State, model_of: &mut Model, o: &str, u: &str) {
    let on = [o.to_owned(), u.to_owned(), membership(o, u)];
    if !model_of.put(format!("approved {o} {u}"), &on) {
        return;
    }
    let (org, owner) = (AccountId::parse(o).unwrap(), AccountId::parse(u).unwrap());
    let membership = state.departures_of(&org, &owner);
    let view = OrgTokenView {
        org,
        token: token_of(u),
        owner,
        state: Approval::Approved,
        membership,
    };
    applied(state, vec![Change::Put(Record::OrgTokenView(view))]);
}

fn token_of(user: &str) -> TokenId {
    TokenId(USERS.iter().position(|it| *it == user).unwrap() as u64 + 1)
}

/// Returns all access that the state gives, by the model's names.
fn given(state: &State) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let account = |id| state.account_by_id(id);
    for u in USERS {
        for o in ORGS {
            let Some((org, user)) = account(o).zip(account(u)) else {
                continue;
            };
            if state.org_role(org, user).is_some() {
                all.insert(membership(o, u));
            }
            let view = state.org_token_view(org, token_of(u));
            let approved = view.is_some_and(|it| it.state == Approval::Approved);
            // A token whose owner is no member reaches nothing of the org's own.
            if approved && state.org_role(org, user).is_some() {
                all.insert(format!("approved {o} {u}"));
            }
        }
        for g in GROUPS {
            let both = state.group_by_id(g).zip(account(u));
            if both.is_some_and(|(group, user)| state.group_role(group, user).is_some()) {
                all.insert(format!("role {g} {u}"));
            }
        }
        for r in REPOS {
            let both = state.repo_by_id(r).zip(account(u));
            if both.is_some_and(|(repo, user)| state.grant(repo, user).is_some()) {
                all.insert(format!("grant {r} {u}"));
            }
        }
    }
    all
}

#[test]
fn no_later_write_gives_back_what_a_deletion_took() {
    let (mut refusals, mut returns) = (0, 0);
    for seed in 0..600 {
        let mut chance = Chance(seed);
        let mut hub = Hub {
            state: State::new(tokenward_common::id::LogId([1; 16])),
            earlier: Earlier::default(),
        };
        let (mut model_of, mut orgs_of) = (Model::default(), BTreeMap::new());
        for number in 0..120 {
            if chance.below(8) == 0 {
                let (o, u) = (chance.of(&ORGS), chance.of(&USERS));
                approve(&mut hub.state, &mut model_of, o, u);
            }
            let (operation, taken) = step(&mut chance, &mut model_of, &mut orgs_of);
            let text = format!("seed {seed}, step {number}: {operation:?}");
            match hub.plan(vec![operation]) {
                Ok(plan) => {
                    assert!(taken, "{text}: was taken");
                    applied(&mut hub.state, plan.changes);
                }
                Err(refused) => {
                    assert!(!taken, "{text}: {refused}");
                    refusals += usize::from(refused.contains("never used again"));
                }
            }
            hub.earlier = Earlier::default();
            let expected: BTreeSet<String> = model_of
                .there
                .keys()
                .filter(|name| name.contains(' '))
                .cloned()
                .collect();
            assert_eq!(given(&hub.state), expected, "{text}");
            returns += usize::from(text.contains("PutMember") && taken);
        }
        // A state that is loaded from a snapshot in reverse order must be the same.
        let mut records: Vec<Record> = hub.state.records().collect();
        records.reverse();
        let mut again = State::new(hub.state.cursor().log);
        for record in records {
            again.load(record).unwrap();
        }
        assert!(again.same_facts(&hub.state));
        assert_eq!(given(&again), given(&hub.state));
    }
    assert!(refusals > 100 && returns > 100, "{refusals} {returns}");
}
