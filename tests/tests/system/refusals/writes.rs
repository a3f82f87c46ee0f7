//! DirectoryService.

use tokenward_proto::v1::{
    GateGrant, ImportRequest, Member, Operation, Org, OrgRole, Repo, Role, User, UserDisplay,
    WriteRequest, operation::Operation as Op,
};
use tokenward_tests::house::hub::{Corner, op};
use tonic::Code;

use super::assert_refused;
use crate::site::Site;

fn table(corner: &Corner) -> Vec<(&'static str, Op, Code, &'static str)> {
    let bad = Code::InvalidArgument;
    let user = || corner.user("new");
    let repo = || corner.model("new");
    let member = Member {
        org_id: corner.of("o-acme"),
        user_id: corner.user_id("ada"),
        role: OrgRole::Read.into(),
    };
    let grant = GateGrant {
        repo_id: corner.of("m-gated"),
        user_id: corner.user_id("ada"),
        state: 1,
    };
    let display = UserDisplay {
        full_name: "n".repeat(2000),
        ..UserDisplay::default()
    };
    vec![
        (
            "a user without an id",
            Op::PutUser(User {
                id: "".into(),
                ..user()
            }),
            bad,
            "put_user.id: must not be empty",
        ),
        (
            "a user's bad id",
            Op::PutUser(User {
                id: "a b".into(),
                ..user()
            }),
            bad,
            "put_user.id: may hold",
        ),
        (
            "a user without a name",
            Op::PutUser(User {
                name: "".into(),
                ..user()
            }),
            bad,
            "put_user.name: must not be empty",
        ),
        (
            "a user's bad name",
            Op::PutUser(User {
                name: "a/b".into(),
                ..user()
            }),
            bad,
            "put_user.name: may hold",
        ),
        (
            "a user's long name",
            Op::PutUser(User {
                name: "n".repeat(97),
                ..user()
            }),
            bad,
            "put_user.name: must be at most 96",
        ),
        (
            "a name with two dots",
            Op::PutUser(User {
                name: "a..b".into(),
                ..user()
            }),
            bad,
            "put_user.name: must not begin",
        ),
        (
            "a taken name",
            Op::PutUser(User {
                name: corner.of("ADA"),
                ..user()
            }),
            Code::AlreadyExists,
            "put_user.name: is taken",
        ),
        (
            "an org's id for a user",
            Op::PutUser(User {
                id: corner.of("o-acme"),
                ..user()
            }),
            bad,
            "put_user.id: is another kind",
        ),
        (
            "a service account of nobody",
            Op::PutUser(User {
                service_account_of: "o-none".into(),
                ..user()
            }),
            bad,
            "put_user.service_account_of: there is no such org",
        ),
        (
            "a long display",
            Op::PutUser(User {
                display: Some(display),
                ..user()
            }),
            bad,
            "put_user.display: must be at most",
        ),
        (
            "an org with a user's name",
            Op::PutOrg(Org {
                id: "o-x".into(),
                name: corner.of("ada"),
                display: None,
            }),
            Code::AlreadyExists,
            "put_org.name: is taken",
        ),
        (
            "a member without a role",
            Op::PutMember(Member {
                role: 0,
                ..member.clone()
            }),
            bad,
            "put_member.role: must be set",
        ),
        (
            "a member of nothing",
            Op::PutMember(Member {
                org_id: "o-none".into(),
                ..member.clone()
            }),
            bad,
            "put_member.org_id: there is no such org",
        ),
        (
            "nobody as member",
            Op::PutMember(Member {
                user_id: "u-none".into(),
                ..member
            }),
            bad,
            "put_member.user_id: there is no such user",
        ),
        (
            "a repo without a kind",
            Op::PutRepo(Repo { kind: 0, ..repo() }),
            bad,
            "put_repo.kind: must be set",
        ),
        (
            "a repo without visibility",
            Op::PutRepo(Repo {
                visibility: 0,
                ..repo()
            }),
            bad,
            "put_repo.visibility: must be set",
        ),
        (
            "a repo without a gate",
            Op::PutRepo(Repo { gate: 0, ..repo() }),
            bad,
            "put_repo.gate: must be set",
        ),
        (
            "a repo of an unknown kind",
            Op::PutRepo(Repo { kind: 99, ..repo() }),
            bad,
            "put_repo.kind: must be set",
        ),
        (
            "a repo of nobody",
            Op::PutRepo(Repo {
                owner_id: "o-none".into(),
                ..repo()
            }),
            bad,
            "put_repo.owner_id: there is no such account",
        ),
        (
            "a repo's taken name",
            Op::PutRepo(Repo {
                name: "OPEN".into(),
                ..repo()
            }),
            Code::AlreadyExists,
            "put_repo.name: is taken",
        ),
        (
            "a grant without a state",
            Op::PutGateGrant(GateGrant {
                state: 0,
                ..grant.clone()
            }),
            bad,
            "put_gate_grant.state: must be set",
        ),
        (
            "a grant on nothing",
            Op::PutGateGrant(GateGrant {
                repo_id: "m-none".into(),
                ..grant
            }),
            bad,
            "put_gate_grant.repo_id: there is no such repo",
        ),
        (
            "an org deleted as a user",
            Op::DeleteUser(corner.of("o-acme")),
            bad,
            "delete_user: is an org's id",
        ),
        (
            "a user deleted as an org",
            Op::DeleteOrg(corner.user_id("ada")),
            bad,
            "delete_org: is a user's id",
        ),
        (
            "a repo deleted without an id",
            Op::DeleteRepo("".into()),
            bad,
            "delete_repo: must not be empty",
        ),
    ]
}

/// The revision after a write that changes nothing else: how many there were.
async fn revision(site: &Site, corner: &Corner) -> u64 {
    let token = site.issuer().write(vec![corner.no_member("nobody")]).await;
    let number = token.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap();
    number.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_write_changes_nothing() {
    let site = Site::embedded().await;
    let corner = site.corner("b3").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "secret");
    let before = revision(&site, &corner).await;
    let mut operator = site.issuer().operator();
    // All or nothing: the first would take access away.
    let take = corner.no_member("ada");
    let mut refused = Vec::new();
    for (what, operation, code, says) in table(&corner) {
        let request = WriteRequest {
            request_id: String::new(),
            operations: vec![take.clone(), op(operation.clone())],
        };
        let says = format!("operations[1].{says}");
        assert_refused(what, operator.write(request).await, code, &says);
        refused.push((what, vec![take.clone(), op(operation)], says));
    }
    for (what, operations, says) in [
        ("nothing", vec![], "operations: must be 1 to 100"),
        (
            "too much",
            vec![take.clone(); 101],
            "operations: must be 1 to 100",
        ),
        (
            "an empty one",
            vec![take.clone(), Operation::default()],
            "operations[1]: must be set",
        ),
    ] {
        let request = WriteRequest {
            request_id: String::new(),
            operations: operations.clone(),
        };
        let answer = operator.write(request).await;
        assert_refused(what, answer, Code::InvalidArgument, says);
        refused.push((what, operations, says.to_owned()));
    }
    let request = WriteRequest {
        request_id: "a b".into(),
        operations: vec![take.clone()],
    };
    let answer = operator.write(request).await;
    assert_refused(
        "a bad id",
        answer,
        Code::InvalidArgument,
        "request_id: may hold",
    );

    // By import the same: each refused by itself, and the stream goes on.
    let batches: Vec<_> = refused
        .iter()
        .zip(1..)
        .map(|((_, operations, _), batch)| ImportRequest {
            batch,
            operations: operations.clone(),
        })
        .collect();
    let last = ImportRequest {
        batch: 0,
        operations: vec![corner.no_member("nobody")],
    };
    let stream = tokio_stream::iter(batches.into_iter().chain([last]));
    let mut answers = operator
        .directory
        .import(stream)
        .await
        .unwrap()
        .into_inner();
    for ((what, _, says), batch) in refused.iter().zip(1..) {
        let answer = answers.message().await.unwrap().unwrap();
        assert_eq!(answer.batch, batch, "{what}");
        assert_eq!(answer.revision, "", "{what}");
        assert!(
            answer.error.contains(says.as_str()),
            "{what}: {}",
            answer.error
        );
    }
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!((answer.batch, answer.error.as_str()), (0, ""));
    assert!(answers.message().await.unwrap().is_none());

    // Only the two that count were written.
    assert_eq!(revision(&site, &corner).await, before + 2);
    site.all(&question, &answer.revision, "ALLOW").await;
}
