//! The decision equals the naive model's, question by question; and the comparison is strong enough
//! to catch each rule broken.

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use tokenward_common::{
    access::{Ceiling, Permission, Principal, Refusal, Target, TokenFacts, evaluate},
    id::{Serial, TokenId},
    state::{Entry, State},
};

use crate::{
    bugs::{BUGS, Bug},
    fold::disagreement,
    history::{ORGS, REPOS, TWIN, USERS, fold, naive_folds, world},
    naive::Naive,
    naive_access::{Role, Scope, Thing, Token, Verdict},
    naive_vocabulary::{INFER, NAMES},
    random_tokens::{ceiling, fine_grained},
};

/// As a verifier asks: what doesn't resolve isn't found.
pub fn real(
    state: &State,
    token: Option<(&Token, &Ceiling)>,
    thing: Thing,
    permission: Permission,
) -> Verdict {
    let not_found = Err(Refusal::NotFound.number());
    let target = match thing {
        Thing::Repo(id) => state.repo_by_id(id).map(Target::Repo),
        Thing::Account(id) => state.account_by_id(id).map(Target::Account),
    };
    let Some(target) = target else {
        return not_found;
    };
    let principal = match token {
        Some((token, ceiling)) => match state.account_by_id(token.owner) {
            Some(owner) => Principal::Token {
                owner,
                ceiling,
                token: TokenFacts {
                    id: TokenId(token.id),
                    serial: Serial(token.serial),
                },
            },
            None => return not_found,
        },
        None => Principal::Anonymous,
    };
    evaluate(state, &principal, target, permission).map_err(Refusal::number)
}

pub fn things() -> Vec<Thing> {
    let repos = REPOS.iter().map(|id| Thing::Repo(id));
    let accounts = USERS.iter().chain(ORGS).chain(&[TWIN]);
    repos.chain(accounts.map(|id| Thing::Account(id))).collect()
}

pub fn tokens(fine: &[Token]) -> Vec<Option<Token>> {
    let mut tokens = vec![None];
    for owner in USERS.iter().chain(&[TWIN, ORGS[0]]) {
        for role in [Role::Read, Role::Write, Role::FineGrained] {
            tokens.push(Some(Token::from_role(owner, role)));
        }
    }
    tokens.extend(USERS.iter().map(|owner| Some(by_name(owner))));
    tokens.extend(fine.iter().cloned().map(Some));
    tokens
}

/// Calls all endpoints in reach that have fitting names, whole ones and beginnings.
fn by_name(owner: &'static str) -> Token {
    let orgs = ORGS.iter().map(|id| ("org", *id));
    let scope = |(kind, id)| Scope {
        kind,
        id,
        permissions: vec![INFER],
        patterns: vec!["A", "b", "l*"],
    };
    Token {
        scopes: orgs.chain([("user", owner)]).map(scope).collect(),
        ..Token::from_role(owner, Role::FineGrained)
    }
}

fn compare(entries: &[Entry], fine: &[Token], mut each: impl FnMut(&Naive, Question<'_>)) {
    let state = fold(entries);
    let folds = naive_folds(entries);
    let naive = folds.last().unwrap();
    let permissions: Vec<(&'static str, Permission)> = NAMES
        .into_iter()
        .map(|name| (name, Permission::parse(name).unwrap()))
        .collect();
    for token in tokens(fine) {
        let compiled = token.as_ref().map(ceiling);
        for thing in things() {
            for (permission, parsed) in permissions.iter().copied() {
                let token = token.as_ref();
                let answer = real(&state, token.zip(compiled.as_ref()), thing, parsed);
                let question = Question {
                    token,
                    thing,
                    permission,
                    answer,
                };
                each(naive, question);
            }
        }
    }
}

struct Question<'a> {
    token: Option<&'a Token>,
    thing: Thing,
    permission: &'static str,
    answer: Verdict,
}

impl Question<'_> {
    fn naive(&self, naive: &Naive, bug: Option<Bug>) -> Verdict {
        naive.judge(self.token, self.thing, self.permission, bug)
    }
}

proptest! {
    #![proptest_config(Config { cases: 128, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_answer_is_the_naive_models(
        entries in world(),
        fine in vec(fine_grained(), 0..12),
    ) {
        let mut wrong = None;
        compare(&entries, &fine, |naive, question| {
            let expected = question.naive(naive, None);
            if expected != question.answer && wrong.is_none() {
                wrong = Some(format!(
                    "{:?} on {:?}, {}: expected {expected:?}, got {:?}",
                    question.token, question.thing, question.permission, question.answer
                ));
            }
        });
        prop_assert_eq!(wrong, None);
    }
}

#[test]
fn every_seeded_bug_is_caught() {
    let mut runner = TestRunner::deterministic();
    let strategy = (world(), vec(fine_grained(), 8..16));
    let mut left: Vec<Bug> = BUGS.to_vec();
    for _ in 0..4000 {
        let (entries, fine) = strategy.new_tree(&mut runner).unwrap().current();
        let state = fold(&entries);
        left.retain(|bug| {
            let mut naive = Naive::default();
            for entry in &entries {
                for change in &entry.changes {
                    naive.apply(change, entry.serial, Some(*bug));
                }
            }
            disagreement(&state, &naive, Some(*bug)).is_none()
        });
        compare(&entries, &fine, |naive, question| {
            left.retain(|bug| question.naive(naive, Some(*bug)) == question.answer);
        });
        if left.is_empty() {
            return;
        }
    }
    panic!("not caught: {left:?}");
}
