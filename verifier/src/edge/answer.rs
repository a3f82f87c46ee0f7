//! What was decided, as a response: one mapping for all doors.
//!
//! Decides nothing. Must not know which door answers; it is told in which form. The statuses, codes
//! and sentences are those that the hub's stock clients know.

mod refusal;
#[cfg(test)]
mod tests;

use super::{
    judge::Judgement,
    principal::{FORM, Principal, REASON, STATUS},
    routes::Dialect,
};

pub use refusal::{Challenge, Code, HttpRefusal, refusal, word_of};

/// In seconds. A view that is late is mostly back within one.
const RETRY_AFTER: &str = "1";

const BASIC: &str = r#"Basic realm="Tokenward", charset="UTF-8""#;
const BEARER: &str = r#"Bearer realm="Tokenward""#;
const INVALID_TOKEN: &str = r#", error="invalid_token""#;
const INSUFFICIENT_SCOPE: &str = r#", error="insufficient_scope""#;

/// A response, or, of an allowed request, what is added to it on its way to the server behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub allowed: bool,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// The answer to an HTTP request.
pub fn answer(judgement: &Judgement, hub_url: &str, request_id: &str) -> Answer {
    let Some(refusal) = refusal(judgement, hub_url) else {
        return Answer::allowed(judgement);
    };
    Answer::refused(&refusal, judgement.dialect, request_id)
}

impl Answer {
    fn allowed(judgement: &Judgement) -> Self {
        let principal = judgement.principal.iter();
        let headers = principal.flat_map(Principal::headers);
        Self {
            status: 200,
            allowed: true,
            headers: headers.map(|(name, it)| (name, it.into_owned())).collect(),
            body: String::new(),
        }
    }

    pub fn refused(refusal: &HttpRefusal, dialect: Dialect, request_id: &str) -> Self {
        let mut headers = Vec::with_capacity(8);
        if let Some(code) = refusal.code {
            headers.push(("x-error-code", code.name().into()));
        }
        headers.push(("x-error-message", refusal.message.clone()));
        headers.push(("x-request-id", request_id.into()));
        if let Some(location) = &refusal.location {
            headers.push(("location", location.to_string()));
        }
        if let Some(reason) = &refusal.reason {
            headers.push((REASON, reason.clone()));
        }
        if let Some(challenge) = challenge(refusal, dialect) {
            headers.push(("www-authenticate", challenge));
        }
        match (refusal.status, dialect) {
            (401, Dialect::Lfs) => headers.push(("lfs-authenticate", BASIC.into())),
            (503, _) => headers.push(("retry-after", RETRY_AFTER.into())),
            _ => {}
        }
        if dialect == Dialect::Inference {
            // Where Anthropic's clients look.
            headers.push(("request-id", request_id.into()));
        }
        let (kind, body) = body(dialect, refusal, request_id);
        headers.push(("content-type", kind.into()));
        // What was refused now may be allowed in a moment.
        headers.push(("cache-control", "no-store".into()));
        Self {
            status: refusal.status,
            allowed: false,
            headers,
            body,
        }
    }

    /// Of a gRPC request, whose errors have the HTTP status 200: not for a proxy that goes by the status.
    pub fn grpc_refused(refusal: &HttpRefusal, request_id: &str) -> Self {
        let code = GrpcCode::from_status(refusal.status) as u8;
        Self {
            status: 200,
            allowed: false,
            headers: vec![
                ("content-type", "application/grpc".into()),
                ("grpc-status", code.to_string()),
                ("grpc-message", grpc_message(&refusal.message)),
                ("x-request-id", request_id.into()),
            ],
            body: String::new(),
        }
    }

    /// For nginx's `auth_request`, which takes 2xx, 401 and 403 alone, and no body; what it should make of
    /// a refusal stands in headers.
    #[must_use]
    pub fn for_nginx(mut self, dialect: Dialect) -> Self {
        let status = self.status;
        self.headers.push((STATUS, status.to_string()));
        if !self.allowed {
            let form = match dialect {
                Dialect::Hub => "json",
                Dialect::Git => "text",
                Dialect::Lfs => "lfs",
                Dialect::Inference => "inference",
            };
            self.headers.push((FORM, form.into()));
        }
        self.status = match status {
            200 | 401 => status,
            _ => 403,
        };
        self
    }
}

/// In one header, Basic first: some proxies hand on the first line alone, and some clients look at the
/// first challenge alone. Only a hub's people type passwords, and git: a browser that is told of Basic
/// by an inference route opens a window over somebody's chat.
fn challenge(refusal: &HttpRefusal, dialect: Dialect) -> Option<String> {
    let bearer = || match refusal.challenge {
        Challenge::Plain => BEARER.to_owned(),
        Challenge::InvalidToken => format!("{BEARER}{INVALID_TOKEN}"),
        Challenge::InsufficientScope => format!("{BEARER}{INSUFFICIENT_SCOPE}"),
    };
    match (refusal.status, dialect) {
        (401, Dialect::Git | Dialect::Lfs) => Some(BASIC.to_owned()),
        (401, Dialect::Hub) => Some(format!("{BASIC}, {}", bearer())),
        (401, Dialect::Inference) => Some(bearer()),
        (_, Dialect::Hub | Dialect::Inference) => {
            (refusal.challenge == Challenge::InsufficientScope).then(bearer)
        }
        _ => None,
    }
}

/// Git shows plain text to its user; git-lfs reads `message`, the hub's clients a string `error`. The
/// clients of inference servers read an object `error`: one that OpenAI's and Anthropic's both show.
fn body(dialect: Dialect, refusal: &HttpRefusal, request_id: &str) -> (&'static str, String) {
    let message = &*refusal.message;
    match dialect {
        Dialect::Git => ("text/plain; charset=utf-8", format!("{message}\n")),
        Dialect::Lfs => (
            "application/vnd.git-lfs+json",
            serde_json::json!({ "message": message }).to_string(),
        ),
        Dialect::Hub => (
            "application/json",
            serde_json::json!({ "error": message }).to_string(),
        ),
        Dialect::Inference => (
            "application/json",
            serde_json::json!({
                "type": "error",
                "error": {
                    "type": error_type(refusal.status),
                    "message": message,
                    "code": error_code(refusal),
                    "param": null,
                },
                "message": message,
                "request_id": request_id,
            })
            .to_string(),
        ),
    }
}

/// Of those that both kinds of clients know.
fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// The reason, where one is told.
fn error_code(refusal: &HttpRefusal) -> Option<&str> {
    match (&refusal.reason, refusal.challenge) {
        (Some(reason), _) => Some(reason),
        (None, Challenge::InvalidToken) => Some("invalid_api_key"),
        _ => None,
    }
}

/// A `google.rpc.Code` of a refusal: never OK, which is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrpcCode {
    InvalidArgument = 3,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl GrpcCode {
    pub fn from_status(status: u16) -> Self {
        match status {
            400 | 413..=415 => Self::InvalidArgument,
            401 => Self::Unauthenticated,
            404 => Self::NotFound,
            429 => Self::ResourceExhausted,
            503 => Self::Unavailable,
            _ => Self::PermissionDenied,
        }
    }
}

/// Percent-encoded as gRPC over HTTP/2 asks for; the text is ASCII already.
fn grpc_message(text: &str) -> String {
    text.replace('%', "%25")
}

/// A request's id: the caller's own, where it is fit for a log, or one made of chance, which is a call
/// to the system.
pub fn request_id(shown: Option<&[u8]>, chance: impl FnOnce() -> u128) -> String {
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"-_.=".contains(b);
    shown
        .filter(|id| (1..=128).contains(&id.len()) && id.iter().all(fine))
        .and_then(|id| std::str::from_utf8(id).ok())
        .map_or_else(|| format!("{:032x}", chance()), Into::into)
}
