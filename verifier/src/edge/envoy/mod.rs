//! Envoy's external authorization over gRPC, beside the verifier's own service: Envoy shows each
//! request before it forwards it.
//!
//! Decides nothing: [`wire`] and [`request`] read what Envoy shows, [`extensions`] what its settings say
//! of the route, the judge judges, and [`reply`] puts it so that nothing but ALLOW lets a request through.
//! Answers at once, from memory. What can't be judged is a denial with 503 and no failed call: a proxy
//! set to fail open would let a failed call's request pass.

mod extensions;
mod reply;
mod request;
mod server;
#[cfg(test)]
mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use tokenward_common::{clock::BootTime, process::Traces, status::ErrorReason};
use tokenward_proto::envoy::service::auth::v3 as pb;
use tonic::{Status, metadata::MetadataMap};

use super::{
    answer::{Answer, Refusal, answer, grpc_answer, refusal, request_id},
    bodies::{Coding, Cuts, Read, STRANGERS, unzipped},
    chance,
    credential::Shown,
    judge::{Judge, Judgement},
    routes::{self, ADAPTER, ADAPTER_RULE, Body, Mistake, Place, Table, Unrouted},
};
use crate::metrics::{Door, Entrance};
use extensions::{Asks, Extensions};
use reply::Reply;
use request::Asked;
pub use server::EnvoyServer;

/// One worker's.
#[derive(Clone)]
pub struct EnvoyDoor {
    pub judge: Judge,
    /// Those that a route may ask for by name.
    pub tables: BuiltIn,
    /// Of a body that came compressed.
    pub max_body: usize,
    pub cuts: Cuts,
    pub traces: Traces,
}

/// The tables that are built in.
#[derive(Clone)]
pub struct BuiltIn {
    hub: Arc<Table>,
    inference: Arc<Table>,
}

impl BuiltIn {
    pub fn new(place: &Place) -> Result<Self, Vec<Mistake>> {
        let table = |name| {
            let table = Table::built_in(name).unwrap_or_else(|| Err(Vec::new()));
            table.map(|table| table.placed(place.clone()))
        };
        Ok(Self {
            hub: Arc::new(table("hub")?),
            inference: Arc::new(table("inference")?),
        })
    }
}

impl EnvoyDoor {
    /// One `CheckRequest` for one `CheckResponse`, both as their bytes.
    fn check(&self, message: &[u8], metadata: &MetadataMap) -> Result<Vec<u8>, Status> {
        let clock = self.judge.decider.replica.clock();
        let now = clock.boot();
        let span = self
            .traces
            .received(metadata.as_ref(), "Authorization/Check");
        let reply = if let Some(asked) = wire::read(message) {
            self.reply(Some(&asked), now)
        } else {
            let request = pb::CheckRequest::decode(message);
            let request = request
                .map_err(|mistake| ErrorReason::MessageMalformed.status(mistake.to_string()))?;
            self.reply(Asked::of(&request).as_ref(), now)
        };
        let took = clock.boot().since(now);
        self.judge.counts.took(Entrance::Envoy, took);
        // Whoever asked has given up, and may have told its client so.
        let late = patience(metadata).is_some_and(|patience| took >= patience);
        let status = if late { 504 } else { reply.status() };
        self.judge.counts.door(Door::ExtAuthz, status);
        if let Some(span) = span {
            span.set("tokenward.status", i64::from(status));
        }
        if late {
            return Err(
                ErrorReason::AnswerLate.status("the answer was not there within the caller's time")
            );
        }
        Ok(reply.into_message())
    }

    /// `None`: about no HTTP request.
    fn reply(&self, asked: Option<&Asked<'_>>, now: BootTime) -> Reply {
        let Some(asked) = asked else {
            let refusal = Refusal::plain(400, "attributes.request.http: required");
            return Reply::of_no_request(&refusal, &request_id(None, chance));
        };
        if asked.first(ADAPTER).is_some() {
            return self.refused(asked, &Refusal::plain(400, ADAPTER_RULE));
        }
        if let Some(rule) = asked.unjudged() {
            return self.refused(asked, &Refusal::plain(400, rule));
        }
        match Extensions::of(&asked.extensions) {
            Ok(extensions) => self.judged(asked, &extensions, now),
            // The proxy's settings are wrong: closed, until somebody mends them.
            Err(rule) => {
                let refusal = Refusal::plain(403, &format!("context_extensions: {rule}"));
                self.refused(asked, &refusal)
            }
        }
    }

    fn judged(&self, asked: &Asked<'_>, extensions: &Extensions, now: BootTime) -> Reply {
        let shown = asked.credentials();
        let (judgement, hub_url) = match &extensions.asks {
            Asks::This(route) => {
                let judgement = self.judge.judge_route(route, &shown.at(route.dialect), now);
                (judgement, self.judge.table.hub_url())
            }
            Asks::Configured => self.routed(&self.judge.table, asked, &shown, now),
            Asks::Hub => self.routed(&self.tables.hub, asked, &shown, now),
            Asks::Inference => self.routed(&self.tables.inference, asked, &shown, now),
        };
        let Some(refusal) = refusal(&judgement, hub_url) else {
            return Reply::allowed(&judgement, asked, extensions.strip_credential);
        };
        let id = request_id(asked.first("x-request-id"), chance);
        let answer = if asked.is_grpc() {
            grpc_answer(&judgement, hub_url, &id)
        } else {
            answer(&judgement, hub_url, &id)
        };
        Reply::denied(&refusal, &answer, Some(&judgement))
    }

    fn routed<'a>(
        &self,
        table: &'a Arc<Table>,
        asked: &Asked<'_>,
        shown: &Shown<'_>,
        now: BootTime,
    ) -> (Judgement, &'a str) {
        let target = asked.target();
        let bill_to: Vec<_> = asked.values("x-hf-bill-to").collect();
        let (body, coding) = asked.body(&self.cuts);
        let mut request = routes::Request {
            method: asked.method,
            target: &target,
            body,
            bill_to: &bill_to,
        };
        if let (Body::Whole(bytes), Coding::Plain) = (body, coding)
            && bytes.len() > STRANGERS
            && needs_body(table, &request)
            && let Some(stranger) = self.judge.stranger(shown, table.dialect_of(&target), now)
        {
            return (*stranger, table.hub_url());
        }
        let unzipped = match (body, coding) {
            (Body::Whole(bytes), Coding::Gzip) if !bytes.is_empty() => {
                match self.unzipped(table, &request, bytes, shown, now) {
                    Ok(read) => Some(read),
                    Err(stranger) => return (*stranger, table.hub_url()),
                }
            }
            _ => None,
        };
        request.body = match &unzipped {
            None => body,
            Some(Read::Whole(_, scan) | Read::Unreadable(scan)) => Body::Scanned(scan),
            Some(Read::TooLong) => Body::TooLong,
            Some(_) => Body::Encoded,
        };
        let asks_beforehand = asked.method == "OPTIONS" && {
            let page = routes::Page {
                origin: asked.values("origin").collect(),
                method: asked.values("access-control-request-method").collect(),
            };
            table.is_preflight(&request, &page)
        };
        if asks_beforehand {
            return (Judge::preflight(table, &target), table.hub_url());
        }
        // What speaks gRPC follows no redirect.
        let judgement = if asked.is_grpc() {
            self.judge.judge_in_place(table, &request, shown, now)
        } else {
            self.judge.judge_by(table, &request, shown, now)
        };
        (judgement, table.hub_url())
    }

    /// What a compressed body says, if the route looks at it. Whoever isn't known has little looked at.
    fn unzipped(
        &self,
        table: &Table,
        request: &routes::Request<'_>,
        bytes: &[u8],
        shown: &Shown<'_>,
        now: BootTime,
    ) -> Result<Read, Box<Judgement>> {
        if !needs_body(table, request) {
            return Ok(Read::Encoded);
        }
        let dialect = table.dialect_of(request.target);
        let most = self.max_body;
        match self.judge.stranger(shown, dialect, now) {
            None => Ok(unzipped(bytes, most)),
            Some(stranger) => match unzipped(bytes, most.min(STRANGERS)) {
                Read::TooLong => Err(stranger),
                read => Ok(read),
            },
        }
    }

    fn refused(&self, asked: &Asked<'_>, refusal: &Refusal) -> Reply {
        let id = request_id(asked.first("x-request-id"), chance);
        let answer = if asked.is_grpc() {
            Answer::grpc_refused(refusal, &id)
        } else {
            let dialect = self.judge.table.dialect_of(&asked.target());
            Answer::refused(refusal, dialect, &id)
        };
        Reply::denied(refusal, &answer, None)
    }
}

fn needs_body(table: &Table, request: &routes::Request<'_>) -> bool {
    let body = Body::Absent;
    table.route(&routes::Request { body, ..*request }) == Err(Unrouted::NeedsBody)
}

/// How long the caller waits, by its `grpc-timeout`: up to eight digits and a unit.
fn patience(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let fine = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| fine)?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}
