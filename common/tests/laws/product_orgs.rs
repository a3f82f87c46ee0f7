//! Every cell of what orgs add, against the naive model: org role × org policy × the org's decision on
//! the token × group role × visibility × gate × action × token role, with scopes on nothing, the repo,
//! its group, its org.

use tokenward_common::{
    access::Permission,
    id::{AccountId, Name, RepoId, TokenId},
    state::{
        State,
        record::{
            Approval, GateGrant, GateMode, GrantState, Group, GroupMember, GroupRole, Member, Org,
            OrgPolicy, OrgRole, OrgTokenView, Record, Repo, RepoKind, TokenPolicy, User,
            Visibility,
        },
    },
};

use crate::{
    decision::real,
    history::{LOG, account, group_id, of_records},
    naive::Naive,
    naive_access::{Role, Scope, Thing, Token},
    naive_vocabulary::{NAMES, READ, WRITE, means_something},
    random_tokens::ceiling,
};

const ADA: &str = "ada";

struct World {
    state: State,
    naive: Naive,
    /// Repo, its group if any, its org.
    repos: Vec<(&'static str, Option<&'static str>, &'static str)>,
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Every value, and none.
fn or_none<T: Copy>(all: &[T]) -> Vec<Option<T>> {
    all.iter().copied().map(Some).chain([None]).collect()
}

/// Of each decision of an org, and of none, its token.
fn token_of(decision: usize) -> u64 {
    1 + decision as u64
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            state: State::new(LOG),
            naive: Naive::default(),
            repos: Vec::new(),
        };
        let mut records = vec![Record::User(User {
            id: account(ADA),
            name: name(ADA),
            disabled: false,
            service_account_of: None,
            display: Box::default(),
        })];
        for role in or_none(OrgRole::ALL) {
            for policy in TokenPolicy::ALL {
                world.org(&mut records, role, *policy);
            }
        }
        (world.state, world.naive) = of_records(&records);
        world
    }

    fn org(&mut self, records: &mut Vec<Record>, role: Option<OrgRole>, policy: TokenPolicy) {
        let word = leak(format!("org{}", records.len()));
        let org = account(word);
        records.push(Record::Org(Org {
            id: org.clone(),
            name: name(word),
            display: Box::default(),
        }));
        records.push(Record::OrgPolicy(OrgPolicy {
            org: org.clone(),
            policy,
            max_lifetime: None,
        }));
        records.extend(role.map(|role| {
            let (org, user) = (org.clone(), account(ADA));
            Record::Member(Member { org, user, role })
        }));
        for (number, decision) in or_none(Approval::ALL).into_iter().enumerate() {
            records.extend(decision.map(|state| {
                Record::OrgTokenView(OrgTokenView {
                    org: org.clone(),
                    token: TokenId(token_of(number)),
                    owner: account(ADA),
                    state,
                    membership: 0,
                })
            }));
        }
        self.repos(records, &org, word, None);
        for group_role in or_none(GroupRole::ALL) {
            let group = leak(format!("g{}", records.len()));
            records.push(Record::Group(Group {
                id: group_id(group),
                org: org.clone(),
                name: name(group),
            }));
            records.extend(group_role.map(|role| {
                Record::GroupMember(GroupMember {
                    group: group_id(group),
                    user: account(ADA),
                    role,
                    membership: 0,
                })
            }));
            self.repos(records, &org, word, Some(group));
        }
    }

    /// Visibility and gate of one org's repos, in a group or in none.
    fn repos(
        &mut self,
        records: &mut Vec<Record>,
        owner: &AccountId,
        org: &'static str,
        group: Option<&'static str>,
    ) {
        let gates = [
            (GateMode::None, None, false),
            (GateMode::Auto, None, false),
            (GateMode::Manual, None, true),
            (GateMode::Manual, Some(GrantState::Accepted), true),
            (GateMode::Manual, Some(GrantState::Rejected), true),
        ];
        for visibility in Visibility::ALL {
            for (gate, grant, org_members_gated) in gates {
                let id = leak(format!("r{}", self.repos.len()));
                self.repos.push((id, group, org));
                let repo = RepoId::parse(id).unwrap();
                records.push(Record::Repo(Repo {
                    id: repo.clone(),
                    kind: RepoKind::Model,
                    owner: owner.clone(),
                    name: name(id),
                    visibility: *visibility,
                    gate,
                    creator: None,
                    disabled: false,
                    group: group.map(group_id),
                    org_members_gated,
                }));
                let user = account(ADA);
                records
                    .extend(grant.map(|state| Record::GateGrant(GateGrant { repo, user, state })));
            }
        }
    }
}

fn scope(kind: &'static str, id: &'static str, permission: &'static str) -> Scope {
    Scope {
        kind,
        id,
        permissions: vec![permission],
        patterns: Vec::new(),
    }
}

/// Ada's, as the org decided `decision` on it.
fn tokens(
    (repo, group, org): (&'static str, Option<&'static str>, &'static str),
    decision: usize,
) -> Vec<Token> {
    let token = |role, scopes, gated| Token {
        owner: ADA,
        id: token_of(decision),
        serial: token_of(decision),
        role,
        scopes,
        global: Vec::new(),
        gated,
    };
    let mut all = vec![
        token(Role::Read, vec![], false),
        token(Role::Write, vec![], false),
        token(Role::FineGrained, vec![], false),
        token(Role::FineGrained, vec![], true),
    ];
    for permission in [READ, WRITE] {
        let mut places = vec![("org", org), ("model", repo)];
        places.extend(group.map(|group| ("resource-group", group)));
        for (kind, id) in places {
            all.push(token(
                Role::FineGrained,
                vec![scope(kind, id, permission)],
                false,
            ));
        }
    }
    all
}

#[test]
fn every_cell_of_groups_and_policies() {
    let world = World::new();
    let decisions = or_none(Approval::ALL).len();
    let meant = NAMES
        .into_iter()
        .filter(|name| means_something(name, "model"));
    let actions: Vec<_> = meant
        .map(|name| (name, Permission::parse(name).unwrap()))
        .collect();
    let (mut allowed, mut denied) = (0, 0);
    for repo in &world.repos {
        for decision in 0..decisions {
            for token in tokens(*repo, decision) {
                let compiled = ceiling(&token);
                for (action, parsed) in actions.iter().copied() {
                    let thing = Thing::Repo(repo.0);
                    let answer = real(&world.state, Some((&token, &compiled)), thing, parsed);
                    let expected = world.naive.judge(Some(&token), thing, action, None);
                    assert_eq!(answer, expected, "{token:?} on {repo:?}, {action}");
                    match answer {
                        Ok(()) => allowed += 1,
                        Err(_) => denied += 1,
                    }
                }
            }
        }
    }
    assert!(allowed > 10_000 && denied > 10_000, "{allowed} {denied}");
}
