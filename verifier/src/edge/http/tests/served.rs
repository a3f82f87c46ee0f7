//! Paths, counts, connections.

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
