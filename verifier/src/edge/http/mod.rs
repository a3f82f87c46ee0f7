//! The doors that speak HTTP: which request goes to which, and what all of them have in common.
//!
//! | path | door |
//! |---|---|
//! | `/auth`, `/auth/…` | [`forward_auth`]: a proxy asks before it forwards |
//! | `/api/whoami-v2` | [`whoami`]: whose token is it |
//! | `/api/{kinds}/…/auth-check[/write]` | [`auth_check`]: may it read, may it write |
//! | `POST /oauth/introspect` | [`introspect`]: is it live, for operators |
//!
//! [`own`] has the second and the third, which the guard answers too.

mod auth_check;
mod forward_auth;
mod introspect;
mod limit;
mod own;
#[cfg(test)]
mod tests;
mod whoami;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{AUTHORIZATION, CONTENT_LENGTH, HeaderName, HeaderValue},
    http::request::Parts,
};
use tokenward_common::process::{Traces, credentials::LiveCredentials};

use super::{
    answer::{Answer, Refusal, answer, request_id},
    bodies::{Bodies, Cuts},
    chance,
    credential::{Credential, Shown},
    judge::{Judge, Judgement},
    routes::Dialect,
};
use crate::{
    metrics::{Door, Entrance},
    serve::{HttpBody, HttpService, Peer},
};

pub(super) use own::{answer as answer_own, path};
pub use whoami::WhoAmILimits;

/// Of a body that only we read.
const MAX_BODY: usize = 64 * 1024;
/// For one of that size.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// One worker's.
#[derive(Clone)]
pub struct HttpDoors {
    pub judge: Judge,
    /// Who may introspect. `None`: nobody.
    pub operators: Option<Arc<LiveCredentials>>,
    pub traces: Traces,
    /// Of the requests that proxies ask about; all workers' together.
    pub bodies: Bodies,
    pub cuts: Cuts,
    /// All workers' together.
    pub limits: Arc<WhoAmILimits>,
}

impl HttpDoors {
    pub fn service(self) -> HttpService {
        Arc::new(move |request| {
            let doors = self.clone();
            Box::pin(async move { doors.answer(request).await })
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<HttpBody> {
        let now = self.judge.decider.replica.clock().boot();
        let (head, body) = request.into_parts();
        let asked = Asked::of(&head);
        let path = own::path(&head.uri);
        let place = self.judge.table.place();
        let inside = place.inside(path);
        let (door, answer) = match inside.as_deref().unwrap_or(path) {
            _ if path == "/auth" || path.starts_with("/auth/") => {
                let span = self.traces.received(&head.headers, "edge/forward_auth");
                let envoy = forward_auth::behind(&head);
                let answer = forward_auth::answer(self, &asked, envoy, body, now).await;
                if let Some(span) = span {
                    span.set("tokenward.status", i64::from(answer.status));
                }
                (Door::ForwardAuth, answer)
            }
            "/oauth/introspect" if head.method == Method::POST => {
                let answer = introspect::answer(self, &asked, body, now).await;
                (Door::Introspect, answer)
            }
            _ => match own::answer(&self.judge, &self.limits, &head, now) {
                Some(answered) => answered,
                None => return response(asked.plain(404, "nothing is served at this path")),
            },
        };
        self.judge.counts.door(door, meant(&answer));
        let took = self.judge.decider.replica.clock().boot().since(now);
        self.judge.counts.took(Entrance::Http, took);
        response(answer)
    }
}

/// What the doors look at.
struct Asked<'a> {
    id: String,
    headers: &'a HeaderMap,
    peer: Peer,
    query: &'a str,
}

impl<'a> Asked<'a> {
    fn of(head: &'a Parts) -> Self {
        Self {
            id: fresh_id(&head.headers),
            headers: &head.headers,
            peer: head.extensions.get().copied().unwrap_or(Peer::Unknown),
            query: head.uri.query().unwrap_or_default(),
        }
    }

    fn credential(&self) -> Credential<'_> {
        let values = self.headers.get_all(AUTHORIZATION).into_iter();
        Credential::of(values.map(HeaderValue::as_bytes))
    }

    fn shown(&self) -> Shown<'_> {
        Shown::of_headers(self.headers)
    }

    fn answered(&self, judge: &Judge, judgement: &Judgement) -> Answer {
        answer(judgement, judge.table.hub_url(), &self.id)
    }

    fn plain(&self, status: u16, message: &str) -> Answer {
        self.plain_in(Dialect::Hub, status, message)
    }

    fn plain_in(&self, dialect: Dialect, status: u16, message: &str) -> Answer {
        Answer::refused(&Refusal::plain(status, message), dialect, &self.id)
    }

    fn json(&self, body: &serde_json::Value) -> Answer {
        Answer {
            status: 200,
            allowed: true,
            headers: vec![
                ("content-type", "application/json".into()),
                ("cache-control", "no-store".into()),
                ("x-request-id", self.id.clone()),
            ],
            body: body.to_string(),
        }
    }
}

/// The status that an answer means, where its own is for nginx.
fn meant(answer: &Answer) -> u16 {
    let mut told = answer.headers.iter();
    let told = told.find(|(name, _)| *name == super::principal::STATUS);
    told.and_then(|(_, value)| value.parse().ok())
        .unwrap_or(answer.status)
}

pub(super) fn fresh_id(headers: &HeaderMap) -> String {
    request_id(
        headers.get("x-request-id").map(HeaderValue::as_bytes),
        chance,
    )
}

pub(super) fn response(answer: Answer) -> Response<HttpBody> {
    let mut response = Response::new(
        Full::new(Bytes::from(answer.body))
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    // Never what an unknown status would be taken for.
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().append(name, value);
        }
    }
    response
}

enum Read {
    Whole(Bytes),
    TooLong,
    /// It never came whole.
    Broken,
}

async fn read<B>(headers: &HeaderMap, body: B) -> Read
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let length = headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    let length: Option<usize> = length.and_then(|it| it.parse().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Read::TooLong;
    }
    if body.is_end_stream() {
        return Read::Whole(Bytes::new());
    }
    let limited = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_DEADLINE, limited).await {
        Ok(Ok(collected)) => Read::Whole(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Read::TooLong,
        Ok(Err(_)) | Err(_) => Read::Broken,
    }
}
