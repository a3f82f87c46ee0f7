//! Requests as Envoy shows them, before a real decision with tokens really minted; last over real
//! sockets.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pb::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
    attribute_context::{HttpRequest, Request as Inner},
    authorization_client::AuthorizationClient,
    authorization_server::{Authorization as _, SERVICE_NAME as ENVOY},
    check_response::HttpResponse,
};
use tokenward_common::{
    process::{DrainTimes, ListenAddress, Shutdown},
    state::record::{Change, GateMode, Record, Repo, Visibility},
    store::guards::Guards,
    token::Role,
};
use tokenward_proto::envoy::config::core::v3::{
    HeaderMap, HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};
use tonic::transport::Endpoint;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::*;
use crate::{
    decide::tests::{Hub, model, revoke, token},
    edge::principal::{ORG, ROLE, STRIPPED, SUBJECT, TOKEN_ID},
    serve::{DataPlane, Health, Limits, verifier_and_envoy_routes},
};

const READ: &str = "GET /acme/llm/resolve/main/x";
const INVALID: &str = "Invalid credentials in Authorization header";

async fn hub() -> Hub {
    let hub = Hub::followed(Guards::ALL).await;
    let public = Repo {
        visibility: Visibility::Public,
        gate: GateMode::None,
        ..model("open", "acme")
    };
    hub.commit(vec![Change::Put(Record::Repo(public))]).await;
    hub
}

fn door(hub: &Hub) -> EnvoyDoor {
    EnvoyDoor {
        judge: Judge {
            decider: Arc::clone(&hub.decider),
            table: Arc::new(Table::hub().unwrap()),
            counts: hub.metrics.worker(0),
            usage: Arc::default(),
        },
        tables: BuiltIn::new().unwrap(),
        traces: Traces::off(),
    }
}

/// As Envoy shows it by default.
fn http(row: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let (method, path) = row.split_once(' ').unwrap();
    let headers = headers.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    HttpRequest {
        id: "1".into(),
        method: method.into(),
        path: path.into(),
        host: "hub.example".into(),
        scheme: "https".into(),
        headers: headers.collect(),
        ..HttpRequest::default()
    }
}

fn shown(http: HttpRequest, extensions: &[(&str, &str)]) -> CheckRequest {
    let extensions = extensions.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Inner { http: Some(http) }),
            context_extensions: extensions.collect(),
        }),
    }
}

async fn told(door: &EnvoyDoor, request: CheckRequest) -> CheckResponse {
    door.check(Request::new(request))
        .await
        .unwrap()
        .into_inner()
}

async fn ask(door: &EnvoyDoor, row: &str, headers: &[(&str, &str)]) -> CheckResponse {
    told(door, shown(http(row, headers), &[])).await
}

async fn ask_with(door: &EnvoyDoor, http: HttpRequest, extensions: &[(&str, &str)]) -> u16 {
    status(&told(door, shown(http, extensions)).await)
}

/// As Envoy reads it: 200 where it would let the request through.
fn status(told: &CheckResponse) -> u16 {
    let code = told.status.as_ref().map_or(0, |status| status.code);
    match &told.http_response {
        Some(HttpResponse::DeniedResponse(denied)) => {
            assert_ne!(code, 0, "a refusal that allows");
            u16::try_from(denied.status.unwrap().code).unwrap()
        }
        Some(HttpResponse::OkResponse(_)) => {
            assert_eq!(code, 0);
            200
        }
        None => panic!("an answer that is neither"),
    }
}

fn ok(told: CheckResponse) -> OkHttpResponse {
    assert_eq!(status(&told), 200);
    let Some(HttpResponse::OkResponse(ok)) = told.http_response else {
        panic!("denied")
    };
    ok
}

fn denied(told: CheckResponse) -> DeniedHttpResponse {
    assert_ne!(status(&told), 200);
    let Some(HttpResponse::DeniedResponse(denied)) = told.http_response else {
        panic!("allowed")
    };
    denied
}

/// All of them replace what is there.
fn headers(set: &[HeaderValueOption]) -> HashMap<&str, &str> {
    let pair = |one: &'_ HeaderValueOption| {
        let overwrite = HeaderAppendAction::OverwriteIfExistsOrAdd;
        assert_eq!(one.append_action(), overwrite);
    };
    set.iter().for_each(pair);
    let headers = set.iter().filter_map(|one| one.header.as_ref());
    headers.map(|it| (&*it.key, &*it.value)).collect()
}

fn metadata(told: &CheckResponse, key: &str) -> Option<String> {
    use prost_types::value::Kind;
    let fields = &told.dynamic_metadata.as_ref().unwrap().fields;
    match fields.get(key)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.clone()),
        Kind::NumberValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn bearer(text: &str) -> String {
    format!("Bearer {text}")
}

#[tokio::test(start_paused = true)]
async fn each_status_stays_apart() {
    let hub = hub().await;
    hub.commit(vec![revoke(8)]).await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let dead = bearer(&token("ada", 8, Role::Write));
    let bob = bearer(&token("bob", 9, Role::Write));
    let basic = token("ada", 7, Role::Read);
    let basic = format!("Basic {}", STANDARD.encode(format!("ada:{basic}")));
    let rows = [
        (READ, reads.as_str(), 200),
        (READ, &basic, 200),
        ("HEAD /acme/llm/resolve/main/x", &reads, 200),
        ("GET /acme/open/resolve/main/x", "", 200),
        (READ, "", 401),
        (READ, &dead, 401),
        ("GET /acme/open/resolve/main/x", &dead, 401),
        (READ, "Bearer nonsense", 401),
        (READ, "Basic !", 401),
        (READ, &bob, 404),
        ("GET /acme/none/resolve/main/x", &bob, 404),
        ("POST /acme/llm.git/git-receive-pack", &reads, 403),
        ("POST /acme/open.git/git-receive-pack", "", 401),
        ("GET /acme/gated/resolve/main/x", &bob, 403),
        // No rule, or no way to read it.
        ("GET /acme/llm/nonsense", &reads, 403),
        ("GET /acme/open/../llm/resolve/main/x", &reads, 400),
        ("GET //acme/llm/resolve/main/x", &reads, 400),
        ("GET /acme/open/..%2fllm/resolve/main/x", &reads, 400),
        ("GET /acme%2Fllm/resolve/main/x", &reads, 403),
        ("GET /Api/models/acme/llm", &reads, 403),
        ("GET ", &reads, 400),
        ("OPTIONS *", &reads, 400),
    ];
    for (row, credential, expected) in rows {
        let shown = [("authorization", credential)];
        let shown = if credential.is_empty() {
            &[]
        } else {
            &shown[..]
        };
        assert_eq!(status(&ask(&door, row, shown).await), expected, "{row}");
    }
    // About no HTTP request at all.
    for request in [CheckRequest::default(), {
        let mut request = shown(http(READ, &[]), &[]);
        request.attributes.as_mut().unwrap().request = None;
        request
    }] {
        assert_eq!(status(&told(&door, request).await), 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_what_the_http_door_says() {
    let hub = hub().await;
    let door = door(&hub);
    let bad = ask(
        &door,
        READ,
        &[("authorization", "Bearer x"), ("x-request-id", "r-1")],
    )
    .await;
    assert_eq!(bad.status.as_ref().unwrap().code, 16);
    assert_eq!(metadata(&bad, "reason").unwrap(), "token_malformed");
    let bad = denied(bad);
    let told = headers(&bad.headers);
    assert_eq!(told["x-error-message"], INVALID);
    assert_eq!(told["x-request-id"], "r-1");
    assert_eq!(told["www-authenticate"], r#"Bearer realm="Tokenward""#);
    assert_eq!(told["content-type"], "application/json");
    assert_eq!(told["cache-control"], "no-store");
    // Why it isn't good is not for whoever shows it.
    assert!(!told.contains_key("x-tokenward-reason"));
    assert_eq!(bad.body, format!(r#"{{"error":"{INVALID}"}}"#));

    let bob = bearer(&token("bob", 9, Role::Write));
    let missing = ask(&door, READ, &[("authorization", &bob)]).await;
    assert_eq!(missing.status.as_ref().unwrap().code, 5);
    for (key, value) in [
        ("status", "404"),
        ("outcome", "denied"),
        ("reason", "not_found"),
        ("subject", "bob"),
        ("token_id", "9"),
        ("role", "write"),
    ] {
        assert_eq!(metadata(&missing, key).unwrap(), value, "{key}");
    }
    assert!(
        metadata(&missing, "revision").is_some() && metadata(&missing, "age_seconds").is_some()
    );
    let missing = denied(missing);
    let told = headers(&missing.headers);
    assert_eq!(told["x-error-code"], "RepoNotFound");
    assert_eq!(told["x-tokenward-reason"], "not_found");

    let git = denied(ask(&door, "POST /acme/open.git/git-receive-pack", &[]).await);
    let told = headers(&git.headers);
    assert!(told["www-authenticate"].starts_with("Basic "));
    assert!(told["content-type"].starts_with("text/plain"));
}

#[tokio::test(start_paused = true)]
async fn a_grpc_caller_reads_a_grpc_error() {
    let hub = hub().await;
    let door = door(&hub);
    for (kind, grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        let told = ask(&door, READ, &[("content-type", kind)]).await;
        let denied = denied(told);
        let headers = headers(&denied.headers);
        assert_eq!(headers.get("grpc-status") == Some(&"16"), grpc, "{kind}");
        assert_eq!(denied.body.is_empty(), grpc, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_it_is_comes_from_here_alone() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let forged = [
        ("x-tokenward-subject", "root"),
        ("x-tokenward-org", "root"),
        ("x_tokenward_role", "root"),
        ("X-Tokenward-Later", "root"),
    ];
    let mut shown_headers = vec![("authorization", reads.as_str())];
    shown_headers.extend(forged);
    let allowed = ask(&door, READ, &shown_headers).await;
    assert_eq!(metadata(&allowed, "outcome").unwrap(), "allowed");
    let allowed = ok(allowed);
    let set = headers(&allowed.headers);
    assert_eq!((set[SUBJECT], set[ROLE]), ("ada", "read"));
    assert!(set.contains_key(TOKEN_ID) && !set.contains_key(ORG));
    for name in STRIPPED.into_iter().chain(["x-tokenward-later"]) {
        let removed = allowed.headers_to_remove.iter().any(|it| it == name);
        // Envoy removes last: what was set must not be among them.
        assert_ne!(removed, set.contains_key(name), "{name}");
    }
    assert!(
        !allowed
            .headers_to_remove
            .iter()
            .any(|it| it == "authorization")
    );

    // Nobody is nobody, whatever they say.
    let anonymous = ok(ask(&door, "GET /acme/open/resolve/main/x", &forged).await);
    assert!(anonymous.headers.is_empty());
    for name in STRIPPED {
        assert!(anonymous.headers_to_remove.iter().any(|it| it == name));
    }

    let http = http(READ, &[("authorization", &reads)]);
    let stripped = ok(told(&door, shown(http, &[("strip_credential", "true")])).await);
    assert!(
        stripped
            .headers_to_remove
            .iter()
            .any(|it| it == "authorization")
    );
}

#[tokio::test(start_paused = true)]
async fn headers_come_in_either_form_and_two_credentials_are_none() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let raw = |values: &[&[u8]]| {
        let headers = values.iter().map(|value| HeaderValue {
            key: "Authorization".into(),
            value: String::new(),
            raw_value: value.to_vec(),
        });
        HttpRequest {
            header_map: Some(HeaderMap {
                headers: headers.collect(),
            }),
            ..http(READ, &[])
        }
    };
    let text = HttpRequest {
        header_map: Some(HeaderMap {
            headers: vec![HeaderValue {
                key: "authorization".into(),
                value: reads.clone(),
                raw_value: Vec::new(),
            }],
        }),
        ..http(READ, &[])
    };
    let both = HttpRequest {
        header_map: text.header_map.clone(),
        ..http(READ, &[("authorization", &reads)])
    };
    let joined = format!("{reads},{reads}");
    let rows = [
        (raw(&[reads.as_bytes()]), 200),
        (text, 200),
        (raw(&[reads.as_bytes(), reads.as_bytes()]), 401),
        (raw(&[reads.as_bytes(), b""]), 401),
        (raw(&[b"Bearer \xff"]), 401),
        (raw(&[b""]), 401),
        (both, 401),
        // As Envoy puts two into one.
        (http(READ, &[("authorization", &joined)]), 401),
        (http(READ, &[("authorization", "")]), 401),
        (
            http(
                READ,
                &[("authorization", &reads), ("AUTHORIZATION", &reads)],
            ),
            401,
        ),
    ];
    for (number, (http, expected)) in rows.into_iter().enumerate() {
        assert_eq!(ask_with(&door, http, &[]).await, expected, "row {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_counts_when_it_is_there_whole() {
    const BATCH: &str = "POST /acme/llm.git/info/lfs/objects/batch";
    const CREATE: &str = "POST /api/repos/create";
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let writes = bearer(&token("ada", 8, Role::Write));
    let download = r#"{"operation":"download"}"#;
    let upload = r#"{"operation":"upload"}"#;
    let mine = r#"{"name":"x"}"#;
    let foreign = r#"{"name":"x","organization":"bob"}"#;
    let long = format!(
        "{download}{}",
        " ".repeat(crate::edge::routes::MAX_BODY - download.len())
    );
    let whole = |body: &str| body.len().to_string();
    let rows = [
        (BATCH, &reads, download, whole(download), "false", 200),
        (BATCH, &reads, download, String::new(), "false", 200),
        (BATCH, &reads, upload, whole(upload), "false", 403),
        (BATCH, &writes, upload, whole(upload), "false", 200),
        // The rest of it may say something else.
        (BATCH, &reads, download, whole(download), "true", 413),
        (BATCH, &reads, download, "9000".into(), "false", 413),
        (BATCH, &reads, download, "x".into(), "false", 413),
        (BATCH, &reads, &long, whole(&long), "false", 200),
        (BATCH, &reads, &long, String::new(), "false", 413),
        // The proxy has it and doesn't show it, or there may be one.
        (BATCH, &reads, "", "24".into(), "", 403),
        (BATCH, &reads, "", String::new(), "", 403),
        (BATCH, &reads, "", "0".into(), "", 400),
        (CREATE, &writes, mine, whole(mine), "false", 200),
        (CREATE, &reads, mine, whole(mine), "false", 403),
        (CREATE, &writes, foreign, whole(foreign), "false", 403),
    ];
    for (number, (row, credential, body, length, partial, expected)) in rows.into_iter().enumerate()
    {
        let mut headers = vec![("authorization", credential.as_str())];
        if !length.is_empty() {
            headers.push(("content-length", &length));
        }
        if !partial.is_empty() {
            headers.push(("x-envoy-auth-partial-body", partial));
        }
        let text = HttpRequest {
            body: body.into(),
            ..http(row, &headers)
        };
        let raw = HttpRequest {
            raw_body: body.into(),
            ..http(row, &headers)
        };
        for http in [text, raw] {
            assert_eq!(ask_with(&door, http, &[]).await, expected, "row {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_s_settings_say_what_it_takes() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let bob = bearer(&token("bob", 9, Role::Write));
    let model = |permission| [("resource", "model:acme/llm"), ("permission", permission)];
    let fixed = model("repo.content.read");
    // The path says nothing here, whatever it is.
    for path in ["GET /metrics", "POST /generate", "GET /a/../b"] {
        for (credential, expected) in [(&reads, 200), (&bob, 404)] {
            let http = http(path, &[("authorization", credential)]);
            assert_eq!(ask_with(&door, http, &fixed).await, expected, "{path}");
        }
        assert_eq!(ask_with(&door, http(path, &[]), &fixed).await, 401);
    }
    let asked = || http(READ, &[("authorization", &reads)]);
    let rows: [(&[(&str, &str)], u16); 8] = [
        (&model("repo.write"), 403),
        (
            &[("resource", "self"), ("permission", "user.webhooks.read")],
            200,
        ),
        (&[("routes", "hub")], 200),
        (&[("routes", "inference")], 403),
        (&[("somebody", "else's")], 200),
        // Half a setting closes the route.
        (&[("resource", "model:acme/open")], 403),
        (&[("permission", "repo.content.read")], 403),
        (&[("routes", "of mine")], 403),
    ];
    for (extensions, expected) in rows {
        assert_eq!(
            ask_with(&door, asked(), extensions).await,
            expected,
            "{extensions:?}"
        );
    }
    let infer = |model: &str, credential: &str| {
        let body = format!(r#"{{"model":"{model}"}}"#);
        HttpRequest {
            raw_body: body.into(),
            ..http(
                "POST /v1/chat/completions",
                &[("authorization", credential)],
            )
        }
    };
    let inference = [("routes", "inference")];
    for (model, credential, expected) in [
        ("acme/llm", &reads, 200),
        ("acme/none", &reads, 404),
        ("acme/llm", &bob, 404),
        ("acme/open", &bob, 200),
    ] {
        let http = infer(model, credential);
        assert_eq!(ask_with(&door, http, &inference).await, expected, "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_may_stand_apart_but_not_differ() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let refs = "GET /acme/llm.git/info/refs";
    let upload = "service=git-upload-pack";
    let rows = [
        (format!("{refs}?{upload}"), "", 200),
        (refs.into(), upload, 200),
        (format!("{refs}?{upload}"), upload, 200),
        (format!("{refs}?{upload}"), "service=git-receive-pack", 400),
        (refs.into(), "service=git-receive-pack", 403),
        (refs.into(), "", 403),
    ];
    for (row, query, expected) in rows {
        let http = HttpRequest {
            query: query.into(),
            ..http(&row, &[("authorization", &reads)])
        };
        assert_eq!(ask_with(&door, http, &[]).await, expected, "{row} {query}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fresh_view_it_is_503_and_no_failed_call() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let ask_now = async || ask(&door, READ, &[("authorization", &reads)]).await;
    assert_eq!(status(&ask_now().await), 200);
    // Without a confirm in between.
    hub.clock.advance(Duration::from_secs(6));
    let late = ask_now().await;
    assert_eq!(status(&late), 503);
    assert_eq!(late.status.as_ref().unwrap().code, 14);
    assert_eq!(metadata(&late, "outcome").unwrap(), "undecided");
    assert_eq!(headers(&denied(late).headers)["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn whoever_gave_up_gets_no_late_ok() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    let ask_within = async |timeout: &str| {
        let mut request = Request::new(shown(http(READ, &[("authorization", &reads)]), &[]));
        let metadata = request.metadata_mut();
        metadata.insert("grpc-timeout", timeout.parse().unwrap());
        door.check(request).await
    };
    assert_eq!(status(&ask_within("500m").await.unwrap().into_inner()), 200);
    let over = ask_within("0n").await.unwrap_err();
    assert_eq!(over.code(), tonic::Code::DeadlineExceeded);
    let rows = [
        ("1H", Some(3_600_000)),
        ("2M", Some(120_000)),
        ("3S", Some(3000)),
        ("00000500m", Some(500)),
        ("000000500m", None),
        ("500", None),
        ("500m", Some(500)),
        ("m", None),
        ("", None),
        ("-1S", None),
        ("1.5S", None),
    ];
    for (text, millis) in rows {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", text.parse().unwrap());
        let told = patience(&metadata);
        // Nine digits are one too many; eight are not.
        let millis = if text == "00000500m" {
            Some(500)
        } else {
            millis
        };
        assert_eq!(told, millis.map(Duration::from_millis), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_counted_by_door() {
    let hub = hub().await;
    let door = door(&hub);
    let reads = bearer(&token("ada", 7, Role::Read));
    for credential in [&reads, &reads, "Bearer x"] {
        ask(&door, READ, &[("authorization", credential)]).await;
    }
    let registry = hub.metrics.registry(crate::metrics::Watched {
        view_age: Box::new(|| None),
        revision: Box::new(|| 0),
        following: Arc::default(),
        memo_entries: Box::new(|| 0),
        connections: Arc::new(crate::serve::Connections::new(1)),
    });
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "door_requests_total{door=\"ext_authz\",outcome=\"allowed\"} 2",
        "door_requests_total{door=\"ext_authz\",outcome=\"unauthenticated\"} 1",
        "checks_total{verdict=\"allow\",reason=\"\"} 2",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn it_is_served_beside_the_verifier_on_every_listener() {
    let hub = hub().await;
    let door = door(&hub);
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", folder.path().join("s").display());
    let bind = |text: &str| text.parse::<ListenAddress>().unwrap().bind().unwrap();
    let listeners = vec![bind("127.0.0.1:0"), bind(&unix)];
    let shutdown = Shutdown::start(DrainTimes {
        delay: Duration::ZERO,
        limit: Duration::from_secs(3600),
    });
    let (health, limits) = (Health::new().await, Limits::DEFAULT);
    let verifier = crate::grpc::VerifierGrpc {
        decider: Arc::clone(&hub.decider),
        counts: hub.metrics.worker(0),
        usage: Arc::default(),
        expiry_warning: Duration::ZERO,
        operators: None,
        shutdown: shutdown.clone(),
        traces: Traces::off(),
    };
    let routes = verifier_and_envoy_routes(verifier, door, &health, &limits).unwrap();
    let mut plane = DataPlane::start(listeners, 1, limits, &shutdown, |_| routes.clone()).unwrap();
    let reads = bearer(&token("ada", 7, Role::Read));
    for address in plane.addresses() {
        let url = match address {
            ListenAddress::Unix(path) => format!("unix:{}", path.display()),
            tcp => format!("http://{tcp}"),
        };
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let mut client = AuthorizationClient::new(channel);
        let asked = shown(http(READ, &[("authorization", &reads)]), &[]);
        assert_eq!(
            status(&client.check(asked).await.unwrap().into_inner()),
            200
        );
        let bad = shown(http(READ, &[]), &[]);
        assert_eq!(status(&client.check(bad).await.unwrap().into_inner()), 401);
    }
    // And told of to whoever looks what is served.
    let channel = Endpoint::from_shared(format!("http://{}", plane.addresses()[0])).unwrap();
    let mut client = ServerReflectionClient::new(channel.connect().await.unwrap());
    let symbol = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(ENVOY.into())),
    };
    let answers = client.server_reflection_info(tokio_stream::iter([symbol]));
    let answer = answers.await.unwrap().into_inner().message().await;
    let answer = answer.unwrap().unwrap().message_response;
    assert!(matches!(
        answer,
        Some(MessageResponse::FileDescriptorResponse(_))
    ));
    drop(client);
    shutdown.drain();
    plane.ended().await.unwrap();
}
