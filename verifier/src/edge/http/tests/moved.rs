//! Tests which answers proxies and clients get for old names.

use tokenward_common::{
    id::RepoId,
    state::record::{Redirect, RepoKind},
};

use super::*;

async fn renamed() -> Running {
    let running = hub().await;
    let big = Repo {
        name: Name::parse("Big-1").unwrap(),
        ..model("llm", "acme")
    };
    let redirect = Redirect::Repo {
        kind: RepoKind::Model,
        owner: AccountId::parse("acme").unwrap(),
        name: Name::parse("llm").unwrap(),
        to: RepoId::parse("llm").unwrap(),
    };
    let changes = [Record::Repo(big), Record::Redirect(redirect)];
    running.hub.commit(changes.map(Change::Put).to_vec()).await;
    running
}

#[tokio::test(start_paused = true)]
async fn a_proxy_sends_on_who_asks_by_an_old_name() {
    let running = renamed().await;
    let ada = bearer(&token("ada", 7, Role::Read));
    let bob = bearer(&token("bob", 8, Role::Read));
    let old = "/acme/llm/resolve/main/a%20b?download=true";
    let new = "/acme/Big-1/resolve/main/a%20b?download=true";
    let told = running.auth("GET", old, &[("Authorization", &ada)]);
    assert_eq!((told.status, told.header("location")), (307, Some(new)));
    assert_eq!(told.header("x-tokenward-subject"), None);
    let told = running.auth("GET", new, &[("Authorization", &ada)]);
    assert_eq!((told.status, told.header("location")), (200, None));
    // The answer has the form that nginx accepts.
    let headers = [
        ("X-Original-Method", "GET"),
        ("X-Original-URI", old),
        ("Authorization", &ada),
    ];
    let told = running.get("/auth?proxy=nginx", &headers);
    assert_eq!((told.status, told.header("location")), (403, Some(new)));
    assert_eq!(told.header("x-tokenward-status"), Some("307"));
    // A caller that may not see the repo gets the answer for a repo that doesn't exist.
    for more in [vec![("Authorization", bob.as_str())], Vec::new()] {
        let mut more = more;
        more.push(("X-Request-Id", "r1"));
        let hidden = running.auth("GET", old, &more);
        let missing = running.auth("GET", &old.replace("llm", "nil"), &more);
        let bytes = |told: &Told| {
            let dated = told.headers.iter().filter(|(name, _)| name != "date");
            (
                told.status,
                dated.cloned().collect::<Vec<_>>(),
                told.body.clone(),
            )
        };
        assert_eq!(bytes(&hidden), bytes(&missing));
        assert!(matches!(hidden.status, 401 | 404));
    }
    let hub = running.end().await;
    let text = crate::grpc::tests::scraped(&hub);
    let line = "tokenward_verifier_door_requests_total{door=\"forward_auth\",outcome=\"moved\"} 2";
    assert!(text.lines().any(|it| it == line), "{text}");
}

#[tokio::test(start_paused = true)]
async fn auth_check_sends_on_too() {
    let running = renamed().await;
    let ada = bearer(&token("ada", 7, Role::Read));
    let ask = |path: &str| running.get(path, &[("Authorization", &ada)]);
    for (path, status, location) in [
        (
            "/api/models/acme/llm/auth-check",
            307,
            Some("/api/models/acme/Big-1/auth-check"),
        ),
        // Only the request at the new name asks whether the caller may write there.
        (
            "/api/models/acme/llm/auth-check/write?x=%20",
            307,
            Some("/api/models/acme/Big-1/auth-check/write?x=%20"),
        ),
        (
            "/api/models/acme/big-1/auth-check",
            307,
            Some("/api/models/acme/Big-1/auth-check"),
        ),
        ("/api/models/acme/Big-1/auth-check", 200, None),
        ("/api/models/acme/Big-1/auth-check/write", 403, None),
        ("/api/datasets/acme/llm/auth-check", 404, None),
    ] {
        let told = ask(path);
        assert_eq!(
            (told.status, told.header("location")),
            (status, location),
            "{path}"
        );
    }
    running.end().await;
}
