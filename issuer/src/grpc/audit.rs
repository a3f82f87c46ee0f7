//! `AuditService` lists the audit trail as it is kept, page by page. It decides which events fit the filters.

use prost::Message;
use prost_types::Timestamp;
use tokenward_common::{id::TokenId, store::AuditId};
use tokenward_proto::{internal::AuditRecord, v1 as pb};

use super::{
    authenticator::{AdmittedCall, Authenticator, serve},
    tokens::{bad_page, page_size, token_id},
};
use crate::{
    error::{Problem, Unreadable},
    tokens::{
        Tokens,
        wire::{self, AccountRef},
    },
};

/// This many events are read from the store at a time.
const READ: usize = 1000;
/// A method's name has at most this many bytes.
const MAX_METHOD: usize = 64;
/// One call does at most this many reads if its filters leave out most events. The caller then requests more.
const MAX_READS: usize = 20;

#[derive(Clone)]
pub struct AuditGrpc {
    pub authenticator: Authenticator,
    pub tokens: Tokens,
}

impl AuditGrpc {
    async fn list(
        &self,
        _: AdmittedCall,
        body: pb::ListAuditEventsRequest,
    ) -> Result<pb::ListAuditEventsResponse, Problem> {
        let limit = page_size(body.page_size)?;
        let start = start(body.start_time)?;
        let mut after = match body.page_token.as_str() {
            "" => AuditId::default(),
            text => place(text).ok_or_else(bad_page)?,
        };
        let wanted = self.wanted(&body).await?;
        let mut events = Vec::new();
        for _ in 0..MAX_READS {
            let read = self.tokens.store.audit(after, READ).await?;
            let whole = read.len() == READ;
            for (id, record) in read {
                if events.len() == limit {
                    return Ok(answer(events, after, true));
                }
                let record = AuditRecord::decode(record.as_slice())
                    .map_err(|_| Unreadable("an audit record"))?;
                if record.time >= start && wanted.fits(&record) {
                    events.push(event(id, record));
                }
                after = id;
            }
            if !whole {
                return Ok(answer(events, after, false));
            }
        }
        Ok(answer(events, after, true))
    }

    async fn wanted(&self, body: &pb::ListAuditEventsRequest) -> Result<Wanted, Problem> {
        let owner = match (body.owner_id.as_str(), body.owner_name.as_str()) {
            ("", "") => None,
            (id, name) => match wire::owner(id, name)? {
                // An id may belong to any present or former account, because the trail outlasts accounts.
                AccountRef::Id(id) => Some(id.to_string()),
                by_name => Some(self.tokens.owner_id(&by_name).await?.to_string()),
            },
        };
        let token = match body.token_id.as_str() {
            "" => None,
            text => Some(token_id(text)?),
        };
        let method = body.method.as_str();
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphabetic());
        if !method.is_empty() && (method.len() > MAX_METHOD || !method.splitn(2, '/').all(part)) {
            let rule = "must be such as CreateToken, or TokenService/CreateToken";
            return Err(Problem::invalid("method", rule));
        }
        Ok(Wanted {
            owner,
            token,
            method: Some(method).filter(|it| !it.is_empty()).map(Into::into),
        })
    }
}

/// These filters select the requested events. A filter that isn't set fits all.
struct Wanted {
    owner: Option<String>,
    token: Option<TokenId>,
    method: Option<Box<str>>,
}

impl Wanted {
    fn fits(&self, record: &AuditRecord) -> bool {
        let owner = self.owner.as_ref();
        let named = |method: &str| {
            let (_, call) = record.method.split_once('/').unwrap_or_default();
            method == record.method || method == call
        };
        owner.is_none_or(|owner| *owner == record.owner_id)
            && self.token.is_none_or(|token| token.0 == record.tid)
            && self.method.as_deref().is_none_or(named)
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

/// Reads a time as Unix milliseconds.
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
        reason: record.reason,
    }
}

serve! {
    pb::audit_service_server::AuditService, by AuditGrpc => {
        list_audit_events(pb::ListAuditEventsRequest) -> pb::ListAuditEventsResponse
            = ListAuditEvents by list;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_that_is_set_must_fit() {
        let record = AuditRecord {
            method: "TokenService/CreateToken".into(),
            owner_id: "u1".into(),
            tid: 7,
            ..AuditRecord::default()
        };
        let fits = |owner: &str, token: u64, method: &str| {
            let set = |text: &str| Some(text).filter(|it| !it.is_empty()).map(str::to_owned);
            let wanted = Wanted {
                owner: set(owner),
                token: Some(TokenId(token)).filter(|it| it.0 != 0),
                method: set(method).map(Into::into),
            };
            wanted.fits(&record)
        };
        assert!(fits("", 0, "") && fits("u1", 7, "TokenService/CreateToken"));
        assert!(fits("u1", 0, "") && fits("", 7, "") && fits("", 0, "CreateToken"));
        for (owner, token, method) in [
            ("u2", 7, "CreateToken"),
            ("u1", 8, "CreateToken"),
            ("u1", 7, "RevokeToken"),
            ("u1", 7, "Create"),
            ("u1", 7, "TokenService"),
            ("u1", 7, "OrgService/CreateToken"),
        ] {
            assert!(!fits(owner, token, method), "{owner} {token} {method}");
        }
    }
}
