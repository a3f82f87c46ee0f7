//! Tests what the guard answers itself, and what it sends to the issuer.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_it_is_and_what_it_may_do_is_answered_here() {
    let running = start().await;
    let ada = bearer("ada", 7, Role::Read);
    let ask = |request: &str| running.ask(request, &[("Authorization", &ada)], "");
    let told = ask("GET /api/whoami-v2");
    assert_eq!(told.status, 200, "{}", told.body);
    assert!(told.body.contains(r#""name":"ada""#), "{}", told.body);
    for (request, status) in [
        ("GET /api/models/acme/llm/auth-check", 200),
        ("GET /api/models/acme/llm/auth-check/write", 403),
        ("GET /api/models/acme/none/auth-check", 404),
        ("GET /api/models/acme/open/auth-check?x=1", 200),
        // The limit is as at the other doors: one of two answers is left.
        ("GET /api/whoami-v2", 200),
        ("GET /api/whoami-v2", 429),
    ] {
        let told = ask(request);
        assert_eq!(told.status, status, "{request}: {}", told.body);
    }
    // In another spelling the request is to no route of ours, and to no other route.
    for request in [
        "GET /api//whoami-v2",
        "GET /api/whoami-v2/",
        "GET /api/%77hoami-v2",
        "GET /api/whoami%2Dv2",
        "GET /api/Whoami-V2",
        "GET /api/./whoami-v2",
        "GET /api/models/acme%2Fllm/auth-check",
        "GET /api/models/acme/llm/Auth-Check",
        "GET /api/models/acme/llm/%2e%2e/open/auth-check",
        "GET http://hub.example/api/whoami-v2",
        "DELETE /api/whoami-v2",
        "POST /oauth/introspect",
    ] {
        let told = ask(request);
        assert!(matches!(told.status, 400 | 403), "{request}: {}", told.body);
    }
    let nobody = running.ask("GET /api/whoami-v2", &[], "");
    assert_eq!(nobody.status, 401);
    assert_eq!(running.seen().len(), 0);
    let hub = running.end().await;
    let text = crate::grpc::tests::scraped(&hub);
    let line = "tokenward_verifier_door_requests_total{door=\"guard\",outcome=\"allowed\"} 4";
    assert!(text.lines().any(|it| it == line), "{text}");
}

/// A table without such a rule refuses the request, like any other request without a rule.
#[tokio::test(start_paused = true)]
async fn what_a_table_does_not_have_is_not_answered() {
    let inference = Setup {
        table: "@include inference",
        ..Setup::default()
    };
    let running = inference.start().await;
    let ada = bearer("ada", 7, Role::Read);
    for request in ["GET /api/whoami-v2", "GET /api/models/acme/llm/auth-check"] {
        let told = running.ask(request, &[("Authorization", &ada)], "");
        assert_eq!(told.status, 403, "{request}");
    }
    assert_eq!(running.seen().len(), 0);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_the_issuer_s_goes_there_without_a_credential() {
    let issuer = Behind::start();
    let set = Setup {
        issuer: Some(issuer.address.clone()),
        keep_credential: true,
        ..Setup::default()
    };
    let running = set.start().await;
    let ada = bearer("ada", 7, Role::Read);
    let headers = [
        ("Authorization", &*ada),
        ("X-Forwarded-For", "1.2.3.4"),
        ("Cookie", "session=x"),
    ];
    let body = r#"{"credentials":["x"]}"#;
    let revoke = "POST /api/credentials/revoke";
    assert_eq!(running.ask(revoke, &headers, body).status, 200);
    let keys = "GET /.well-known/jwks.json";
    assert_eq!(running.ask(keys, &headers, "").status, 200);
    assert_eq!(running.ask(&format!("{keys}?x"), &[], "").status, 200);
    let seen = issuer.seen();
    let told: Vec<_> = seen
        .iter()
        .map(|it| format!("{} {}", it.method, it.target))
        .collect();
    assert_eq!(told, [revoke, keys, keys]);
    assert_eq!(seen[0].body, body);
    for one in &seen {
        assert_eq!(one.header("authorization"), None);
        assert_eq!(one.header("cookie"), None);
        assert_eq!(one.header("x-forwarded-for"), Some("127.0.0.1"));
    }
    for request in [
        "POST /api//credentials/revoke",
        "POST /api/credentials/%72evoke",
        "POST /api/credentials/Revoke",
        "GET /.well-known/jwks%2Ejson",
        "GET /.well-known/JWKS.json",
    ] {
        let told = running.ask(request, &[], "");
        assert!(matches!(told.status, 400 | 403), "{request}: {}", told.body);
    }
    assert_eq!(issuer.seen().len(), 3);
    assert_eq!(running.seen().len(), 0);
    running.end().await;
    // A guard without an issuer sends the request to the server behind.
    let running = start().await;
    assert_eq!(running.ask(revoke, &[], body).status, 200);
    assert_eq!(running.seen()[0].target, "/api/credentials/revoke");
    running.end().await;
}

/// The issuer does not know the hub's prefix.
#[tokio::test(start_paused = true)]
async fn a_hub_s_prefix_is_taken_off() {
    let issuer = Behind::start();
    let mut place = routes::Place::default();
    place.under("/hub").unwrap();
    let running = Setup {
        issuer: Some(issuer.address.clone()),
        place,
        ..Setup::default()
    };
    let running = running.start().await;
    let ada = bearer("ada", 7, Role::Read);
    let ask = |request: &str| running.ask(request, &[("Authorization", &ada)], "").status;
    assert_eq!(ask("GET /hub/api/whoami-v2"), 200);
    assert_eq!(ask("GET /api/whoami-v2"), 403);
    assert_eq!(ask("GET /hub/api/models/acme/llm/auth-check"), 200);
    assert_eq!(ask("GET /hub/.well-known/jwks.json"), 200);
    assert_eq!(ask("GET /.well-known/jwks.json"), 403);
    assert_eq!(issuer.seen()[0].target, "/.well-known/jwks.json");
    assert_eq!((issuer.seen().len(), running.seen().len()), (1, 0));
    running.end().await;
}
