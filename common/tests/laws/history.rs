//! Random histories over so few ids and names that they collide.

use std::time::Duration;

use proptest::{
    collection::vec, option, prelude::*, sample::select, strategy::ValueTree,
    test_runner::TestRunner,
};
use tokenward_common::{
    clock::{UnixMillis, UnixTime},
    id::{
        AccountId, Cursor, Fingerprint, GroupId, KeyId, LogId, Name, RepoId, Revision, Serial,
        TokenId,
    },
    state::{
        Entry, State,
        record::{
            Amendment, Approval, Change, Departures, Floor, FloorTarget, GateGrant, GateMode,
            GrantState, Group, GroupMember, GroupRole, Kind, Member, Org, OrgPolicy, OrgRole,
            OrgTokenView, Record, RecordKey, Redirect, Repo, RepoKind, RetiredId, Settings,
            TokenPolicy, User, Visibility,
        },
    },
    token::{EntityKind, Role, Scope, Scopes},
};

use crate::naive::Naive;

pub const LOG: LogId = LogId([1; 16]);
pub const USERS: &[&str] = &["65f0c0ffee0123456789abcd", "u1", "0b", "bot"];
pub const ORGS: &[&str] = &["65f0c0ffee0123456789abce", "o1"];
/// Used for users and for orgs, as no hub should.
pub const TWIN: &str = "twin";
pub const REPOS: &[&str] = &["65f0c0ffee0123456789abcf", "r1", "0b", "r3"];
pub const NAMES: &[&str] = &["ada", "Ada", "llama", "BERT", "bert"];
pub const GROUPS: &[&str] = &["65f0c0ffee0123456789abd0", "group"];
const KEYS: &[&str] = &["k1", "k2"];

pub fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn repo_id(id: &str) -> RepoId {
    RepoId::parse(id).unwrap()
}

pub fn group_id(id: &str) -> GroupId {
    GroupId::parse(id).unwrap()
}

/// Mostly users.
pub fn a_user() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => select(USERS), 1 => Just(TWIN), 1 => select(ORGS)]
}

/// Mostly orgs.
fn an_org() -> impl Strategy<Value = &'static str> {
    prop_oneof![12 => select(ORGS), 1 => Just(TWIN), 1 => select(USERS)]
}

pub fn an_account() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => select(USERS), 5 => select(ORGS), 1 => Just(TWIN)]
}

fn name() -> impl Strategy<Value = Name> {
    select(NAMES).prop_map(|name| Name::parse(name).unwrap())
}

fn display() -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..200).prop_map(Vec::into_boxed_slice)
}

fn user() -> impl Strategy<Value = Record> {
    (
        a_user(),
        name(),
        any::<bool>(),
        option::weighted(0.2, an_org()),
        display(),
    )
        .prop_map(|(id, name, disabled, org, display)| {
            Record::User(User {
                id: account(id),
                name,
                disabled,
                service_account_of: org.map(account),
                display,
            })
        })
}

fn org() -> impl Strategy<Value = Record> {
    (an_org(), name(), display()).prop_map(|(id, name, display)| {
        Record::Org(Org {
            id: account(id),
            name,
            display,
        })
    })
}

fn member() -> impl Strategy<Value = Record> {
    (an_org(), a_user(), select(OrgRole::ALL)).prop_map(|(org, user, role)| {
        Record::Member(Member {
            org: account(org),
            user: account(user),
            role,
        })
    })
}

fn group() -> impl Strategy<Value = Record> {
    (select(GROUPS), an_org(), name()).prop_map(|(id, org, name)| {
        Record::Group(Group {
            id: group_id(id),
            org: account(org),
            name,
        })
    })
}

fn group_member() -> impl Strategy<Value = Record> {
    let one = (
        select(GROUPS),
        a_user(),
        select(GroupRole::ALL),
        a_membership(),
    );
    one.prop_map(|(group, user, role, membership)| {
        Record::GroupMember(GroupMember {
            group: group_id(group),
            user: account(user),
            role,
            membership,
        })
    })
}

/// Mostly the first.
fn a_membership() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0), 1 => 1..3_u32]
}

fn departures() -> impl Strategy<Value = Record> {
    (an_org(), a_user(), 0..3_u32).prop_map(|(org, user, count)| {
        Record::Departures(Departures {
            org: account(org),
            user: account(user),
            count,
        })
    })
}

/// Every id that a deletion may end.
pub fn retired_ids() -> impl Iterator<Item = RetiredId> {
    let accounts = USERS.iter().chain(ORGS).chain(&[TWIN]);
    let accounts = accounts.map(|id| RetiredId::Account(account(id)));
    let groups = GROUPS.iter().map(|id| RetiredId::Group(group_id(id)));
    let repos = REPOS.iter().map(|id| RetiredId::Repo(repo_id(id)));
    accounts.chain(groups).chain(repos)
}

fn a_retired_id() -> impl Strategy<Value = RetiredId> {
    select(retired_ids().collect::<Vec<_>>())
}

fn org_policy() -> impl Strategy<Value = Record> {
    let seconds = option::weighted(0.3, 1..100_u64);
    (an_org(), select(TokenPolicy::ALL), seconds).prop_map(|(org, policy, seconds)| {
        Record::OrgPolicy(OrgPolicy {
            org: account(org),
            policy,
            max_lifetime: seconds.map(Duration::from_secs),
        })
    })
}

fn org_token_view() -> impl Strategy<Value = Record> {
    let whose = prop_oneof![2 => Just(None), 1 => a_user().prop_map(Some)];
    let one = (
        an_org(),
        1..9_u64,
        whose,
        select(Approval::ALL),
        a_membership(),
    );
    one.prop_map(|(org, token, whose, state, membership)| {
        let own = USERS[token as usize % USERS.len()];
        Record::OrgTokenView(OrgTokenView {
            org: account(org),
            token: TokenId(token),
            owner: account(whose.unwrap_or(own)),
            state,
            membership: if state == Approval::Revoked {
                0
            } else {
                membership
            },
        })
    })
}

fn repo() -> impl Strategy<Value = Record> {
    use RepoKind::{Bucket, Collection, Dataset, Endpoint, Kernel, Model, Space};
    let gate = prop_oneof![
        Just(GateMode::None),
        Just(GateMode::Auto),
        Just(GateMode::Manual)
    ];
    let one = (
        select(REPOS),
        select(vec![
            Model, Model, Model, Model, Dataset, Dataset, Space, Bucket, Kernel, Collection,
            Endpoint, Endpoint,
        ]),
        an_account(),
        name(),
        select(Visibility::ALL),
        gate,
    );
    let other = (
        option::weighted(0.6, a_user()),
        prop::bool::weighted(0.2),
        option::weighted(0.2, select(GROUPS)),
        any::<bool>(),
    );
    (one, other).prop_map(
        |((id, kind, owner, name, visibility, gate), (creator, disabled, group, gated))| {
            Record::Repo(Repo {
                id: repo_id(id),
                kind,
                owner: account(owner),
                name,
                visibility,
                gate,
                creator: creator.map(account),
                disabled,
                group: group.map(group_id),
                org_members_gated: gated,
            })
        },
    )
}

fn grant() -> impl Strategy<Value = Record> {
    (select(REPOS), a_user(), select(GrantState::ALL)).prop_map(|(repo, user, state)| {
        Record::GateGrant(GateGrant {
            repo: repo_id(repo),
            user: account(user),
            state,
        })
    })
}

fn redirect() -> impl Strategy<Value = Redirect> {
    prop_oneof![
        1 => (name(), an_account()).prop_map(|(name, to)| Redirect::Account {
            name: name.to_folded(),
            to: account(to),
        }),
        3 => (select(&[RepoKind::Model, RepoKind::Dataset][..]), an_account(), name(), select(REPOS)).prop_map(
            |(kind, owner, name, to)| Redirect::Repo {
                kind,
                owner: account(owner),
                name: name.to_folded(),
                to: repo_id(to),
            }
        ),
    ]
}

fn target() -> impl Strategy<Value = FloorTarget> {
    prop_oneof![
        Just(FloorTarget::Realm),
        an_account().prop_map(|owner| FloorTarget::Owner(account(owner))),
        (a_user(), an_org()).prop_map(|(owner, org)| FloorTarget::OwnerInOrg {
            owner: account(owner),
            org: account(org),
        }),
        an_org().prop_map(|org| FloorTarget::Org(account(org))),
    ]
}

fn floor() -> impl Strategy<Value = Record> {
    (target(), 0..60_u64).prop_map(|(target, serial)| {
        Record::Floor(Floor {
            target,
            serial: Serial(serial),
        })
    })
}

fn serial() -> impl Strategy<Value = Serial> {
    prop_oneof![1..100_u64, 262_100..262_200_u64, 1 << 40..(1 << 40) + 5_u64].prop_map(Serial)
}

fn scopes() -> impl Strategy<Value = Scopes> {
    let scope = (an_account(), any::<bool>()).prop_map(|(id, write)| Scope {
        kind: EntityKind::Org,
        id: id.into(),
        permissions: vec![
            if write {
                "repo.write"
            } else {
                "repo.content.read"
            }
            .into(),
        ],
        patterns: Vec::new(),
    });
    (vec(scope, 0..3), any::<bool>()).prop_map(|(scoped, gated)| Scopes {
        scoped,
        global: Vec::new(),
        can_read_gated_repos: gated,
    })
}

fn amendment() -> impl Strategy<Value = Record> {
    let role = prop_oneof![
        Just((Role::Read, None)),
        Just((Role::Write, None)),
        scopes().prop_map(|scopes| (Role::FineGrained, Some(scopes))),
    ];
    let expiry = option::weighted(0.3, (1..9_u64, 1..9_u64));
    (1..9_u64, a_user(), role, expiry).prop_map(|(token, owner, (role, scopes), expiry)| {
        Record::Amendment(Amendment {
            token: TokenId(token),
            owner: account(owner),
            settings: Settings {
                name: format!("token {token}").into(),
                role,
                scopes,
            },
            expiries: expiry
                .into_iter()
                .map(|(serial, at)| (Serial(serial), UnixTime(at)))
                .collect(),
        })
    })
}

fn deletion() -> impl Strategy<Value = RecordKey> {
    prop_oneof![
        a_user().prop_map(|id| RecordKey::User(account(id))),
        an_org().prop_map(|id| RecordKey::Org(account(id))),
        select(REPOS).prop_map(|id| RecordKey::Repo(repo_id(id))),
        (an_org(), a_user()).prop_map(|(org, user)| RecordKey::Member {
            org: account(org),
            user: account(user),
        }),
        (select(REPOS), a_user()).prop_map(|(repo, user)| RecordKey::GateGrant {
            repo: repo_id(repo),
            user: account(user),
        }),
        (1..9_u64).prop_map(|token| RecordKey::Amendment(TokenId(token))),
        select(GROUPS).prop_map(|id| RecordKey::Group(group_id(id))),
        (select(GROUPS), a_user()).prop_map(|(group, user)| RecordKey::GroupMember {
            group: group_id(group),
            user: account(user),
        }),
        an_org().prop_map(|org| RecordKey::OrgPolicy(account(org))),
        redirect().prop_map(|redirect| RecordKey::Redirect(redirect.old_name())),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let put = prop_oneof![
        2 => user(),
        2 => org(),
        5 => member(),
        5 => repo(),
        4 => grant(),
        2 => amendment(),
        2 => group(),
        3 => group_member(),
        1 => org_policy(),
        2 => org_token_view(),
        1 => floor(),
        1 => departures(),
        1 => redirect().prop_map(Record::Redirect),
        1 => select(KEYS).prop_map(|kid| Record::WithdrawnKey(KeyId::parse(kid).unwrap())),
    ];
    prop_oneof![
        40 => put.prop_map(Change::Put),
        8 => deletion().prop_map(Change::Delete),
        4 => vec(serial(), 0..4).prop_map(Change::Revoke),
        4 => target().prop_map(Change::RaiseFloor),
        1 => deletion()
            .prop_filter("retirable", |key| key.retired().is_some())
            .prop_map(Change::Retire),
        1 => a_retired_id().prop_map(|id| Change::Put(Record::Retired(id))),
    ]
}

/// A log from its first entry on.
pub fn history() -> impl Strategy<Value = Vec<Entry>> {
    vec((vec(change(), 0..6), 0..5_u64), 1..20).prop_map(|commits| {
        let (mut serial, mut entries) = (0, Vec::new());
        for (number, (changes, minted)) in (1..).zip(commits) {
            serial += minted;
            entries.push(Entry {
                cursor: cursor(number),
                predecessor: cursor(number - 1).fingerprint,
                serial: Serial(serial),
                time: UnixMillis(number),
                changes,
            });
        }
        entries
    })
}

/// A law that never sees a kind says nothing of it.
#[test]
fn histories_write_each_kind() {
    let mut runner = TestRunner::deterministic();
    let mut left: Vec<Kind> = Kind::PUBLIC.to_vec();
    left.retain(|kind| *kind != Kind::HistoryOpened);
    for _ in 0..500 {
        for entry in history().new_tree(&mut runner).unwrap().current() {
            for change in entry.changes {
                if let Change::Put(record) = change {
                    left.retain(|kind| *kind != record.key().kind());
                }
            }
        }
    }
    assert_eq!(left, []);
}

/// A world in which most of what the questions name exists, and random changes after.
pub fn world() -> impl Strategy<Value = Vec<Entry>> {
    history().prop_map(|mut entries| {
        let first = entries.first_mut().unwrap();
        let mut all: Vec<Change> = Vec::new();
        for (number, id) in USERS.iter().enumerate() {
            all.push(Change::Put(Record::User(User {
                id: account(id),
                name: Name::parse(&format!("user{number}")).unwrap(),
                disabled: false,
                service_account_of: (*id == "bot").then(|| account(ORGS[0])),
                display: Box::default(),
            })));
        }
        for (number, id) in ORGS.iter().enumerate() {
            all.push(Change::Put(Record::Org(Org {
                id: account(id),
                name: Name::parse(&format!("org{number}")).unwrap(),
                display: Box::default(),
            })));
        }
        all.append(&mut first.changes);
        first.changes = all;
        entries
    })
}

pub fn cursor(revision: u64) -> Cursor {
    if revision == 0 {
        return Cursor::start(LOG);
    }
    Cursor {
        log: LOG,
        revision: Revision(revision),
        fingerprint: Fingerprint([revision as u8; 16]),
    }
}

pub fn fold(entries: &[Entry]) -> State {
    let mut state = State::new(LOG);
    for entry in entries {
        state.apply(entry).unwrap();
    }
    state
}

/// The state of these records, and the model of it. An entry has a limit; so many make the world.
pub fn of_records(records: &[Record]) -> (State, Naive) {
    let (mut state, mut naive) = (State::new(LOG), Naive::default());
    for chunk in records.chunks(200) {
        let at = state.cursor();
        let entry = Entry {
            cursor: cursor(at.revision.0 + 1),
            predecessor: at.fingerprint,
            serial: Serial(0),
            time: UnixMillis(0),
            changes: chunk.iter().cloned().map(Change::Put).collect(),
        };
        state.apply(&entry).unwrap();
        for record in chunk {
            naive.put(record, None);
        }
    }
    (state, naive)
}

/// The model before the first entry and after each.
pub fn naive_folds(entries: &[Entry]) -> Vec<Naive> {
    let mut folds = vec![Naive::default()];
    for entry in entries {
        let mut next = folds.last().unwrap().clone();
        for change in &entry.changes {
            next.apply(change, entry.serial, None);
        }
        folds.push(next);
    }
    folds
}
