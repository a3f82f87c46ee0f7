//! Every cell of what is finite, against the naive model: org role × token role × visibility × gate
//! × grant × creator × disabled × action × scopes (none, on the owner, on the repo, both).

use tokenward_common::{
    access::Permission,
    id::{Name, RepoId},
    state::{
        State,
        record::{
            GateGrant, GateMode, GrantState, Member, Org, OrgRole, Record, Repo, RepoKind, User,
            Visibility,
        },
    },
    token::EntityKind,
};

use crate::{
    decision::real,
    history::{LOG, account, group_id, of_records},
    naive::Naive,
    naive_access::{Role, Scope, Thing, Token, kind_name},
    naive_vocabulary::{NAMES, READ, WRITE, means_something},
    random_tokens::ceiling,
};

const ADA: &str = "ada";
const BOT: &str = "bot";
const ACCEPTED: Option<GrantState> = Some(GrantState::Accepted);

struct World {
    state: State,
    naive: Naive,
    /// Repo, its kind, its owner, the owner's kind.
    repos: Vec<(&'static str, &'static str, &'static str, &'static str)>,
    owners: Vec<(&'static str, &'static str)>,
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            state: State::new(LOG),
            naive: Naive::default(),
            repos: Vec::new(),
            owners: vec![(ADA, "user"), ("bob", "user")],
        };
        let mut records = Vec::new();
        let roles = OrgRole::ALL.iter().copied().map(Some).chain([None]);
        for (number, role) in roles.enumerate() {
            let org = leak(format!("org{number}"));
            world.owners.push((org, "org"));
            records.push(Record::Org(Org {
                id: account(org),
                name: Name::parse(org).unwrap(),
                display: Box::default(),
            }));
            records.extend(role.map(|role| {
                Record::Member(Member {
                    org: account(org),
                    user: account(ADA),
                    role,
                })
            }));
        }
        for (user, of) in [(ADA, None), ("bob", None), (BOT, Some("org0"))] {
            records.push(Record::User(User {
                id: account(user),
                name: Name::parse(user).unwrap(),
                disabled: false,
                service_account_of: of.map(account),
                display: Box::default(),
            }));
        }
        for (owner, owner_kind) in world.owners.clone() {
            for kind in RepoKind::ALL {
                for visibility in Visibility::ALL {
                    world.cells(&mut records, owner, owner_kind, *kind, *visibility);
                }
            }
        }
        (world.state, world.naive) = of_records(&records);
        world
    }

    /// Gate, grant, creator and the rest, for one owner, kind and visibility.
    fn cells(
        &mut self,
        records: &mut Vec<Record>,
        owner: &'static str,
        owner_kind: &'static str,
        kind: RepoKind,
        visibility: Visibility,
    ) {
        let grants = [None]
            .into_iter()
            .chain(GrantState::ALL.iter().copied().map(Some));
        let gates =
            [(GateMode::None, None, false)]
                .into_iter()
                .chain(grants.flat_map(|grant| {
                    [false, true].map(move |strict| (GateMode::Manual, grant, strict))
                }));
        for (gate, grant, strict) in gates {
            for creator in [None, Some(ADA)] {
                let further = creator.is_none() && (grant.is_none() || grant == ACCEPTED);
                let cells = [(false, false), (true, false), (false, true)];
                for (disabled, grouped) in cells.into_iter().take(if further { 3 } else { 1 }) {
                    let id = leak(format!("r{}", self.repos.len()));
                    self.repos.push((id, kind_name(kind), owner, owner_kind));
                    records.push(Record::Repo(Repo {
                        id: RepoId::parse(id).unwrap(),
                        kind,
                        owner: account(owner),
                        name: Name::parse(id).unwrap(),
                        visibility,
                        gate,
                        creator: creator.map(account),
                        disabled,
                        group: grouped.then(|| group_id("group")),
                        org_members_gated: strict,
                    }));
                    records.extend(grant.map(|state| {
                        Record::GateGrant(GateGrant {
                            repo: RepoId::parse(id).unwrap(),
                            user: account(ADA),
                            state,
                        })
                    }));
                }
            }
        }
    }

    fn compare(&self, token: Option<&Token>, thing: Thing, permission: &'static str) {
        let compiled = token.map(ceiling);
        let parsed = Permission::parse(permission).unwrap();
        let answer = real(&self.state, token.zip(compiled.as_ref()), thing, parsed);
        let expected = self.naive.judge(token, thing, permission, None);
        assert_eq!(answer, expected, "{token:?} on {thing:?}, {permission}");
    }
}

/// Scopes on nothing, on the owner, on the repo, on both: each with nothing in it, with the action
/// itself, with the whole of writing, or with reading.
fn scopes(
    action: &'static str,
    owner: (&'static str, &'static str),
    repo: Option<(&'static str, &'static str)>,
) -> Vec<Vec<Scope>> {
    let sets = [vec![], vec![action], vec![WRITE], vec![READ, action]];
    let on = |(kind, id): (&'static str, &'static str)| {
        let scope = |permissions: &Vec<&'static str>| {
            Some(Scope {
                kind,
                id,
                permissions: permissions.clone(),
                patterns: Vec::new(),
            })
        };
        let mut all = vec![None];
        all.extend(sets.iter().map(scope));
        all
    };
    let mut all = Vec::new();
    for general in on(owner) {
        for specific in repo.map_or_else(|| vec![None], on) {
            all.push(general.iter().cloned().chain(specific).collect());
        }
    }
    all
}

fn tokens(owner: &'static str, scopes: &[Vec<Scope>], action: &'static str) -> Vec<Token> {
    let mut tokens = vec![
        Token::from_role(owner, Role::Read),
        Token::from_role(owner, Role::Write),
    ];
    for scopes in scopes {
        for (gated, global) in [(false, vec![]), (true, vec![]), (false, vec![action])] {
            tokens.push(Token {
                scopes: scopes.clone(),
                gated,
                global,
                ..Token::from_role(owner, Role::FineGrained)
            });
        }
    }
    tokens
}

#[test]
fn every_cell_on_repos() {
    let world = World::new();
    for (number, &(id, kind, owner, owner_kind)) in world.repos.iter().enumerate() {
        let thing = Thing::Repo(id);
        let meant = NAMES.into_iter().filter(|name| means_something(name, kind));
        for (at, action) in meant.enumerate() {
            world.compare(None, thing, action);
            // What only differs in its name from its neighbours takes its turn.
            let code = !["model", "collection", "endpoint"].contains(&kind);
            if code && (number + at) % 5 != 0 {
                continue;
            }
            let scopes = scopes(action, (owner_kind, owner), Some((kind, id)));
            let callers = if owner == "org0" {
                vec![ADA, BOT]
            } else {
                vec![ADA]
            };
            for caller in callers {
                for token in tokens(caller, &scopes, action) {
                    world.compare(Some(&token), thing, action);
                }
            }
        }
    }
}

#[test]
fn every_cell_on_accounts() {
    let world = World::new();
    for &(id, kind) in &world.owners {
        for action in NAMES {
            world.compare(None, Thing::Account(id), action);
            for caller in [ADA, BOT] {
                for held in NAMES {
                    let scopes = [
                        vec![],
                        vec![Scope {
                            kind,
                            id,
                            permissions: vec![held],
                            patterns: Vec::new(),
                        }],
                    ];
                    for token in tokens(caller, &scopes, held) {
                        world.compare(Some(&token), Thing::Account(id), action);
                    }
                }
            }
        }
    }
}

/// One table, told twice: by the library, and by the names alone.
#[test]
fn the_vocabulary_is_the_hubs() {
    let mut theirs: Vec<&str> = Permission::ALL.iter().map(|one| one.name()).collect();
    theirs.sort_unstable();
    assert_eq!(theirs, NAMES);
    for name in NAMES {
        for kind in EntityKind::ALL {
            let applies = Permission::parse(name).unwrap().applies_to(*kind);
            assert_eq!(
                applies,
                means_something(name, kind.word()),
                "{name} {kind:?}"
            );
        }
    }
}

/// As their wire and a token's claims have them.
#[test]
fn the_roles_are_the_hubs() {
    use tokenward_common::token::Role;
    let words: Vec<_> = Role::ALL.iter().map(|role| role.word()).collect();
    assert_eq!(words, ["fineGrained", "read", "write"]);
}
