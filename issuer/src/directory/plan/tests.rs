//! Tests records that depend on each other: groups, their members, and the repos in them.

mod takeaway;

use tokenward_common::{
    id::{GroupId, LogId},
    state::{
        Entry,
        record::{Departures, MAX_DEPARTURES, Record},
    },
};
use tokenward_proto::v1::{self as pb, operation::Operation as Op};

use super::*;
use crate::directory::Directory;

pub(in crate::directory) fn operations(all: Vec<Op>) -> Vec<Operation> {
    let all = all.into_iter().map(|it| pb::Operation {
        operation: Some(it),
        ..pb::Operation::default()
    });
    Directory::parse(all.collect()).unwrap()
}

/// Applies the changes as the next entry.
pub(in crate::directory) fn applied(state: &mut State, changes: Vec<Change>) {
    let at = state.cursor();
    let mut cursor = at;
    cursor.revision.0 += 1;
    let entry = Entry {
        cursor,
        predecessor: at.fingerprint,
        serial: Default::default(),
        time: Default::default(),
        changes,
    };
    state.apply(&entry).unwrap();
}

/// A hub whose state shows what was written.
pub(super) struct Hub {
    pub(super) state: State,
    pub(super) earlier: Earlier,
}

impl Hub {
    /// Makes two orgs; ada is a member of acme without access, and bob is no member of any org.
    pub(super) fn new() -> Self {
        let mut hub = Self {
            state: State::new(LogId([1; 16])),
            earlier: Earlier::default(),
        };
        hub.write(vec![org("o1", "acme"), org("o2", "initech"), user("ada")]);
        hub.write(vec![user("bob"), member("o1", "ada"), group("g1", "o1")]);
        hub
    }

    pub(super) fn plan(&mut self, all: Vec<Op>) -> Result<Writes, String> {
        match plan(&self.state, &mut self.earlier, &operations(all)) {
            Ok(plan) => Ok(plan),
            Err(NoPlan::Problem(problem)) => Err(problem.to_string()),
            Err(NoPlan::Behind) => Err("behind".into()),
        }
    }

    pub(super) fn refused(&mut self, operation: Op) -> String {
        self.plan(vec![operation]).unwrap_err()
    }

    /// Plans the operations and applies the plan.
    pub(super) fn write(&mut self, all: Vec<Op>) {
        let changes = self.plan(all).unwrap().changes;
        applied(&mut self.state, changes);
        self.earlier = Earlier::default();
    }
}

pub(super) fn org(id: &str, name: &str) -> Op {
    Op::PutOrg(pb::Org {
        id: id.into(),
        name: name.into(),
        display: None,
    })
}

pub(super) fn user(id: &str) -> Op {
    Op::PutUser(pb::User {
        id: id.into(),
        name: id.into(),
        ..Default::default()
    })
}

pub(super) fn member(org: &str, user: &str) -> Op {
    Op::PutMember(pb::Member {
        org_id: org.into(),
        user_id: user.into(),
        role: pb::OrgRole::NoAccess.into(),
    })
}

pub(super) fn group(id: &str, org: &str) -> Op {
    Op::PutGroup(pb::Group {
        id: id.into(),
        org_id: org.into(),
        name: "Research".into(),
    })
}

pub(super) fn group_member(group: &str, user: &str) -> Op {
    Op::PutGroupMember(pb::GroupMember {
        group_id: group.into(),
        user_id: user.into(),
        role: pb::GroupRole::Write.into(),
    })
}

fn policy(org: &str) -> Op {
    Op::PutOrgPolicy(pb::OrgPolicy {
        org_id: org.into(),
        policy: pb::TokenPolicy::AdminApproval.into(),
        max_token_lifetime: None,
    })
}

fn repo(owner: &str, group: &str) -> Op {
    Op::PutRepo(pb::Repo {
        id: "m1".into(),
        kind: pb::RepoKind::Model.into(),
        owner_id: owner.into(),
        name: "llama".into(),
        visibility: pb::Visibility::Private.into(),
        gate: pb::GateMode::None.into(),
        group_id: group.into(),
        ..Default::default()
    })
}

#[test]
fn a_group_is_of_an_org_for_good() {
    let mut hub = Hub::new();
    for owner in ["nobody", "ada"] {
        let refused = hub.refused(group("g2", owner));
        let expected = "operations[0].put_group.org_id: there is no such org";
        assert_eq!(refused, expected);
        let refused = hub.refused(policy(owner));
        let expected = "operations[0].put_org_policy.org_id: there is no such org";
        assert_eq!(refused, expected);
    }
    let refused = hub.refused(group("g1", "o2"));
    let expected = "operations[0].put_group.id: is another org's";
    assert!(refused.starts_with(expected), "{refused}");
    hub.write(vec![group("g1", "o1"), policy("o1")]);
}

#[test]
fn only_members_of_the_org_come_into_its_groups() {
    let mut hub = Hub::new();
    let at = "operations[0].put_group_member";
    let no_group = format!("{at}.group_id: there is no such group");
    assert_eq!(hub.refused(group_member("g9", "ada")), no_group);
    let no_user = format!("{at}.user_id: there is no such user");
    assert_eq!(hub.refused(group_member("g1", "o1")), no_user);
    let stranger = hub.refused(group_member("g1", "bob"));
    let expected = format!("{at}.user_id: is no member");
    assert!(stranger.starts_with(&expected), "{stranger}");
    // Without access in the org ada may still be in a group; that is the way to give some repos only.
    hub.write(vec![group_member("g1", "ada")]);
    // The membership may come from the batch itself, or from a batch in flight.
    let both = vec![member("o1", "bob"), group_member("g1", "bob")];
    hub.plan(both).unwrap();
    hub.plan(vec![group_member("g1", "bob")]).unwrap();
    let leaves = Op::DeleteMember(pb::MemberKey {
        org_id: "o1".into(),
        user_id: "bob".into(),
    });
    hub.plan(vec![leaves]).unwrap();
    hub.refused(group_member("g1", "bob"));
    hub.write(vec![Op::DeleteGroup("g1".into())]);
    assert_eq!(hub.refused(group_member("g1", "ada")), no_group);
}

#[test]
fn a_repo_lies_in_a_group_of_its_owner() {
    let mut hub = Hub::new();
    let at = "operations[0].put_repo.group_id";
    let missing = format!("{at}: there is no such group");
    assert_eq!(hub.refused(repo("o1", "g9")), missing);
    for owner in ["o2", "ada"] {
        let refused = hub.refused(repo(owner, "g1"));
        let expected = format!("{at}: is a group of another");
        assert!(refused.starts_with(&expected), "{refused}");
    }
    hub.write(vec![repo("o1", "g1")]);
    // After the group's deletion the repo stays in it, and closed, until it is put without a group.
    hub.write(vec![Op::DeleteGroup("g1".into())]);
    let left = hub.state.group_of(hub.state.repo_by_id("m1").unwrap());
    assert!(left.is_some_and(|group| hub.state.group(group).is_none()));
    hub.write(vec![repo("o1", "g1")]);
    assert_eq!(hub.refused(repo("o2", "g1")), missing);
    hub.write(vec![repo("o1", "")]);
    assert_eq!(hub.refused(repo("o1", "g1")), missing);
}

/// ada leaves o1.
fn leaves() -> Op {
    Op::DeleteMember(pb::MemberKey {
        org_id: "o1".into(),
        user_id: "ada".into(),
    })
}

/// The store is expected not to hold what another issuer may be writing at this moment.
#[test]
fn a_put_expects_what_it_read() {
    let mut hub = Hub::new();
    hub.write(vec![group_member("g1", "ada")]);
    let departures = Key::from_record_key(&RecordKey::Departures {
        org: AccountId::parse("o1").unwrap(),
        user: AccountId::parse("ada").unwrap(),
    });
    let group_key = |id| Key::from_record_key(&RecordKey::Group(GroupId::parse(id).unwrap()));
    let retired = |id| Key::retired(RetiredId::Group(GroupId::parse(id).unwrap()));
    for (operation, absent, there) in [
        (group("g1", "o1"), vec![], vec![group_key("g1")]),
        (
            group("g2", "o1"),
            vec![group_key("g2"), retired("g2")],
            vec![],
        ),
        (repo("o1", "g1"), vec![], vec![group_key("g1")]),
        (group_member("g1", "ada"), vec![departures.clone()], vec![]),
        (leaves(), vec![departures.clone()], vec![]),
    ] {
        let text = format!("{operation:?}");
        let plan = hub.plan(vec![operation]).unwrap();
        hub.earlier = Earlier::default();
        for key in absent {
            let expect = Expect::Absent(key);
            assert!(plan.expect.contains(&expect), "{text}: {expect:?}");
        }
        for key in there {
            let since = hub.state.cursor().revision;
            let expect = Expect::Unchanged { key, since };
            assert!(plan.expect.contains(&expect), "{text}: {expect:?}");
        }
    }
    // A user who left and came back counts as never having been in the group.
    hub.write(vec![leaves()]);
    hub.write(vec![member("o1", "ada")]);
    let role = |hub: &Hub| {
        let state = &hub.state;
        state.group_role(state.group_by_id("g1")?, state.account_by_id("ada")?)
    };
    assert_eq!(role(&hub), None);
    hub.write(vec![group_member("g1", "ada")]);
    assert!(role(&hub).is_some());
    // The same holds if it all happens in one batch.
    hub.write(vec![leaves(), member("o1", "ada")]);
    assert_eq!(role(&hub), None);
    let again = vec![leaves(), member("o1", "ada"), group_member("g1", "ada")];
    hub.write(again);
    assert!(role(&hub).is_some());
}

/// A put that arrives after its deletion finds the id retired, for every kind.
#[test]
fn a_deletion_of_what_is_not_there_yet_is_for_ever() {
    let all = || {
        [
            (Op::DeleteUser("new".into()), user("new"), "put_user"),
            (Op::DeleteOrg("new".into()), user("new"), "put_user"),
            (Op::DeleteOrg("new".into()), org("new", "new"), "put_org"),
            (Op::DeleteUser("new".into()), org("new", "new"), "put_org"),
            (
                Op::DeleteGroup("new".into()),
                group("new", "o1"),
                "put_group",
            ),
            (Op::DeleteRepo("m1".into()), repo("o1", "g1"), "put_repo"),
        ]
    };
    let refused = |put: &str, at: usize| {
        let rule = "was deleted, and an id is never used again: make a new one";
        format!("operations[{at}].{put}.id: {rule}")
    };
    for (delete, put, name) in all() {
        let mut hub = Hub::new();
        hub.write(vec![delete.clone()]);
        assert_eq!(hub.refused(put.clone()), refused(name, 0));
        // A repeated deletion is no error, and writes nothing.
        let again = hub.plan(vec![delete.clone(), delete.clone()]).unwrap();
        assert!(again.changes.is_empty(), "{:?}", again.changes);
        // The id is retired within one batch, and by a batch that is still in flight.
        let mut hub = Hub::new();
        let both = hub.plan(vec![delete.clone(), put.clone()]).unwrap_err();
        assert_eq!(both, refused(name, 1));
        let mut hub = Hub::new();
        hub.plan(vec![delete]).unwrap();
        assert_eq!(hub.refused(put), "behind");
    }
    // Of two issuers, the second to write detects the other's commit.
    let mut hub = Hub::new();
    let delete = hub.plan(vec![Op::DeleteUser("new".into())]).unwrap();
    let account = AccountId::parse("new").unwrap();
    for key in [
        Key::from_record_key(&RecordKey::User(account.clone())),
        Key::from_record_key(&RecordKey::Org(account.clone())),
        Key::retired(RetiredId::Account(account)),
    ] {
        assert!(delete.expect.contains(&Expect::Absent(key)));
    }
}

/// The words of the doors' tables are refused for new names of users, service accounts, orgs and repos.
#[test]
fn no_new_name_is_a_word_of_the_paths() {
    let rule = "is a word of the hub's paths, where nobody could reach it by this name";
    let named = |kind: pb::RepoKind, id: &str, name: &str| {
        Op::PutRepo(pb::Repo {
            id: id.into(),
            kind: kind.into(),
            owner_id: "o1".into(),
            name: name.into(),
            visibility: pb::Visibility::Private.into(),
            gate: pb::GateMode::None.into(),
            ..Default::default()
        })
    };
    let service = Op::PutUser(pb::User {
        id: "s1".into(),
        name: "Hardware".into(),
        service_account_of: "o1".into(),
        ..Default::default()
    });
    let (model, dataset, bucket) = (
        pb::RepoKind::Model,
        pb::RepoKind::Dataset,
        pb::RepoKind::Bucket,
    );
    let mut hub = Hub::new();
    for (operation, field) in [
        (user("api"), "put_user"),
        (service, "put_user"),
        (org("o3", "Datasets"), "put_org"),
        // This is a rename.
        (org("o1", "v1"), "put_org"),
        (named(model, "m2", "tree"), "put_repo"),
        (named(model, "m2", "Resolve"), "put_repo"),
        (named(dataset, "m2", "x.git"), "put_repo"),
    ] {
        let expected = format!("operations[0].{field}.name: {rule}");
        assert_eq!(hub.refused(operation), expected);
    }
    // A word is refused only where a path uses it.
    hub.write(vec![org("o3", "tree"), user("logs")]);
    hub.write(vec![named(model, "m2", "api"), named(bucket, "m3", "logs")]);
    // This name dates from before such words were refused.
    let old = tokenward_common::state::record::User {
        id: AccountId::parse("u9").unwrap(),
        name: Name::parse("papers").unwrap(),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    };
    applied(&mut hub.state, vec![Change::Put(Record::User(old))]);
    let renamed = |name: &str, disabled| {
        Op::PutUser(pb::User {
            id: "u9".into(),
            name: name.into(),
            disabled,
            ..Default::default()
        })
    };
    hub.write(vec![renamed("papers", true)]);
    hub.write(vec![renamed("Papers", false)]);
    hub.write(vec![renamed("pat", false)]);
    assert!(hub.refused(renamed("papers", false)).ends_with(rule));
}

/// A count that can't grow any more would not tell the next membership from the last: what belonged to that
/// would come back with it.
#[test]
fn who_left_as_often_as_can_be_counted_does_not_come_back() {
    let mut hub = Hub::new();
    let ended = |count| {
        Record::Departures(Departures {
            org: AccountId::parse("o1").unwrap(),
            user: AccountId::parse("ada").unwrap(),
            count,
        })
    };
    hub.state.load(ended(MAX_DEPARTURES - 1)).unwrap();
    // Who is a member stays one, and may leave once more.
    hub.write(vec![member("o1", "ada"), group_member("g1", "ada")]);
    hub.write(vec![leaves()]);
    let refused = hub.refused(member("o1", "ada"));
    assert!(refused.contains("user_id"), "{refused}");
    assert!(refused.contains("as often as can be counted"), "{refused}");
    let refused = hub.plan(vec![user("ada"), member("o1", "ada")]);
    assert!(refused.is_err_and(|rule| rule.contains("as often as can be counted")));
}
