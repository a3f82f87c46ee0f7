//! `AuditService`: the trail as it is kept, page by page.

use std::sync::Arc;

use prost::Message;
use prost_types::Timestamp;
use tokenward_common::store::{AuditId, Store};
use tokenward_proto::{internal::AuditRecord, v1 as pb};
use tonic::{Request as Call, Response, Status, async_trait};

use super::{
    Door,
    tokens::{bad_page, page_size},
};
use crate::{caller::AUDIT, error::Problem};

/// Events read from the store at a time.
const READ: usize = 1000;

#[derive(Clone)]
pub struct AuditGrpc {
    pub door: Door,
    pub store: Arc<dyn Store>,
}

impl AuditGrpc {
    async fn list(
        &self,
        call: Call<pb::ListAuditEventsRequest>,
    ) -> Result<pb::ListAuditEventsResponse, Problem> {
        self.door.caller(&call, AUDIT)?;
        let body = call.into_inner();
        let limit = page_size(body.page_size)?;
        let start = start(body.start_time)?;
        let mut after = match body.page_token.as_str() {
            "" => AuditId::default(),
            text => place(text).ok_or_else(bad_page)?,
        };
        let mut events = Vec::new();
        loop {
            let read = self.store.audit(after, READ).await?;
            let whole = read.len() == READ;
            for (id, record) in read {
                if events.len() == limit {
                    return Ok(answer(events, after, true));
                }
                let record =
                    AuditRecord::decode(record.as_slice()).map_err(|_| Problem::Internal)?;
                if record.time >= start {
                    events.push(event(id, record));
                }
                after = id;
            }
            if !whole {
                return Ok(answer(events, after, false));
            }
        }
    }
}

fn answer(events: Vec<pb::AuditEvent>, after: AuditId, more: bool) -> pb::ListAuditEventsResponse {
    pb::ListAuditEventsResponse {
        events,
        next_page_token: token(after),
        more,
    }
}

fn token(id: AuditId) -> String {
    format!("{}-{}", id.0, id.1)
}

fn place(text: &str) -> Option<AuditId> {
    let number = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let (first, second) = text.split_once('-')?;
    Some(AuditId(number(first)?, number(second)?))
}

/// Unix milliseconds.
fn start(time: Option<Timestamp>) -> Result<u64, Problem> {
    let Some(time) = time else { return Ok(0) };
    let millis = |time: Timestamp| {
        let seconds = u64::try_from(time.seconds).ok()?;
        let nanos = u64::try_from(time.nanos).ok()?;
        seconds.checked_mul(1000)?.checked_add(nanos / 1_000_000)
    };
    millis(time).ok_or_else(|| Problem::invalid("start_time", "must be a time since 1970"))
}

fn event(id: AuditId, record: AuditRecord) -> pb::AuditEvent {
    let some = |number: u64| match number {
        0 => String::new(),
        number => number.to_string(),
    };
    pb::AuditEvent {
        id: token(id),
        time: Some(Timestamp {
            seconds: i64::try_from(record.time / 1000).unwrap_or(i64::MAX),
            nanos: i32::try_from(record.time % 1000).unwrap_or(0) * 1_000_000,
        }),
        caller: record.caller,
        peer: record.peer,
        method: record.method,
        owner_id: record.owner_id,
        token_id: some(record.tid),
        role: i32::try_from(record.role).unwrap_or_default(),
        last_four: record.last_four,
        key_id: record.kid,
        operations: record.operations,
        request_id: record.request_id,
        org_id: record.org_id,
    }
}

#[async_trait]
impl pb::audit_service_server::AuditService for AuditGrpc {
    async fn list_audit_events(
        &self,
        call: Call<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        let result = self.list(call).await;
        self.door.answer("ListAuditEvents", result)
    }
}
