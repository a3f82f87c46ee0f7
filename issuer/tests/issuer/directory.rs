//! Names are unique, parents exist, batches are whole; also between two issuers.

use tokenward_common::{
    id::Revision,
    state::{key::Key, record::Kind},
    store::{Feed, Store},
};
use tokenward_issuer::error::Problem;
use tokenward_proto::v1::{self as pb, operation::Operation as Op};

use crate::{
    held::{Gate, Guard},
    house::{House, model, operation, org, user},
};

async fn revision(house: &House) -> Revision {
    house.store.head().await.unwrap().cursor.revision
}

async fn holder(house: &House, name: &str) -> Option<String> {
    let key = Key::account_name(name);
    let found = house.store.get(&[key]).await.unwrap().pop().flatten();
    found.map(|stored| String::from_utf8(stored.value).unwrap())
}

#[tokio::test]
async fn a_name_has_one_holder_and_is_free_after_it() {
    let house = House::new();
    let issuer = house.issuer().await;
    house
        .write(&issuer, vec![user("u1", "ada"), org("o1", "Acme")])
        .await
        .unwrap();
    // Users and orgs share one namespace; names compare without case.
    for taken in [user("u2", "ADA"), user("u2", "acme"), org("o2", "ada")] {
        let refused = house.write(&issuer, vec![taken]).await;
        assert!(
            matches!(&refused, Err(Problem::Exists(_, text)) if text.contains("name")),
            "{refused:?}"
        );
    }
    house
        .write(&issuer, vec![user("u1", "countess")])
        .await
        .unwrap();
    assert_eq!(holder(&house, "ada").await, None);
    house.write(&issuer, vec![user("u2", "ada")]).await.unwrap();
    assert_eq!(holder(&house, "ada").await.as_deref(), Some("u2"));
    house
        .write(&issuer, vec![Op::DeleteUser("u2".into())])
        .await
        .unwrap();
    assert_eq!(holder(&house, "ada").await, None);
}

#[tokio::test]
async fn names_may_be_exchanged_within_one_batch() {
    let house = House::new();
    let issuer = house.issuer().await;
    house
        .write(&issuer, vec![user("u1", "ada"), user("u2", "grace")])
        .await
        .unwrap();
    let exchange = vec![user("u1", "tmp"), user("u2", "ada"), user("u1", "grace")];
    house.write(&issuer, exchange).await.unwrap();
    assert_eq!(holder(&house, "ada").await.as_deref(), Some("u2"));
    assert_eq!(holder(&house, "grace").await.as_deref(), Some("u1"));
    assert_eq!(holder(&house, "tmp").await, None);
}

#[tokio::test]
async fn a_refused_batch_writes_nothing_and_names_field_and_rule() {
    let house = House::new();
    let issuer = house.issuer().await;
    house.write(&issuer, vec![user("u1", "ada")]).await.unwrap();
    let before = revision(&house).await;
    let member = |org_id: &str, user_id: &str, role| {
        Op::PutMember(pb::Member {
            org_id: org_id.into(),
            user_id: user_id.into(),
            role,
        })
    };
    let grant = |repo: &str, state| {
        Op::PutGateGrant(pb::GateGrant {
            repo_id: repo.into(),
            user_id: "u1".into(),
            state,
        })
    };
    let rows: [(Op, &str); 9] = [
        (
            user("", "x"),
            "operations[1].put_user.id: must not be empty",
        ),
        (
            user("u2", "a/b"),
            "operations[1].put_user.name: may hold only",
        ),
        (
            org("u1", "acme"),
            "operations[1].put_org.id: is another kind",
        ),
        (
            member("o9", "u1", 2),
            "operations[1].put_member.org_id: there is no such org",
        ),
        (
            member("u1", "u1", 2),
            "operations[1].put_member.org_id: there is no such org",
        ),
        (
            member("o1", "u1", 0),
            "operations[1].put_member.role: must be set",
        ),
        (
            model("m1", "u9", "x"),
            "operations[1].put_repo.owner_id: there is no such account",
        ),
        (
            grant("m9", 2),
            "operations[1].put_gate_grant.repo_id: there is no such repo",
        ),
        (
            grant("m9", 7),
            "operations[1].put_gate_grant.state: must be set",
        ),
    ];
    for (bad, text) in rows {
        let refused = house.write(&issuer, vec![user("u7", "grace"), bad]).await;
        let message = refused.unwrap_err().to_string();
        assert!(message.starts_with(text), "{message}");
    }
    let empty = pb::Operation {
        operation: None,
        ..pb::Operation::default()
    };
    let request = house.call("", &empty);
    let refused = issuer.directory.write(&request, vec![empty.clone()]).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "operations[0]: must be set"
    );
    let many = vec![operation(user("u8", "h")); 101];
    let refused = issuer.directory.write(&house.call("", &empty), many).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "operations: must be 1 to 100"
    );
    assert_eq!(revision(&house).await, before);
    assert_eq!(holder(&house, "grace").await, None);
}

#[tokio::test]
async fn of_two_issuers_that_want_one_name_one_gets_it() {
    let house = House::new();
    let (one, two) = (house.issuer().await, house.issuer().await);
    for round in 0..20 {
        let name = format!("name-{round}");
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let (first, second) = tokio::join!(
            house.write(&one, vec![user(&a, &name)]),
            house.write(&two, vec![user(&b, &name)]),
        );
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        let winner = if first.is_ok() { a } else { b };
        assert_eq!(holder(&house, &name).await, Some(winner));
    }
    let counts = house.store.head().await.unwrap().counts;
    assert_eq!(counts.get(Kind::User), 20);
}

#[tokio::test]
async fn two_issuers_that_rename_one_user_leave_one_name() {
    let house = House::new();
    let (one, two) = (house.issuer().await, house.issuer().await);
    house.write(&one, vec![user("u1", "start")]).await.unwrap();
    for round in 0..20 {
        let (a, b) = (format!("a-{round}"), format!("b-{round}"));
        let (first, second) = tokio::join!(
            house.write(&one, vec![user("u1", &a)]),
            house.write(&two, vec![user("u1", &b)]),
        );
        first.unwrap();
        second.unwrap();
        let held = [holder(&house, &a).await, holder(&house, &b).await];
        assert_eq!(held.iter().flatten().count(), 1, "{held:?}");
    }
}

#[tokio::test]
async fn another_issuer_sees_what_was_just_written() {
    let house = House::new();
    let (one, two) = (house.issuer().await, house.issuer().await);
    for round in 0..20 {
        let id = format!("u{round}");
        house.write(&one, vec![user(&id, &id)]).await.unwrap();
        let repo = format!("m{round}");
        house
            .write(&two, vec![model(&repo, &id, "x")])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_time_even_when_it_no_longer_could_be() {
    let house = House::new();
    let issuer = house.issuer().await;
    let body = pb::WriteRequest {
        request_id: String::new(),
        operations: vec![
            operation(user("u1", "ada")),
            operation(model("m1", "u1", "x")),
        ],
    };
    let request = house.call("req-1", &body);
    let write = || issuer.directory.write(&request, body.operations.clone());
    let first = write().await.unwrap();
    house
        .write(
            &issuer,
            vec![Op::DeleteUser("u1".into()), user("u2", "ada")],
        )
        .await
        .unwrap();
    let before = house.store.head().await.unwrap().counts;
    assert_eq!(write().await.unwrap(), first);
    assert_eq!(house.store.head().await.unwrap().counts, before);
    // The same id with another body is refused.
    let other = house.call("req-1", &pb::WriteRequest::default());
    let refused = issuer
        .directory
        .write(&other, body.operations.clone())
        .await;
    assert!(matches!(refused, Err(Problem::Exists(..))), "{refused:?}");
}

#[tokio::test]
async fn a_repo_of_a_deleted_owner_can_be_given_away_and_removed() {
    let house = House::new();
    let issuer = house.issuer().await;
    house
        .write(
            &issuer,
            vec![
                user("u1", "ada"),
                user("u2", "grace"),
                model("m1", "u1", "x"),
                model("m2", "u1", "y"),
            ],
        )
        .await
        .unwrap();
    house
        .write(&issuer, vec![Op::DeleteUser("u1".into())])
        .await
        .unwrap();
    house
        .write(
            &issuer,
            vec![model("m1", "u2", "x"), Op::DeleteRepo("m2".into())],
        )
        .await
        .unwrap();
    assert_eq!(house.store.head().await.unwrap().counts.get(Kind::Repo), 1);
}

/// Two issuers, each with a view of its own, and two updates of different fields of one record at once.
#[tokio::test]
async fn masked_updates_at_once_lose_nothing() {
    let house = House::new();
    let two = house.issuer().await;
    let mut one = house.issuer().await;
    let held = Gate::over(house.store.clone());
    one.directory.store = held.clone();
    let policy = |policy: pb::TokenPolicy, seconds: i64| pb::OrgPolicy {
        org_id: "o1".into(),
        policy: policy.into(),
        max_token_lifetime: (seconds > 0).then_some(prost_types::Duration { seconds, nanos: 0 }),
    };
    let update = async |issuer: &crate::house::Issuer, put: pb::OrgPolicy, path: &str| {
        let update = pb::Operation {
            operation: Some(Op::PutOrgPolicy(put)),
            update_mask: Some(prost_types::FieldMask {
                paths: vec![path.into()],
            }),
        };
        let request = house.call("", &update);
        issuer.directory.write(&request, vec![update]).await
    };
    let allow = pb::TokenPolicy::Allow;
    for (guard, strict) in [
        (Guard::Off, pb::TokenPolicy::AdminApproval),
        (Guard::On, pb::TokenPolicy::FineGrainedOnly),
    ] {
        let whole = vec![org("o1", "acme"), Op::PutOrgPolicy(policy(allow, 60))];
        house.write(&two, whole).await.unwrap();
        let longer = update(&one, policy(allow, 3600), "max_token_lifetime");
        let stricter = update(&two, policy(strict, 0), "policy");
        let (longer, stricter) = held.0.race(guard, longer, stricter).await;
        longer.unwrap();
        let cursor = stricter.unwrap();
        house.write(&two, vec![user("u1", "ada")]).await.unwrap();
        let key = tokenward_common::state::record::RecordKey::OrgPolicy(
            tokenward_common::id::AccountId::parse("o1").unwrap(),
        );
        let head = house.store.head().await.unwrap().cursor;
        assert!(head.revision > cursor.revision);
        let reached = two.directory.replica.reached(head.log, head.revision);
        tokio::time::timeout(std::time::Duration::from_secs(20), reached)
            .await
            .unwrap();
        let view = two.directory.replica.view().unwrap();
        let Some(tokenward_common::state::record::Record::OrgPolicy(now)) = view.state.record(&key)
        else {
            panic!("a policy")
        };
        assert_eq!(now.max_lifetime, Some(std::time::Duration::from_secs(3600)));
        // Unguarded, the other's field would have been written over.
        let kept = now.policy.number() == u32::try_from(i32::from(strict)).unwrap();
        assert_eq!(kept, guard == Guard::On);
    }
}
