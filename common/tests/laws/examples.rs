//! The hub's rules as rows with their answers written out: neither the library's code nor the naive
//! model's has a say in what is expected here.

use tokenward_common::{
    access::{
        Ceiling, Permission, Principal,
        Refusal::{self, *},
        Target, TokenFacts, evaluate,
    },
    id::{GroupId, Name, RepoId, Serial, TokenId},
    state::{
        Entry, State,
        record::{
            Change, GateGrant, GateMode, GrantState, Group, GroupMember, GroupRole, Member, Org,
            OrgRole, Record, RecordKey, Repo, RepoKind, User, Visibility,
        },
    },
    token::{EntityKind, Role},
};

use crate::history::{LOG, account, cursor};

const READ: Permission = Permission::RepoContentRead;
const WRITE: Permission = Permission::RepoWrite;

struct Hub(State);

impl Hub {
    /// Ada, a member of the org Acme, and Bob, a stranger to it.
    fn new() -> Self {
        let mut hub = Self(State::new(LOG));
        for (id, name) in [("ada", "Ada"), ("bob", "Bob")] {
            hub.put(Record::User(User {
                id: account(id),
                name: Name::parse(name).unwrap(),
                disabled: false,
                service_account_of: None,
                display: Box::default(),
            }));
        }
        hub.put(Record::Org(Org {
            id: account("acme"),
            name: Name::parse("Acme").unwrap(),
            display: Box::default(),
        }));
        hub
    }

    fn put(&mut self, record: Record) {
        self.change(Change::Put(record));
    }

    fn change(&mut self, change: Change) {
        let at = self.0.cursor();
        let entry = Entry {
            cursor: cursor(at.revision.0 + 1),
            predecessor: at.fingerprint,
            serial: Serial(0),
            time: Default::default(),
            changes: vec![change],
        };
        self.0.apply(&entry).unwrap();
    }

    fn member(&mut self, role: OrgRole) {
        self.put(Record::Member(Member {
            org: account("acme"),
            user: account("ada"),
            role,
        }));
    }

    fn grant(&mut self, user: &str, state: GrantState) {
        self.put(Record::GateGrant(GateGrant {
            repo: RepoId::parse("llm").unwrap(),
            user: account(user),
            state,
        }));
    }

    fn ask(&self, user: &str, ceiling: &Ceiling, permission: Permission) -> Result<(), Refusal> {
        let target = Target::Repo(self.0.repo_by_id("llm").ok_or(NotFound)?);
        let owner = self.0.account_by_id(user).unwrap();
        let principal = Principal::Token {
            owner,
            ceiling,
            token: TOKEN,
        };
        evaluate(&self.0, &principal, target, permission)
    }
}

const TOKEN: TokenFacts = TokenFacts {
    id: TokenId(1),
    serial: Serial(1),
};

/// The model `llm` of Acme.
fn model(visibility: Visibility, gate: GateMode) -> Repo {
    Repo {
        id: RepoId::parse("llm").unwrap(),
        kind: RepoKind::Model,
        owner: account("acme"),
        name: Name::parse("llm").unwrap(),
        visibility,
        gate,
        creator: Some(account("bob")),
        disabled: false,
        group: None,
        org_members_gated: false,
    }
}

fn scoped(scopes: &[(EntityKind, &str, &[&str])]) -> Ceiling {
    let mut builder = Ceiling::builder(Role::FineGrained);
    for (kind, id, permissions) in scopes {
        builder = builder.scope(*kind, id, permissions.iter().copied());
    }
    builder.build()
}

#[test]
fn org_roles_by_token_roles() {
    let mut hub = Hub::new();
    let read = Ceiling::from_role(Role::Read);
    let write = Ceiling::from_role(Role::Write);
    let fine = scoped(&[(EntityKind::Org, "acme", &["repo.write"])]);
    hub.put(Record::Repo(model(Visibility::Private, GateMode::None)));
    assert_eq!(hub.ask("ada", &write, READ), Err(NotFound));
    for (role, reads, read_writes, writes) in [
        (
            OrgRole::NoAccess,
            Err(NotFound),
            Err(NotFound),
            Err(NotFound),
        ),
        (OrgRole::Read, Ok(()), Err(OwnerRole), Err(OwnerRole)),
        (OrgRole::Contributor, Ok(()), Err(OwnerRole), Err(OwnerRole)),
        (OrgRole::Write, Ok(()), Err(TokenRole), Ok(())),
        (OrgRole::Admin, Ok(()), Err(TokenRole), Ok(())),
    ] {
        hub.member(role);
        assert_eq!(hub.ask("ada", &read, READ), reads, "{role:?}");
        assert_eq!(hub.ask("ada", &read, WRITE), read_writes, "{role:?}");
        for token in [&write, &fine] {
            assert_eq!(hub.ask("ada", token, READ), reads, "{role:?}");
            assert_eq!(hub.ask("ada", token, WRITE), writes, "{role:?}");
        }
    }
    hub.member(OrgRole::Contributor);
    let mut own = model(Visibility::Private, GateMode::None);
    own.creator = Some(account("ada"));
    hub.put(Record::Repo(own));
    assert_eq!(hub.ask("ada", &write, WRITE), Ok(()));
    // Who leaves has nothing, creator or not.
    hub.change(Change::Delete(RecordKey::Member {
        org: account("acme"),
        user: account("ada"),
    }));
    assert_eq!(hub.ask("ada", &write, WRITE), Err(NotFound));
}

#[test]
fn a_repo_scope_replaces_its_owners_both_ways() {
    let mut hub = Hub::new();
    hub.member(OrgRole::Admin);
    hub.put(Record::Repo(model(Visibility::Private, GateMode::None)));
    let org: &[&str] = &["repo.write"];
    for (scopes, reads, writes) in [
        (scoped(&[]), Err(NotFound), Err(NotFound)),
        (scoped(&[(EntityKind::Org, "acme", org)]), Ok(()), Ok(())),
        (
            scoped(&[
                (EntityKind::Org, "acme", org),
                (EntityKind::Model, "llm", &["repo.content.read"]),
            ]),
            Ok(()),
            Err(TokenScope),
        ),
        (
            scoped(&[
                (EntityKind::Org, "acme", &["repo.content.read"]),
                (EntityKind::Model, "llm", &["repo.write"]),
            ]),
            Ok(()),
            Ok(()),
        ),
        (
            scoped(&[
                (EntityKind::Org, "acme", org),
                (EntityKind::Model, "llm", &["repo.unheard.of"]),
            ]),
            Err(NotFound),
            Err(NotFound),
        ),
        (
            scoped(&[(EntityKind::Dataset, "llm", org)]),
            Err(NotFound),
            Err(NotFound),
        ),
        (
            scoped(&[(EntityKind::User, "acme", org)]),
            Err(NotFound),
            Err(NotFound),
        ),
    ] {
        assert_eq!(hub.ask("ada", &scopes, READ), reads, "{scopes:?}");
        assert_eq!(hub.ask("ada", &scopes, WRITE), writes, "{scopes:?}");
    }
}

#[test]
fn gates() {
    let mut hub = Hub::new();
    hub.put(Record::Repo(model(Visibility::Public, GateMode::Manual)));
    let read = Ceiling::from_role(Role::Read);
    let unscoped = scoped(&[]);
    let flagged = Ceiling::builder(Role::FineGrained)
        .can_read_gated_repos(true)
        .build();
    assert_eq!(hub.ask("ada", &read, READ), Err(GateNotRequested));
    for (state, answer) in [
        (GrantState::Pending, Err(GatePending)),
        (GrantState::Rejected, Err(GateRejected)),
        (GrantState::Accepted, Ok(())),
    ] {
        hub.grant("ada", state);
        assert_eq!(hub.ask("ada", &read, READ), answer);
        assert_eq!(hub.ask("ada", &flagged, READ), answer);
        assert_eq!(hub.ask("ada", &unscoped, READ), Err(TokenGatedFlag));
    }
    let repo = scoped(&[(EntityKind::Model, "llm", &["repo.content.read"])]);
    assert_eq!(hub.ask("ada", &repo, READ), Ok(()));

    // A member passes without a grant, unless members are gated too.
    hub.grant("ada", GrantState::Rejected);
    hub.member(OrgRole::Write);
    assert_eq!(hub.ask("ada", &read, READ), Ok(()));
    let mut strict = model(Visibility::Public, GateMode::Manual);
    strict.org_members_gated = true;
    hub.put(Record::Repo(strict));
    assert_eq!(hub.ask("ada", &read, READ), Err(GateRejected));
    hub.member(OrgRole::Admin);
    assert_eq!(hub.ask("ada", &read, READ), Ok(()));
    // The creator too, but not one who isn't a member.
    assert_eq!(hub.ask("bob", &read, READ), Err(GateNotRequested));
}

#[test]
fn a_rename_keeps_access_and_a_new_thing_of_the_name_gets_none() {
    let mut hub = Hub::new();
    hub.member(OrgRole::Admin);
    let token = scoped(&[(EntityKind::Model, "llm", &["repo.write"])]);
    let mut repo = model(Visibility::Private, GateMode::None);
    repo.name = Name::parse("Renamed").unwrap();
    hub.put(Record::Repo(repo.clone()));
    let named = |hub: &Hub| hub.0.repo_by_name(RepoKind::Model, "ACME", "renamed");
    assert_eq!(named(&hub), hub.0.repo_by_id("llm"));
    assert_eq!(hub.ask("ada", &token, WRITE), Ok(()));

    hub.change(Change::Delete(RecordKey::Repo(repo.id.clone())));
    assert_eq!(named(&hub), None);
    repo.id = RepoId::parse("another").unwrap();
    hub.put(Record::Repo(repo));
    let owner = hub.0.account_by_id("ada").unwrap();
    let principal = Principal::Token {
        owner,
        ceiling: &token,
        token: TOKEN,
    };
    let target = Target::Repo(named(&hub).unwrap());
    assert_eq!(evaluate(&hub.0, &principal, target, READ), Err(NotFound));
}

#[test]
fn anonymous() {
    let mut hub = Hub::new();
    for (visibility, gate, reads, writes) in [
        (
            Visibility::Public,
            GateMode::None,
            Ok(()),
            Err(LoginRequired),
        ),
        (
            Visibility::Public,
            GateMode::Auto,
            Err(LoginRequired),
            Err(LoginRequired),
        ),
        (
            Visibility::Private,
            GateMode::None,
            Err(NotFound),
            Err(NotFound),
        ),
        (
            Visibility::Protected,
            GateMode::None,
            Err(NotFound),
            Err(NotFound),
        ),
    ] {
        hub.put(Record::Repo(model(visibility, gate)));
        let target = Target::Repo(hub.0.repo_by_id("llm").unwrap());
        let ask = |permission| evaluate(&hub.0, &Principal::Anonymous, target, permission);
        assert_eq!(ask(READ), reads, "{visibility:?} {gate:?}");
        assert_eq!(ask(WRITE), writes, "{visibility:?} {gate:?}");
    }
}

/// In a group the group's role counts, whatever the org's; its admins pass a gate that its other
/// members don't.
#[test]
fn resource_groups() {
    let mut hub = Hub::new();
    let group = GroupId::parse("team").unwrap();
    hub.put(Record::Group(Group {
        id: group.clone(),
        org: account("acme"),
        name: Name::parse("team").unwrap(),
    }));
    let within = |visibility, gate, gated| Repo {
        group: Some(group.clone()),
        org_members_gated: gated,
        ..model(visibility, gate)
    };
    let token = Ceiling::from_role(Role::Write);
    for org_role in [OrgRole::NoAccess, OrgRole::Read, OrgRole::Write] {
        hub.member(org_role);
        hub.change(Change::Delete(RecordKey::GroupMember {
            group: group.clone(),
            user: account("ada"),
        }));
        hub.put(Record::Repo(within(
            Visibility::Private,
            GateMode::None,
            false,
        )));
        assert_eq!(hub.ask("ada", &token, READ), Err(NotFound), "{org_role:?}");
        for (role, writes, passes) in [
            (GroupRole::Read, false, false),
            (GroupRole::Contributor, false, false),
            (GroupRole::Write, true, false),
            (GroupRole::Admin, true, true),
        ] {
            hub.put(Record::GroupMember(GroupMember {
                group: group.clone(),
                user: account("ada"),
                role,
                membership: 0,
            }));
            hub.put(Record::Repo(within(
                Visibility::Private,
                GateMode::None,
                false,
            )));
            assert_eq!(hub.ask("ada", &token, READ), Ok(()), "{role:?}");
            let write = if writes { Ok(()) } else { Err(OwnerRole) };
            assert_eq!(hub.ask("ada", &token, WRITE), write, "{role:?}");
            hub.put(Record::Repo(within(
                Visibility::Private,
                GateMode::Manual,
                true,
            )));
            let read = if passes {
                Ok(())
            } else {
                Err(GateNotRequested)
            };
            assert_eq!(hub.ask("ada", &token, READ), read, "{role:?}");
        }
    }
    // The org's admins need no role in it; and who leaves the org has none.
    hub.member(OrgRole::Admin);
    assert_eq!(hub.ask("ada", &token, WRITE), Ok(()));
    hub.change(Change::Delete(RecordKey::Member {
        org: account("acme"),
        user: account("ada"),
    }));
    assert_eq!(hub.ask("ada", &token, READ), Err(NotFound));
}
