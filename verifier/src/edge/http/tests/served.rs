//! Tests paths, counts and connections.

use super::*;

#[tokio::test(start_paused = true)]
async fn everything_else_is_not_there() {
    let running = hub().await;
    for request in [
        "GET /",
        "GET /authx",
        "GET /Auth",
        "GET /api/whoami-v2/",
        "POST /api/whoami-v2",
        "GET /oauth/introspect",
        "GET /acme/open/resolve/main/x",
        "GET /metrics",
        "GET http://hub/api/whoami-v2",
    ] {
        let told = running.ask(request, &[], "");
        assert_eq!(told.status, 404, "{request}");
        assert!(told.body.contains("error"), "{request}");
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn answers_are_counted_by_door_and_decisions_as_ever() {
    let running = hub().await;
    running.auth("GET", "/acme/open/resolve/main/x", &[]);
    running.auth("GET", "/acme/llm/resolve/main/x", &[]);
    let headers = [
        ("X-Original-Method", "GET"),
        ("X-Original-URI", "/nonsense"),
    ];
    running.get("/auth?proxy=nginx", &headers);
    running.get("/api/whoami-v2", &[]);
    let hub = running.end().await;
    let text = crate::grpc::tests::scraped(&hub);
    for line in [
        "door_requests_total{door=\"forward_auth\",outcome=\"allowed\"} 1",
        "door_requests_total{door=\"forward_auth\",outcome=\"unauthenticated\"} 1",
        "door_requests_total{door=\"forward_auth\",outcome=\"forbidden\"} 1",
        "door_requests_total{door=\"whoami\",outcome=\"unauthenticated\"} 1",
        "checks_total{verdict=\"allow\",reason=\"\"} 1",
        "checks_total{verdict=\"deny\",reason=\"not_found\"} 1",
        "checks_total{verdict=\"error\",reason=\"invalid_request\"} 1",
    ] {
        let line = format!("tokenward_verifier_{line}");
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_and_a_drain_ends_it() {
    let running = hub().await;
    let mut stream = BufReader::new(TcpStream::connect(&running.address).unwrap());
    for _ in 0..3 {
        let text = written("GET /api/whoami-v2", &[], "");
        stream.get_mut().write_all(text.as_bytes()).unwrap();
        assert_eq!(told(&mut stream).status, 401);
    }
    running.end().await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_unix_socket_serves_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let running = start("@include hub", &format!("unix:{}", path.display()), None).await;
    let mut stream = UnixStream::connect(&path).unwrap();
    stream
        .write_all(written("GET /api/whoami-v2", &[], "").as_bytes())
        .unwrap();
    assert_eq!(told(&mut BufReader::new(stream)).status, 401);
    running.end().await;
}

/// A proxy that can't discard a refused body hands it to this door, which answers once all of it is taken.
#[tokio::test(start_paused = true)]
async fn a_refused_body_is_taken_to_its_end_and_not_looked_at() {
    let running = hub().await;
    let write = bearer(&token("ada", 8, Role::Write));
    let refused = [
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Uri", "/api/repos/create"),
        ("Authorization", &*write),
    ];
    // By its body the request would be allowed. By its head it isn't, and that was the answer.
    let body = r#"{"name":"x"}"#;
    assert_eq!(running.ask("POST /auth", &refused, body).status, 200);
    let long = "x".repeat(4 * LONGEST);
    for body in [body, &*long] {
        let told = running.ask("POST /auth?body=sink", &refused, body);
        assert_eq!(told.status, 403);
        let why = told.header("x-error-message").unwrap();
        assert!(why.contains("hands no bodies to the check"), "{why}");
    }
    // There is no answer until the whole body is taken.
    let mut stream = BufReader::new(TcpStream::connect(&running.address).unwrap());
    let text = written("PUT /auth?body=sink", &refused, &long);
    let (most, last) = text.split_at(text.len() - 1);
    stream.get_mut().write_all(most.as_bytes()).unwrap();
    stream.get_mut().set_nonblocking(true).unwrap();
    let none = stream.get_mut().read(&mut [0]).unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::WouldBlock);
    stream.get_mut().set_nonblocking(false).unwrap();
    stream.get_mut().write_all(last.as_bytes()).unwrap();
    assert_eq!(told(&mut stream).status, 403);
    assert_eq!(running.get("/auth?body=x", &refused).status, 400);
    running.end().await;
}
