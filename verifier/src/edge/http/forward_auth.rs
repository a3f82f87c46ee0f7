//! `/auth` answers a proxy that asks about a request before it forwards it (nginx `auth_request`,
//! ingress-nginx, Caddy `forward_auth`, Traefik `forwardAuth`). Headers carry the original request's method
//! and target. At `/auth/…` Envoy's ext_authz over HTTP asks with the original's own method, and puts the
//! target behind `/auth`. The judge decides, not this file.
//!
//! A client can send such headers too, in a spelling that its proxy doesn't set. So any two that disagree
//! are refused.

mod original;

use bytes::Bytes;
use hyper::{
    body::{Body as _, Incoming},
    header::{EXPECT, HeaderValue},
    http::request::Parts,
};
use tokenward_common::clock::BootTime;

use super::{HttpDoors, door_request::DoorRequest};
use crate::{
    edge::{
        answer::Answer,
        bodies::{Cuts, Read, discard, discarded},
        judge::Judgement,
        principal::{ORG, ROLE, SUBJECT, TOKEN_ID},
        routes::{Body, Page, Request, Scan},
        unjudged,
    },
    serve::Ambiguous,
};
use original::{Extent, Original, WRONG, is_shown};

/// Returns the request that Envoy asks about: the target behind `/auth`, and the request's own method.
pub(super) fn behind(head: &Parts) -> Option<Original<'_>> {
    let target = head.uri.path_and_query()?.as_str();
    let target = target.strip_prefix("/auth")?;
    // A request line that can be read in two ways must not name a target. An empty target has no route.
    let ambiguous = head.extensions.get::<Ambiguous>().is_some();
    target.starts_with('/').then(|| Original {
        method: head.method.as_str(),
        target: if ambiguous { "" } else { target },
    })
}

pub(super) async fn answer(
    doors: &HttpDoors,
    asked: &DoorRequest<'_>,
    envoy: Option<Original<'_>>,
    body: Incoming,
    now: BootTime,
) -> Answer {
    let (nginx, sinks) = match (asked.query, &envoy) {
        // For Envoy the query belongs to the original request.
        ("", _) | (_, Some(_)) => (false, false),
        ("proxy=nginx", None) => (true, false),
        ("body=sink", None) => (false, true),
        _ => return asked.plain(400, "the query must be empty, proxy=nginx or body=sink"),
    };
    let judgement = judged(doors, asked, envoy, body, sinks, now).await;
    let judgement = judgement.unwrap_or_else(|refused| *refused);
    let mut answer = asked.answered(&doors.judge, &judgement);
    if answer.allowed {
        // A proxy that copies only the headers that are present would leave the caller's own in their
        // place.
        for name in [SUBJECT, TOKEN_ID, ROLE, ORG] {
            if answer.headers.iter().all(|(known, _)| *known != name) {
                answer.headers.push((name, String::new()));
            }
        }
    }
    match nginx {
        true => answer.for_nginx(judgement.dialect),
        false => answer,
    }
}

/// `sinks` means that a proxy has refused the request by its head, and can't discard its body. The whole
/// body is taken before the answer, and none of it is read: a client that is still sending would otherwise
/// be cut off without an answer.
async fn judged(
    doors: &HttpDoors,
    asked: &DoorRequest<'_>,
    envoy: Option<Original<'_>>,
    mut body: Incoming,
    sinks: bool,
    now: BootTime,
) -> Result<Judgement, Box<Judgement>> {
    let table = &doors.judge.table;
    let refused = |rule| {
        // Any target that a header names decides the form of the refusal.
        let shown = envoy.map_or_else(|| original::any(asked.headers), |it| it.target);
        Box::new(Judgement::refused(table.dialect_of(shown), 400, rule))
    };
    let original = original::agreed(asked.headers, envoy).ok_or_else(|| refused(WRONG))?;
    let values = |name: &'static str| {
        let values = asked.headers.get_all(name).into_iter();
        values.map(HeaderValue::as_bytes)
    };
    let unjudged = unjudged::rule(original.method, values, !body.is_end_stream());
    let nothing = Read::Whole(Bytes::new(), Scan::default());
    let bill_to: Vec<_> = values("x-hf-bill-to").collect();
    let request = Request {
        method: original.method,
        target: original.target,
        body: match body.is_end_stream() {
            _ if sinks => Body::Unseen,
            true => said(asked, &doors.cuts, &nothing),
            false => Body::Absent,
        },
        bill_to: &bill_to,
    };
    let routing = table.route(request);
    let dialect = routing.dialect();
    let shown = asked.credentials();
    let read = match unjudged.is_none() && routing.depends_on_body() {
        true => {
            let stranger = || doors.judge.stranger(&shown, dialect, now);
            let peer = asked.peer.address();
            let read = doors.bodies.read(asked.headers, &mut body, peer, stranger);
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
        return Err(refused(rule));
    }
    let read = read.transpose().map_err(|not| not.judgement(dialect))?;
    let rest = read.as_ref().map(|read| said(asked, &doors.cuts, read));
    let routed = routing.complete(rest.unwrap_or(Body::Absent));
    let routed = routed.or_preflight(|| Page::from_headers(asked.headers));
    // A body may have taken long to arrive, so the request is judged by what holds now.
    let _turn = doors.judge.turn(&shown).await;
    let now = doors.judge.decider.replica.clock().boot();
    Ok(doors.judge.judge(&routed, &shown, now))
}

/// Returns the body as routes see it. If the proxy shows only a part, the rest may have any content.
fn said<'r>(asked: &DoorRequest<'_>, cuts: &Cuts, read: &'r Read) -> Body<'r> {
    let length = match read {
        Read::Whole(bytes, _) => bytes.len(),
        Read::Unreadable(_) | Read::TooLong | Read::Encoded => 1,
    };
    match is_shown(asked.headers, length, cuts) {
        Extent::Not => Body::Unseen,
        Extent::InPart => Body::TooLong,
        Extent::Whole => read.said(),
    }
}
