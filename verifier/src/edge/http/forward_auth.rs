//! `/auth`: a proxy asks about a request before it forwards it (nginx `auth_request`, ingress-nginx, Caddy
//! `forward_auth`, Traefik `forwardAuth`). The original request's method and target stand in headers.
//! `/auth/…`: Envoy's ext_authz over HTTP asks by the original's own method, and puts its target behind.
//!
//! A client can send such headers too, in a spelling that its proxy doesn't set: any two that disagree are
//! refused.

mod original;

use hyper::{body::Incoming, header::HeaderValue, http::request::Parts};
use tokenward_common::clock::BootTime;

use super::{Asked, HttpDoors};
use crate::{
    edge::{
        answer::Answer,
        bodies::{BROKEN, NO_ROOM, Read},
        judge::Judge,
        principal::{ORG, ROLE, SUBJECT, TOKEN_ID},
        routes::{ADAPTER, ADAPTER_RULE, Body, Dialect, Page, Request},
    },
    serve::Ambiguous,
};
use original::{Original, Shown, WRONG, is_shown};

/// What Envoy asks about: the target behind `/auth`, by the request's own method.
pub(super) fn behind(head: &Parts) -> Option<Original<'_>> {
    let target = head.uri.path_and_query()?.as_str();
    let target = target.strip_prefix("/auth")?;
    // A line that can be read in two ways says nothing that a route reads.
    let ambiguous = head.extensions.get::<Ambiguous>().is_some();
    target.starts_with('/').then(|| Original {
        method: head.method.as_str(),
        target: if ambiguous { "" } else { target },
    })
}

pub(super) async fn answer(
    doors: &HttpDoors,
    asked: &Asked<'_>,
    envoy: Option<Original<'_>>,
    body: Incoming,
    now: BootTime,
) -> Answer {
    let nginx = match (asked.query, &envoy) {
        // The query is the original's.
        ("", _) | (_, Some(_)) => false,
        ("proxy=nginx", None) => true,
        _ => return asked.plain(400, "the query must be empty, or proxy=nginx"),
    };
    let (answer, dialect) = judged(doors, asked, envoy, body, now).await;
    match nginx {
        true => answer.for_nginx(dialect),
        false => answer,
    }
}

/// And in which form its client reads.
async fn judged(
    doors: &HttpDoors,
    asked: &Asked<'_>,
    envoy: Option<Original<'_>>,
    body: Incoming,
    now: BootTime,
) -> (Answer, Dialect) {
    // Whichever is meant: it says in which form its client reads.
    let shown = envoy.map_or_else(|| original::any(asked.headers), |it| it.target);
    let dialect = doors.judge.table.dialect_of(shown);
    let Some(Original { method, target }) = original::agreed(asked.headers, envoy) else {
        return (asked.plain_in(dialect, 400, WRONG), dialect);
    };
    if asked.headers.contains_key(ADAPTER) {
        return (asked.plain_in(dialect, 400, ADAPTER_RULE), dialect);
    }
    let peer = asked.peer.address();
    let read = doors.bodies.read(asked.headers, body, peer).await;
    let plain = |status, message: &str| (asked.plain_in(dialect, status, message), dialect);
    let body = match &read {
        Read::Whole(bytes, scan) => match is_shown(asked.headers, bytes.len()) {
            Shown::Not => Body::Unseen,
            Shown::InPart => Body::TooLong,
            Shown::Whole => Body::Scanned(scan),
        },
        // Of a part anything can be said.
        Read::Unreadable(_) if is_shown(asked.headers, 1) == Shown::InPart => Body::TooLong,
        Read::Unreadable(scan) => Body::Scanned(scan),
        Read::TooLong => Body::TooLong,
        Read::Encoded => Body::Encoded,
        Read::NoRoom => return plain(503, NO_ROOM),
        Read::Broken => return plain(400, BROKEN),
    };
    let bill_to: Vec<_> = asked
        .headers
        .get_all("x-hf-bill-to")
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let request = Request {
        method,
        target,
        body,
        bill_to: &bill_to,
    };
    let values = |name: &str| -> Vec<_> {
        let values = asked.headers.get_all(name).into_iter();
        values.map(HeaderValue::as_bytes).collect()
    };
    let (origin, wanted) = (values("origin"), values("access-control-request-method"));
    let page = Page {
        origin: &origin,
        method: &wanted,
    };
    let judgement = match doors.judge.table.is_preflight(&request, page) {
        true => Judge::preflight(&doors.judge.table, target),
        false => doors.judge.judge(&request, &asked.shown(), now),
    };
    let mut answer = asked.answered(doors, &judgement);
    if answer.allowed {
        // A proxy that copies only what is there would leave the caller's own in its place.
        for name in [SUBJECT, TOKEN_ID, ROLE, ORG] {
            if answer.headers.iter().all(|(known, _)| *known != name) {
                answer.headers.push((name, String::new()));
            }
        }
    }
    (answer, judgement.dialect)
}
