//! Tests which fields a masked put changes, and which it leaves.

use tokenward_common::{
    id::LogId,
    state::{
        public::{FED, record_to_put},
        record::{TokenPolicy, Visibility},
    },
};
use tokenward_proto::v1 as pb;

use super::*;
use crate::directory::{
    Directory, class,
    drafts::Earlier,
    plan::{plan, tests::applied},
};
use tokenward_common::store::CommitClass;

fn ada() -> pb::User {
    pb::User {
        id: "u1".into(),
        name: "ada".into(),
        display: Some(pb::UserDisplay {
            full_name: "Ada Lovelace".into(),
            email: "ada@example.org".into(),
            ..pb::UserDisplay::default()
        }),
        ..pb::User::default()
    }
}

fn acme() -> pb::Org {
    pb::Org {
        id: "o1".into(),
        name: "acme".into(),
        display: Some(pb::OrgDisplay {
            plan: "team".into(),
            ..pb::OrgDisplay::default()
        }),
    }
}

fn llama() -> pb::Repo {
    pb::Repo {
        id: "m1".into(),
        kind: pb::RepoKind::Model.into(),
        owner_id: "o1".into(),
        name: "llama".into(),
        visibility: pb::Visibility::Public.into(),
        gate: pb::GateMode::Manual.into(),
        creator_id: "u1".into(),
        org_members_gated: true,
        ..pb::Repo::default()
    }
}

fn policy() -> pb::OrgPolicy {
    pb::OrgPolicy {
        org_id: "o1".into(),
        policy: pb::TokenPolicy::Allow.into(),
        max_token_lifetime: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
    }
}

fn hub() -> State {
    let mut state = State::new(LogId([1; 16]));
    let all = [
        Put::PutUser(ada()),
        Put::PutOrg(acme()),
        Put::PutRepo(llama()),
        Put::PutOrgPolicy(policy()),
    ];
    write(&mut state, all.into_iter().map(|it| (it, vec![])).collect()).unwrap();
    state
}

fn parse(all: Vec<(Put, Vec<&str>)>) -> Result<Vec<Operation>, Problem> {
    let all = all.into_iter().map(|(put, paths)| pb::Operation {
        operation: Some(put),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.into_iter().map(str::to_owned).collect(),
        }),
    });
    Directory::parse(all.collect())
}

fn write(state: &mut State, all: Vec<(Put, Vec<&str>)>) -> Result<(), String> {
    let operations = parse(all).map_err(|problem| problem.to_string())?;
    let whole = whole(state, &operations).map_err(|problem| problem.to_string())?;
    let plan = plan(state, &mut Earlier::default(), &whole.operations);
    let plan = plan.map_err(|refusal| format!("{refusal:?}"))?;
    applied(state, plan.changes);
    Ok(())
}

fn shown(state: &State, key: RecordKey) -> Put {
    let record = state.record(&key).unwrap();
    record_to_put(record).unwrap().operation.unwrap()
}

#[test]
fn what_the_mask_does_not_name_stays() {
    let mut state = hub();
    // The rename has no `display`, which an unmasked put would erase.
    let renamed = pb::User {
        id: "u1".into(),
        name: "countess".into(),
        ..pb::User::default()
    };
    write(&mut state, vec![(Put::PutUser(renamed), vec!["name"])]).unwrap();
    let key = wire::key(0, &Message::User(ada())).unwrap();
    let want = pb::User {
        name: "countess".into(),
        ..ada()
    };
    assert_eq!(shown(&state, key.clone()), Put::PutUser(want));
    // A mask may name one text of several, and the id.
    let mailed = pb::User {
        id: "u1".into(),
        display: Some(pb::UserDisplay {
            email: "countess@example.org".into(),
            ..pb::UserDisplay::default()
        }),
        ..pb::User::default()
    };
    let mask = vec!["id", "display.email"];
    write(&mut state, vec![(Put::PutUser(mailed), mask)]).unwrap();
    let Put::PutUser(user) = shown(&state, key) else {
        panic!("a user")
    };
    let display = user.display.unwrap();
    assert_eq!(display.full_name, "Ada Lovelace");
    assert_eq!(display.email, "countess@example.org");

    let org = pb::Org {
        id: "o1".into(),
        name: "initech".into(),
        ..pb::Org::default()
    };
    let closed = pb::Repo {
        id: "m1".into(),
        visibility: pb::Visibility::Private.into(),
        ..pb::Repo::default()
    };
    let strict = pb::OrgPolicy {
        org_id: "o1".into(),
        policy: pb::TokenPolicy::FineGrainedOnly.into(),
        ..pb::OrgPolicy::default()
    };
    let all = vec![
        (Put::PutOrg(org), vec!["name"]),
        (Put::PutRepo(closed), vec!["visibility"]),
        (Put::PutOrgPolicy(strict), vec!["policy"]),
    ];
    write(&mut state, all).unwrap();
    let org = shown(&state, wire::key(0, &Message::Org(acme())).unwrap());
    let want = pb::Org {
        name: "initech".into(),
        ..acme()
    };
    assert_eq!(org, Put::PutOrg(want));
    let Some(Record::Repo(repo)) = state.record(&wire::key(0, &Message::Repo(llama())).unwrap())
    else {
        panic!("a repo")
    };
    assert_eq!(repo.visibility, Visibility::Private);
    assert!(repo.org_members_gated && repo.creator.is_some());
    let key = wire::key(0, &Message::OrgPolicy(policy())).unwrap();
    let Some(Record::OrgPolicy(policy)) = state.record(&key) else {
        panic!("a policy")
    };
    assert_eq!(policy.policy, TokenPolicy::FineGrainedOnly);
    assert!(policy.max_lifetime.is_some());
}

#[test]
fn without_a_mask_a_put_is_the_whole_record() {
    let mut state = hub();
    let bare = pb::User {
        display: None,
        ..ada()
    };
    write(&mut state, vec![(Put::PutUser(bare.clone()), vec![])]).unwrap();
    let key = wire::key(0, &Message::User(ada())).unwrap();
    assert_eq!(shown(&state, key), Put::PutUser(bare));
}

/// A field that the mask names and the put leaves empty is emptied.
#[test]
fn what_is_named_may_be_taken_away() {
    let mut state = hub();
    let unlimited = pb::OrgPolicy {
        org_id: "o1".into(),
        ..pb::OrgPolicy::default()
    };
    let mask = vec!["max_token_lifetime"];
    write(&mut state, vec![(Put::PutOrgPolicy(unlimited), mask)]).unwrap();
    let key = wire::key(0, &Message::OrgPolicy(policy())).unwrap();
    let want = pb::OrgPolicy {
        max_token_lifetime: None,
        ..policy()
    };
    assert_eq!(shown(&state, key), Put::PutOrgPolicy(want));
}

#[test]
fn a_batch_builds_on_its_own_writes() {
    let mut state = hub();
    let bob = pb::User {
        id: "u2".into(),
        name: "bob".into(),
        ..ada()
    };
    let off = pb::User {
        id: "u2".into(),
        disabled: true,
        ..pb::User::default()
    };
    let all = vec![
        (Put::PutUser(bob.clone()), vec![]),
        (Put::PutUser(off.clone()), vec!["disabled"]),
    ];
    write(&mut state, all).unwrap();
    let key = wire::key(0, &Message::User(bob.clone())).unwrap();
    let want = pb::User {
        disabled: true,
        ..bob
    };
    assert_eq!(shown(&state, key), Put::PutUser(want));
    // A record that the batch has deleted can't be updated.
    let all = vec![
        (Put::DeleteUser("u2".into()), vec![]),
        (Put::PutUser(off), vec!["disabled"]),
    ];
    let refused = write(&mut state, all).unwrap_err();
    assert!(refused.starts_with("operations[1].update_mask: there is nothing"));
}

#[test]
fn a_mask_that_says_nothing_known_is_refused() {
    let mut state = hub();
    let user = || Put::PutUser(ada());
    for (put, mask, says) in [
        (
            user(),
            vec!["name", "nickname"],
            "there is no path `nickname` here; there are id, name, disabled, display, display.full_name",
        ),
        (user(), vec!["Name"], "no path `Name`"),
        (user(), vec!["display.plan"], "no path `display.plan`"),
        (user(), vec![""], "no path ``"),
        (user(), vec!["*"], "no path `*`"),
        (user(), vec!["\n"], "no path `\\n`"),
        (user(), vec!["name"; 33], "at most 32"),
        (
            Put::DeleteUser("u1".into()),
            vec!["name"],
            "is for puts alone",
        ),
    ] {
        let refused = write(&mut state, vec![(put, mask)]).unwrap_err();
        let field = "operations[0].update_mask: ";
        assert!(
            refused.starts_with(field) && refused.contains(says),
            "{refused}"
        );
    }
    // The ids are checked whatever the mask names, and so are the fields that it names.
    for (put, mask, says) in [
        (
            Put::PutUser(pb::User::default()),
            vec!["disabled"],
            "operations[0].put_user.id: ",
        ),
        (
            Put::PutUser(pb::User {
                id: "u1".into(),
                ..pb::User::default()
            }),
            vec!["name"],
            "operations[0].put_user.name: ",
        ),
        (
            Put::PutUser(pb::User {
                id: "u9".into(),
                ..pb::User::default()
            }),
            vec!["disabled"],
            "operations[0].update_mask: there is nothing to update",
        ),
    ] {
        let refused = write(&mut state, vec![(put, mask)]).unwrap_err();
        assert!(refused.starts_with(says), "{refused}");
    }
}

/// Every field of a put has its path, and each path copies its own field and no other.
#[test]
fn a_path_takes_its_own_field() {
    let user = pb::User {
        disabled: true,
        service_account_of: "o1".into(),
        display: Some(pb::UserDisplay {
            full_name: "a".into(),
            email: "b".into(),
            avatar_url: "c".into(),
            is_pro: true,
        }),
        ..ada()
    };
    let org = pb::Org {
        display: Some(pb::OrgDisplay {
            full_name: "a".into(),
            avatar_url: "b".into(),
            plan: "c".into(),
        }),
        ..acme()
    };
    let repo = pb::Repo {
        disabled: true,
        group_id: "g1".into(),
        ..llama()
    };
    let member = pb::Member {
        org_id: "o1".into(),
        user_id: "u1".into(),
        role: 1,
    };
    let group = pb::Group {
        id: "g1".into(),
        org_id: "o1".into(),
        name: "a".into(),
    };
    let group_member = pb::GroupMember {
        group_id: "g1".into(),
        user_id: "u1".into(),
        role: 1,
    };
    let grant = pb::GateGrant {
        repo_id: "m1".into(),
        user_id: "u1".into(),
        state: 1,
    };
    let all = [
        (
            Message::User(user.clone()),
            Message::User(pb::User::default()),
        ),
        (Message::Org(org), Message::Org(pb::Org::default())),
        (
            Message::Member(member),
            Message::Member(pb::Member::default()),
        ),
        (Message::Group(group), Message::Group(pb::Group::default())),
        (
            Message::GroupMember(group_member),
            Message::GroupMember(pb::GroupMember::default()),
        ),
        (
            Message::OrgPolicy(policy()),
            Message::OrgPolicy(pb::OrgPolicy::default()),
        ),
        (Message::Repo(repo), Message::Repo(pb::Repo::default())),
        (
            Message::GateGrant(grant),
            Message::GateGrant(pb::GateGrant::default()),
        ),
    ];
    let words: std::collections::BTreeSet<_> = all.iter().map(|(full, _)| full.word()).collect();
    assert_eq!(words.len(), FED.len(), "each kind is tried");
    for (full, mut built) in all {
        for path in kinds::paths(&full) {
            let before = built.clone();
            kinds::take_fields(&mut built, &full, |it| it == path).unwrap();
            // A nested field was already copied with its message.
            let anew = !path.contains('.');
            assert!(!anew || built != before, "{path} takes nothing");
        }
        assert_eq!(built, full);
    }
    // A nested path alone copies just its own field.
    for field in ["full_name", "email", "avatar_url", "is_pro"] {
        let path = format!("display.{field}");
        let (full, mut built) = (
            Message::User(user.clone()),
            Message::User(pb::User::default()),
        );
        kinds::take_fields(&mut built, &full, |it| it == path).unwrap();
        let Message::User(built) = built else {
            panic!("a user")
        };
        let text = format!("{:?}", built.display.unwrap());
        let same = user.display.clone().unwrap();
        assert_ne!(text, format!("{:?}", pb::UserDisplay::default()), "{field}");
        assert_ne!(text, format!("{same:?}"), "{field}");
    }
}

/// A masked put is as urgent as the record that it results in.
#[test]
fn a_masked_takeaway_is_one() {
    let state = hub();
    let user = |disabled| {
        Put::PutUser(pb::User {
            id: "u1".into(),
            disabled,
            ..pb::User::default()
        })
    };
    for (put, class) in [
        (user(true), CommitClass::Takeaway),
        (user(false), CommitClass::Ordinary),
    ] {
        let operations = parse(vec![(put, vec!["disabled"])]).unwrap();
        let whole = whole(&state, &operations).unwrap();
        assert_eq!(class::class(&state, &whole.operations), class);
        assert_eq!(whole.over.len(), 1);
    }
}
