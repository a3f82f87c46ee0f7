//! Random tokens over the ids of `history`.

use proptest::{collection::vec, prelude::*, sample::select};
use tokenward_common::{access::Ceiling, token::EntityKind};

use crate::{
    history::{GROUPS, ORGS, REPOS, USERS, a_user, an_account},
    naive_access::{Role, Scope, Token},
    naive_vocabulary::{INFER, NAMES, READ, SERVERLESS, WRITE},
};

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        3 => Just(READ),
        2 => Just(WRITE),
        1 => Just("repo.unheard.of"),
        2 => select(&[SERVERLESS, INFER, "inference.endpoints.write", "discussion.write"][..]),
        1 => select(&["org.write", "collection.write", "repo.config.write"][..]),
        1 => select(&["post.write", "user.tokens.write"][..]),
        4 => select(&NAMES[..]),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let repos = [
        "model", "model", "model", "dataset", "space", "bucket", "kernel", "endpoint",
    ];
    let entity = prop_oneof![
        3 => (Just("user"), select(USERS)),
        5 => (Just("org"), select(ORGS)),
        1 => (select(&["user", "org", "collection"][..]), an_account()),
        6 => (select(repos.to_vec()), select(REPOS)),
        1 => (Just("collection"), select(REPOS)),
        1 => (Just("resource-group"), select(GROUPS)),
    ];
    let patterns = prop_oneof![
        2 => Just(Vec::new()),
        1 => vec(select(&["ada", "b*", "*a", "l*m*a", "*", "A", "a", "ll"][..]), 1..3),
    ];
    (entity, vec(name(), 0..3), patterns).prop_map(|((kind, id), permissions, patterns)| Scope {
        kind,
        id,
        permissions,
        patterns,
    })
}

pub fn fine_grained() -> impl Strategy<Value = Token> {
    let owner = prop_oneof![4 => a_user(), 1 => Just("bot")];
    let global = select(
        &[
            "discussion.write",
            "post.write",
            SERVERLESS,
            READ,
            "org.read",
        ][..],
    );
    let global = prop_oneof![2 => Just(Vec::new()), 1 => vec(global, 1..3)];
    (owner, vec(scope(), 0..5), global, any::<bool>()).prop_map(|(owner, scopes, global, gated)| {
        Token {
            owner,
            id: own_id(owner),
            serial: own_id(owner),
            role: Role::FineGrained,
            scopes,
            global,
            gated,
        }
    })
}

/// One token each, of those that orgs decide on in `history`.
pub fn own_id(owner: &str) -> u64 {
    let place = USERS.iter().position(|user| *user == owner);
    place.map_or(9, |place| {
        if place == 0 {
            USERS.len() as u64
        } else {
            place as u64
        }
    })
}

pub fn ceiling(token: &Token) -> Ceiling {
    let role = match token.role {
        Role::FineGrained => tokenward_common::token::Role::FineGrained,
        Role::Read => tokenward_common::token::Role::Read,
        Role::Write => tokenward_common::token::Role::Write,
    };
    let mut builder = Ceiling::builder(role)
        .can_read_gated_repos(token.gated)
        .global(token.global.iter().copied());
    for scope in &token.scopes {
        let kind = EntityKind::from_word(scope.kind).unwrap();
        let permissions = scope.permissions.iter().copied();
        let patterns = scope.patterns.iter().copied();
        builder = builder.scope_by_name(kind, scope.id, permissions, patterns);
    }
    builder.build()
}
