//! Holds a request to one of the doors, and turns an answer into a response. It must not know which door
//! answers.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
    http::request::Parts,
};

use crate::{
    edge::{
        answer::{Answer, answer, request_id},
        chance,
        credential::{Credential, Shown},
        judge::{Judge, Judgement},
        routes::Dialect,
    },
    serve::{HttpBody, Peer},
};

/// Holds the parts of a request that the doors read.
pub(super) struct DoorRequest<'a> {
    pub(super) id: String,
    pub(super) headers: &'a HeaderMap,
    pub(super) peer: &'a Peer,
    pub(super) query: &'a str,
}

impl<'a> DoorRequest<'a> {
    pub(super) fn from_head(head: &'a Parts) -> Self {
        Self {
            id: fresh_id(&head.headers),
            headers: &head.headers,
            peer: head.extensions.get().unwrap_or(&Peer::UNKNOWN),
            query: head.uri.query().unwrap_or_default(),
        }
    }

    pub(super) fn credential(&self) -> Credential<'_> {
        let values = self.headers.get_all(AUTHORIZATION).into_iter();
        Credential::from_values(values.map(HeaderValue::as_bytes))
    }

    pub(super) fn credentials(&self) -> Shown<'_> {
        Shown::from_headers(self.headers)
    }

    pub(super) fn answered(&self, judge: &Judge, judgement: &Judgement) -> Answer {
        answer(judgement, judge.table.hub_url(), &self.id)
    }

    /// Answers a request that is not a question of access.
    pub(super) fn plain(&self, status: u16, message: &str) -> Answer {
        answer(
            &Judgement::refused(Dialect::Hub, status, message),
            "",
            &self.id,
        )
    }

    pub(super) fn json(&self, body: &serde_json::Value) -> Answer {
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

pub(in crate::edge) fn fresh_id(headers: &HeaderMap) -> String {
    request_id(
        headers.get("x-request-id").map(HeaderValue::as_bytes),
        chance,
    )
}

pub(in crate::edge) fn response(answer: Answer) -> Response<HttpBody> {
    let mut response = Response::new(
        Full::new(Bytes::from(answer.body))
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    // An unknown status must never be taken for another one.
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
