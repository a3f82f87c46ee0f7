//! The HTTP doors of verifiers that run: they answer as gRPC does, and know at once what changed.

mod moved;

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use serde_json::Value;
use tokenward_proto::v1::{CheckRequest, CreateTokenRequest, GrantState, Resource, Role, Verdict};
use tokenward_tests::house::{
    Feed, House, Store, Verifier,
    hub::{Corner, question},
    level, tls,
};

use crate::site::Site;

struct Told {
    status: u16,
    head: String,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

/// An issuer, and verifiers with HTTP doors on either feed.
async fn site() -> Site {
    let house = House::new(Store::Redis);
    let http = format!("--http-listen={}", house.any_port());
    Site::on_redis(house, &[&http]).await
}

fn door(verifier: &Verifier) -> String {
    let serving = verifier.program.event("serving");
    serving["http"].as_str().unwrap().to_owned()
}

/// One request on a connection of its own. An empty token: nobody's.
fn get(house: &House, address: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Told {
    let mut stream = tls::connect(address, Duration::from_secs(10)).unwrap();
    let mut text = format!("GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n");
    if !token.is_empty() {
        text.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all((text + "\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    house.kept().said("a door's answer", answer.clone());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Told {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// As a proxy asks.
fn auth(house: &House, address: &str, token: &str, method: &str, target: &str) -> Told {
    let original = [("x-forwarded-method", method), ("x-forwarded-uri", target)];
    get(house, address, "/auth", token, &original)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_knows_at_once_what_changed() {
    let site = site().await;
    let house = &site.house;
    let corner = site.corner("e1").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let file = format!("/{}/secret/resolve/main/x", corner.of("acme"));
    let check = format!("/api/models/{}/secret/auth-check", corner.of("acme"));
    let read = corner.read(&token.secret, "secret");
    site.all(&read, &token.revision, "ALLOW").await;
    for verifier in &site.verifiers {
        let address = door(verifier);
        let allowed = auth(house, &address, &token.secret, "GET", &file);
        assert_eq!(allowed.status, 200, "{}", allowed.body);
        let subject = allowed.header("x-tokenward-subject");
        assert_eq!(subject, Some(&*corner.user_id("ada")));
        assert_eq!(allowed.header("x-tokenward-token-id"), Some(&*token.id));
        assert_eq!(get(house, &address, &check, &token.secret, &[]).status, 200);
        let told = get(house, &address, "/api/whoami-v2", &token.secret, &[]);
        let told: Value = serde_json::from_str(&told.body).unwrap();
        assert_eq!(told["name"], corner.of("ada"));
        assert_eq!(told["orgs"][0]["roleInOrg"], "read");
        assert_eq!(told["auth"]["accessToken"]["displayName"], "t");
    }
    let revision = site.other().revoke(&token.id).await;
    site.all(&read, &revision, "TOKEN_REVOKED").await;
    for verifier in &site.verifiers {
        let address = door(verifier);
        let paths = [check.as_str(), "/api/whoami-v2"];
        let mut answers: Vec<_> = paths
            .map(|path| get(house, &address, path, &token.secret, &[]))
            .into();
        answers.push(auth(house, &address, &token.secret, "GET", &file));
        for refused in answers {
            assert_eq!(refused.status, 401);
            let told = "Invalid credentials in Authorization header";
            assert_eq!(refused.header("x-error-message"), Some(told));
            assert_eq!(refused.header("x-error-code"), None);
        }
    }
}

/// Which requests ask the same as a Check of a model by its name.
fn same(corner: &Corner, model: &str) -> Vec<(&'static str, String, CheckRequest)> {
    let id = format!("{}/{model}", corner.of("acme"));
    let asked = |permission: &str| question("", corner.by_name(model), permission);
    vec![
        (
            "GET",
            format!("/{id}/resolve/main/x"),
            asked("repo.content.read"),
        ),
        (
            "HEAD",
            format!("/{id}/resolve/refs%2Fpr%2F1/a/b"),
            asked("repo.content.read"),
        ),
        (
            "GET",
            format!("/api/models/{id}"),
            asked("repo.metadata.read"),
        ),
        (
            "POST",
            format!("/api/models/{id}/paths-info/main"),
            asked("repo.metadata.read"),
        ),
        (
            "POST",
            format!("/api/models/{id}/commit/main"),
            asked("repo.content.write"),
        ),
        (
            "PUT",
            format!("/api/models/{id}/settings"),
            asked("repo.write"),
        ),
        (
            "POST",
            format!("/{id}.git/git-upload-pack"),
            asked("repo.content.read"),
        ),
        (
            "POST",
            format!("/{id}.git/git-receive-pack"),
            asked("repo.content.write"),
        ),
        (
            "POST",
            format!("/api/models/{id}/discussions"),
            asked("discussion.write"),
        ),
    ]
}

fn of_account(resource: Resource, permission: &str) -> CheckRequest {
    question("", resource, permission)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_door_allows_what_grpc_allows_and_refuses_the_rest() {
    let site = site().await;
    let corner = site.corner("e2").await;
    let mut callers = vec![String::new(), "tw_not.a.token".into()];
    for (owner, role) in [
        ("ada", Role::Read),
        ("ada", Role::Write),
        ("grace", Role::Write),
        ("linus", Role::Read),
        ("mary", Role::Write),
    ] {
        let name = role.as_str_name();
        callers.push(
            site.issuer()
                .mint(&corner.user_id(owner), name, role)
                .await
                .secret,
        );
    }
    let scoped: CreateTokenRequest = corner.fine_grained("ada", "scoped", Some("secret"));
    callers.push(site.issuer().mint_as(scoped).await.secret);
    let unscoped = corner.fine_grained("linus", "unscoped", None);
    let last = site.issuer().mint_as(unscoped).await;
    callers.push(last.secret);

    let mut rows = Vec::new();
    for model in ["open", "secret", "gated", "missing"] {
        rows.extend(same(&corner, model));
    }
    let org = corner.of("acme");
    let on_org = |permission| of_account(corner.account("acme"), permission);
    rows.push((
        "GET",
        format!("/api/organizations/{org}/members"),
        on_org("org.read"),
    ));
    rows.push(("POST", format!("/api/jobs/{org}"), on_org("job.write")));
    let mut allowed = 0;
    for verifier in &site.verifiers {
        let address = door(verifier);
        for caller in &callers {
            for (method, target, asked) in &rows {
                let asked = question(caller, asked.resource.clone().unwrap(), &asked.permission);
                let answer = verifier.at(&asked, &last.revision).await;
                let told = auth(&site.house, &address, caller, method, target);
                let expected = match (answer.verdict(), answer.reason() as i32) {
                    (Verdict::Allow, _) => 200,
                    (_, 1..=10) => 401,
                    (_, 20) if caller.is_empty() => 401,
                    (_, 20) => 404,
                    _ => 403,
                };
                assert_eq!(told.status, expected, "{method} {target}: {answer:?}");
                allowed += u32::from(expected == 200);
            }
        }
    }
    assert!(allowed > 100, "{allowed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_closes_closes_every_door() {
    let site = site().await;
    let corner = site.corner("e3").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("linus"), "t", Role::Read)
        .await;
    let file = format!("/{}/gated/resolve/main/x", corner.of("acme"));
    site.all(
        &corner.read(&token.secret, "gated"),
        &token.revision,
        "ALLOW",
    )
    .await;
    let answers = |of: &Told| (of.status, of.header("x-error-code").map(str::to_owned));
    for verifier in &site.verifiers {
        let told = auth(&site.house, &door(verifier), &token.secret, "GET", &file);
        assert_eq!(answers(&told), (200, None));
    }
    let rejected = corner.grant("gated", "linus", GrantState::Rejected);
    site.issuer().write(vec![rejected]).await;
    for verifier in &site.verifiers {
        let address = door(verifier);
        let wanted = (403, Some("GatedRepo".to_owned()));
        level("the gate is closed", async || {
            match answers(&auth(&site.house, &address, &token.secret, "GET", &file)) {
                is if is == wanted => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_ones_own_stands_in_a_file() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let table = house.path("routes.tsv");
    let text = "GET\t/files/{account}/{path}\t-\taccount:org.read\n@include hub\n";
    std::fs::write(&table, text).unwrap();
    let routes = format!("--routes={}", table.display());
    let http = format!("--http-listen={}", house.any_port());
    let verifier = house
        .verifier_with(Feed::Grpc(&issuer), &[&routes, &http])
        .await;
    let corner = Corner::new("e4");
    issuer.write(corner.operations()).await;
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    verifier
        .at(&corner.read(&token.secret, "open"), &token.revision)
        .await;
    let address = door(&verifier);
    let ask = |target: &str| auth(&house, &address, &token.secret, "GET", target).status;
    assert_eq!(ask(&format!("/files/{}/x", corner.of("acme"))), 200);
    assert_eq!(ask(&format!("/files/{}/x", corner.of("linus"))), 404);
    assert_eq!(ask(&format!("/api/models/{}/open", corner.of("acme"))), 200);
    assert_eq!(ask("/nonsense"), 403);
}
