//! `/auth`: a proxy asks about a request before it forwards it (nginx `auth_request`, Caddy
//! `forward_auth`, Traefik `forwardAuth`). The original request's method and target stand in headers.
//!
//! A client can send such headers too, in a spelling that its proxy doesn't set: two that disagree are
//! refused.

use hyper::{HeaderMap, body::Incoming, header::HeaderValue};
use tokenward_common::clock::BootTime;

use super::{Asked, HttpDoors, Read, read};
use crate::edge::{
    answer::Answer,
    principal::{ORG, ROLE, SUBJECT, TOKEN_ID},
    routes::{Body, Dialect, Request},
};

const PAIRS: [(&str, &str); 2] = [
    ("x-original-method", "x-original-uri"),
    ("x-forwarded-method", "x-forwarded-uri"),
];

const WRONG_PAIR: &str = "the original request must stand in X-Original-Method and X-Original-URI, or \
                          in X-Forwarded-Method and X-Forwarded-Uri, each once; where both pairs are \
                          there they must be the same";

pub(super) async fn answer(
    doors: &HttpDoors,
    asked: &Asked<'_>,
    body: Incoming,
    now: BootTime,
) -> Answer {
    let nginx = match asked.query {
        "" => false,
        "proxy=nginx" => true,
        _ => return asked.plain(400, "the query must be empty, or proxy=nginx"),
    };
    let (answer, dialect) = judged(doors, asked, body, now).await;
    match nginx {
        true => answer.for_nginx(dialect),
        false => answer,
    }
}

/// And in which form its client reads.
async fn judged(
    doors: &HttpDoors,
    asked: &Asked<'_>,
    body: Incoming,
    now: BootTime,
) -> (Answer, Dialect) {
    // Whichever is meant: it says in which form its client reads.
    let said = |(_, target): &(_, &str)| asked.headers.get(*target)?.to_str().ok();
    let shown = PAIRS.iter().find_map(said).unwrap_or_default();
    let dialect = doors.judge.table.dialect_of(shown);
    let Some((method, target)) = original(asked.headers) else {
        return (asked.plain_in(dialect, 400, WRONG_PAIR), dialect);
    };
    let read = read(asked.headers, body).await;
    let body = match &read {
        // Most proxies leave it out.
        Read::Whole(bytes) if bytes.is_empty() => Body::Unseen,
        Read::Whole(bytes) => Body::whole(bytes),
        Read::TooLong => Body::TooLong,
        Read::Broken => {
            let answer = asked.plain_in(dialect, 400, "the body did not come whole");
            return (answer, dialect);
        }
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
    let judgement = doors.judge.judge(&request, &asked.credential(), now);
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

/// The method and the target, said once, or twice alike.
fn original(headers: &HeaderMap) -> Option<(&str, &str)> {
    let mut found = None;
    for (method, target) in PAIRS {
        match (said(headers, method)?, said(headers, target)?) {
            (None, None) => {}
            (Some(method), Some(target)) => {
                let pair = (method, target);
                if found.is_some_and(|before| before != pair) {
                    return None;
                }
                found = Some(pair);
            }
            _ => return None,
        }
    }
    found
}

/// `None`: more than once, or no text.
#[expect(
    clippy::option_option,
    reason = "what is wrong, what is not there, what is"
)]
fn said<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => Some(Some(value.to_str().ok()?)),
        (Some(_), Some(_)) => None,
    }
}
