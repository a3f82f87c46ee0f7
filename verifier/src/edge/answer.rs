//! Writes the outcome of a judgement as a response, with one mapping for all doors. It decides nothing and
//! must not know which door answers: it is given the form. The statuses, codes and sentences are those that
//! the hub's stock clients know.

mod refusal;
#[cfg(test)]
mod tests;

use super::{
    judge::Judgement,
    principal::{FORM, Principal, REASON, STATUS},
    routes::Dialect,
};

pub use refusal::{Challenge, Code, HttpRefusal, refusal, word_of};

/// This is the delay before a retry, in seconds. A late view has usually caught up within one second.
const RETRY_AFTER: &str = "1";

const BASIC: &str = r#"Basic realm="Tokenward", charset="UTF-8""#;
const BEARER: &str = r#"Bearer realm="Tokenward""#;
const INVALID_TOKEN: &str = r#", error="invalid_token""#;
const INSUFFICIENT_SCOPE: &str = r#", error="insufficient_scope""#;

/// Holds a response. For an allowed request it is what the door adds to the request on its way to the
/// server behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    pub allowed: bool,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// Makes the answer to an HTTP request.
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
            // Anthropic's clients read the request id here.
            headers.push(("request-id", request_id.into()));
        }
        let (kind, body) = body(dialect, refusal, request_id);
        headers.push(("content-type", kind.into()));
        // A request that is refused now may be allowed in a moment.
        headers.push(("cache-control", "no-store".into()));
        Self {
            status: refusal.status,
            allowed: false,
            headers,
            body,
        }
    }

    /// Refuses a gRPC request. gRPC errors have the HTTP status 200, so a proxy that goes by the status
    /// must not use this.
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

    /// Adapts the answer to nginx's `auth_request`, which accepts only 2xx, 401 and 403, and no body.
    /// Headers tell nginx which refusal to write.
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

/// Returns the value of `WWW-Authenticate`. Both challenges are in one header, Basic first: some proxies
/// forward only the first line, and some clients read only the first challenge. Inference routes never
/// offer Basic: a browser would open a password window over a chat. Only people at a hub and git type
/// passwords.
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

/// Returns the body in the client's form. Git shows plain text to its user, git-lfs reads `message`, and
/// the hub's clients read a string `error`. Clients of inference servers read an object `error`, in a shape
/// that both OpenAI's and Anthropic's show.
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

/// Returns an error type that both OpenAI's and Anthropic's clients know.
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

/// Returns the reason of the refusal, if one is disclosed.
fn error_code(refusal: &HttpRefusal) -> Option<&str> {
    match (&refusal.reason, refusal.challenge) {
        (Some(reason), _) => Some(reason),
        (None, Challenge::InvalidToken) => Some("invalid_api_key"),
        _ => None,
    }
}

/// This is the `google.rpc.Code` of a refusal. It is never OK, which is 0.
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

/// Percent-encodes a message as gRPC over HTTP/2 requires. The text is ASCII already.
fn grpc_message(text: &str) -> String {
    text.replace('%', "%25")
}

/// Returns a request's id: the caller's own if it is fit for a log, otherwise a random one. `chance` is
/// called only when it is needed, because it is a system call.
pub fn request_id(shown: Option<&[u8]>, chance: impl FnOnce() -> u128) -> String {
    let fine = |b: &u8| b.is_ascii_alphanumeric() || b"-_.=".contains(b);
    shown
        .filter(|id| (1..=128).contains(&id.len()) && id.iter().all(fine))
        .and_then(|id| std::str::from_utf8(id).ok())
        .map_or_else(|| format!("{:032x}", chance()), Into::into)
}
