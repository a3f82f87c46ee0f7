//! Tests requests that mean one thing here and another at the server behind. None of them may reach it as
//! another resource than the judged one. The caller may read `acme/open`, and not `acme/llm`.

use super::*;

/// Reads a target as the most lenient server would.
fn leniently(target: &str) -> String {
    let mut text = target.to_ascii_lowercase();
    for _ in 0..3 {
        for (code, byte) in [
            ("%25", "%"),
            ("%2f", "/"),
            ("%5c", "/"),
            ("%2e", "."),
            ("\\", "/"),
        ] {
            text = text.replace(code, byte);
        }
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let mut segments = Vec::new();
    for segment in path
        .split('/')
        .map(|it| it.split(';').next().unwrap_or_default())
    {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    segments.join("/")
}

#[tokio::test(start_paused = true)]
async fn no_target_reaches_another_resource() {
    assert_eq!(leniently("/acme/open/%2e%2E/LLM;x//a?y"), "acme/llm/a");
    let running = start().await;
    let targets = [
        "/acme/open/../llm/resolve/main/x",
        "/acme/open/./resolve/main/x",
        "/acme/open/%2e%2e/llm/resolve/main/x",
        "/acme/open/.%2e/llm/resolve/main/x",
        "/acme/open%2f..%2fllm/resolve/main/x",
        "/acme/open/..%5cllm/resolve/main/x",
        "/acme/open/resolve/main/..%2f..%2f..%2fllm%2fresolve%2fmain%2fx",
        "/acme/open/resolve/main/%252e%252e/%252e%252e/%252e%252e/llm/resolve/main/x",
        "/acme/open/resolve/main/../../../llm/resolve/main/x",
        "/acme/open/resolve/main/..;/..;/..;/llm/resolve/main/x",
        "/acme/open/resolve/..%2F..%2Fllm/x",
        "/acme/open/\\..\\llm/resolve/main/x",
        "//acme/llm/resolve/main/x",
        "/acme//llm/resolve/main/x",
        "/acme/llm//resolve/main/x",
        "/acme/%6clm/resolve/main/x",
        "/ACME/LLM/resolve/main/x",
        "/acme/llm/RESOLVE/main/x",
        "/acme/llm/resolve/main/x%00",
        "/acme/llm/resolve/main/x#",
        "/acme/open/resolve/main/x#/../../../../llm/resolve/main/x",
        "/acme/open/resolve/main/x?/../../../../llm/resolve/main/x",
        "/acme/open/resolve/main/x?y=%00",
        "http://hub.example/acme/llm/resolve/main/x",
        "http://hub.example/acme/open/resolve/main/x",
        "http://llm/",
        "hub.example:80",
        "*",
        "acme/llm/resolve/main/x",
        "/acme/llm/resolve/main/x /acme/open",
        "",
        "/",
    ];
    for method in ["GET", "HEAD", "OPTIONS", "CONNECT", "get", "POST"] {
        for target in targets {
            let text = written(
                &format!("{method} {target}"),
                &[("Connection", "close")],
                "",
            );
            let mut stream = running.sent(&text);
            rest(&mut stream);
        }
    }
    let seen = running.seen();
    assert!(!seen.is_empty());
    for seen in seen {
        let read = leniently(&seen.target);
        assert!(read.starts_with("acme/open/resolve/main/"), "{seen:?}");
        // The target is also byte for byte the requested one.
        assert!(targets.contains(&&*seen.target), "{seen:?}");
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn no_request_hides_in_another() {
    let running = start().await;
    let hidden = format!("GET {FILE} HTTP/1.1\r\nHost: hub\r\n\r\n");
    let rows = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length : 5",
        "Content-Length: 5\r\n ,5",
        "Content-Length: 0x5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer_Encoding: chunked\r\nContent-Length: 5\r\nContent-Length: 5",
        "Host: other\r\nContent-Length: 5",
        "Connection: content-length\r\nContent-Length: 5",
        "Connection: transfer-encoding\r\nTransfer-Encoding: chunked",
        // These lines end otherwise, or continue.
        "Content-Length: 5\nX-Mine: 1",
        "X-Mine: 1\n\r\nContent-Length: 5",
        "X-Mine: 1\rContent-Length: 5",
        "X-Mine: 1\r\n folded\r\nContent-Length: 5",
        "X-Mine: 1\r\n\tfolded\r\nContent-Length: 5",
        "X-Mine: \0\r\nContent-Length: 5",
        "X Mine: 1\r\nContent-Length: 5",
        ": 1\r\nContent-Length: 5",
    ];
    for row in rows {
        let text = format!("POST {PACK} HTTP/1.1\r\nHost: hub\r\n{row}\r\n\r\n0\r\n\r\n{hidden}");
        let mut stream = running.sent(&text);
        assert_eq!(head(&mut stream).status, 400, "{row}");
        // No other request is answered on this connection.
        let rest = rest(&mut stream);
        assert!(!rest.windows(8).any(|it| it == b"HTTP/1.1"), "{row}");
    }
    // The first request is good, and the second is not.
    let text = written(&format!("POST {PACK}"), &[], "body")
        + &format!(
            "POST {PACK} HTTP/1.1\r\nHost: hub\r\nContent-Length: 4\r\ncontent-length: 4\r\n\r\nbody"
        );
    let mut stream = running.sent(&text);
    assert_eq!(told(&mut stream).status, 200);
    assert_eq!(told(&mut stream).status, 400);
    let seen = running.seen();
    assert_eq!((seen.len(), &*seen[0].body), (1, "body"));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn no_header_turns_a_request_into_another() {
    let running = start().await;
    let ada = bearer("ada", 7, Role::Read);
    let one = ("Authorization", &*ada);
    let rows: [(&[_], u16); 5] = [
        (&[one], 200),
        (&[one, one], 400),
        (&[one, ("authorization", "Bearer x")], 400),
        (&[one, ("Connection", "authorization")], 400),
        (&[one, ("Host", "hub.example")], 400),
    ];
    for (headers, status) in rows {
        let answer = running.ask(&format!("GET {FILE}"), headers, "");
        assert_eq!(answer.status, status, "{}", headers.len());
    }
    let spoofs = [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", FILE),
        ("X-Rewrite-URL", FILE),
        ("X_Tokenward_Subject", "root"),
        ("Proxy-Authorization", &*ada),
    ];
    assert_eq!(running.ask(&format!("GET {OPEN}"), &spoofs, "").status, 200);
    let seen = running.seen();
    assert_eq!(seen.len(), 2);
    for (name, _) in spoofs {
        assert_eq!(seen[1].header(&name.to_ascii_lowercase()), None, "{name}");
    }
    assert_eq!(seen[1].header("x-tokenward-subject"), None);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_can_t_be_read_is_the_caller_s_fault() {
    let running = start().await;
    let hidden = format!("GET {FILE} HTTP/1.1\r\nHost: hub\r\n\r\n");
    for body in ["zz\r\n", "5\r\nbodyX\r\n", "-1\r\n", "1\nx\r\n0\r\n\r\n"] {
        let headers = [("Transfer-Encoding", "chunked")];
        let text = written(&format!("POST {PACK}"), &headers, "") + body + &hidden;
        let mut stream = running.sent(&text);
        assert_eq!(head(&mut stream).status, 400, "{body:?}");
        let rest = rest(&mut stream);
        assert!(!rest.windows(8).any(|it| it == b"HTTP/1.1"), "{body:?}");
    }
    let seen = running.seen();
    assert!(seen.iter().all(|it| it.target == PACK), "{seen:?}");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn tunnels_upgrades_and_other_expectations_are_refused_by_name() {
    let running = start().await;
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let rows: [(&str, &[_], u16, &str); 4] = [
        ("GET /acme/open/resolve/main/x", &upgrade, 501, "upgrades"),
        ("CONNECT llm.example:80", &[], 501, "CONNECT"),
        (
            "GET /acme/open/resolve/main/x",
            &[("Expect", "200-ok")],
            417,
            "Expect",
        ),
        ("GET http://hub.example/acme/open", &[], 400, "whole URL"),
    ];
    for (request, headers, status, word) in rows {
        let answer = running.ask(request, headers, "");
        assert_eq!(answer.status, status, "{request}");
        assert!(answer.body.contains(word), "{request}: {}", answer.body);
    }
    // An offer of HTTP/2 is ignored.
    let offer = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
    ];
    assert_eq!(running.ask(&format!("GET {OPEN}"), &offer, "").status, 200);
    let seen = running.seen();
    assert_eq!((seen.len(), seen[0].header("upgrade")), (1, None));
    running.end().await;
}
