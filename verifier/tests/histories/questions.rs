//! Everything that is asked: values of tokens, things by id and by name, permissions.

use std::sync::LazyLock;

use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, KeyId, Serial, TokenId},
    state::record::RepoKind,
    token::{self, Claims, EntityKind, Prefix, Scopes, SigningKey, sign},
};
use tokenward_verifier::decide::Resource;

use crate::{
    bugs::Bug,
    history::{NAMES as RECORD_NAMES, ORGS, REPOS, TWIN, USERS},
    naive::Naive,
    naive_access::{Role, Thing, Token, Verdict},
    naive_tokens::Value,
    naive_vocabulary::NAMES,
};

pub const ISSUER: &str = "https://tokens.example";
pub const AUDIENCE: &str = "hub";
const NOT_FOUND: Verdict = Err(20);

/// The histories withdraw the first two; the third stands.
pub static KEYS: LazyLock<[SigningKey; 3]> = LazyLock::new(|| {
    [("k1", 1), ("k2", 2), ("k3", 3)]
        .map(|(kid, seed)| SigningKey::from_seed(KeyId::parse(kid).unwrap(), &[seed; 32]).unwrap())
});

pub struct Questions {
    values: Vec<(String, Value)>,
    things: Vec<Named>,
}

/// A thing, as it is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    Id(Thing),
    RepoName(RepoKind, &'static str, &'static str),
    AccountName(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub value: Option<(&'a str, &'a Value)>,
    pub thing: Named,
    pub permission: &'static str,
}

impl Questions {
    pub fn new(fine: &[Token]) -> Self {
        let others = [TWIN, ORGS[0]];
        let owners = USERS.iter().chain(&others);
        let classic = owners.flat_map(|owner| {
            [Role::Read, Role::Write, Role::FineGrained].map(|role| Token::from_role(owner, role))
        });
        let tokens: Vec<Token> = classic.chain(fine.iter().cloned()).collect();
        let mut values = Vec::new();
        for (number, token) in tokens.into_iter().enumerate() {
            // Among the serials that are revoked and the floors; above the floors; on another page.
            for serial in [token.id, 90 + token.id, 262_140 + token.id] {
                let value = Value {
                    claimed: Token {
                        serial,
                        ..token.clone()
                    },
                    // Mostly by the key that stands, mostly without an end.
                    kid: ["k3", "k3", "k1", "k3", "k2"][(number + serial as usize) % 5],
                    exp: [None, Some(5), None, None][(number + serial as usize) % 4],
                };
                values.push((minted(&value), value));
            }
        }
        let repos = REPOS.iter().map(|id| Named::Id(Thing::Repo(id)));
        let accounts = USERS.iter().chain(ORGS).chain(&[TWIN]);
        let accounts = accounts.map(|id| Named::Id(Thing::Account(id)));
        let mut things: Vec<Named> = repos.chain(accounts).collect();
        for owner in RECORD_NAMES.iter().chain(&["user1", "org0", "ORG1"]) {
            things.push(Named::AccountName(owner));
            things.push(Named::RepoName(RepoKind::Model, owner, "Llama"));
            things.push(Named::RepoName(RepoKind::Model, owner, "bert"));
        }
        Self { values, things }
    }

    /// Spread over all; others each time.
    pub fn sample(&self, time: usize, size: usize) -> impl Iterator<Item = Asked<'_>> {
        // A prime: no step of it visits one column only.
        let step = 104_729;
        (0..size).map(move |number| self.at((time * size + number) * step % self.count()))
    }

    fn count(&self) -> usize {
        (self.values.len() + 1) * self.things.len() * NAMES.len()
    }

    fn at(&self, number: usize) -> Asked<'_> {
        let (number, permission) = (number / NAMES.len(), number % NAMES.len());
        let (number, thing) = (number / self.things.len(), number % self.things.len());
        Asked {
            value: self
                .values
                .get(number)
                .map(|(text, value)| (text.as_str(), value)),
            thing: self.things[thing],
            permission: NAMES[permission],
        }
    }
}

impl Asked<'_> {
    pub fn naive(&self, naive: &Naive, now: u64, bug: Option<Bug>) -> Verdict {
        let token = self.value.map(|(_, value)| naive.in_force(value, now));
        let token = token.transpose()?;
        let leaked = |id: String| &*Box::leak(id.into_boxed_str());
        let thing = match self.thing {
            Named::Id(thing) => Some(thing),
            Named::RepoName(kind, owner, name) => {
                let id = naive.repo_named(kind, owner, name);
                id.map(|id| Thing::Repo(leaked(id)))
            }
            Named::AccountName(name) => naive
                .account_named(name)
                .map(|id| Thing::Account(leaked(id))),
        };
        thing.map_or(NOT_FOUND, |thing| {
            naive.judge(token.as_ref(), thing, self.permission, bug)
        })
    }

    /// Who asks by id knows the kind.
    pub fn resource(&self, naive: &Naive) -> Resource<'static> {
        match self.thing {
            Named::Id(Thing::Repo(id)) => Resource::RepoId {
                kind: naive
                    .repos
                    .get(id)
                    .map_or(RepoKind::Model, |repo| repo.kind),
                id,
            },
            Named::Id(Thing::Account(id)) => Resource::AccountId(id),
            Named::RepoName(kind, owner, name) => Resource::RepoName { kind, owner, name },
            Named::AccountName(name) => Resource::AccountName(name),
        }
    }
}

fn minted(value: &Value) -> String {
    let token = &value.claimed;
    let fine = token.role == Role::FineGrained;
    let boxed = |texts: &[&str]| texts.iter().map(|it| (*it).into()).collect();
    let scoped = token.scopes.iter().map(|scope| token::Scope {
        kind: EntityKind::from_word(scope.kind).unwrap(),
        id: scope.id.into(),
        permissions: boxed(&scope.permissions),
        patterns: boxed(&scope.patterns),
    });
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: AccountId::parse(token.owner).unwrap(),
        serial: Serial(token.serial),
        tid: TokenId(token.id),
        name: "random".into(),
        iat: UnixTime(1),
        exp: value.exp.map(UnixTime),
        role: match token.role {
            Role::FineGrained => token::Role::FineGrained,
            Role::Read => token::Role::Read,
            Role::Write => token::Role::Write,
        },
        scopes: fine.then(|| Scopes {
            scoped: scoped.collect(),
            global: boxed(&token.global),
            can_read_gated_repos: token.gated,
        }),
    };
    let key = KEYS
        .iter()
        .find(|key| key.public().kid().as_str() == value.kid);
    sign(&claims, &Prefix::default(), key.unwrap()).unwrap()
}
