//! `KeyService` lists and withdraws signing keys. It decides which names of keys are known.

use std::{future::ready, mem::take, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenward_common::{
    id::{Cursor, KeyId},
    state::record::{Change, Record},
    store::CommitClass,
    token::RingState,
};
use tokenward_proto::v1 as pb;

use super::{
    authenticator::{AdmittedCall, Authenticator, serve},
    receipt,
};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::Problem,
    receipts::Receipts,
    request::{Audited, Request},
    tokens::Tokens,
    view::catch_up,
};

#[derive(Clone)]
pub struct KeyGrpc {
    pub authenticator: Authenticator,
    pub tokens: Tokens,
    pub receipts: Arc<Receipts>,
}

impl KeyGrpc {
    async fn list(
        &self,
        _: AdmittedCall,
        _: pb::ListKeysRequest,
    ) -> Result<pb::ListKeysResponse, Problem> {
        catch_up(self.tokens.store.as_ref(), &self.tokens.replica).await?;
        let view = self.tokens.replica.view().ok_or(Problem::Unavailable)?;
        let signing = self.tokens.keys.current();
        let mut keys: Vec<pb::Key> = signing
            .keys()
            .map(|(key, state)| {
                let state = match state {
                    _ if view.state.is_withdrawn(key.kid().as_str()) => pb::KeyState::Withdrawn,
                    RingState::Published => pb::KeyState::Published,
                    RingState::Active => pb::KeyState::Active,
                    RingState::Retired => pb::KeyState::Retired,
                };
                pb::Key {
                    key_id: key.kid().to_string(),
                    state: state.into(),
                    x: URL_SAFE_NO_PAD.encode(key.public().as_bytes()),
                }
            })
            .collect();
        let unknown = view
            .state
            .withdrawn_keys()
            .filter(|kid| signing.keys().all(|(key, _)| key.kid() != kid));
        keys.extend(unknown.map(|kid| pb::Key {
            key_id: kid.to_string(),
            state: pb::KeyState::Withdrawn.into(),
            x: String::new(),
        }));
        Ok(pb::ListKeysResponse { keys })
    }

    async fn withdraw(
        &self,
        call: AdmittedCall,
        mut body: pb::WithdrawKeyRequest,
    ) -> Result<pb::WithdrawKeyResponse, Problem> {
        let id = take(&mut body.request_id);
        let wait = receipt::wait(body.wait.take())?;
        let request = self.authenticator.request(&call, id, &body)?;
        let kid = KeyId::parse(&body.key_id).map_err(|rule| Problem::invalid("key_id", rule))?;
        if !body.even_if_unknown {
            self.must_know(&kid).await?;
        }
        let cursor = self.commit(&request, kid).await?;
        Ok(pb::WithdrawKeyResponse {
            receipt: receipt::after(&self.receipts, &self.authenticator, &cursor, wait).await?,
            revision: cursor.token(),
        })
    }

    /// Checks that the key is known. Otherwise a misspelt name would be withdrawn, and the stolen key stay in
    /// force.
    async fn must_know(&self, kid: &KeyId) -> Result<(), Problem> {
        let signing = self.tokens.keys.current();
        if signing.keys().any(|(key, _)| key.kid() == kid) {
            return Ok(());
        }
        // Another issuer may have withdrawn the key a moment ago.
        catch_up(self.tokens.store.as_ref(), &self.tokens.replica).await?;
        let view = self.tokens.replica.view().ok_or(Problem::Unavailable)?;
        if view.state.is_withdrawn(kid.as_str()) {
            return Ok(());
        }
        // Only the issuer's own keys are named: withdrawn keys are done, and could hide the one that is
        // meant.
        let own = signing.keys().map(|(key, _)| key.kid().to_string());
        let own = own.collect::<Vec<_>>().join(", ");
        Err(Problem::NotFound(format!(
            "key_id: this issuer knows no key {kid}, and nothing was withdrawn; its own are {own}. A key \
             that it doesn't know is withdrawn with even_if_unknown (--unknown)"
        )))
    }

    /// Commits the withdrawal. It expects nothing, so it never fails for a conflict.
    async fn commit(&self, request: &Request, kid: KeyId) -> Result<Cursor, Problem> {
        let plan = || {
            let writes = Writes {
                changes: vec![Change::Put(Record::WithdrawnKey(kid.clone()))],
                ..Writes::default()
            };
            let audited = Audited {
                kid: kid.to_string(),
                ..Audited::default()
            };
            let plan = Plan::new(CommitClass::Takeaway, writes, vec![audited], ());
            ready(Ok(Some(plan)))
        };
        let (store, replica) = (self.tokens.store.as_ref(), &self.tokens.replica);
        let written = commit(store, replica, request, Effort::Revocation, plan).await;
        written.map(|(cursor, _)| cursor)
    }
}

serve! {
    pb::key_service_server::KeyService, by KeyGrpc => {
        list_keys(pb::ListKeysRequest) -> pb::ListKeysResponse = ListKeys by list;
        withdraw_key(pb::WithdrawKeyRequest) -> pb::WithdrawKeyResponse = WithdrawKey by withdraw;
    }
}
