//! One mutation's identity: who requests it, what it requests, and whether it was requested before.
//!
//! A request id is bound to caller, method and body. A repeat gets the first answer; the same id with another
//! body is refused. Without an id, every call is a request of its own.

use prost::Message;
use sha2::{Digest, Sha256};
use tokenward_common::{
    clock::UnixMillis,
    id::{AccountId, Cursor, RequestId, Serial, TokenId},
    store::{Commit, CommitError, Store},
};
use tokenward_proto::internal::{AuditRecord, StoredRequest};

use crate::{
    caller::Caller,
    error::{ErrorReason, Problem, Unreadable},
};

#[derive(Clone)]
pub struct Request {
    pub caller: Caller,
    pub method: &'static str,
    pub id: RequestId,
    /// This is the request id as the caller wrote it; it may be empty.
    pub text: String,
    /// This is the body's digest. It is zero without a request id, when there is nothing to compare.
    pub digest: [u8; 32],
    pub now: UnixMillis,
}

/// Holds what an audit record says besides the caller and the time.
#[derive(Default)]
pub struct Audited {
    pub owner: Option<AccountId>,
    /// This org decided on a token, or on all.
    pub org: Option<AccountId>,
    pub token: Option<TokenId>,
    pub role: u32,
    pub last_four: String,
    /// This is the key's name; it may be empty.
    pub kid: String,
    pub operations: usize,
    /// This is why the caller did it, in their words; it may be empty.
    pub reason: String,
}

impl Audited {
    /// Makes the audit record of a call that holds this many operations.
    pub(crate) fn of(operations: usize) -> Self {
        Self {
            operations,
            ..Self::default()
        }
    }
}

impl Request {
    /// `body` is the message with its request id taken out.
    pub fn new(
        caller: Caller,
        method: &'static str,
        text: String,
        body: &impl Message,
        now: UnixMillis,
    ) -> Result<Self, Problem> {
        let (id, digest) = if text.is_empty() {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(|_| Problem::Internal)?;
            (RequestId(bytes), [0; 32])
        } else {
            // A request id has the same alphabet as an account id.
            AccountId::parse(&text).map_err(|rule| Problem::invalid("request_id", rule))?;
            let digest = Sha256::digest(body.encode_to_vec()).into();
            (bound(&[&caller.name, method, &text]), digest)
        };
        Ok(Self {
            caller,
            method,
            id,
            text,
            digest,
            now,
        })
    }

    /// Returns where and how the request was answered, if it was committed before. The store proves again
    /// that the commit is durable.
    pub(crate) async fn repeated(
        &self,
        store: &dyn Store,
    ) -> Result<Option<(Cursor, StoredRequest)>, Problem> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let Some(stored) = store.request(&self.id).await? else {
            return Ok(None);
        };
        let stored = self.check_repeat(&stored)?;
        match store.commit(Commit::repeat(self.id)).await {
            Ok(committed) => Ok(Some((committed.cursor, stored))),
            // The store forgot the request between the two calls, so it counts as never requested.
            Err(CommitError::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the identity of this call's n-th commit, where the call needs several.
    #[must_use]
    pub fn part(&self, number: usize) -> Self {
        let part = number.to_string();
        let id = match number {
            0 => self.id,
            _ => bound(&[&hex::encode(self.id.0), &part]),
        };
        Self { id, ..self.clone() }
    }

    /// Encodes what is kept with the request id: the token that it is about, and the value that it made.
    pub(crate) fn response(&self, token: Option<TokenId>, serial: Option<Serial>) -> Vec<u8> {
        StoredRequest {
            digest: self.digest.to_vec(),
            time: self.now.seconds().0,
            tid: token.map_or(0, |token| token.0),
            serial: serial.map_or(0, |serial| serial.0),
        }
        .encode_to_vec()
    }

    /// Returns the first answer, if this is the same request.
    pub(crate) fn check_repeat(&self, stored: &[u8]) -> Result<StoredRequest, Problem> {
        let stored = StoredRequest::decode(stored).map_err(|_| Unreadable("a request"))?;
        if stored.digest != self.digest {
            let rule = "request_id: was used for another request; give each request its own";
            return Err(Problem::Exists(ErrorReason::RequestIdReused, rule.into()));
        }
        Ok(stored)
    }

    pub(crate) fn audit(&self, what: &Audited) -> Vec<u8> {
        AuditRecord {
            time: self.now.0,
            caller: self.caller.name.clone(),
            method: self.method.to_owned(),
            owner_id: text(what.owner.as_ref()),
            tid: what.token.map_or(0, |token| token.0),
            role: what.role,
            last_four: what.last_four.clone(),
            operations: u32::try_from(what.operations).unwrap_or(u32::MAX),
            request_id: self.text.clone(),
            peer: self.caller.peer.clone(),
            kid: what.kid.clone(),
            org_id: text(what.org.as_ref()),
            reason: what.reason.clone(),
        }
        .encode_to_vec()
    }
}

fn text(account: Option<&AccountId>) -> String {
    account.map(ToString::to_string).unwrap_or_default()
}

/// Hashes the parts, each preceded by its length, so that two lists of parts can't give the same bytes.
fn bound(parts: &[&str]) -> RequestId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(digest.split_at(16).0);
    RequestId(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_bound_to_their_parts() {
        assert_ne!(bound(&["ab", "c"]), bound(&["a", "bc"]));
        assert_eq!(bound(&["a", "b"]), bound(&["a", "b"]));
    }
}
