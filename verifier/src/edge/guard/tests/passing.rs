//! Tests what passes and how it arrives, what does not pass, and what is answered instead.

use tokenward_common::process::bodies::{Room, Shares};

use super::*;

fn padded(text: &str, length: usize) -> String {
    text.to_owned() + &" ".repeat(length - text.len())
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_sent_as_it_was_judged_and_says_who_asks() {
    let running = start().await;
    let ada = bearer("ada", 7, Role::Write);
    let target = "/acme/llm/resolve/refs%2Fpr%2f1/a%20b?download=true&x=%zz";
    let headers = [
        ("Authorization", &*ada),
        ("X-Tokenward-Subject", "root"),
        ("X-Tokenward-Org", "acme"),
        ("Connection", "close, X-Mine"),
        ("X-Mine", "1"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Request-Id", "r1"),
        ("Range", "bytes=0-"),
    ];
    let answer = running.ask(&format!("GET {target}"), &headers, "");
    assert_eq!((answer.status, &*answer.body), (200, "here"));
    assert_eq!(answer.header("x-request-id"), Some("r1"));
    assert_eq!(answer.header("keep-alive"), None);
    let seen = running.seen().remove(0);
    assert_eq!((&*seen.method, &*seen.target), ("GET", target));
    let rows = [
        ("host", Some("hub.example")),
        ("x-tokenward-subject", Some("ada")),
        ("x-tokenward-token-id", Some("7")),
        ("x-tokenward-role", Some("write")),
        ("x-tokenward-org", None),
        ("authorization", None),
        ("connection", None),
        ("x-mine", None),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("hub.example")),
        ("x-request-id", Some("r1")),
        ("range", Some("bytes=0-")),
    ];
    for (name, value) in rows {
        assert_eq!(seen.header(name), value, "{name}");
    }
    // HEAD keeps the length of the body that isn't sent.
    let answer = head(&mut running.sent(&written(&format!("HEAD {OPEN}"), &[], "")));
    assert_eq!(
        (answer.status, answer.header("content-length")),
        (200, Some("4"))
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_credential_is_kept_where_that_is_set() {
    let kept = Setup {
        keep_credential: true,
        ..Setup::default()
    };
    let running = kept.start().await;
    let ada = bearer("ada", 7, Role::Read);
    running.ask(&format!("GET {FILE}"), &[("Authorization", &ada)], "");
    assert_eq!(running.seen()[0].header("authorization"), Some(&*ada));
    let key = token("ada", 7, Role::Read);
    running.ask("POST /v1/embeddings", &[("X-Api-Key", &key)], "{}");
    assert_eq!(running.seen()[1].header("x-api-key"), Some(&*key));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_is_a_credential_where_prompts_go_and_reaches_no_server() {
    let running = start().await;
    let key = token("ada", 7, Role::Read);
    let (ada, bob) = (bearer("ada", 7, Role::Read), bearer("bob", 8, Role::Read));
    let one = ("X-Api-Key", &*key);
    let (same, other) = (("Authorization", &*ada), ("Authorization", &*bob));
    let chat = "POST /v1/chat/completions";
    let file = format!("GET {FILE}");
    let open = format!("GET {OPEN}");
    let rows: [(&str, &[_], u16); 8] = [
        (chat, &[], 401),
        (chat, &[one], 200),
        (chat, &[same, one], 200),
        (chat, &[other, one], 401),
        (chat, &[one, one], 400),
        (&open, &[one], 200),
        (&file, &[one], 401),
        (&file, &[same, one], 200),
    ];
    for (request, headers, status) in rows {
        let body = if request == chat { "{}" } else { "" };
        let answer = running.ask(request, headers, body);
        assert_eq!(answer.status, status, "{request} {}", headers.len());
    }
    let seen = running.seen();
    assert_eq!(seen.len(), 4);
    for seen in seen {
        for name in ["x-api-key", "authorization"] {
            assert_eq!(seen.header(name), None, "{name}");
        }
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_may_not_pass_is_answered_here_as_by_the_other_doors() {
    let running = start().await;
    let read = bearer("ada", 7, Role::Read);
    let bob = bearer("bob", 8, Role::Write);
    let push = "POST /acme/llm.git/git-receive-pack";
    let rows: [(&str, Option<&str>, u16, Option<&str>); 6] = [
        (&format!("GET {FILE}"), None, 401, Some("RepoNotFound")),
        (
            &format!("GET {FILE}"),
            Some(&bob),
            404,
            Some("RepoNotFound"),
        ),
        (&format!("GET {OPEN}"), Some("Bearer nonsense"), 401, None),
        (push, None, 401, Some("RepoNotFound")),
        (push, Some(&read), 403, None),
        ("GET /nonsense", Some(&read), 403, None),
    ];
    for (request, credential, status, code) in rows {
        let headers: Vec<_> = credential.iter().map(|it| ("Authorization", *it)).collect();
        let answer = running.ask(request, &headers, "");
        assert_eq!(
            (answer.status, answer.header("x-error-code")),
            (status, code),
            "{request}"
        );
        assert!(answer.header("x-request-id").is_some(), "{request}");
    }
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let answer = running.ask(&format!("GET {OPEN}"), &upgrade, "");
    assert_eq!(answer.status, 501);
    assert!(answer.body.contains("not forwarded"), "{}", answer.body);

    running.hub.feed.away(true);
    running.hub.clock.advance(Duration::from_secs(60));
    assert_eq!(running.ask(&format!("GET {OPEN}"), &[], "").status, 503);
    assert!(running.seen().is_empty());
    let text = crate::grpc::tests::scraped(&running.end().await);
    for (outcome, count) in [("unauthenticated", 3), ("unavailable", 2), ("allowed", 0)] {
        let line = format!(
            "tokenward_verifier_door_requests_total{{door=\"guard\",outcome=\"{outcome}\"}} {count}"
        );
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_of_a_connection_is_judged_anew() {
    let running = start().await;
    let ada = bearer("ada", 7, Role::Read);
    let text = written(&format!("GET {FILE}"), &[("Authorization", &ada)], "");
    let mut stream = running.sent(&text);
    assert_eq!(told(&mut stream).status, 200);
    running.hub.commit(vec![revoke(7)]).await;
    stream.get_mut().write_all(text.as_bytes()).unwrap();
    assert_eq!(told(&mut stream).status, 401);
    assert_eq!(running.seen().len(), 1);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_looked_at_is_replayed() {
    let running = start().await;
    let ada = bearer("ada", 7, Role::Read);
    let batch = "POST /acme/llm.git/info/lfs/objects/batch";
    let headers = [("Authorization", &*ada)];
    let body = r#"{"operation":"download","objects":[]}"#;
    assert_eq!(running.ask(batch, &headers, body).status, 200);
    let chunked = [headers[0], ("Transfer-Encoding", "chunked")];
    let text = written(batch, &chunked, "") + &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert_eq!(told(&mut running.sent(&text)).status, 200);
    let seen = running.seen();
    assert_eq!((&*seen[0].body, &*seen[1].body), (body, body));
    let length = body.len().to_string();
    for seen in &seen {
        assert_eq!(seen.header("content-length"), Some(&*length));
        assert_eq!(seen.header("transfer-encoding"), None);
    }
    for (body, status) in [
        (r#"{"operation":"upload"}"#.to_owned(), 403),
        ("{".into(), 400),
        (format!(r#"{{"operation":"{}"}}"#, "x".repeat(LONGEST)), 413),
        (
            r#"{"operation":"download","Operation":"upload"}"#.into(),
            400,
        ),
    ] {
        assert_eq!(running.ask(batch, &headers, &body).status, status);
    }
    assert_eq!(running.seen().len(), 2);
    let zipped = [headers[0], ("Content-Encoding", "gzip")];
    let told = running.ask(batch, &zipped, body);
    assert_eq!(told.status, 415);
    assert!(told.body.contains("Content-Encoding"), "{}", told.body);
    // The body passes unchanged, up to the last byte that is read.
    let long = padded(body, LONGEST);
    assert_eq!(running.ask(batch, &headers, &long).status, 200);
    assert_eq!(running.seen().remove(2).body, long);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn long_bodies_share_a_room_and_leave_it() {
    let shares = Shares {
        connection: LONGEST,
        address: LONGEST,
        process: LONGEST,
    };
    let room = Room::new(shares);
    let setup = Setup {
        bodies: Bodies::with_room(LONGEST, room.clone()),
        ..Setup::default()
    };
    let running = setup.start().await;
    let ada = bearer("ada", 7, Role::Read);
    let headers = [("Authorization", &*ada)];
    let batch = "POST /acme/llm.git/info/lfs/objects/batch";
    let body = padded(r#"{"operation":"download"}"#, LONGEST / 4);
    for _ in 0..3 {
        assert_eq!(running.ask(batch, &headers, &body).status, 200);
    }
    let mut charge = room.nothing(None);
    assert!(charge.raise(LONGEST));
    let told = running.ask(batch, &headers, &body);
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")));
    // A short body is not charged.
    let short = r#"{"operation":"download"}"#;
    assert_eq!(running.ask(batch, &headers, short).status, 200);
    drop(charge);
    assert_eq!(running.ask(batch, &headers, &body).status, 200);
    running.end().await;
    assert_eq!(room.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_the_caller_s_to_follow() {
    let running = start().await;
    let answer = running.ask(&format!("GET {OPEN}?do=moved"), &[], "");
    assert_eq!((answer.status, &*answer.body), (307, "elsewhere"));
    let place = "http://cdn.example/acme/llm/x?signed=%2F";
    assert_eq!(answer.header("location"), Some(place));
    assert_eq!(running.seen().len(), 1);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_browser_may_ask_beforehand_where_the_table_says_so() {
    const PAGE: &str = "https://chat.example";
    let setup = Setup {
        table: "@cors https://chat.example\n@include hub",
        ..Setup::default()
    };
    let running = setup.start().await;
    let origin = ("Origin", PAGE);
    let asks = [
        origin,
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "authorization,content-type",
        ),
    ];
    let chat = "OPTIONS /v1/chat/completions";
    let told = head(&mut running.sent(&written(chat, &asks, "")));
    assert_eq!(told.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", Some(PAGE)),
        ("access-control-allow-methods", Some("POST")),
        (
            "access-control-allow-headers",
            Some("authorization,content-type"),
        ),
        ("access-control-allow-credentials", None),
    ] {
        assert_eq!(told.header(name), value, "{name}");
    }
    let mut foreign = asks;
    foreign[0].1 = "https://evil.example";
    let told = running.ask(chat, &foreign, "");
    assert_eq!(
        (told.status, told.header("access-control-allow-origin")),
        (403, None)
    );
    assert_eq!(running.ask("OPTIONS /nonsense", &asks, "").status, 403);
    assert_eq!(running.seen().len(), 0);
    // The page may read answers and refusals, and what it sends is judged.
    let refused = running.ask("POST /v1/chat/completions", &[origin], "{}");
    assert_eq!(
        (
            refused.status,
            refused.header("access-control-allow-origin")
        ),
        (401, Some(PAGE))
    );
    let open = running.ask(&format!("GET {OPEN}"), &[origin], "");
    assert_eq!(
        (open.status, open.header("access-control-allow-origin")),
        (200, Some(PAGE))
    );
    running.end().await;

    let without = start().await;
    let told = without.ask(chat, &asks, "");
    assert_eq!(
        (told.status, told.header("access-control-allow-origin")),
        (403, None)
    );
    without.end().await;
}
