//! What was decided, as Envoy reads it. To Envoy an empty message means *allow*, and so does a status
//! code of 0 beside a refusal: so its message is made in one place, from a [`Reply`], which is one of
//! two and can't be empty. Decides nothing.

use tokenward_proto::{
    envoy::{
        config::core::v3::{
            HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            CheckResponse, DeniedHttpResponse, OkHttpResponse, check_response::HttpResponse,
        },
        r#type::v3::{HttpStatus, StatusCode},
    },
    google::rpc::Status,
};

use super::request::Asked;
use crate::edge::{
    answer::{Answer, GrpcCode, Refusal, word_of},
    judge::{Judgement, Outcome},
    principal::STRIPPED,
    routes::Dialect,
};

const OK: i32 = 0;

pub(super) struct Reply {
    verdict: Verdict,
    /// For access logs and rate limits.
    metadata: prost_types::Struct,
}

enum Verdict {
    Allowed(OkHttpResponse),
    Denied {
        status: u16,
        code: GrpcCode,
        message: String,
        response: DeniedHttpResponse,
    },
}

impl Reply {
    /// The principal's headers over any that are there; the caller's own others away.
    pub(super) fn allowed(
        answer: Answer,
        asked: &Asked<'_>,
        strip_credential: bool,
        judgement: &Judgement,
    ) -> Self {
        let is_set = |name: &str| answer.headers.iter().any(|(set, _)| *set == name);
        // Envoy removes after it has set.
        let mut remove: Vec<String> = Vec::new();
        let forged = asked.forged().map(str::to_ascii_lowercase);
        for name in STRIPPED.into_iter().map(String::from).chain(forged) {
            if !is_set(&name) && !remove.contains(&name) {
                remove.push(name);
            }
        }
        if strip_credential {
            remove.push("authorization".into());
        }
        Self {
            metadata: metadata(200, Some(judgement)),
            verdict: Verdict::Allowed(OkHttpResponse {
                headers: answer.headers.into_iter().map(set).collect(),
                headers_to_remove: remove,
            }),
        }
    }

    pub(super) fn denied(refusal: &Refusal, answer: Answer, judgement: Option<&Judgement>) -> Self {
        let status = http_status(refusal.status);
        Self {
            metadata: metadata(refusal.status, judgement),
            verdict: Verdict::Denied {
                status: refusal.status,
                code: GrpcCode::of(refusal.status),
                message: refusal.message.clone(),
                response: DeniedHttpResponse {
                    status: Some(HttpStatus {
                        code: status.into(),
                    }),
                    headers: answer.headers.into_iter().map(set).collect(),
                    body: answer.body,
                },
            },
        }
    }

    pub(super) fn of_no_request(refusal: &Refusal, id: &str) -> Self {
        Self::denied(refusal, Answer::refused(refusal, Dialect::Hub, id), None)
    }

    /// For counting.
    pub(super) fn status(&self) -> u16 {
        match &self.verdict {
            Verdict::Allowed(_) => 200,
            Verdict::Denied { status, .. } => *status,
        }
    }
}

impl From<Reply> for CheckResponse {
    fn from(reply: Reply) -> Self {
        let (code, message, response) = match reply.verdict {
            Verdict::Allowed(response) => (OK, String::new(), HttpResponse::OkResponse(response)),
            Verdict::Denied {
                code,
                message,
                response,
                ..
            } => (code as i32, message, HttpResponse::DeniedResponse(response)),
        };
        Self {
            status: Some(Status { code, message }),
            dynamic_metadata: Some(reply.metadata),
            http_response: Some(response),
        }
    }
}

/// Never one by which a request goes on.
fn http_status(status: u16) -> StatusCode {
    StatusCode::try_from(i32::from(status))
        .ok()
        .filter(|_| status >= 400 || status == 307)
        .unwrap_or(StatusCode::Forbidden)
}

fn set((name, value): (&'static str, String)) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.into(),
            value,
            raw_value: Vec::new(),
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
    }
}

/// Unlike the refusal, this tells the operator's own log why a credential isn't good.
fn metadata(status: u16, judgement: Option<&Judgement>) -> prost_types::Struct {
    let mut fields = prost_types::Struct::default().fields;
    let mut put = |key: &str, value: prost_types::Value| {
        fields.insert(key.into(), value);
    };
    put("status", status.into());
    let Some(judgement) = judgement else {
        put("outcome", "unrouted".into());
        return prost_types::Struct { fields };
    };
    put("outcome", judgement.outcome_name().into());
    match &judgement.outcome {
        Outcome::Denied { denial, .. } => put("reason", word_of(denial.reason).into()),
        Outcome::LoginRequired => put("reason", "login_required".into()),
        Outcome::Allowed | Outcome::Moved(_) | Outcome::Unrouted(_) | Outcome::Undecided(_) => {}
    }
    if let Some(principal) = &judgement.principal {
        put("subject", (*principal.subject).into());
        put("token_id", principal.token.to_string().into());
        put("role", principal.role.word().into());
        if let Some(org) = &principal.org {
            put("org", (**org).into());
        }
    }
    if let Some(view) = &judgement.view {
        put("revision", view.cursor.token().into());
        put("age_seconds", view.age.as_secs_f64().into());
    }
    prost_types::Struct { fields }
}
