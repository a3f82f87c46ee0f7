//! The decision equals the naive model's, question by question; and the comparison is strong enough
//! to catch each rule broken.

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use tokenward_common::{
    access::{Ceiling, Permission, Principal, Refusal, Target, evaluate},
    state::{Entry, State},
    token::EntityKind,
};

use crate::{
    bugs::{BUGS, Bug},
    fold::disagreement,
    history::{ORGS, REPOS, TWIN, USERS, a_user, an_account, fold, naive_folds, world},
    naive::Naive,
    rules::{READ, Role, Scope, Thing, Token, Verdict, WRITE},
};

fn scope() -> impl Strategy<Value = Scope> {
    let entity = prop_oneof![
        2 => (Just("user"), select(USERS)),
        3 => (Just("org"), select(ORGS)),
        1 => (select(&["user", "org", "collection"][..]), an_account()),
        5 => (select(&["model", "model", "dataset", "space"][..]), select(REPOS)),
        1 => (Just("collection"), select(REPOS)),
    ];
    let permission = select(&[READ, READ, WRITE, "repo.unheard.of"][..]);
    (entity, vec(permission, 0..3)).prop_map(|((kind, id), permissions)| Scope {
        kind,
        id,
        permissions,
    })
}

fn fine_grained() -> impl Strategy<Value = Token> {
    (a_user(), vec(scope(), 0..5), any::<bool>()).prop_map(|(owner, scopes, gated)| Token {
        owner,
        role: Role::FineGrained,
        scopes,
        gated,
    })
}

fn ceiling(token: &Token) -> Ceiling {
    let role = match token.role {
        Role::FineGrained => tokenward_common::token::Role::FineGrained,
        Role::Read => tokenward_common::token::Role::Read,
        Role::Write => tokenward_common::token::Role::Write,
    };
    let mut builder = Ceiling::builder(role).can_read_gated_repos(token.gated);
    for scope in &token.scopes {
        let kind = match scope.kind {
            "user" => EntityKind::User,
            "org" => EntityKind::Org,
            "model" => EntityKind::Model,
            "dataset" => EntityKind::Dataset,
            "space" => EntityKind::Space,
            _ => EntityKind::Collection,
        };
        builder = builder.scope(kind, scope.id, scope.permissions.iter().copied());
    }
    builder.build()
}

/// As a verifier asks: what doesn't resolve isn't found.
fn real(state: &State, token: Option<&Token>, thing: Thing, permission: &str) -> Verdict {
    let not_found = Err(Refusal::NotFound.number());
    let target = match thing {
        Thing::Repo(id) => state.repo_by_id(id).map(Target::Repo),
        Thing::Account(id) => state.account_by_id(id).map(Target::Account),
    };
    let Some(target) = target else {
        return not_found;
    };
    let permission = Permission::parse(permission).unwrap();
    let compiled = token.map(ceiling);
    let principal = match (token, &compiled) {
        (Some(token), Some(ceiling)) => match state.account_by_id(token.owner) {
            Some(owner) => Principal::Token { owner, ceiling },
            None => return not_found,
        },
        _ => Principal::Anonymous,
    };
    evaluate(state, &principal, target, permission).map_err(Refusal::number)
}

fn things() -> Vec<Thing> {
    let repos = REPOS.iter().map(|id| Thing::Repo(id));
    let accounts = USERS.iter().chain(ORGS).chain(&[TWIN]);
    repos.chain(accounts.map(|id| Thing::Account(id))).collect()
}

fn tokens(fine: &[Token]) -> Vec<Option<Token>> {
    let mut tokens = vec![None];
    for owner in USERS.iter().chain(&[TWIN, ORGS[0]]) {
        for role in [Role::Read, Role::Write, Role::FineGrained] {
            tokens.push(Some(Token {
                owner,
                role,
                scopes: Vec::new(),
                gated: false,
            }));
        }
    }
    tokens.extend(fine.iter().cloned().map(Some));
    tokens
}

fn compare(entries: &[Entry], fine: &[Token], mut each: impl FnMut(&Naive, Question<'_>)) {
    let state = fold(entries);
    let folds = naive_folds(entries);
    let naive = folds.last().unwrap();
    for token in tokens(fine) {
        for thing in things() {
            for permission in [READ, WRITE] {
                let answer = real(&state, token.as_ref(), thing, permission);
                let question = Question {
                    token: token.as_ref(),
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
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

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
    for _ in 0..600 {
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
