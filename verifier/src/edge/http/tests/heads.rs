//! Tests how long a head may be, and what it must not contain.

use super::*;

#[tokio::test]
async fn a_head_is_read_up_to_its_bound() {
    let running = hub().await;
    let (token, others) = ("A".repeat(5462), "x".repeat(16 * 1024));
    let basic = format!("Basic {token}");
    let told = running.get(
        "/api/whoami-v2",
        &[("Authorization", &basic), ("X-A", &others)],
    );
    assert_eq!(told.status, 401);
    let mut stream = TcpStream::connect(&running.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // The head has no end, and is not waited for.
    let half = format!("GET / HTTP/1.1\r\nX-A: {}", "x".repeat(40 * 1024));
    let _ = stream.write_all(half.as_bytes());
    let read = stream.read(&mut [0; 64]).map_err(|error| error.kind());
    assert_ne!(read, Err(std::io::ErrorKind::WouldBlock));
    running.end().await;
}

/// The door refuses what the guard refuses, whichever proxy asks.
#[tokio::test(start_paused = true)]
async fn what_would_pass_beside_the_judgement_is_refused() {
    let running = hub().await;
    let file = "/acme/open/resolve/main/x";
    let behind = format!("GET /auth{file}");
    let (method, head) = (("X-Original-Method", "GET"), ("X-Original-Method", "HEAD"));
    let uri = ("X-Original-URI", file);
    let (web, h2c) = (("Upgrade", "websocket"), ("Upgrade", "websocket, H2C"));
    let settings = ("HTTP2-Settings", "AAMAAABkAAQAAP__");
    let rows: [(&str, &[_], &str, &str); 11] = [
        ("POST /auth", &[method, uri], "", ""),
        ("POST /auth", &[method, uri, web], "", ""),
        ("POST /auth", &[method, uri], "{}", "with a body"),
        ("POST /auth", &[head, uri], "{}", "with a body"),
        ("POST /auth?body=sink", &[method, uri], "{}", "with a body"),
        (&behind, &[], "", ""),
        (&behind, &[], "{}", "with a body"),
        ("GET /auth", &[method, uri, h2c], "", "h2c"),
        ("GET /auth", &[method, uri, settings], "", "h2c"),
        (&behind, &[h2c], "", "h2c"),
        (&behind, &[settings], "", "h2c"),
    ];
    for (request, headers, body, rule) in rows {
        let told = running.ask(request, headers, body);
        let expected = if rule.is_empty() { 200 } else { 400 };
        assert_eq!(told.status, expected, "{request} {headers:?}");
        assert!(told.body.contains(rule), "{request} {}", told.body);
    }
    // With a method that may have a body, the body is read if the route reads it.
    let told = running.ask(&format!("POST /auth{file}"), &[], "{}");
    assert!(!told.body.contains("with a body"), "{}", told.body);
    running.end().await;
}
