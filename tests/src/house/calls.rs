//! Calls of an issuer's clients that make secrets or return text. Secrets and texts are kept for the
//! search at the house's end.

use tokenward_proto::v1::{
    AuditEvent, GetTokenRequest, Key, ListAuditEventsRequest, ListExpiringTokensRequest,
    ListKeysRequest, Receipt, RevokeByValueRequest, RevokeTokenRequest, RevokeUserTokensRequest,
    RotateTokenRequest, RotateTokenResponse, Token, UpdateTokenRequest, UpdateTokenResponse,
    WaitAppliedRequest, WithdrawKeyRequest,
};
use tonic::Status;

use super::{Client, Minted};

/// Returns a wait that is longer than anything takes in a healthy system.
fn patience() -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: 20,
        nanos: 0,
    })
}

impl Client {
    pub async fn update(
        &mut self,
        request: UpdateTokenRequest,
    ) -> Result<UpdateTokenResponse, Status> {
        let answer = self.tokens.update_token(request).await;
        answer.map(|it| it.into_inner()).map_err(|it| self.kept(it))
    }

    pub async fn rotate(
        &mut self,
        request: RotateTokenRequest,
    ) -> Result<RotateTokenResponse, Status> {
        let answer = self.tokens.rotate_token(request).await;
        let answer = answer
            .map(|it| it.into_inner())
            .map_err(|it| self.kept(it))?;
        if !answer.secret.is_empty() {
            self.keep_secret(&answer.secret);
        }
        Ok(answer)
    }

    /// Rotates a token with this overlap in seconds.
    pub async fn rotated(&mut self, token_id: &str, overlap: i64) -> Minted {
        let request = RotateTokenRequest {
            token_id: token_id.into(),
            overlap: Some(prost_types::Duration {
                seconds: overlap,
                nanos: 0,
            }),
            ..RotateTokenRequest::default()
        };
        let made = self.rotate(request).await.expect("rotated");
        Minted {
            id: made.token.expect("a token").id,
            secret: made.secret,
            revision: made.revision,
        }
    }

    pub async fn token(&mut self, token_id: &str) -> Token {
        let request = GetTokenRequest {
            token_id: token_id.into(),
        };
        let answer = self.tokens.get_token(request).await.expect("a token");
        answer.into_inner().token.expect("a token")
    }

    /// Revokes all tokens of an owner, and returns the revision to wait for.
    pub async fn revoke_all_of(&mut self, owner_id: &str) -> String {
        let request = RevokeUserTokensRequest {
            owner_id: owner_id.into(),
            ..RevokeUserTokensRequest::default()
        };
        let answer = self.tokens.revoke_user_tokens(request).await;
        answer.expect("revoked").into_inner().revision
    }

    pub async fn revoke_values(&mut self, values: Vec<String>) -> Result<String, Status> {
        let request = RevokeByValueRequest {
            values,
            ..RevokeByValueRequest::default()
        };
        let answer = self.tokens.revoke_by_value(request).await;
        let answer = answer.map_err(|it| self.kept(it))?;
        Ok(answer.into_inner().revision)
    }

    /// Revokes a token and waits for the receipt, longer than it takes in a healthy system.
    pub async fn revoke_and_wait(&mut self, token_id: &str) -> (String, Receipt) {
        let request = RevokeTokenRequest {
            token_id: token_id.into(),
            wait: patience(),
            ..RevokeTokenRequest::default()
        };
        let revoked = self.revoke(request).await.expect("revoked");
        (revoked.revision, revoked.receipt.expect("a receipt"))
    }

    pub async fn applied(&mut self, revision: &str) -> Receipt {
        let request = WaitAppliedRequest {
            revision: revision.into(),
            timeout: patience(),
        };
        let answer = self.tokens.wait_applied(request).await.expect("waited");
        answer.into_inner().receipt.expect("a receipt")
    }

    pub async fn expiring(&mut self, request: ListExpiringTokensRequest) -> Vec<Token> {
        let answer = self.tokens.list_expiring_tokens(request).await;
        answer.expect("listed").into_inner().tokens
    }

    pub async fn keys(&mut self) -> Vec<Key> {
        let answer = self.keys.list_keys(ListKeysRequest {}).await;
        answer.expect("listed").into_inner().keys
    }

    pub async fn withdraw(&mut self, key_id: &str) -> String {
        let request = WithdrawKeyRequest {
            key_id: key_id.into(),
            ..WithdrawKeyRequest::default()
        };
        let answer = self.keys.withdraw_key(request).await;
        answer.expect("withdrawn").into_inner().revision
    }

    /// Reads the whole audit trail, and keeps its text.
    pub async fn trail(&mut self) -> Vec<AuditEvent> {
        let mut events = Vec::new();
        let mut request = ListAuditEventsRequest {
            page_size: 7,
            ..ListAuditEventsRequest::default()
        };
        loop {
            let answer = self.audit.list_audit_events(request.clone()).await;
            let page = answer.expect("the trail").into_inner();
            self.keep_said("the audit trail", format!("{page:?}"));
            events.extend(page.events);
            if !page.more {
                return events;
            }
            request.page_token = page.next_page_token;
        }
    }
}
