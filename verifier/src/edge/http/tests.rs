//! The doors over real sockets, on the data plane's own threads.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
};

use prost::Message as _;
use serde_json::{Value, json};
use tokenward_common::{
    id::{AccountId, Name},
    process::{
        DrainTimes, ListenAddress, Shutdown,
        credentials::{Role as CallerRole, new_credential},
    },
    state::record::{Change, GateMode, Record, Repo, User, Visibility},
    store::guards::Guards,
    token::{Claims, EntityKind, Role, Scope, Scopes},
};
use tokenward_proto::v1::UserDisplay;
use tonic::service::Routes;

use super::*;
use crate::{
    decide::tests::{Hub, claims, mint, model, revoke, token},
    edge::routes::Table,
    serve::{DataPlane, Limits},
};

/// Long enough to never pass in a test that goes well.
const NEVER: Duration = Duration::from_secs(3600);

struct Running {
    hub: Hub,
    plane: DataPlane,
    shutdown: Shutdown,
    address: String,
}

struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn start(table: &str, address: &str, operators: Option<Credentials>) -> Running {
    let hub = Hub::followed(Guards::ALL).await;
    let public = Repo {
        visibility: Visibility::Public,
        gate: GateMode::None,
        ..model("open", "acme")
    };
    hub.commit(vec![Change::Put(Record::Repo(public))]).await;
    let judge = Judge {
        decider: Arc::clone(&hub.decider),
        table: Arc::new(Table::parse(table).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))),
        counts: hub.metrics.worker(0),
        usage: Arc::default(),
    };
    let doors = HttpDoors {
        judge,
        operators: operators.map(Arc::new),
        traces: Traces::off(),
    };
    let listener = address.parse::<ListenAddress>().unwrap().bind().unwrap();
    let shutdown = Shutdown::start(DrainTimes {
        delay: Duration::ZERO,
        limit: NEVER,
    });
    let http = (vec![listener], |_: usize| doors.clone().service());
    let limits = Limits::DEFAULT;
    let none = |_: usize| Routes::default();
    let plane = DataPlane::start_with_http(Vec::new(), http, 1, limits, &shutdown, none).unwrap();
    let address = plane.http_addresses()[0].to_string();
    Running {
        hub,
        plane,
        shutdown,
        address,
    }
}

async fn hub() -> Running {
    start("@include hub", "127.0.0.1:0", None).await
}

/// One answer from a connection that stays open.
fn told(stream: &mut BufReader<impl std::io::Read>) -> Told {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Told {
        status,
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

impl Running {
    fn ask(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Told {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .write_all(written(request, headers, body).as_bytes())
            .unwrap();
        told(&mut BufReader::new(stream))
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Told {
        self.ask(&format!("GET {path}"), headers, "")
    }

    /// As nginx asks.
    fn auth(&self, method: &str, target: &str, more: &[(&str, &str)]) -> Told {
        let mut headers = vec![("X-Original-Method", method), ("X-Original-URI", target)];
        headers.extend(more);
        self.get("/auth", &headers)
    }

    async fn end(mut self) -> Hub {
        self.shutdown.drain();
        self.plane.ended().await.unwrap();
        self.hub
    }
}

fn written(request: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{request} HTTP/1.1\r\nHost: hub\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text + "\r\n" + body
}

fn bearer(text: &str) -> String {
    format!("Bearer {text}")
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_told_whether_to_forward() {
    let running = hub().await;
    let ada = bearer(&token("ada", 7, Role::Write));
    let bob = bearer(&token("bob", 8, Role::Write));
    let file = "/acme/llm/resolve/main/x?download=true";
    let allowed = running.auth("GET", file, &[("Authorization", &ada)]);
    assert_eq!(allowed.status, 200, "{}", allowed.body);
    assert_eq!(allowed.header("x-tokenward-subject"), Some("ada"));
    assert_eq!(allowed.header("x-tokenward-token-id"), Some("7"));
    assert_eq!(allowed.header("x-tokenward-role"), Some("write"));
    // So that a proxy which copies what is there overwrites what the caller sent.
    assert_eq!(allowed.header("x-tokenward-org"), Some(""));
    let spoof = [("X-Tokenward-Subject", "root")];
    let open = running.auth("GET", "/acme/open/resolve/main/x", &spoof);
    assert_eq!(
        (open.status, open.header("x-tokenward-subject")),
        (200, Some(""))
    );

    let nobody = running.auth("GET", file, &[]);
    assert_eq!(
        (nobody.status, nobody.header("x-error-code")),
        (401, Some("RepoNotFound"))
    );
    let hidden = running.auth(
        "HEAD",
        file,
        &[("Authorization", &bob), ("X-Request-Id", "r1")],
    );
    assert_eq!(
        (hidden.status, hidden.header("x-error-code")),
        (404, Some("RepoNotFound"))
    );
    assert_eq!(hidden.header("x-request-id"), Some("r1"));
    assert_eq!(hidden.json(), json!({ "error": "Repository not found" }));
    let bad = running.auth(
        "GET",
        "/acme/open/resolve/main/x",
        &[("Authorization", "Basic !")],
    );
    assert_eq!(bad.status, 401);
    let told = "Invalid credentials in Authorization header";
    assert_eq!(bad.header("x-error-message"), Some(told));
    let twice = [("Authorization", &*ada), ("Authorization", &*ada)];
    assert_eq!(running.auth("GET", file, &twice).status, 401);
    let bill = |account| {
        let headers = [("Authorization", &*ada), ("X-HF-Bill-To", account)];
        running.auth("POST", "/v1/chat/completions", &headers)
    };
    let billed = bill("acme");
    assert_eq!(
        (billed.status, billed.header("x-tokenward-org")),
        (200, Some("acme"))
    );
    assert_eq!(bill("bob").status, 403);
    let git = running.auth("POST", "/acme/open.git/git-receive-pack", &[]);
    assert_eq!(git.status, 401);
    assert!(git.header("www-authenticate").unwrap().starts_with("Basic"));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_original_request_is_said_once_or_twice_alike() {
    let running = hub().await;
    let file = "/acme/open/resolve/main/x";
    let (method, uri) = (("X-Original-Method", "GET"), ("X-Original-URI", file));
    let (other, forwarded) = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", file));
    let push = ("X-Forwarded-Uri", "/acme/open.git/git-receive-pack");
    let rows: [(&[_], u16); 10] = [
        (&[method, uri], 200),
        (&[other, forwarded], 200),
        (&[method, uri, other, forwarded], 200),
        (&[], 400),
        (&[method], 400),
        (&[uri], 400),
        (&[method, uri, push], 400),
        (&[method, uri, other, push], 400),
        (&[method, uri, uri], 400),
        (&[method, forwarded], 400),
    ];
    for (headers, status) in rows {
        assert_eq!(running.get("/auth", headers).status, status, "{headers:?}");
        // A proxy may ask by the original's method.
        assert_eq!(
            running.ask("POST /auth", headers, "").status,
            status,
            "{headers:?}"
        );
    }
    assert_eq!(
        running.get("/auth?proxy=apache", &[method, uri]).status,
        400
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn nginx_is_told_by_what_it_can_take() {
    let running = hub().await;
    let bob = bearer(&token("bob", 8, Role::Write));
    let ask = |target: &str, credential: Option<&str>| {
        let mut headers = vec![("X-Original-Method", "GET"), ("X-Original-URI", target)];
        headers.extend(credential.map(|it| ("Authorization", it)));
        running.get("/auth?proxy=nginx", &headers)
    };
    let rows = [
        ("/acme/open/resolve/main/x", None, 200, "200"),
        ("/acme/llm/resolve/main/x", None, 401, "401"),
        ("/acme/llm/resolve/main/x", Some(&*bob), 403, "404"),
        ("/acme/gated/resolve/main/x", Some(&*bob), 403, "403"),
        ("/acme/open/../llm/resolve/main/x", Some(&*bob), 403, "400"),
        ("http://hub/acme/open/resolve/main/x", None, 403, "400"),
        ("/nonsense", None, 403, "403"),
    ];
    for (target, credential, status, meant) in rows {
        let told = ask(target, credential);
        assert_eq!(
            (told.status, told.header(super::super::principal::STATUS)),
            (status, Some(meant)),
            "{target}"
        );
    }
    running.hub.feed.away(true);
    running.hub.clock.advance(Duration::from_secs(60));
    let late = ask("/acme/open/resolve/main/x", None);
    assert_eq!(
        (late.status, late.header("x-tokenward-status")),
        (403, Some("503"))
    );
    assert_eq!(
        running.auth("GET", "/acme/open/resolve/main/x", &[]).status,
        503
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_looked_at_where_the_proxy_sends_it() {
    let running = hub().await;
    let ada = bearer(&token("ada", 7, Role::Read));
    let headers = [
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Uri", "/acme/llm.git/info/lfs/objects/batch"),
        ("Authorization", &ada),
    ];
    let ask = |body: &str| running.ask("POST /auth", &headers, body);
    assert_eq!(ask(r#"{"operation":"download"}"#).status, 200);
    assert_eq!(ask(r#"{"operation":"upload"}"#).status, 403);
    let without = ask("");
    assert_eq!(without.status, 403);
    assert!(
        without
            .header("x-error-message")
            .unwrap()
            .contains("let the proxy send it")
    );
    assert_eq!(
        ask(&format!(r#"{{"operation":"{}"}}"#, "x".repeat(MAX_BODY))).status,
        413
    );
    assert_eq!(ask("{").status, 400);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn whoami_has_every_field_that_clients_need() {
    let running = hub().await;
    let display = UserDisplay {
        full_name: "Ada L.".into(),
        email: "ada@acme.example".into(),
        avatar_url: "https://hub.example/a.png".into(),
        is_pro: true,
    };
    let named = User {
        id: AccountId::parse("ada").unwrap(),
        name: Name::parse("ada").unwrap(),
        disabled: false,
        service_account_of: None,
        display: display.encode_to_vec().into(),
    };
    running
        .hub
        .commit(vec![Change::Put(Record::User(named))])
        .await;
    let ask = |text: &str| running.get("/api/whoami-v2", &[("Authorization", &bearer(text))]);
    let told = ask(&token("ada", 7, Role::Read));
    assert_eq!(
        (told.status, told.header("content-type")),
        (200, Some("application/json"))
    );
    let expected = json!({
        "type": "user",
        "id": "ada",
        "name": "ada",
        "fullname": "Ada L.",
        "email": "ada@acme.example",
        "avatarUrl": "https://hub.example/a.png",
        "isPro": true,
        "orgs": [{
            "type": "org",
            "id": "acme",
            "name": "acme",
            "fullname": "acme",
            "avatarUrl": "",
            "roleInOrg": "write",
        }],
        "auth": {
            "type": "access_token",
            "accessToken": {
                "displayName": "laptop",
                "role": "read",
                "createdAt": "2027-01-15T07:58:20Z",
            },
        },
    });
    assert_eq!(told.json(), expected);

    let scoped = Claims {
        exp: Some(tokenward_common::clock::UnixTime(
            crate::decide::tests::START + 3600,
        )),
        scopes: Some(Scopes {
            scoped: vec![Scope {
                kind: EntityKind::ResourceGroup,
                id: "g1".into(),
                permissions: vec!["repo.write".into(), "not.known".into()],
                patterns: Vec::new(),
            }],
            global: vec!["discussion.write".into()],
            can_read_gated_repos: true,
        }),
        ..claims("ada", 8, Role::FineGrained)
    };
    let told = ask(&mint(&scoped)).json();
    assert_eq!(told.get("email"), None);
    assert_eq!(told["auth"]["expiresAt"], "2027-01-15T09:00:00Z");
    let access = &told["auth"]["accessToken"];
    assert_eq!(access["role"], "fineGrained");
    assert_eq!(
        access["fineGrained"],
        json!({
            "scoped": [{
                "entity": { "_id": "g1", "type": "resource-group" },
                "permissions": ["repo.write", "not.known"],
            }],
            "global": ["discussion.write"],
            "canReadGatedRepos": true,
        })
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_nobody_is_told_so() {
    let running = hub().await;
    let nobody = running.get("/api/whoami-v2", &[]);
    assert_eq!((nobody.status, nobody.header("x-error-code")), (401, None));
    let revoked = token("ada", 7, Role::Read);
    running.hub.commit(vec![revoke(7)]).await;
    let refused = running.get("/api/whoami-v2", &[("Authorization", &bearer(&revoked))]);
    let told = "Invalid credentials in Authorization header";
    assert_eq!(
        (refused.status, refused.header("x-error-message")),
        (401, Some(told))
    );
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn auth_check_asks_for_reading_and_for_writing() {
    // Whatever the table says of other requests.
    let running = start("@legacy acme\n@include inference", "127.0.0.1:0", None).await;
    let reads = bearer(&token("ada", 7, Role::Read));
    let writes = bearer(&token("ada", 8, Role::Write));
    let bob = bearer(&token("bob", 9, Role::Write));
    let rows = [
        ("acme/llm/auth-check", Some(&reads), 200),
        ("acme/llm/auth-check/write", Some(&reads), 403),
        ("acme/llm/auth-check/write", Some(&writes), 200),
        ("acme/llm/auth-check", Some(&bob), 404),
        ("acme/gated/auth-check", Some(&bob), 403),
        ("acme/open/auth-check", None, 200),
        ("acme/open/auth-check/write", None, 401),
        ("acme/llm/auth-check", None, 401),
        ("llm/auth-check", Some(&reads), 200),
    ];
    for (path, credential, status) in rows {
        let headers = credential.map(|it| ("Authorization", &**it));
        let told = running.get(&format!("/api/models/{path}"), headers.as_slice());
        assert_eq!(told.status, status, "{path}");
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn introspection_is_for_operators() {
    let (secret, digest) = new_credential().unwrap();
    let (weak, weak_digest) = new_credential().unwrap();
    let role = |role| serde_json::to_string(&role).unwrap();
    let json = format!(
        r#"{{"credentials":[{{"name":"eve","sha256":["{digest}"],"roles":[{}]}},
                            {{"name":"max","sha256":["{weak_digest}"],"roles":[{}]}}]}}"#,
        role(CallerRole::Explain),
        role(CallerRole::Mint)
    );
    let operators = Credentials::parse(&json).unwrap();
    let running = start("@include hub", "127.0.0.1:0", Some(operators)).await;
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let ask = |authorization: &str, kind, body: &str| {
        let headers = [("Authorization", authorization), kind];
        running.ask("POST /oauth/introspect", &headers, body)
    };
    let live = token("ada", 7, Role::Read);
    let dead = token("ada", 8, Role::Read);
    running.hub.commit(vec![revoke(8)]).await;
    let body = format!("token={live}");
    let told = ask(&bearer(&secret), form, &body);
    assert_eq!(told.status, 200);
    let expected = json!({
        "active": true,
        "token_type": "Bearer",
        "sub": "ada",
        "username": "ada",
        "iss": "https://tokens.example",
        "aud": "hub",
        "iat": 1_799_999_900,
        "token_id": "7",
        "role": "read",
    });
    assert_eq!(told.json(), expected);
    for body in [format!("token={dead}"), "token=nonsense".into()] {
        let told = ask(&bearer(&secret), form, &body);
        assert_eq!(
            (told.status, told.json()),
            (200, json!({ "active": false }))
        );
    }
    let plain = ("Content-Type", "application/json");
    assert_eq!(ask(&bearer(&secret), plain, &body).status, 400);
    assert_eq!(ask(&bearer(&secret), form, "").status, 400);
    assert_eq!(ask(&bearer(&weak), form, &body).status, 403);
    for other in [bearer(&live), "Basic x".into()] {
        assert_eq!(ask(&other, form, &body).status, 401);
    }
    assert_eq!(
        running.ask("POST /oauth/introspect", &[form], &body).status,
        401
    );
    running.end().await;

    let nobody = hub().await;
    let headers = [("Authorization", &*bearer(&secret)), form];
    let told = nobody.ask("POST /oauth/introspect", &headers, &body);
    assert_eq!(told.status, 401);
    assert!(told.body.contains("--operators"));
    nobody.end().await;
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_not_there() {
    let running = hub().await;
    for request in [
        "GET /",
        "GET /auth/",
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
