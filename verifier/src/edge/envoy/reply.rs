//! Writes an outcome as Envoy reads it. It decides nothing.
//!
//! Envoy takes an empty message for *allow*, and also a refusal with a status code of 0. So the message is
//! made in only one place, from a [`Reply`], which is one of two kinds and can't be empty. Its bytes are
//! those that prost would write.

use std::borrow::Cow;

use tokenward_proto::envoy::{
    config::core::v3::header_value_option::HeaderAppendAction, r#type::v3::StatusCode,
};

use super::request::EnvoyRequest;
use crate::{
    edge::{
        answer::{Answer, GrpcCode, HttpRefusal, word_of},
        credential::API_KEY,
        judge::{Judgement, Outcome},
        principal::STRIPPED,
    },
    protobuf::{bytes, bytes_even_if_none, double, nested, number},
};

/// An ordinary message fits into this many bytes.
const MESSAGE_BYTES: usize = 1024;

/// These are the field numbers of a `CheckResponse`.
const STATUS: u8 = 1;
const DENIED: u8 = 2;
const OK: u8 = 3;
const METADATA: u8 = 4;
/// This is the field number of the headers to set, the same in both kinds of response.
const HEADERS: u8 = 2;
const HEADERS_TO_REMOVE: u8 = 5;

pub(super) struct Reply {
    /// The metrics count this status.
    status: u16,
    message: Vec<u8>,
}

impl Reply {
    /// Allows the request. It overwrites the principal's headers and removes all others that only a door
    /// may set.
    pub(super) fn allowed(
        judgement: &Judgement,
        asked: &EnvoyRequest<'_>,
        strip_credential: bool,
    ) -> Self {
        let principal = judgement.principal.iter();
        let headers: Vec<_> = principal.flat_map(|it| it.headers()).collect();
        // Envoy removes headers after it has set others, so a header that was set must not be removed.
        let stays = |name: &str| headers.iter().any(|(set, _)| *set == name);
        let mut message = Vec::with_capacity(MESSAGE_BYTES);
        // An empty status has code 0.
        nested(&mut message, STATUS, |_| {});
        nested(&mut message, OK, |to| {
            for (name, value) in &headers {
                set(to, name, value);
            }
            for name in STRIPPED.iter().filter(|name| !stays(name)) {
                bytes(to, HEADERS_TO_REMOVE, name.as_bytes());
            }
            let mut forged = Vec::new();
            for name in asked.forged().map(str::to_ascii_lowercase) {
                if !stays(&name) && !STRIPPED.contains(&&*name) && !forged.contains(&name) {
                    bytes(to, HEADERS_TO_REMOVE, name.as_bytes());
                    forged.push(name);
                }
            }
            if strip_credential {
                for name in ["authorization", API_KEY] {
                    bytes(to, HEADERS_TO_REMOVE, name.as_bytes());
                }
            }
        });
        metadata(&mut message, 200, judgement);
        Self {
            status: 200,
            message,
        }
    }

    pub(super) fn denied(refusal: &HttpRefusal, answer: &Answer, judgement: &Judgement) -> Self {
        let mut message = Vec::with_capacity(MESSAGE_BYTES);
        nested(&mut message, STATUS, |to| {
            number(to, 1, GrpcCode::from_status(refusal.status) as u64);
            bytes(to, 2, refusal.message.as_bytes());
        });
        nested(&mut message, DENIED, |to| {
            nested(to, 1, |to| {
                number(to, 1, http_status(refusal.status) as u64)
            });
            for (name, value) in &answer.headers {
                set(to, name, value);
            }
            bytes(to, 3, answer.body.as_bytes());
        });
        metadata(&mut message, refusal.status, judgement);
        Self {
            status: refusal.status,
            message,
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Returns the encoded `CheckResponse`.
    pub(super) fn into_message(self) -> Vec<u8> {
        self.message
    }
}

/// Returns a status for the refusal, never one that lets the request continue.
fn http_status(status: u16) -> StatusCode {
    StatusCode::try_from(i32::from(status))
        .ok()
        .filter(|_| status >= 400 || status == 307)
        .unwrap_or(StatusCode::Forbidden)
}

fn set(to: &mut Vec<u8>, name: &str, value: &str) {
    nested(to, HEADERS, |to| {
        nested(to, 1, |to| {
            bytes(to, 1, name.as_bytes());
            bytes(to, 2, value.as_bytes());
        });
        number(to, 3, HeaderAppendAction::OverwriteIfExistsOrAdd as u64);
    });
}

/// Writes a `google.protobuf.Struct` for access logs and rate limits, with its names in order. Unlike the
/// refusal, it reports to the operator's own log why a credential isn't good.
fn metadata(to: &mut Vec<u8>, status: u16, judgement: &Judgement) {
    let (principal, view) = (judgement.principal.as_ref(), judgement.view.as_ref());
    nested(to, METADATA, |to| {
        if let Some(view) = view {
            entry(to, "age_seconds", |to| {
                double(to, 2, view.age.as_secs_f64())
            });
            entry(to, "bound_seconds", |to| {
                double(to, 2, view.bound.as_secs_f64())
            });
        }
        if let Some(org) = principal.and_then(|it| it.org.as_ref()) {
            text(to, "org", org);
        }
        text(to, "outcome", judgement.outcome_name());
        if let Some(reason) = reason(judgement) {
            text(to, "reason", &reason);
        }
        if let Some(view) = view {
            entry(to, "revision", |to| {
                nested(to, 3, |to| view.cursor.write_token(to));
            });
        }
        if let Some(principal) = principal {
            text(to, "role", principal.role.word());
        }
        entry(to, "status", |to| double(to, 2, status.into()));
        if let Some(principal) = principal {
            text(to, "subject", &principal.subject);
            entry(to, "token_id", |to| {
                nested(to, 3, |to| principal.token.write(to))
            });
        }
    });
}

fn reason(judgement: &Judgement) -> Option<Cow<'static, str>> {
    match &judgement.outcome {
        Outcome::Denied { denial, .. } => Some(word_of(denial.reason).into()),
        Outcome::LoginRequired => Some("login_required".into()),
        Outcome::Allowed
        | Outcome::Moved(_)
        | Outcome::Unrouted(_)
        | Outcome::Refused { .. }
        | Outcome::Undecided(_) => None,
    }
}

fn text(to: &mut Vec<u8>, name: &str, text: &str) {
    entry(to, name, |to| bytes_even_if_none(to, 3, text.as_bytes()));
}

/// Writes a field of the struct. `write` writes the field's value.
fn entry(to: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    nested(to, 1, |to| {
        bytes(to, 1, name.as_bytes());
        nested(to, 2, write);
    });
}
