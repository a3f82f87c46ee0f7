//! Tests requests as Envoy shows them, before a real decision with really minted tokens. The last tests use
//! real sockets.

mod served;
mod shown;
mod wire;

use std::{collections::HashMap, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message as _;
use tokenward_common::{
    process::{DrainTimes, ListenAddress, Shutdown, Traces, health::Health},
    state::record::{Change, GateMode, Record, Repo, Visibility},
    store::guards::Guards,
    token::Role,
};
use tokenward_proto::envoy::config::core::v3::{
    HeaderMap, HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};
use tokenward_proto::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
    attribute_context::{HttpRequest, Request as Inner},
    authorization_client::AuthorizationClient,
    authorization_server::SERVICE_NAME as ENVOY,
    check_response::HttpResponse,
};
use tonic::{Status, metadata::MetadataMap, transport::Endpoint};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::*;
use crate::{
    decide::tests::{Hub, at_once, model, revoke, token},
    edge::{
        bodies::Cuts,
        envoy::door::patience,
        judge::Judge,
        principal::{ORG, ROLE, STRIPPED, SUBJECT, TOKEN_ID},
        routes::{self, Table},
    },
    serve::{DataPlane, Limits, SERVICES, verifier_and_envoy_routes},
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
        tables: BuiltIn::new(&routes::Place::default()).unwrap(),
        max_body: 1024 * 1024,
        cuts: Cuts::default(),
        traces: Traces::off(),
    }
}

/// Makes a request as Envoy shows it by default.
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

fn check(door: &EnvoyDoor, message: &[u8], metadata: &MetadataMap) -> Result<Vec<u8>, Status> {
    at_once(door.check(message, metadata))
}

/// Checks a request as it goes over the wire. Every answer must be written as prost would write it.
fn told(door: &EnvoyDoor, request: &CheckRequest) -> CheckResponse {
    let answer = check(door, &request.encode_to_vec(), &MetadataMap::new());
    read(&answer.unwrap())
}

fn read(answer: &[u8]) -> CheckResponse {
    let response = CheckResponse::decode(answer).unwrap();
    assert_eq!(response.encode_to_vec(), answer, "{response:?}");
    response
}

fn ask(door: &EnvoyDoor, row: &str, headers: &[(&str, &str)]) -> CheckResponse {
    told(door, &shown(http(row, headers), &[]))
}

fn ask_with(door: &EnvoyDoor, http: HttpRequest, extensions: &[(&str, &str)]) -> u16 {
    status(&told(door, &shown(http, extensions)))
}

/// Returns the status as Envoy reads it. It is 200 if Envoy would let the request through.
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

/// Returns the headers, and checks that each of them replaces an existing one.
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
        // These requests fit no rule, or can't be read.
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
        assert_eq!(status(&ask(&door, row, shown)), expected, "{row}");
    }
    // These messages are not about an HTTP request.
    for request in [CheckRequest::default(), {
        let mut request = shown(http(READ, &[]), &[]);
        request.attributes.as_mut().unwrap().request = None;
        request
    }] {
        assert_eq!(status(&told(&door, &request)), 400);
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
    );
    assert_eq!(bad.status.as_ref().unwrap().code, 16);
    assert_eq!(metadata(&bad, "reason").unwrap(), "token_malformed");
    let bad = denied(bad);
    let told = headers(&bad.headers);
    assert_eq!(told["x-error-message"], INVALID);
    assert_eq!(told["x-request-id"], "r-1");
    assert_eq!(
        told["www-authenticate"],
        r#"Basic realm="Tokenward", charset="UTF-8", Bearer realm="Tokenward", error="invalid_token""#
    );
    assert_eq!(told["content-type"], "application/json");
    assert_eq!(told["cache-control"], "no-store");
    // The caller must not learn why its credential isn't good.
    assert!(!told.contains_key("x-tokenward-reason"));
    assert_eq!(bad.body, format!(r#"{{"error":"{INVALID}"}}"#));

    let bob = bearer(&token("bob", 9, Role::Write));
    let missing = ask(&door, READ, &[("authorization", &bob)]);
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
    for key in ["revision", "age_seconds", "bound_seconds"] {
        assert!(metadata(&missing, key).is_some(), "{key}");
    }
    let missing = denied(missing);
    let told = headers(&missing.headers);
    assert_eq!(told["x-error-code"], "RepoNotFound");
    assert_eq!(told["x-tokenward-reason"], "not_found");

    let git = denied(ask(&door, "POST /acme/open.git/git-receive-pack", &[]));
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
        let told = ask(&door, READ, &[("content-type", kind)]);
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
    let allowed = ask(&door, READ, &shown_headers);
    assert_eq!(metadata(&allowed, "outcome").unwrap(), "allowed");
    let allowed = ok(allowed);
    let set = headers(&allowed.headers);
    assert_eq!((set[SUBJECT], set[ROLE]), ("ada", "read"));
    assert!(set.contains_key(TOKEN_ID) && !set.contains_key(ORG));
    for name in STRIPPED.into_iter().chain(["x-tokenward-later"]) {
        let removed = allowed.headers_to_remove.iter().any(|it| it == name);
        // Envoy removes headers last, so a header that was set must not be among them.
        assert_ne!(removed, set.contains_key(name), "{name}");
    }
    let removes =
        |it: &OkHttpResponse, name: &str| it.headers_to_remove.iter().any(|it| it == name);
    for name in ["authorization", "x-api-key"] {
        assert!(!removes(&allowed, name), "{name}");
    }

    // An anonymous caller stays anonymous, whatever headers it sends.
    let anonymous = ok(ask(&door, "GET /acme/open/resolve/main/x", &forged));
    assert!(anonymous.headers.is_empty());
    for name in STRIPPED {
        assert!(anonymous.headers_to_remove.iter().any(|it| it == name));
    }

    let http = http(READ, &[("authorization", &reads)]);
    let stripped = ok(told(&door, &shown(http, &[("strip_credential", "true")])));
    for name in ["authorization", "x-api-key"] {
        assert!(removes(&stripped, name), "{name}");
    }
}
