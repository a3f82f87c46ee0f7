//! What was acknowledged is found, listed and exported; an export is an import.

use tokenward_common::state::{
    Selection,
    public::record_to_put,
    record::{Kind, Record},
};
use tokenward_issuer::{directory::ask, error::Problem};
use tokenward_proto::v1::{self as pb, operation::Operation as Op};

use crate::house::{House, Issuer, model, org, user};

fn member(org: &str, user: &str) -> Op {
    Op::PutMember(pb::Member {
        org_id: org.into(),
        user_id: user.into(),
        role: pb::OrgRole::Write.into(),
    })
}

fn grant(repo: &str, user: &str) -> Op {
    Op::PutGateGrant(pb::GateGrant {
        repo_id: repo.into(),
        user_id: user.into(),
        state: pb::GrantState::Accepted.into(),
    })
}

fn service_account(id: &str, org: &str) -> Op {
    Op::PutUser(pb::User {
        id: id.into(),
        name: id.into(),
        service_account_of: org.into(),
        ..pb::User::default()
    })
}

/// A thousand of them, in batches of a hundred.
async fn write(house: &House, issuer: &Issuer, operations: Vec<Op>) {
    for batch in operations.chunks(100) {
        house.write(issuer, batch.to_vec()).await.unwrap();
    }
}

async fn hub(house: &House, issuer: &Issuer) {
    let mut operations = vec![org("o1", "acme"), service_account("ci", "o1")];
    for n in 0..300 {
        operations.push(user(&format!("u{n}"), &format!("User-{n}")));
        operations.push(member("o1", &format!("u{n}")));
    }
    operations.push(model("m1", "o1", "Llama"));
    operations.push(model("m2", "u7", "mine"));
    operations.extend((0..50).map(|n| grant("m1", &format!("u{n}"))));
    write(house, issuer, operations).await;
}

async fn found(issuer: &Issuer, key: pb::record_key::Key) -> Result<Record, Problem> {
    let named = ask::named(Some(pb::RecordKey { key: Some(key) }))?;
    issuer.directory.record(&named).await.map(|found| found.0)
}

#[tokio::test]
async fn a_record_is_found_by_key_and_by_name_until_its_parent_is_gone() {
    use pb::record_key::Key;
    let house = House::new();
    let (issuer, other) = (house.issuer().await, house.issuer().await);
    hub(&house, &issuer).await;
    let is = |record: Result<Record, Problem>, kind: &str| {
        let debug = format!("{:?}", record.as_ref().unwrap());
        assert!(debug.starts_with(kind), "{debug}");
    };
    let key = |user: &str| {
        Key::Member(pb::MemberKey {
            org_id: "o1".into(),
            user_id: user.into(),
        })
    };
    let named = |name: &str| {
        Key::RepoName(pb::RepoName {
            kind: pb::RepoKind::Model.into(),
            name: name.into(),
        })
    };
    // The other's view may be behind: what is acknowledged is found all the same.
    is(
        found(&other, Key::AccountName("USER-7".into())).await,
        "User(",
    );
    is(found(&other, Key::AccountName("Acme".into())).await, "Org(");
    is(found(&other, Key::UserId("ci".into())).await, "User(");
    is(found(&other, key("u299")).await, "Member(");
    is(found(&other, named("ACME/llama")).await, "Repo(");
    is(found(&other, Key::RepoId("m2".into())).await, "Repo(");
    let granted = Key::GateGrant(pb::GateGrantKey {
        repo_id: "m1".into(),
        user_id: "u1".into(),
    });
    is(found(&other, granted.clone()).await, "GateGrant(");
    for missing in [
        Key::UserId("o1".into()),
        Key::OrgId("u1".into()),
        Key::AccountName("nobody".into()),
        Key::RepoId("m3".into()),
        key("u300"),
        named("acme/mine"),
    ] {
        let answer = found(&issuer, missing).await;
        assert!(matches!(answer, Err(Problem::NotFound(_))), "{answer:?}");
    }
    house
        .write(&issuer, vec![Op::DeleteOrg("o1".into())])
        .await
        .unwrap();
    for inert in [key("u1"), Key::UserId("ci".into()), granted] {
        let answer = found(&other, inert).await;
        assert!(matches!(answer, Err(Problem::NotFound(_))), "{answer:?}");
    }
}

/// Every page of a listing, as callers ask for it.
async fn pages(issuer: &Issuer, mut request: pb::ListRequest, limit: usize) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let selection = ask::selection(&request).unwrap();
        let from = ask::PageToken::parse(&request).unwrap();
        let page = issuer.directory.list(selection, from, limit).await.unwrap();
        assert!(page.records.len() <= limit);
        records.extend(page.records);
        match page.next {
            Some(next) => request.page_token = next.text(&request),
            None => return records,
        }
    }
}

#[tokio::test]
async fn pages_hold_all_there_is_once() {
    let house = House::new();
    let issuer = house.issuer().await;
    hub(&house, &issuer).await;
    let of = |kind: pb::RecordKind| pb::ListRequest {
        kind: kind.into(),
        ..Default::default()
    };
    for (request, count) in [
        (of(pb::RecordKind::User), 301),
        (of(pb::RecordKind::Org), 1),
        (of(pb::RecordKind::Member), 300),
        (of(pb::RecordKind::Repo), 2),
        (of(pb::RecordKind::GateGrant), 50),
    ] {
        for limit in [1, 7, 1000] {
            let mut keys: Vec<_> = pages(&issuer, request.clone(), limit)
                .await
                .iter()
                .map(|record| format!("{:?}", record.key()))
                .collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), count, "{request:?}");
        }
    }
    let mut request = of(pb::RecordKind::User);
    request.org_id = "o1".into();
    assert_eq!(pages(&issuer, request, 10).await.len(), 1);
    let mut request = of(pb::RecordKind::Member);
    request.user_id = "u9".into();
    assert_eq!(pages(&issuer, request.clone(), 10).await.len(), 1);
    request.user_id = "nobody".into();
    let selection = ask::selection(&request).unwrap();
    let refused = issuer.directory.list(selection, None, 10).await;
    assert!(matches!(refused.err(), Some(Problem::NotFound(_))));

    // Another issuer's view has another order: said, and not mixed up.
    let other = house.issuer().await;
    let first = issuer
        .directory
        .list(Selection::all(Kind::User), None, 5)
        .await;
    let next = first.unwrap().next;
    assert!(next.is_some());
    let refused = other
        .directory
        .list(Selection::all(Kind::User), next, 5)
        .await;
    let refused = refused.err().unwrap().to_string();
    assert!(
        refused.starts_with("page_token: is of another"),
        "{refused}"
    );
}

async fn exported(issuer: &Issuer) -> Vec<Op> {
    let selections = ask::selections(&[]).unwrap();
    let mut export = issuer.directory.export(selections).await.unwrap();
    let mut operations = Vec::new();
    while let Some(records) = export.more().unwrap() {
        let puts = records.into_iter().filter_map(record_to_put);
        operations.extend(puts.filter_map(|put| put.operation));
    }
    operations
}

#[tokio::test]
async fn an_export_is_an_import() {
    let house = House::new();
    let issuer = house.issuer().await;
    hub(&house, &issuer).await;
    // Inert ones are left out, for no import would take them.
    let gone = vec![
        user("gone", "gone"),
        model("m3", "gone", "x"),
        member("o1", "gone"),
        Op::DeleteUser("gone".into()),
    ];
    write(&house, &issuer, gone).await;
    let mut first = exported(&issuer).await;
    assert_eq!(first.len(), 301 + 1 + 300 + 2 + 50);
    let again = House::new();
    let anew = again.issuer().await;
    write(&again, &anew, first.clone()).await;
    let mut second = exported(&anew).await;
    let by_text = |one: &Op, other: &Op| format!("{one:?}").cmp(&format!("{other:?}"));
    first.sort_by(by_text);
    second.sort_by(by_text);
    assert_eq!(first, second);
}

#[tokio::test]
async fn an_export_while_others_write_holds_no_child_without_its_parent() {
    let house = House::new();
    let issuer = house.issuer().await;
    hub(&house, &issuer).await;
    let selections = ask::selections(&[]).unwrap();
    let mut export = issuer.directory.export(selections).await.unwrap();
    let mut operations = Vec::new();
    let mut number = 0;
    while let Some(records) = export.more().unwrap() {
        let puts = records.into_iter().filter_map(record_to_put);
        operations.extend(puts.filter_map(|put| put.operation));
        number += 1;
        let id = format!("late{number}");
        let late = vec![
            user(&id, &id),
            org(&format!("{id}-org"), &format!("{id}-org")),
            member(&format!("{id}-org"), &id),
            member("o1", &id),
            model(&format!("{id}-m"), &id, "x"),
            grant("m1", &id),
        ];
        house.write(&issuer, late).await.unwrap();
        // The export's view has it.
        let key = pb::record_key::Key::UserId(id);
        found(&issuer, key).await.unwrap();
    }
    assert!(number > 3);
    let again = House::new();
    let anew = again.issuer().await;
    write(&again, &anew, operations).await;
}
