//! `/auth`: a proxy asks about a request before it forwards it (nginx `auth_request`, ingress-nginx, Caddy
//! `forward_auth`, Traefik `forwardAuth`). The original request's method and target stand in headers.
//! `/auth/…`: Envoy's ext_authz over HTTP asks by the original's own method, and puts its target behind.
//!
//! A client can send such headers too, in a spelling that its proxy doesn't set: any two that disagree are
//! refused.

mod original;

use hyper::{
    body::{Body as _, Incoming},
    header::{EXPECT, HeaderValue},
    http::request::Parts,
};
use tokenward_common::clock::BootTime;

use super::{Asked, HttpDoors};
use crate::{
    edge::{
        answer::Answer,
        bodies::{BROKEN, NO_ROOM, Read, discard, discarded},
        judge::Judge,
        principal::{ORG, ROLE, SUBJECT, TOKEN_ID},
        routes::{ADAPTER, ADAPTER_RULE, Body, Dialect, Page, Request, Table, Unrouted},
        unjudged,
    },
    serve::Ambiguous,
};
use original::{Extent, Original, WRONG, is_shown};

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
    let (nginx, sinks) = match (asked.query, &envoy) {
        // The query is the original's.
        ("", _) | (_, Some(_)) => (false, false),
        ("proxy=nginx", None) => (true, false),
        ("body=sink", None) => (false, true),
        _ => return asked.plain(400, "the query must be empty, proxy=nginx or body=sink"),
    };
    let (answer, dialect) = judged(doors, asked, envoy, body, sinks, now).await;
    match nginx {
        true => answer.for_nginx(dialect),
        false => answer,
    }
}

/// And in which form its client reads. `sinks`: the body is of a request that was refused by its head, by a
/// proxy that can't throw it away. All of it is taken before the answer, and nothing of it looked at: a
/// client that is still sending would be cut off, and hear nothing.
async fn judged(
    doors: &HttpDoors,
    asked: &Asked<'_>,
    envoy: Option<Original<'_>>,
    body: Incoming,
    sinks: bool,
    now: BootTime,
) -> (Answer, Dialect) {
    let table = &doors.judge.table;
    // Whichever is meant: it says in which form its client reads. Looked for in a refusal alone.
    let dialect = || {
        let shown = envoy.map_or_else(|| original::any(asked.headers), |it| it.target);
        table.dialect_of(shown)
    };
    let plain = |status, message: &str| {
        let dialect = dialect();
        (asked.plain_in(dialect, status, message), dialect)
    };
    let Some(Original { method, target }) = original::agreed(asked.headers, envoy) else {
        return plain(400, WRONG);
    };
    if asked.headers.contains_key(ADAPTER) {
        return plain(400, ADAPTER_RULE);
    }
    let bill_to: Vec<_> = asked
        .headers
        .get_all("x-hf-bill-to")
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let mut request = Request {
        method,
        target,
        body: Body::Absent,
        bill_to: &bill_to,
    };
    let values = |name: &'static str| {
        let values = asked.headers.get_all(name).into_iter();
        values.map(HeaderValue::as_bytes)
    };
    let unjudged = unjudged::rule(method, values, !body.is_end_stream());
    let shown = asked.shown();
    let mut stranger = None;
    let is_known = || {
        stranger = doors.judge.stranger(&shown, dialect(), now);
        stranger.is_none()
    };
    let (peer, cuts) = (asked.peer.address(), &doors.cuts);
    let mut body = body;
    let looks = !sinks && unjudged.is_none();
    let read = match looks && (body.is_end_stream() || matters(table, &request)) {
        true => {
            let read = doors.bodies.read(asked.headers, &mut body, peer, is_known);
            Some(read.await)
        }
        false => None,
    };
    match asked.headers.contains_key(EXPECT) {
        _ if sinks => discarded(body).await,
        true => {}
        false => discard(body),
    }
    if let Some(rule) = unjudged {
        return plain(400, rule);
    }
    if let (Some(Read::Stranger), Some(stranger)) = (&read, stranger) {
        return (asked.answered(&doors.judge, &stranger), stranger.dialect);
    }
    request.body = match &read {
        None if sinks => Body::Unseen,
        None => Body::Absent,
        Some(Read::Whole(bytes, scan)) => match is_shown(asked.headers, bytes.len(), cuts) {
            Extent::Not => Body::Unseen,
            Extent::InPart => Body::TooLong,
            Extent::Whole => Body::Scanned(scan),
        },
        // Of a part anything can be said.
        Some(Read::Unreadable(_) | Read::Encoded)
            if is_shown(asked.headers, 1, cuts) == Extent::InPart =>
        {
            Body::TooLong
        }
        Some(Read::Unreadable(scan)) => Body::Scanned(scan),
        Some(Read::TooLong | Read::Stranger) => Body::TooLong,
        Some(Read::Encoded) => Body::Encoded,
        Some(Read::NoRoom) => return plain(503, NO_ROOM),
        Some(Read::Broken) => return plain(400, BROKEN),
    };
    // A body may have been long in coming: it is judged by what holds now.
    let now = doors.judge.decider.replica.clock().boot();
    let asks_beforehand =
        method == "OPTIONS" && table.is_preflight(&request, &Page::of_headers(asked.headers));
    let judgement = match asks_beforehand {
        true => Judge::preflight(table, target),
        false => doors.judge.judge(&request, &shown, now),
    };
    let mut answer = asked.answered(&doors.judge, &judgement);
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

/// Whether the route looks at the body, were it only whether one is shown.
fn matters(table: &Table, request: &Request<'_>) -> bool {
    let routed = |body| table.route(&Request { body, ..*request });
    let route = routed(Body::Absent);
    route == Err(Unrouted::NeedsBody) || route != routed(Body::Unseen)
}
