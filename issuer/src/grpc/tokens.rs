//! `TokenService` mints, changes, lists and revokes tokens. It decides which owner's tokens a caller may see.

use std::{mem::take, sync::Arc, time::Duration};

use tokenward_common::{
    clock::UnixTime,
    id::{Cursor, RevisionToken, TokenId, parse_number},
};
use tokenward_proto::v1 as pb;

use super::{
    authenticator::{AdmittedCall, Authenticator, serve},
    receipt,
};
use crate::{
    caller::{Caller, Whose},
    error::Problem,
    receipts::Receipts,
    tokens::{
        ByValue, MAX_OVERLAP, MAX_PAGE, Minted, NewToken, Rotation, Token, Tokens, Update,
        warnings,
        wire::{self, AccountRef},
    },
};

const DEFAULT_PAGE: usize = 100;
const DEFAULT_FORECAST: Duration = Duration::from_secs(30 * 24 * 3600);
const LONGEST_FORECAST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

#[derive(Clone)]
pub struct TokenGrpc {
    pub authenticator: Authenticator,
    pub tokens: Tokens,
    pub receipts: Arc<Receipts>,
    pub by_value: ByValue,
}

impl TokenGrpc {
    async fn create(
        &self,
        call: AdmittedCall,
        mut body: pb::CreateTokenRequest,
    ) -> Result<pb::CreateTokenResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let role = wire::role(body.role)?;
        let new = NewToken {
            owner: wire::owner(&body.owner_id, &body.owner_name)?,
            name: wire::name(&body.name)?,
            role,
            scopes: wire::scopes(role, body.scopes)?,
            expires_at: wire::expiry(body.expire_time, request.now.seconds())?,
        };
        let minted = self.tokens.create(&request, new).await?;
        let (token, secret, revision) = self.minted(minted).await?;
        Ok(pb::CreateTokenResponse {
            warnings: warnings(token.scopes.as_ref()),
            token: Some(token),
            secret,
            revision,
        })
    }

    async fn update(
        &self,
        call: AdmittedCall,
        mut body: pb::UpdateTokenRequest,
    ) -> Result<pb::UpdateTokenResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let token = token_id(&body.token_id)?;
        let update = Update {
            name: body.name.as_deref().map(wire::name).transpose()?,
            role: match body.role {
                0 => None,
                role => Some(wire::role(role)?),
            },
            scopes: body.scopes,
        };
        let rescoped = update.scopes.is_some();
        let (token, cursor) = self.tokens.update(&request, token, update).await?;
        let token = self.make_message(token).await?;
        Ok(pb::UpdateTokenResponse {
            warnings: match rescoped {
                true => warnings(token.scopes.as_ref()),
                false => Vec::new(),
            },
            token: Some(token),
            revision: cursor.token(),
        })
    }

    async fn rotate(
        &self,
        call: AdmittedCall,
        whose: Whose,
        mut body: pb::RotateTokenRequest,
    ) -> Result<pb::RotateTokenResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let token = token_id(&body.token_id)?;
        self.tokens.require_owned(&whose, token).await?;
        let overlap = wire::span(
            "overlap",
            body.overlap,
            Duration::ZERO,
            Duration::ZERO..=MAX_OVERLAP,
        )?;
        if overlap.subsec_nanos() != 0 {
            return Err(Problem::invalid("overlap", "must be whole seconds"));
        }
        let rotation = Rotation {
            overlap,
            expires_at: wire::expiry(body.expire_time, request.now.seconds())?,
            may_extend: whose == Whose::Everybodys,
        };
        let minted = self.tokens.rotate(&request, token, rotation).await?;
        let (token, secret, revision) = self.minted(minted).await?;
        Ok(pb::RotateTokenResponse {
            token: Some(token),
            secret,
            revision,
        })
    }

    async fn get(
        &self,
        _: AdmittedCall,
        whose: Whose,
        body: pb::GetTokenRequest,
    ) -> Result<pb::GetTokenResponse, Problem> {
        let token = token_id(&body.token_id)?;
        self.tokens.require_owned(&whose, token).await?;
        let token = self.tokens.show(token).await?;
        let mut token = wire::token(token, self.now());
        if whose == Whose::Everybodys {
            self.tokens.name(std::slice::from_mut(&mut token))?;
        }
        Ok(pb::GetTokenResponse { token: Some(token) })
    }

    async fn list(
        &self,
        call: AdmittedCall,
        whose: Whose,
        body: pb::ListTokensRequest,
    ) -> Result<pb::ListTokensResponse, Problem> {
        let limit = page_size(body.page_size)?;
        let after = match body.page_token.as_str() {
            "" => None,
            text => Some(TokenId(parse_number(text).ok_or_else(bad_page)?)),
        };
        let owner = wire::owner(&body.owner_id, &body.owner_name)?;
        must_be(&whose, &owner, &call.caller)?;
        let now = self.now();
        let (tokens, next) = self
            .tokens
            .list(&owner, after, limit, body.include_ended, now)
            .await?;
        let mut tokens: Vec<_> = tokens.into_iter().map(|t| wire::token(t, now)).collect();
        if whose == Whose::Everybodys {
            self.tokens.name(&mut tokens)?;
        }
        Ok(pb::ListTokensResponse {
            tokens,
            next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    async fn expiring(
        &self,
        _: AdmittedCall,
        body: pb::ListExpiringTokensRequest,
    ) -> Result<pb::ListExpiringTokensResponse, Problem> {
        let limit = page_size(body.page_size)?;
        let within = wire::span(
            "within",
            body.within,
            DEFAULT_FORECAST,
            Duration::from_secs(1)..=LONGEST_FORECAST,
        )?;
        let owner = match (body.owner_id.as_str(), body.owner_name.as_str()) {
            ("", "") => None,
            (id, name) => Some(wire::owner(id, name)?),
        };
        let after = match body.page_token.as_str() {
            "" => None,
            text => Some(place(text).ok_or_else(bad_page)?),
        };
        let now = self.now();
        let (tokens, next) = self
            .tokens
            .expiring(within, owner.as_ref(), after, limit, now)
            .await?;
        let mut tokens: Vec<_> = tokens.into_iter().map(|t| wire::token(t, now)).collect();
        self.tokens.name(&mut tokens)?;
        Ok(pb::ListExpiringTokensResponse {
            tokens,
            next_page_token: next
                .map(|(at, token)| format!("{at}-{token}"))
                .unwrap_or_default(),
        })
    }

    async fn revoke(
        &self,
        call: AdmittedCall,
        whose: Whose,
        mut body: pb::RevokeTokenRequest,
    ) -> Result<pb::RevokeTokenResponse, Problem> {
        let id = take(&mut body.request_id);
        let wait = receipt::wait(body.wait.take())?;
        let request = self.authenticator.request(&call, id, &body)?;
        let token = token_id(&body.token_id)?;
        self.tokens.require_owned(&whose, token).await?;
        let (token, cursor) = self.tokens.revoke(&request, token).await?;
        let receipt = receipt::after(&self.receipts, &self.authenticator, &cursor, wait).await?;
        Ok(pb::RevokeTokenResponse {
            revision: cursor.token(),
            token: Some(self.make_message(token).await?),
            receipt,
        })
    }

    async fn revoke_user(
        &self,
        call: AdmittedCall,
        mut body: pb::RevokeUserTokensRequest,
    ) -> Result<pb::RevokeUserTokensResponse, Problem> {
        let id = take(&mut body.request_id);
        let wait = receipt::wait(body.wait.take())?;
        let request = self.authenticator.request(&call, id, &body)?;
        let owner = wire::owner(&body.owner_id, &body.owner_name)?;
        let cursor = self.tokens.revoke_all(&request, &owner).await?;
        Ok(pb::RevokeUserTokensResponse {
            receipt: receipt::after(&self.receipts, &self.authenticator, &cursor, wait).await?,
            revision: cursor.token(),
        })
    }

    async fn revoke_realm(
        &self,
        call: AdmittedCall,
        mut body: pb::RevokeAllTokensRequest,
    ) -> Result<pb::RevokeAllTokensResponse, Problem> {
        let id = take(&mut body.request_id);
        let wait = receipt::wait(body.wait.take())?;
        let request = self.authenticator.request(&call, id, &body)?;
        if body.realm != self.tokens.keys.current().realm() {
            let rule = "must be the name of the realm whose tokens are all to be revoked, which this \
                        issuer serves";
            return Err(Problem::invalid("realm", rule));
        }
        if body.reason.is_empty() {
            return Err(Problem::invalid("reason", "must not be empty"));
        }
        let reason = wire::reason(body.reason)?;
        let cursor = self.tokens.revoke_realm(&request, &reason).await?;
        Ok(pb::RevokeAllTokensResponse {
            receipt: receipt::after(&self.receipts, &self.authenticator, &cursor, wait).await?,
            revision: cursor.token(),
        })
    }

    async fn revoke_values(
        &self,
        call: AdmittedCall,
        mut body: pb::RevokeByValueRequest,
    ) -> Result<pb::RevokeByValueResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let cursor = self
            .tokens
            .revoke_by_value(&request, body.values, &self.by_value)
            .await?
            .into_result()?;
        Ok(pb::RevokeByValueResponse {
            revision: cursor.token(),
        })
    }

    async fn wait(
        &self,
        _: AdmittedCall,
        // Any caller with a revision may wait: the answer names the followers of the log, but no token.
        _: Whose,
        body: pb::WaitAppliedRequest,
    ) -> Result<pb::WaitAppliedResponse, Problem> {
        let began = self.authenticator.clock.boot();
        let at = RevisionToken::parse(&body.revision)
            .ok_or_else(|| Problem::invalid("revision", "must be one that Tokenward gave"))?;
        let limit = receipt::wait(body.timeout)?.unwrap_or(receipt::DEFAULT_WAIT);
        let head = self.tokens.store.head().await?.cursor;
        if at.log != head.log || at.revision > head.revision {
            return Err(Problem::invalid("revision", "is not on this realm's log"));
        }
        let waited = self
            .receipts
            .wait(at.log, at.revision, began, limit)
            .await?;
        Ok(pb::WaitAppliedResponse {
            receipt: Some(receipt::message(&waited)),
        })
    }

    fn now(&self) -> UnixTime {
        self.authenticator.clock.unix().seconds()
    }

    async fn make_message(&self, token: Token) -> Result<pb::Token, Problem> {
        let shown = self.tokens.show_changed(token).await?;
        Ok(wire::token(shown, self.now()))
    }

    async fn minted(&self, minted: Minted) -> Result<(pb::Token, String, String), Problem> {
        let revision = Cursor::token(&minted.cursor);
        let token = self.make_message(minted.token).await?;
        Ok((token, minted.secret.unwrap_or_default(), revision))
    }
}

/// Checks the owner before it is looked up, so a caller that may not see an owner doesn't learn whether it
/// exists. A name is refused too, because the answer would tell whose it is.
fn must_be(whose: &Whose, owner: &AccountRef, caller: &Caller) -> Result<(), Problem> {
    match (whose, owner) {
        (Whose::Everybodys, _) => Ok(()),
        (Whose::Of(own), AccountRef::Id(id)) if own == id => Ok(()),
        (Whose::Of(_), _) => Err(Problem::NotOwn {
            caller: caller.name.clone(),
        }),
    }
}

pub(super) fn token_id(text: &str) -> Result<TokenId, Problem> {
    parse_number(text)
        .map(TokenId)
        .ok_or_else(|| Problem::invalid("token_id", "must be a token's id: a decimal number"))
}

pub(super) fn page_size(size: u32) -> Result<usize, Problem> {
    match usize::try_from(size).unwrap_or(usize::MAX) {
        0 => Ok(DEFAULT_PAGE),
        size if size <= MAX_PAGE => Ok(size),
        _ => Err(Problem::invalid("page_size", "must be at most 1000")),
    }
}

pub(super) fn bad_page() -> Problem {
    Problem::invalid("page_token", "must be one that an answer gave")
}

/// Reads a page token of a forecast: a time and a token.
fn place(text: &str) -> Option<(UnixTime, TokenId)> {
    let (at, token) = text.split_once('-')?;
    Some((UnixTime(parse_number(at)?), TokenId(parse_number(token)?)))
}

serve! {
    pb::token_service_server::TokenService, by TokenGrpc => {
        create_token(pb::CreateTokenRequest) -> pb::CreateTokenResponse = CreateToken by create;
        update_token(pb::UpdateTokenRequest) -> pb::UpdateTokenResponse = UpdateToken by update;
        rotate_token(pb::RotateTokenRequest) -> pb::RotateTokenResponse = RotateToken(own) by rotate;
        get_token(pb::GetTokenRequest) -> pb::GetTokenResponse = GetToken(own) by get;
        list_tokens(pb::ListTokensRequest) -> pb::ListTokensResponse = ListTokens(own) by list;
        list_expiring_tokens(pb::ListExpiringTokensRequest) -> pb::ListExpiringTokensResponse
            = ListExpiringTokens by expiring;
        revoke_token(pb::RevokeTokenRequest) -> pb::RevokeTokenResponse = RevokeToken(own) by revoke;
        revoke_user_tokens(pb::RevokeUserTokensRequest) -> pb::RevokeUserTokensResponse
            = RevokeUserTokens by revoke_user;
        revoke_all_tokens(pb::RevokeAllTokensRequest) -> pb::RevokeAllTokensResponse
            = RevokeAllTokens by revoke_realm;
        revoke_by_value(pb::RevokeByValueRequest) -> pb::RevokeByValueResponse
            = RevokeByValue by revoke_values;
        wait_applied(pb::WaitAppliedRequest) -> pb::WaitAppliedResponse = WaitApplied(own) by wait;
    }
}
