//! One request for a file of a repo in two forms: as a client sends it to a door, and as Envoy describes
//! it to the verifier. These functions do no I/O.

use prost::Message as _;
use tokenward_proto::envoy::service::auth::v3::{
    AttributeContext, CheckRequest,
    attribute_context::{HttpRequest, Request},
};

/// The method that Envoy calls.
pub const EXT_AUTHZ: &str = "/envoy.service.auth.v3.Authorization/Check";

const HOST: &str = "hub.example";
const AGENT: &str = "unknown/None; hf_hub/2.4.0; python/3.11.2";

/// Returns the request over HTTP/1.1, on a connection that is kept alive.
pub fn request(path: &str, token: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {HOST}\r\nuser-agent: {AGENT}\r\naccept: */*\r\n\
         accept-encoding: gzip, deflate\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// Returns the request as Envoy describes it. The headers include pseudo-headers and those that Envoy
/// adds.
pub fn shown_by_envoy(path: &str, token: &str) -> Vec<u8> {
    let bearer = format!("Bearer {token}");
    let headers = [
        (":authority", HOST),
        (":method", "GET"),
        (":path", path),
        (":scheme", "http"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate"),
        ("authorization", &bearer),
        ("user-agent", AGENT),
        ("x-envoy-internal", "true"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "7a7b0b4e-5b1c-4f0e-9d0c-0d0f6c1f7a11"),
    ];
    let http = HttpRequest {
        id: "1234567890123456789".into(),
        method: "GET".into(),
        headers: headers.map(|(k, v)| (k.into(), v.into())).into(),
        path: path.into(),
        host: HOST.into(),
        scheme: "http".into(),
        protocol: "HTTP/1.1".into(),
        ..Default::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request { http: Some(http) }),
            ..Default::default()
        }),
    }
    .encode_to_vec()
}
