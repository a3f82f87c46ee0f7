//! Takes a request through the guard: it is judged, and then sent on or answered here. This file decides
//! nothing.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http_body_util::BodyExt as _;
use hyper::{
    Request, Response,
    body::{Body as _, Incoming},
    header::{EXPECT, HeaderValue, TRANSFER_ENCODING},
    http::request::Parts,
};
use tokenward_common::{clock::BootTime, process::Traces};

use super::{
    body::TimedBody,
    cors,
    head::{self, BILL_TO, Said},
    held::Held,
    issuers,
    upstream::{Failure, Upstream},
};
use crate::{
    edge::{
        answer::{Answer, answer},
        bodies::Bodies,
        credential::Shown,
        http::{WhoAmILimits, answer_own, fresh_id, response},
        judge::{Judge, Judgement},
        own::{self, Own},
        routes::{self, Body, Table},
    },
    metrics::{Door, Entrance},
    serve::{HttpBody, HttpService, Peer},
};

/// Each worker has one guard.
#[derive(Clone)]
pub struct Guard {
    pub judge: Judge,
    pub upstream: Upstream,
    /// The issuer's requests go here. `None` means that they go to the server behind, like all others.
    pub issuer: Option<Upstream>,
    /// All workers share these limits.
    pub limits: Arc<WhoAmILimits>,
    /// This is set if the server behind gets the caller's token too.
    pub keep_credential: bool,
    /// All workers share this room for bodies.
    pub bodies: Bodies,
    pub traces: Traces,
}

/// Says why the server behind does not answer a request.
enum Stopped {
    /// The guard answers the request itself.
    Answered(Answer),
    Refused(Box<Judgement>),
    /// The request is refused and the connection is closed, because what follows may not be a request, or
    /// comes too late.
    Closing(Box<Judgement>),
}

impl From<Box<Judgement>> for Stopped {
    fn from(judgement: Box<Judgement>) -> Self {
        Self::Refused(judgement)
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
        let origin = cors::origin(self.table(), request.headers());
        let id = fresh_id(request.headers());
        let (status, mut response) = match self.forwarded(request, &id).await {
            Ok(response) => (200, response),
            Err(stopped) => {
                let answer = self.written(stopped, &id);
                (answer.status, response(answer))
            }
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

    fn table(&self) -> &Table {
        &self.judge.table
    }

    fn now(&self) -> BootTime {
        self.judge.decider.replica.clock().boot()
    }

    fn written(&self, stopped: Stopped, id: &str) -> Answer {
        let (judgement, closes) = match stopped {
            Stopped::Answered(answer) => return answer,
            Stopped::Refused(judgement) => (judgement, false),
            Stopped::Closing(judgement) => (judgement, true),
        };
        let mut answer = answer(&judgement, self.table().hub_url(), id);
        if closes {
            answer.headers.push(("connection", "close".into()));
        }
        answer
    }

    async fn forwarded(
        &self,
        request: Request<Incoming>,
        id: &str,
    ) -> Result<Response<HttpBody>, Stopped> {
        let (mut head, body) = request.into_parts();
        let target = target(&head);
        head::check(&head).map_err(|unfit| {
            let dialect = self.table().dialect_of(&target);
            let refused = Judgement::refused(dialect, unfit.status(), unfit.to_string());
            Stopped::Closing(Box::new(refused))
        })?;
        let chunked = head.headers.contains_key(TRANSFER_ENCODING);
        let awaits_leave = head.headers.contains_key(EXPECT);
        let body = TimedBody::request(body, self.upstream.times.idle, awaits_leave);
        head::clean(&mut head.headers);

        let preflight = cors::preflight(self.table(), &head, &target);
        if let Some(answer) = preflight.or_else(|| self.own(&head)) {
            return Err(Stopped::Answered(answer));
        }
        let (judgement, held) = self.judged(&head, &target, body).await?;
        if !judgement.allows() {
            return Err(Stopped::Refused(Box::new(judgement)));
        }

        let to_issuer = self.issuer.as_ref().zip(issuers::uri(self.table(), &head));
        let said = Said {
            principal: judgement.principal.as_ref(),
            peer: peer(&head),
            request_id: id,
            keep_credential: self.keep_credential,
            to_issuer: to_issuer.is_some(),
            chunked: chunked && matches!(held, Held::Coming(_)),
        };
        head::complete(&mut head.headers, &said);
        let refused =
            |status, rule: &str| Box::new(Judgement::refused(judgement.dialect, status, rule));
        let (body, progress) = held
            .sent()
            .ok_or_else(|| refused(413, "the request's body is too long to be judged"))?;
        let (upstream, uri) = to_issuer.unwrap_or((&self.upstream, head.uri));
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.headers_mut() = head.headers;
        *request.uri_mut() = uri;
        let answered = upstream.send(request, &progress).await;
        let answered = answered.map_err(|failure| {
            let refused = refused(failure.status(), &failure.to_string());
            match failure {
                // The connection could be used again only after the rest of the body.
                Failure::Stalled => Stopped::Closing(refused),
                _ => Stopped::Refused(refused),
            }
        })?;
        Ok(self.passed_on(answered, id))
    }

    /// Answers a request to a route of our own, if the table has a rule for it. A request that fits no rule
    /// is refused, whichever server would answer it.
    fn own(&self, head: &Parts) -> Option<Answer> {
        let Some(Own::Client(ask)) = Own::find(self.table(), head) else {
            return None;
        };
        let request = routes::Request {
            method: head.method.as_str(),
            target: own::path(&head.uri),
            body: Body::Absent,
            bill_to: &[],
        };
        let routed = self.table().route(request).complete(Body::Absent);
        routed.route.ok()?;
        let (_, answer) = answer_own(&self.judge, &self.limits, &ask, head, self.now());
        Some(answer)
    }

    /// Judges a request once everything that the judgement needs has arrived. A body is read only if its
    /// route reads it.
    async fn judged(
        &self,
        head: &Parts,
        target: &str,
        body: TimedBody,
    ) -> Result<(Judgement, Held), Box<Judgement>> {
        let bill_to = head.headers.get_all(BILL_TO).into_iter();
        let bill_to: Vec<_> = bill_to.map(HeaderValue::as_bytes).collect();
        let routing = self.table().route(routes::Request {
            method: head.method.as_str(),
            target,
            body: Body::Absent,
            bill_to: &bill_to,
        });
        let shown = Shown::from_headers(&head.headers);
        let mut held = match routing.needs_body() {
            false => Held::Coming(body),
            true => {
                let dialect = routing.dialect();
                let stranger = || self.judge.stranger(&shown, dialect, self.now());
                let read = self
                    .bodies
                    .read(&head.headers, body, address(head), stranger);
                let read = read.await.map_err(|not| not.judgement(dialect))?;
                Held::Read(read)
            }
        };
        let turn = self.judge.turn(&shown).await;
        let now = self.now();
        let routed = routing.complete(held.said());
        let judgement = self.judge.judge(&routed, &shown, now);
        drop(turn);
        self.judge
            .counts
            .took(Entrance::Guard, self.now().since(now));
        // The judgement of a route that is open to all does not show whether the caller is a stranger, so
        // this is checked here.
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
        let body = TimedBody::answer(body, self.upstream.times.idle);
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }
}

/// Returns the target as on the request line. A whole URL, an authority or `*` is unchanged, and is refused
/// because it is not a path.
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
