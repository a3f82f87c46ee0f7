//! Tests that the bytes of the first version are read for ever: every later version must read what was
//! written once, and a key must never get a second encoding.
//!
//! Entries may only be added to `tests/golden/state_v1.json`, never changed.

mod ends;
mod pieces;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Deserialize;

use super::{
    State,
    codec::{decode_changes, encode_changes, join, record_from_proto, record_to_proto, split},
    key::Key,
    record::{
        Amendment, Approval, Change, Departures, Floor, FloorTarget, GateGrant, GateMode,
        GrantState, Group, GroupMember, GroupRole, Kind, MAX_DEPARTURES, Member, OldName, Org,
        OrgPolicy, OrgRole, OrgTokenView, Record, RecordKey, Redirect, Repo, RepoKind, RetiredId,
        Settings, TokenPolicy, User, Visibility,
    },
};
use crate::{
    clock::UnixTime,
    id::{AccountId, GroupId, KeyId, LogId, Name, RepoId, Serial, TokenId},
    token::{EntityKind, Role, Scope, Scopes},
};
use prost::Message;

use ends::ends;

#[derive(Deserialize)]
struct Golden {
    /// Maps a record's name to the whole message, its key, and the value that stores keep under that key.
    records: BTreeMap<String, [String; 3]>,
    /// Maps a name to the bytes of an entry's changes.
    changes: BTreeMap<String, String>,
    /// Maps a name to an issuer-only key.
    private_keys: BTreeMap<String, String>,
}

const HEX_ID: &str = "65f0c0ffee0123456789abcd";

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn group(id: &str) -> GroupId {
    GroupId::parse(id).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn records() -> Vec<(&'static str, Record)> {
    let repo = Repo {
        id: RepoId::parse("r-1").unwrap(),
        kind: RepoKind::Model,
        owner: account("o-acme"),
        name: name("llama"),
        visibility: Visibility::Private,
        gate: GateMode::Manual,
        creator: Some(account("u-ada")),
        disabled: true,
        group: Some(group("g-1")),
        org_members_gated: true,
    };
    vec![
        (
            "user",
            Record::User(User {
                id: account(HEX_ID),
                name: name("ada"),
                disabled: false,
                service_account_of: None,
                display: [10, 3, b'A', b'd', b'a'].into(),
            }),
        ),
        (
            "service account, disabled",
            Record::User(User {
                id: account("svc"),
                name: name("ci-bot"),
                disabled: true,
                service_account_of: Some(account("o-acme")),
                display: Box::default(),
            }),
        ),
        (
            "org",
            Record::Org(Org {
                id: account("o-acme"),
                name: name("Acme"),
                display: Box::default(),
            }),
        ),
        (
            "member",
            Record::Member(Member {
                org: account("o-acme"),
                user: account(HEX_ID),
                role: OrgRole::Admin,
            }),
        ),
        ("repo", Record::Repo(repo.clone())),
        (
            "repo, plain",
            Record::Repo(Repo {
                id: RepoId::parse(HEX_ID).unwrap(),
                kind: RepoKind::Endpoint,
                owner: account(HEX_ID),
                visibility: Visibility::Public,
                gate: GateMode::None,
                creator: None,
                disabled: false,
                group: None,
                org_members_gated: false,
                ..repo
            }),
        ),
        (
            "gate grant",
            Record::GateGrant(GateGrant {
                repo: RepoId::parse(HEX_ID).unwrap(),
                user: account(HEX_ID),
                state: GrantState::Accepted,
            }),
        ),
        ("floor of the realm", floor(FloorTarget::Realm)),
        (
            "floor of an owner",
            floor(FloorTarget::Owner(account("u-ada"))),
        ),
        (
            "floor of an owner in an org",
            floor(FloorTarget::OwnerInOrg {
                owner: account("u-ada"),
                org: account("o-acme"),
            }),
        ),
        (
            "withdrawn key",
            Record::WithdrawnKey(KeyId::parse("2026-11").unwrap()),
        ),
    ]
}

/// These records were added with the second step.
fn amendments() -> Vec<(&'static str, Record)> {
    let amendment = |settings, expiries| {
        Record::Amendment(Amendment {
            token: TokenId(258),
            owner: account("u-ada"),
            settings,
            expiries,
        })
    };
    let scope = Scope {
        kind: EntityKind::Org,
        id: "o-acme".into(),
        permissions: vec!["repo.content.read".into(), "no.such".into()],
        patterns: vec!["prod-*".into()],
    };
    vec![
        (
            "amendment, fine-grained",
            amendment(
                Settings {
                    name: "laptop".into(),
                    role: Role::FineGrained,
                    scopes: Some(Scopes {
                        scoped: vec![scope],
                        global: vec!["discussion.write".into()],
                        can_read_gated_repos: true,
                    }),
                },
                vec![
                    (Serial(258), UnixTime(1_900_000_000)),
                    (Serial(300), UnixTime(1_900_000_001)),
                ],
            ),
        ),
        (
            "amendment of a classic token",
            amendment(
                Settings {
                    name: "ci".into(),
                    role: Role::Write,
                    scopes: None,
                },
                Vec::new(),
            ),
        ),
    ]
}

/// These records were added with the third step.
fn groups_and_orgs_views() -> Vec<(&'static str, Record)> {
    let view = |state| {
        Record::OrgTokenView(OrgTokenView {
            org: account("o-acme"),
            token: TokenId(258),
            owner: account("u-ada"),
            state,
            membership: 0,
        })
    };
    vec![
        (
            "group",
            Record::Group(Group {
                id: group(HEX_ID),
                org: account("o-acme"),
                name: name("Research"),
            }),
        ),
        (
            "group member",
            Record::GroupMember(GroupMember {
                group: group("g-1"),
                user: account(HEX_ID),
                role: GroupRole::Admin,
                membership: 0,
            }),
        ),
        (
            "org policy",
            Record::OrgPolicy(OrgPolicy {
                org: account("o-acme"),
                policy: TokenPolicy::AdminApproval,
                max_lifetime: Some(Duration::from_secs(90 * 24 * 3600)),
            }),
        ),
        (
            "org policy, lifetimes free",
            Record::OrgPolicy(OrgPolicy {
                org: account(HEX_ID),
                policy: TokenPolicy::FineGrainedOnly,
                max_lifetime: None,
            }),
        ),
        ("org's view of a token, pending", view(Approval::Pending)),
        ("org's view of a token, revoked", view(Approval::Revoked)),
    ]
}

/// These records were added with the fourth step.
fn redirects() -> Vec<(&'static str, Record)> {
    vec![
        (
            "redirect of an account",
            Record::Redirect(Redirect::Account {
                name: name("ada"),
                to: account(HEX_ID),
            }),
        ),
        (
            "redirect of a repo",
            Record::Redirect(Redirect::Repo {
                kind: RepoKind::Dataset,
                owner: account("o-acme"),
                name: name("cafe"),
                to: RepoId::parse("r-1").unwrap(),
            }),
        ),
    ]
}

/// These records were added with the floors of whole orgs.
fn org_floors() -> Vec<(&'static str, Record)> {
    let acme = FloorTarget::Org(account("o-acme"));
    vec![("floor of an org", floor(acme))]
}

fn floor(target: FloorTarget) -> Record {
    Record::Floor(Floor {
        target,
        serial: Serial((1 << 53) - 1),
    })
}

fn changes() -> Vec<(&'static str, Vec<Change>)> {
    let delete = |key| Change::Delete(key);
    vec![
        ("none", Vec::new()),
        (
            "revoke",
            vec![Change::Revoke(vec![
                Serial(1),
                Serial(300),
                Serial(1 << 40),
            ])],
        ),
        (
            "raise floors",
            vec![
                Change::RaiseFloor(FloorTarget::Realm),
                Change::RaiseFloor(FloorTarget::Owner(account("u-ada"))),
            ],
        ),
        (
            "raise the floor of an org",
            vec![Change::RaiseFloor(FloorTarget::Org(account("o-acme")))],
        ),
        (
            "put all",
            records().into_iter().map(|(_, r)| Change::Put(r)).collect(),
        ),
        (
            "delete all",
            vec![
                delete(RecordKey::User(account(HEX_ID))),
                delete(RecordKey::Org(account("o-acme"))),
                delete(RecordKey::Member {
                    org: account("o-acme"),
                    user: account(HEX_ID),
                }),
                delete(RecordKey::Repo(RepoId::parse("r-1").unwrap())),
                delete(RecordKey::GateGrant {
                    repo: RepoId::parse("r-1").unwrap(),
                    user: account("u-ada"),
                }),
            ],
        ),
        (
            "delete an amendment",
            vec![delete(RecordKey::Amendment(TokenId(258)))],
        ),
        (
            "delete groups and a policy",
            vec![
                delete(RecordKey::Group(group(HEX_ID))),
                delete(RecordKey::GroupMember {
                    group: group("g-1"),
                    user: account(HEX_ID),
                }),
                delete(RecordKey::OrgPolicy(account("o-acme"))),
            ],
        ),
        (
            "retire",
            vec![
                Change::Retire(RecordKey::User(account(HEX_ID))),
                Change::Retire(RecordKey::Org(account("o-acme"))),
                Change::Retire(RecordKey::Group(group("g-1"))),
                Change::Retire(RecordKey::Repo(RepoId::parse("r-1").unwrap())),
            ],
        ),
        (
            "delete redirects",
            vec![
                delete(RecordKey::Redirect(OldName::Account(name("ada")))),
                delete(RecordKey::Redirect(OldName::Repo {
                    kind: RepoKind::Dataset,
                    owner: account("o-acme"),
                    name: name("cafe"),
                })),
            ],
        ),
    ]
}

fn private_keys() -> Vec<(&'static str, Key)> {
    let owner = account("o-acme");
    vec![
        ("account name", Key::account_name("ada")),
        ("account name of hex digits", Key::account_name("cafe")),
        (
            "repo name",
            Key::repo_name(RepoKind::Model, &owner, "llama"),
        ),
        ("token name", Key::token_name(&owner, "my laptop")),
        ("token", Key::token(TokenId(258))),
        ("owner", Key::owner(&owner)),
    ]
}

fn golden() -> Golden {
    let text = include_str!("../../tests/golden/state_v1.json");
    serde_json::from_str(text).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

#[test]
fn records_of_the_first_version_are_read_and_written_alike() {
    let golden = golden();
    let all = || {
        let later = amendments().into_iter().chain(groups_and_orgs_views());
        let latest = [redirects(), ends(), org_floors()].concat();
        records().into_iter().chain(later).chain(latest)
    };
    assert_eq!(golden.records.len(), all().count());
    for (name, record) in all() {
        let [message, key, value] = golden.records.get(name).expect(name);
        let wire = tokenward_proto::internal::Record::decode(&*bytes(message)).unwrap();
        assert_eq!(record_from_proto(wire).as_ref(), Ok(&record), "{name}");
        assert_eq!(
            hex::encode(record_to_proto(&record).encode_to_vec()),
            *message,
            "{name}"
        );
        let (split_key, split_value) = split(&record);
        assert_eq!(hex::encode(&split_key.bytes), *key, "{name}");
        assert_eq!(hex::encode(&split_value), *value, "{name}");
        assert_eq!(join(&split_key, &bytes(value)), Ok(record), "{name}");
    }
}

/// What is stored has bytes that a later version is held to.
#[test]
fn each_kind_has_golden_bytes() {
    let all = [
        records(),
        amendments(),
        groups_and_orgs_views(),
        redirects(),
        ends(),
        org_floors(),
    ];
    let have = all.concat().into_iter().map(|(_, it)| it.key().kind());
    let wanted = Kind::PUBLIC
        .into_iter()
        .filter(|kind| *kind != Kind::HistoryOpened);
    assert_eq!(have.collect::<BTreeSet<_>>(), wanted.collect());
}

#[test]
fn changes_of_the_first_version_are_read_and_written_alike() {
    let golden = golden();
    assert_eq!(golden.changes.len(), changes().len());
    for (name, changes) in changes() {
        let stored = golden.changes.get(name).expect(name);
        assert_eq!(
            decode_changes(&bytes(stored)).as_ref(),
            Ok(&changes),
            "{name}"
        );
        assert_eq!(hex::encode(encode_changes(&changes)), *stored, "{name}");
    }
}

/// Stores compare the last byte, so that a revoked decision is never replaced.
#[test]
fn a_views_last_byte_tells_whether_it_is_revoked() {
    let revoked = Approval::Revoked.number();
    let mut seen = 0;
    for (name, record) in groups_and_orgs_views().into_iter().chain(ends()) {
        let Record::OrgTokenView(view) = record else {
            continue;
        };
        for membership in [view.membership, 4, 0x0400, MAX_DEPARTURES] {
            let view = Record::OrgTokenView(OrgTokenView {
                membership,
                ..view.clone()
            });
            let last = split(&view).1.last().copied().map(u32::from);
            let Record::OrgTokenView(view) = view else {
                continue;
            };
            let is_revoked = view.state == Approval::Revoked;
            assert_eq!(last == Some(revoked), is_revoked, "{name} {membership}");
            seen += 1;
        }
    }
    assert_eq!(seen, 16);
}

#[test]
fn private_keys_of_the_first_version_stand() {
    let golden = golden();
    for (name, key) in private_keys() {
        assert_eq!(
            Some(&hex::encode(key.bytes)),
            golden.private_keys.get(name),
            "{name}"
        );
    }
}

/// A record that is never undone outlives a view that is built anew. A kind that says so and is forgotten there
/// would give back what was taken.
#[test]
fn a_rebuilt_view_keeps_each_kind_that_is_kept() {
    let named = [records(), groups_and_orgs_views(), ends(), org_floors()].concat();
    let mut all: Vec<Record> = named.into_iter().map(|(_, record)| record).collect();
    let revoked = all.iter().find_map(|record| match record {
        // Of an org's decisions only this one is final.
        Record::OrgTokenView(view) => Some(OrgTokenView {
            state: Approval::Revoked,
            ..view.clone()
        }),
        _ => None,
    });
    all.extend(revoked.map(Record::OrgTokenView));
    let mut kept = BTreeSet::new();
    for record in all {
        let (mut old, mut new) = (State::new(LogId([1; 16])), State::new(LogId([2; 16])));
        old.load(record.clone()).unwrap();
        new.keep_monotone_of(&old).unwrap();
        if new.records().any(|it| it == record) {
            kept.insert(record.key().kind());
        }
    }
    let wanted = Kind::PUBLIC.into_iter().filter(|kind| kind.is_kept());
    assert_eq!(kept, wanted.collect());
}
