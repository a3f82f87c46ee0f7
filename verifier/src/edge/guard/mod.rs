//! A proxy with the check built in, for where no other stands: a laptop, a test, a sidecar.
//!
//! Decides nothing: each request is judged like everywhere, and then sent to the one server behind, or
//! answered here. What is sent is what was judged; both bodies stream.
//!
//! | module | says |
//! |---|---|
//! | [`head`] | what of a request's head goes through |
//! | [`body`] | that a body keeps moving |
//! | [`cors`] | what pages of other origins may read |
//! | [`connector`] | that a connection to the server behind does too |
//! | [`upstream`] | how the server behind is reached, and how long that may take |
//! | [`issuers`] | what the issuer answers, not the server behind |
//!
//! Why no proxy library: those that are kept up join paths, forward upgrades, trust the caller's
//! `X-Forwarded-*`, retry, and bring TLS along; what is left of them is what stands in `upstream`.
//! hyper and its client do the rest.

mod body;
mod connector;
mod cors;
mod head;
mod issuers;
#[cfg(test)]
mod tests;
mod times;
mod upstream;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::{
    Method, Request, Response,
    body::{Body as _, Incoming},
    header::{EXPECT, HeaderValue, TRANSFER_ENCODING},
    http::request::Parts,
};
use tokenward_common::process::Traces;

use super::{
    answer::{Answer, Refusal, answer},
    bodies::{BROKEN, Bodies, NO_ROOM, Read},
    credential::Shown,
    http::{self, WhoAmILimits, fresh_id, response},
    judge::{Judge, Judgement},
    routes::{self, Body, Scan, Unrouted},
};
use crate::{
    metrics::{Door, Entrance},
    serve::{HttpBody, HttpService, Peer},
};
use body::{Moving, Progress};
use head::{BILL_TO, Said};
pub use times::GuardTimes;
pub use upstream::Upstream;
use upstream::{Failure, Sent};

/// One worker's.
#[derive(Clone)]
pub struct Guard {
    pub judge: Judge,
    pub upstream: Upstream,
    /// What is the issuer's goes there. `None`: to the server behind, as all else.
    pub issuer: Option<Upstream>,
    /// All workers' together.
    pub limits: Arc<WhoAmILimits>,
    /// The server behind gets the caller's token too.
    pub keep_credential: bool,
    /// All workers' together.
    pub bodies: Bodies,
    pub traces: Traces,
}

/// A request's body as far as it was read.
enum Held {
    Whole(Bytes, Scan),
    Coming(Moving),
    /// Not to its end: whatever is said of the rest, it isn't sent.
    Unreadable(Scan),
    TooLong,
    Encoded,
}

impl Held {
    /// `None`: it is not there as a whole.
    fn sent(self) -> Option<(Sent, Arc<Progress>)> {
        let whole = |bytes| (Either::Left(Full::new(bytes)), Progress::begin());
        match self {
            Self::Whole(bytes, _) => Some(whole(bytes)),
            Self::Coming(body) if body.is_end_stream() => Some(whole(Bytes::new())),
            Self::Coming(body) => {
                let progress = body.progress().unwrap_or_else(Progress::begin);
                Some((Either::Right(body), progress))
            }
            Self::Unreadable(_) | Self::TooLong | Self::Encoded => None,
        }
    }
}

impl Guard {
    pub fn service(self) -> HttpService {
        Arc::new(move |request| {
            let guard = self.clone();
            Box::pin(async move { guard.answer(request).await })
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<HttpBody> {
        let span = self.traces.received(request.headers(), "edge/guard");
        let origin = cors::origin(&self.judge.table, request.headers());
        let (status, mut response) = match self.forwarded(request).await {
            Ok(response) => (200, response),
            Err(answer) => (answer.status, response(answer)),
        };
        if let Some(origin) = origin {
            cors::allow(origin, response.headers_mut());
        }
        self.judge.counts.door(Door::Guard, status);
        if let Some(span) = span {
            span.set("tokenward.status", i64::from(status));
        }
        response
    }

    async fn forwarded(&self, request: Request<Incoming>) -> Result<Response<HttpBody>, Answer> {
        let (mut head, body) = request.into_parts();
        let id = fresh_id(&head.headers);
        let refuse = |status, message: &str, dialect| {
            Answer::refused(&Refusal::plain(status, message), dialect, &id)
        };
        head::check(&head).map_err(|unfit| {
            let dialect = self.judge.table.dialect_of(&target(&head));
            let mut answer = refuse(unfit.status(), &unfit.to_string(), dialect);
            // What follows on this connection may not be what it looks like.
            answer.headers.push(("connection", "close".into()));
            answer
        })?;
        let chunked = head.headers.contains_key(TRANSFER_ENCODING);
        let awaits_leave = head.headers.contains_key(EXPECT);
        let body = Moving::request(body, self.upstream.times.idle, awaits_leave);
        head::clean(&mut head.headers);

        if let Some(told) = cors::preflight(&self.judge.table, &head, &target(&head)) {
            return Err(told);
        }
        if let Some(answer) = self.own(&head) {
            return Err(answer);
        }
        let (judgement, held) = self.judged(&head, body, &id).await?;
        let told = answer(&judgement, self.judge.table.hub_url(), &id);
        if !told.allowed {
            return Err(told);
        }

        let issuers = self
            .issuer
            .as_ref()
            .zip(issuers::uri(&self.judge.table, &head));
        let peer = peer(&head);
        let said = Said {
            principal: judgement.principal.as_ref(),
            peer,
            request_id: &id,
            keep_credential: self.keep_credential,
            to_issuer: issuers.is_some(),
            chunked: chunked && matches!(held, Held::Coming(_)),
        };
        head::complete(&mut head.headers, &said);
        let (body, progress) = held.sent().ok_or_else(|| {
            let message = "the request's body is too long to be judged";
            refuse(413, message, judgement.dialect)
        })?;
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.headers_mut() = head.headers;
        let upstream = match issuers {
            None => {
                *request.uri_mut() = head.uri;
                &self.upstream
            }
            Some((issuer, uri)) => {
                *request.uri_mut() = uri;
                issuer
            }
        };
        let answered = upstream.send(request, &progress).await;
        let answered = answered.map_err(|failure| {
            let mut answer = refuse(failure.status(), &failure.to_string(), judgement.dialect);
            // The rest of the body would have to come first.
            if failure == Failure::Stalled {
                answer.headers.push(("connection", "close".into()));
            }
            answer
        })?;
        Ok(self.passed_on(answered, &id))
    }

    /// Answered here, if the table has a rule for it: what fits none is closed, whoever would answer.
    fn own(&self, head: &Parts) -> Option<Answer> {
        // What is answered here is only got.
        if ![Method::GET, Method::HEAD].contains(&head.method) {
            return None;
        }
        let path = http::path(&head.uri);
        let table = &self.judge.table;
        table.place().inside(path)?;
        let request = routes::Request {
            method: head.method.as_str(),
            target: path,
            body: Body::Absent,
            bill_to: &[],
        };
        table.route(&request).ok()?;
        let now = self.judge.decider.replica.clock().boot();
        let answered = http::answer_own(&self.judge, &self.limits, head, now);
        answered.map(|(_, answer)| answer)
    }

    /// Judged when all is there that the judgement takes, and not before. A body is read only where
    /// its route looks at it.
    async fn judged(
        &self,
        head: &Parts,
        body: Moving,
        id: &str,
    ) -> Result<(Judgement, Held), Answer> {
        let target = target(head);
        let bill_to = head.headers.get_all(BILL_TO).into_iter();
        let bill_to: Vec<_> = bill_to.map(HeaderValue::as_bytes).collect();
        let mut request = routes::Request {
            method: head.method.as_str(),
            target: &target,
            body: Body::Absent,
            bill_to: &bill_to,
        };
        let shown = Shown::of_headers(&head.headers);
        let needs_body = matches!(self.judge.table.route(&request), Err(Unrouted::NeedsBody));
        let mut held = match needs_body {
            false => Held::Coming(body),
            true => {
                let caller = address(head);
                let refuse = |status, message| {
                    let dialect = self.judge.table.dialect_of(&target);
                    Err(Answer::refused(
                        &Refusal::plain(status, message),
                        dialect,
                        id,
                    ))
                };
                let mut stranger = None;
                let is_known = || {
                    let now = self.judge.decider.replica.clock().boot();
                    let dialect = self.judge.table.dialect_of(&target);
                    stranger = self.judge.stranger(&shown, dialect, now);
                    stranger.is_none()
                };
                let read = self.bodies.read(&head.headers, body, caller, is_known);
                let read = read.await;
                if let (Read::Stranger, Some(stranger)) = (&read, stranger) {
                    return Err(answer(&stranger, self.judge.table.hub_url(), id));
                }
                match read {
                    Read::Whole(bytes, scan) => Held::Whole(bytes, scan),
                    Read::Unreadable(scan) => Held::Unreadable(scan),
                    Read::TooLong | Read::Stranger => Held::TooLong,
                    Read::Encoded => Held::Encoded,
                    Read::NoRoom => return refuse(503, NO_ROOM),
                    Read::Broken => return refuse(400, BROKEN),
                }
            }
        };
        request.body = match &held {
            Held::Whole(_, scan) | Held::Unreadable(scan) => Body::Scanned(scan),
            Held::TooLong => Body::TooLong,
            Held::Encoded => Body::Encoded,
            Held::Coming(_) => Body::Absent,
        };
        let now = self.judge.decider.replica.clock().boot();
        let judgement = self.judge.judge(&request, &shown, now);
        let took = self.judge.decider.replica.clock().boot().since(now);
        self.judge.counts.took(Entrance::Guard, took);
        // A route that is open to all tells nobody's credential.
        if let Held::Coming(body) = &mut held
            && !body.is_end_stream()
            && judgement.principal.is_none()
            && self
                .judge
                .stranger(&shown, judgement.dialect, now)
                .is_some()
        {
            body.keep_pace();
        }
        Ok((judgement, held))
    }

    fn passed_on(&self, answered: Response<Incoming>, id: &str) -> Response<HttpBody> {
        let (mut head, body) = answered.into_parts();
        head::strip_hop_by_hop(&mut head.headers);
        if let Ok(id) = HeaderValue::try_from(id) {
            head.headers.entry("x-request-id").or_insert(id);
        }
        let body = Moving::answer(body, self.upstream.times.idle);
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }
}

/// As on the request line. A whole URL, an authority or `*` stays what it is: no path, and refused.
fn target(head: &Parts) -> String {
    match (head.uri.authority(), head.uri.path_and_query()) {
        (None, Some(target)) => target.as_str().into(),
        _ => head.uri.to_string(),
    }
}

fn peer(head: &Parts) -> Option<IpAddr> {
    address(head).map(|it| it.ip())
}

fn address(head: &Parts) -> Option<SocketAddr> {
    head.extensions.get::<Peer>()?.address()
}
