//! Tests the doors over real sockets, on the data plane's own threads.

mod accounts;
mod heads;
mod limited;
mod moved;
mod served;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use prost::Message as _;
use serde_json::{Value, json};
use tokenward_common::{
    id::{AccountId, Name},
    process::{
        DrainTimes, ListenAddress, Shutdown, Traces,
        credentials::{Credentials, LiveCredentials, Role as CallerRole, new_credential},
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
    edge::{
        bodies::{Bodies, Cuts},
        judge::Judge,
        principal::STATUS,
        routes::Table,
    },
    serve::{DataPlane, HttpDoor, Limits},
};

/// This time is so long that it never passes in a test that succeeds.
const NEVER: Duration = Duration::from_secs(3600);

/// This is the longest body, in bytes.
const LONGEST: usize = 128 * 1024;

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
    started(table, address, operators, WhoAmILimits::new(0, 0)).await
}

async fn started(
    table: &str,
    address: &str,
    operators: Option<Credentials>,
    limits: WhoAmILimits,
) -> Running {
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
        operators: operators.map(LiveCredentials::new).map(Arc::new),
        bodies: Bodies::new(LONGEST),
        cuts: Cuts::default(),
        traces: Traces::off(),
        limits: Arc::new(limits),
    };
    let listener = address.parse::<ListenAddress>().unwrap().bind().unwrap();
    let shutdown = Shutdown::start(DrainTimes {
        delay: Duration::ZERO,
        limit: NEVER,
    });
    let make = |_| doors.clone().service();
    let http = vec![HttpDoor {
        listeners: vec![listener],
        make: &make,
    }];
    let limits = Limits::DEFAULT;
    let none = |_: usize| Ok(Routes::default());
    let plane = DataPlane::start_with_http(Vec::new(), http, 1, limits, &shutdown, none).unwrap();
    let address = plane.http_addresses(0)[0].to_string();
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

/// Reads one answer from a connection that stays open.
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

    /// Asks as nginx does.
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
    // A proxy that copies existing headers must overwrite what the caller sent.
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
    let url = (
        "X-Original-URL",
        "https://hub.example/acme/open/resolve/main/x",
    );
    let elsewhere = ("X-Original-URL", "https://hub.example/acme/open");
    let adapter = ("X-Amzn-SageMaker-Adapter-Identifier", "acme/llm");
    let rows: [(&[_], u16); 15] = [
        (&[method, uri, adapter], 400),
        (&[method, url], 200),
        (&[method, uri, url], 200),
        (&[method, uri, elsewhere], 400),
        (&[other, forwarded, url], 400),
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
        // A proxy may ask with the original's method.
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

/// The preflight passes to the server behind, which answers it.
#[tokio::test(start_paused = true)]
async fn what_a_browser_asks_beforehand_passes_where_the_table_says_so() {
    let table = "@cors https://chat.example\n@include hub";
    let running = start(table, "127.0.0.1:0", None).await;
    let page = ("Origin", "https://chat.example");
    let wants = ("Access-Control-Request-Method", "POST");
    let chat = "/v1/chat/completions";
    let rows: [(&str, &str, &[_], u16); 5] = [
        ("OPTIONS", chat, &[page, wants], 200),
        (
            "OPTIONS",
            chat,
            &[("Origin", "https://evil.example"), wants],
            403,
        ),
        ("OPTIONS", chat, &[page], 403),
        ("OPTIONS", "/nonsense", &[page, wants], 403),
        ("POST", chat, &[page, wants], 401),
    ];
    for (method, target, headers, status) in rows {
        let told = running.auth(method, target, headers);
        assert_eq!(told.status, status, "{method} {target} {headers:?}");
        if status == 200 {
            assert_eq!(told.header("x-tokenward-subject"), Some(""));
        }
    }
    running.end().await;
}

/// Envoy's ext_authz over HTTP asks with the original's method, and puts its target behind `/auth`.
#[tokio::test(start_paused = true)]
async fn envoy_asks_over_http_by_the_request_itself() {
    let running = hub().await;
    let reads = bearer(&token("ada", 7, Role::Read));
    let ada = ("Authorization", &*reads);
    let none = ("Content-Length", "0");
    let batch = "POST /auth/acme/llm.git/info/lfs/objects/batch";
    let download = r#"{"operation":"download"}"#;
    let whole = ("X-Envoy-Auth-Partial-Body", "false");
    let part = ("X-Envoy-Auth-Partial-Body", "true");
    let rows: [(&str, &[_], &str, u16); 16] = [
        (
            "GET /auth/acme/llm/resolve/main/x?a=b",
            &[ada, none],
            "",
            200,
        ),
        ("HEAD /auth/acme/llm/resolve/main/x", &[ada], "", 200),
        ("GET /auth/acme/llm/resolve/main/x", &[none], "", 401),
        (
            "GET /auth/acme/open/resolve/main/x?proxy=nginx",
            &[],
            "",
            200,
        ),
        ("PUT /auth/acme/open/resolve/main/x", &[ada], "", 403),
        (
            "POST /auth/acme/llm.git/git-upload-pack",
            &[ada, none],
            "",
            200,
        ),
        (
            "POST /auth/acme/llm.git/git-receive-pack",
            &[ada, none],
            "",
            403,
        ),
        ("GET /auth/acme/open/../llm/resolve/main/x", &[ada], "", 400),
        ("GET /auth/", &[ada], "", 403),
        ("GET /auth//acme/open/resolve/main/x", &[ada], "", 400),
        ("GET /authacme/open/resolve/main/x", &[ada], "", 404),
        (
            "GET /auth/acme/open/resolve/main/x",
            &[("X-Original-URI", "/acme/open")],
            "",
            400,
        ),
        (batch, &[ada, whole], download, 200),
        (batch, &[ada, part], download, 413),
        // Envoy shows no body, so the request may be an upload.
        (batch, &[ada, none], "", 403),
        (batch, &[ada, none, whole], "", 400),
    ];
    for (request, headers, body, status) in rows {
        let told = running.ask(request, headers, body);
        assert_eq!(told.status, status, "{request} {headers:?}: {}", told.body);
    }
    let allowed = running.get("/auth/acme/llm/resolve/main/x", &[ada]);
    assert_eq!(allowed.header("x-tokenward-subject"), Some("ada"));
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
            (told.status, told.header(STATUS)),
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
            .contains("counts as an upload")
    );
    let writes = bearer(&token("ada", 8, Role::Write));
    let mut writer = headers.to_vec();
    writer[2].1 = &writes;
    assert_eq!(running.ask("POST /auth", &writer, "").status, 200);
    writer[1].1 = "/api/repos/create";
    let create = running.ask("POST /auth", &writer, "");
    assert_eq!(create.status, 403);
    let told = create.header("x-error-message").unwrap();
    assert!(told.contains("hands no bodies to the check"), "{told}");
    writer[1].1 = headers[1].1;
    for unreadable in ["{", "[]", r#"{"operation":"upload","operation":"upload"}"#] {
        assert_eq!(running.ask("POST /auth", &writer, unreadable).status, 400);
    }
    // The request is refused by its declared length, without waiting for the body.
    let length = (LONGEST + 1).to_string();
    let mut longer = headers.to_vec();
    longer.push(("Content-Length", &length));
    assert_eq!(running.ask("POST /auth", &longer, "").status, 413);
    longer[2].1 = &writes;
    assert_eq!(running.ask("POST /auth", &longer, "").status, 413);
    assert_eq!(ask("{").status, 400);
    // A body is read up to this length and no further.
    let download = r#"{"operation":"download"}"#;
    let padded = |length: usize| download.to_owned() + &" ".repeat(length - download.len());
    assert_eq!(ask(&padded(LONGEST)).status, 200);
    assert_eq!(ask(&padded(LONGEST + 1)).status, 413);
    let mut zipped = headers.to_vec();
    zipped.push(("Content-Encoding", "gzip"));
    let told = running.ask("POST /auth", &zipped, r#"{"operation":"download"}"#);
    assert_eq!(told.status, 415);
    assert!(
        told.header("x-error-message")
            .unwrap()
            .contains("Content-Encoding")
    );
    // The proxy forwards this header even for a body that it doesn't show.
    assert_eq!(running.ask("POST /auth", &zipped, "").status, 403);
    running.end().await;
}
