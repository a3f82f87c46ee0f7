//! A child has no more than its parent: whatever token is made of an owner's, by whichever role and
//! scopes, it is allowed nothing that they may not do themselves at that moment; a token with fewer
//! rights nothing that one with more is refused.

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use tokenward_common::{
    access::Permission,
    state::{
        Account, State,
        record::{GroupRole, OrgRole, Visibility},
    },
};

use crate::{
    bugs::Bug,
    decision::{real, things},
    history::{GROUPS, ORGS, REPOS, TWIN, USERS, fold, naive_folds, world},
    naive_access::{Role, Scope, Thing, Token},
    naive_vocabulary::{NAMES, READ, SERVERLESS, WRITE},
    random_tokens::{ceiling, fine_grained, own_id},
};

/// Changes nothing, although it is called writing.
const NO_CHANGE: [&str; 3] = [
    "discussion.write",
    "inference.endpoints.infer.write",
    "inference.serverless.write",
];

/// Every scope that the owner's token may have, with all in it. Not more: one on a repo replaces
/// its org's, and one that a service account's token can't have would leave it nothing there.
fn uncapped(owner: &'static str, service_account: bool) -> Token {
    let repos = ["model", "dataset", "space", "bucket", "kernel"];
    let accounts: Vec<_> = USERS.iter().chain(ORGS).chain(&[TWIN]).copied().collect();
    let on = |kinds: &[&'static str], ids: &[&'static str]| -> Vec<Scope> {
        let pairs = kinds
            .iter()
            .flat_map(|kind| ids.iter().map(move |id| (*kind, *id)));
        let scope = |(kind, id)| Scope {
            kind,
            id,
            permissions: NAMES.to_vec(),
            patterns: Vec::new(),
        };
        pairs.map(scope).collect()
    };
    let mut scopes = on(&repos, REPOS);
    scopes.extend(on(&["user", "org"], &accounts));
    if !service_account {
        scopes.extend(on(&["collection", "endpoint"], REPOS));
        scopes.extend(on(&["resource-group"], GROUPS));
    }
    Token {
        owner,
        id: own_id(owner),
        serial: own_id(owner),
        role: Role::FineGrained,
        scopes,
        global: NAMES.to_vec(),
        gated: true,
    }
}

/// Whether the owner may at all, by a few plain facts of the state.
fn entitled(state: &State, owner: Account, thing: Thing, permission: &str) -> bool {
    let changes = permission.ends_with(".write") && !NO_CHANGE.contains(&permission);
    let acts_for = state.service_account_of(owner);
    let is = |account| account == owner || acts_for == Some(account);
    let role_in = |org| state.org_role(org, owner).filter(|_| acts_for.is_none());
    match thing {
        Thing::Repo(id) => {
            let Some(repo) = state.repo_by_id(id).and_then(|it| state.repo(it)) else {
                return false;
            };
            let Some(role) = role_in(repo.owner) else {
                let public = repo.visibility == Visibility::Public;
                return is(repo.owner) || (public && !changes);
            };
            let creator = repo.creator == Some(owner);
            let in_group = repo.group.map(|group| state.group_role(group, owner));
            let (reads, writes) = match in_group {
                _ if role == OrgRole::Admin => (true, true),
                None => (
                    role >= OrgRole::Read,
                    role == OrgRole::Write || (role == OrgRole::Contributor && creator),
                ),
                Some(None) => (false, false),
                Some(Some(GroupRole::Read)) => (true, false),
                Some(Some(GroupRole::Contributor)) => (true, creator),
                Some(Some(GroupRole::Write | GroupRole::Admin)) => (true, true),
            };
            if changes {
                writes
            } else {
                reads || repo.visibility == Visibility::Public
            }
        }
        Thing::Account(id) => {
            let Some(account) = state.account_by_id(id) else {
                return false;
            };
            let least = match permission {
                _ if !changes => OrgRole::Read,
                _ if permission.starts_with("org.") => OrgRole::Admin,
                _ => OrgRole::Contributor,
            };
            is(account) || role_in(account) >= Some(least)
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 96, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_token_may_what_its_owner_may_not(
        entries in world(),
        fine in vec(fine_grained(), 1..12),
    ) {
        let state = fold(&entries);
        let from_role = |owner: &'static str, role| Token::from_role(owner, role);
        let mut children = fine;
        for owner in USERS.iter().chain(&[TWIN]) {
            children.extend([Role::Read, Role::Write].map(|role| from_role(owner, role)));
        }
        for child in &children {
            let Some(owner) = state.account_by_id(child.owner) else {
                continue;
            };
            let most = uncapped(child.owner, state.service_account_of(owner).is_some());
            let parents = match child.role {
                Role::Read => vec![from_role(child.owner, Role::Write), most],
                _ => vec![most],
            };
            let compiled = ceiling(child);
            let ceilings: Vec<_> = parents.iter().map(ceiling).collect();
            for thing in things() {
                for name in NAMES {
                    let permission = Permission::parse(name).unwrap();
                    if real(&state, Some((child, &compiled)), thing, permission).is_err() {
                        continue;
                    }
                    prop_assert!(
                        entitled(&state, owner, thing, name),
                        "{child:?} on {thing:?}, {name}"
                    );
                    for (parent, ceiling) in parents.iter().zip(&ceilings) {
                        let answer = real(&state, Some((parent, ceiling)), thing, permission);
                        prop_assert_eq!(
                            answer,
                            Ok(()),
                            "{:?} may {} on {:?}, which {:?} may not",
                            child, name, thing, parent.role
                        );
                    }
                }
            }
        }
    }
}

/// The law sees each of these rules broken, which give a token what its owner hasn't.
#[test]
fn a_token_that_may_more_is_seen() {
    let mut left = vec![
        Bug::StrangerSeesPrivate,
        Bug::IgnoreVisibility,
        Bug::NoAccessReads,
        Bug::ReadRoleWrites,
        Bug::ContributorWritesAll,
        Bug::CreatorKeepsRights,
        Bug::GroupIgnored,
        Bug::ServiceAccountIsMember,
        Bug::GlobalDiscussionWrites,
        Bug::AnyoneUsesNamespace,
        Bug::AnyoneBillsOrgs,
    ];
    let mut runner = TestRunner::deterministic();
    for _ in 0..1500 {
        let entries = world().new_tree(&mut runner).unwrap().current();
        let state = fold(&entries);
        let folds = naive_folds(&entries);
        let naive = folds.last().unwrap();
        for id in USERS {
            let Some(owner) = state.account_by_id(id) else {
                continue;
            };
            let service_account = state.service_account_of(owner).is_some();
            let tokens = [
                Token::from_role(id, Role::Write),
                uncapped(id, service_account),
            ];
            let seen = |bug: Bug| {
                tokens.iter().any(|token| {
                    things().into_iter().any(|thing| {
                        let names = [READ, WRITE, SERVERLESS].into_iter();
                        let allowed = |name| naive.judge(Some(token), thing, name, Some(bug));
                        names
                            .filter(|name| allowed(name) == Ok(()))
                            .any(|name| !entitled(&state, owner, thing, name))
                    })
                })
            };
            left.retain(|bug| !seen(*bug));
        }
        if left.is_empty() {
            return;
        }
    }
    panic!("not seen: {left:?}");
}
