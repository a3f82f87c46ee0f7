//! Takes a request that Envoy shows through reading, judgement and answer. It decides nothing, and must not
//! know the bytes of a message.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use tokenward_common::{clock::BootTime, process::Traces, status::ErrorReason};
use tokenward_proto::envoy::service::auth::v3 as pb;
use tonic::{Status, metadata::MetadataMap};

use super::{
    extensions::{Asks, Extensions},
    reply::Reply,
    request::EnvoyRequest,
    wire,
};
use crate::{
    edge::{
        answer::{Answer, refusal, request_id},
        bodies::{Coding, Cuts, STRANGERS, look_through},
        chance,
        judge::{Judge, Judgement},
        routes::{self, Body, Dialect, Mistake, Place, Routed, Table},
    },
    metrics::{Door, Entrance},
};

/// Each worker has one door.
#[derive(Clone)]
pub struct EnvoyDoor {
    pub judge: Judge,
    /// These are the tables that a route may request by name.
    pub tables: BuiltIn,
    /// This is the longest compressed body, in bytes after decompression.
    pub max_body: usize,
    pub cuts: Cuts,
    pub traces: Traces,
}

/// Holds the built-in tables.
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
    /// Answers one `CheckRequest` with one `CheckResponse`. Both are encoded messages.
    pub(super) async fn check(
        &self,
        message: &[u8],
        metadata: &MetadataMap,
    ) -> Result<Vec<u8>, Status> {
        let clock = self.judge.decider.replica.clock();
        let now = clock.boot();
        let span = self
            .traces
            .received(metadata.as_ref(), "Authorization/Check");
        let reply = if let Some(asked) = wire::read(message) {
            let _turn = self.judge.turn(&asked.credentials()).await;
            self.reply(Some(&asked), now)
        } else {
            let request = pb::CheckRequest::decode(message);
            let request = request
                .map_err(|mistake| ErrorReason::MessageMalformed.status(mistake.to_string()))?;
            let asked = EnvoyRequest::from_message(&request);
            let _turn = match &asked {
                Some(asked) => self.judge.turn(&asked.credentials()).await,
                None => None,
            };
            self.reply(asked.as_ref(), now)
        };
        let took = clock.boot().since(now);
        self.judge.counts.took(Entrance::Envoy, took);
        // The proxy has given up by now, and may have answered its client.
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

    /// `None` means that the message is not about an HTTP request.
    fn reply(&self, asked: Option<&EnvoyRequest<'_>>, now: BootTime) -> Reply {
        let Some(asked) = asked else {
            let rule = "attributes.request.http: required";
            let refused = Judgement::refused(Dialect::Hub, 400, rule);
            return written(&refused, &EnvoyRequest::default(), "", false);
        };
        let extensions = Extensions::parse(&asked.extensions);
        let (table, strip_credential) = match &extensions {
            Ok(extensions) => (self.table(&extensions.asks), extensions.strip_credential),
            Err(_) => (&*self.judge.table, false),
        };
        let judgement = self.judged(asked, extensions, table, now);
        let judgement = judgement.unwrap_or_else(|refused| *refused);
        written(&judgement, asked, table.hub_url(), strip_credential)
    }

    fn table(&self, asks: &Asks) -> &Table {
        match asks {
            Asks::This(_) | Asks::Configured => &self.judge.table,
            Asks::Hub => &self.tables.hub,
            Asks::Inference => &self.tables.inference,
        }
    }

    fn judged(
        &self,
        asked: &EnvoyRequest<'_>,
        extensions: Result<Extensions, &'static str>,
        table: &Table,
        now: BootTime,
    ) -> Result<Judgement, Box<Judgement>> {
        let target = asked.target();
        let refused = |status, rule: &str| {
            let dialect = self.judge.table.dialect_of(&target);
            Box::new(Judgement::refused(dialect, status, rule))
        };
        if let Some(rule) = asked.unjudged() {
            return Err(refused(400, rule));
        }
        // The proxy's settings are wrong, so the route stays closed until somebody repairs them.
        let extensions =
            extensions.map_err(|rule| refused(403, &format!("context_extensions: {rule}")))?;
        let shown = asked.credentials();
        let request = routes::Request {
            method: asked.method,
            target: &target,
            body: Body::Absent,
            bill_to: &[],
        };
        if let Asks::This(route) = extensions.asks {
            let routed = Routed::fixed(table, request, route);
            return Ok(self.judge.judge(&routed, &shown, now));
        }
        let bill_to: Vec<_> = asked.values("x-hf-bill-to").collect();
        let (body, coding) = asked.body(&self.cuts);
        // A body that is long or compressed is scanned only if the route needs it.
        let waits = |bytes: &[u8]| match coding {
            Coding::Plain => bytes.len() > STRANGERS,
            Coding::Gzip => !bytes.is_empty(),
        };
        let (at_hand, waiting) = match body {
            Body::Whole(bytes) if waits(bytes) => (Body::Absent, Some(bytes)),
            body => (body, None),
        };
        let routing = table.route(routes::Request {
            body: at_hand,
            bill_to: &bill_to,
            ..request
        });
        let read;
        let rest = match waiting {
            None => Body::Absent,
            Some(bytes) if routing.needs_body() => {
                let dialect = routing.dialect();
                let stranger = || self.judge.stranger(&shown, dialect, now);
                let looked = look_through(bytes, coding, self.max_body, stranger);
                read = looked.map_err(|not| not.judgement(dialect))?;
                read.said()
            }
            Some(_) if coding == Coding::Gzip => Body::Encoded,
            Some(_) => body,
        };
        let routed = routing.complete(rest).or_preflight(|| routes::Page {
            origin: asked.values("origin").collect(),
            method: asked.values("access-control-request-method").collect(),
        });
        // A gRPC client follows no redirect.
        let routed = match asked.is_grpc() {
            true => routed.in_place(),
            false => routed,
        };
        Ok(self.judge.judge(&routed, &shown, now))
    }
}

fn written(
    judgement: &Judgement,
    asked: &EnvoyRequest<'_>,
    hub_url: &str,
    strip_credential: bool,
) -> Reply {
    let Some(refusal) = refusal(judgement, hub_url) else {
        return Reply::allowed(judgement, asked, strip_credential);
    };
    let id = request_id(asked.first("x-request-id"), chance);
    let answer = match asked.is_grpc() {
        true => Answer::grpc_refused(&refusal, &id),
        false => Answer::refused(&refusal, judgement.dialect, &id),
    };
    Reply::denied(&refusal, &answer, judgement)
}

/// Returns how long the caller waits, by its `grpc-timeout`: up to eight digits and a unit.
pub(super) fn patience(metadata: &MetadataMap) -> Option<Duration> {
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
