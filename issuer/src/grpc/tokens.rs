//! `TokenService`.

use std::{sync::Arc, time::Duration};

use tokenward_common::{
    clock::UnixTime,
    id::{Cursor, RevisionToken, TokenId, parse_number},
};
use tokenward_proto::v1 as pb;
use tonic::{Request as Call, Response, Status, async_trait};

use super::{Door, receipt};
use crate::{
    caller::{Caller, MINT, REVOKE, SEE_TOKENS, WAIT, Whose},
    error::Problem,
    receipts::Receipts,
    tokens::{
        ByValue, MAX_OVERLAP, MAX_PAGE, Minted, NewToken, Rotation, Token, Tokens, Update, warnings,
        wire::{self, AccountRef},
    },
};

const DEFAULT_PAGE: usize = 100;
const DEFAULT_FORECAST: Duration = Duration::from_secs(30 * 24 * 3600);
const LONGEST_FORECAST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

#[derive(Clone)]
pub struct TokenGrpc {
    pub door: Door,
    pub tokens: Tokens,
    pub receipts: Arc<Receipts>,
    pub by_value: ByValue,
}

impl TokenGrpc {
    async fn create(
        &self,
        call: Call<pb::CreateTokenRequest>,
    ) -> Result<pb::CreateTokenResponse, Problem> {
        let caller = self.door.caller(&call, MINT)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = self
            .door
            .request(caller, "TokenService/CreateToken", id, &body)?;
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
        call: Call<pb::UpdateTokenRequest>,
    ) -> Result<pb::UpdateTokenResponse, Problem> {
        let caller = self.door.caller(&call, MINT)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = self
            .door
            .request(caller, "TokenService/UpdateToken", id, &body)?;
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
        let token = self.shown(token).await?;
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
        call: Call<pb::RotateTokenRequest>,
    ) -> Result<pb::RotateTokenResponse, Problem> {
        let (caller, whose) = self.door.caller_or_own(&call, MINT)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = self
            .door
            .request(caller, "TokenService/RotateToken", id, &body)?;
        let token = token_id(&body.token_id)?;
        self.tokens.must_be_of(&whose, token).await?;
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

    async fn get(&self, call: Call<pb::GetTokenRequest>) -> Result<pb::GetTokenResponse, Problem> {
        let (_, whose) = self.door.caller_or_own(&call, SEE_TOKENS)?;
        let token = token_id(&call.get_ref().token_id)?;
        self.tokens.must_be_of(&whose, token).await?;
        let token = self.tokens.show(token).await?;
        let mut token = wire::token(token, self.now());
        if whose == Whose::Everybodys {
            self.tokens.name(std::slice::from_mut(&mut token))?;
        }
        Ok(pb::GetTokenResponse { token: Some(token) })
    }

    async fn list(
        &self,
        call: Call<pb::ListTokensRequest>,
    ) -> Result<pb::ListTokensResponse, Problem> {
        let (caller, whose) = self.door.caller_or_own(&call, SEE_TOKENS)?;
        let body = call.get_ref();
        let limit = page_size(body.page_size)?;
        let after = match body.page_token.as_str() {
            "" => None,
            text => Some(TokenId(parse_number(text).ok_or_else(bad_page)?)),
        };
        let owner = wire::owner(&body.owner_id, &body.owner_name)?;
        must_be(&whose, &owner, &caller)?;
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
        call: Call<pb::ListExpiringTokensRequest>,
    ) -> Result<pb::ListExpiringTokensResponse, Problem> {
        self.door.caller(&call, SEE_TOKENS)?;
        let body = call.get_ref();
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
        call: Call<pb::RevokeTokenRequest>,
    ) -> Result<pb::RevokeTokenResponse, Problem> {
        let (caller, whose) = self.door.caller_or_own(&call, REVOKE)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let wait = receipt::wait(body.wait.take())?;
        let request = self
            .door
            .request(caller, "TokenService/RevokeToken", id, &body)?;
        let token = token_id(&body.token_id)?;
        self.tokens.must_be_of(&whose, token).await?;
        let (token, cursor) = self.tokens.revoke(&request, token).await?;
        let receipt = receipt::after(&self.receipts, &self.door, &cursor, wait).await?;
        Ok(pb::RevokeTokenResponse {
            revision: cursor.token(),
            token: Some(self.shown(token).await?),
            receipt,
        })
    }

    async fn revoke_user(
        &self,
        call: Call<pb::RevokeUserTokensRequest>,
    ) -> Result<pb::RevokeUserTokensResponse, Problem> {
        let caller = self.door.caller(&call, REVOKE)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let wait = receipt::wait(body.wait.take())?;
        let request = self
            .door
            .request(caller, "TokenService/RevokeUserTokens", id, &body)?;
        let owner = wire::owner(&body.owner_id, &body.owner_name)?;
        let cursor = self.tokens.revoke_all_of(&request, &owner).await?;
        Ok(pb::RevokeUserTokensResponse {
            receipt: receipt::after(&self.receipts, &self.door, &cursor, wait).await?,
            revision: cursor.token(),
        })
    }

    async fn revoke_values(
        &self,
        call: Call<pb::RevokeByValueRequest>,
    ) -> Result<pb::RevokeByValueResponse, Problem> {
        let caller = self.door.caller(&call, REVOKE)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = self
            .door
            .request(caller, "TokenService/RevokeByValue", id, &body)?;
        let cursor = self
            .tokens
            .revoke_by_value(&request, body.values, &self.by_value)
            .await?
            .told()?;
        Ok(pb::RevokeByValueResponse {
            revision: cursor.token(),
        })
    }

    async fn wait(
        &self,
        call: Call<pb::WaitAppliedRequest>,
    ) -> Result<pb::WaitAppliedResponse, Problem> {
        let began = self.door.clock.boot();
        // Whoever was given a revision: a wait tells who follows the log, and of no token.
        self.door.caller_or_own(&call, WAIT)?;
        let body = call.into_inner();
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
        self.door.clock.unix().seconds()
    }

    async fn shown(&self, token: Token) -> Result<pb::Token, Problem> {
        let shown = self.tokens.shown_as(token).await?;
        Ok(wire::token(shown, self.now()))
    }

    async fn minted(&self, minted: Minted) -> Result<(pb::Token, String, String), Problem> {
        let revision = Cursor::token(&minted.cursor);
        let token = self.shown(minted.token).await?;
        Ok((token, minted.secret.unwrap_or_default(), revision))
    }
}

/// Before it is looked for: who may not ask about an owner doesn't learn whether there is one. A name
/// is refused too, for its answer would tell whose it is.
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

/// A time and a token, as a forecast's page begins.
fn place(text: &str) -> Option<(UnixTime, TokenId)> {
    let (at, token) = text.split_once('-')?;
    Some((UnixTime(parse_number(at)?), TokenId(parse_number(token)?)))
}

#[async_trait]
impl pb::token_service_server::TokenService for TokenGrpc {
    async fn create_token(
        &self,
        call: Call<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        let result = self.create(call).await;
        self.door.answer("CreateToken", result)
    }

    async fn update_token(
        &self,
        call: Call<pb::UpdateTokenRequest>,
    ) -> Result<Response<pb::UpdateTokenResponse>, Status> {
        let result = self.update(call).await;
        self.door.answer("UpdateToken", result)
    }

    async fn rotate_token(
        &self,
        call: Call<pb::RotateTokenRequest>,
    ) -> Result<Response<pb::RotateTokenResponse>, Status> {
        let result = self.rotate(call).await;
        self.door.answer("RotateToken", result)
    }

    async fn get_token(
        &self,
        call: Call<pb::GetTokenRequest>,
    ) -> Result<Response<pb::GetTokenResponse>, Status> {
        let result = self.get(call).await;
        self.door.answer("GetToken", result)
    }

    async fn list_tokens(
        &self,
        call: Call<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let result = self.list(call).await;
        self.door.answer("ListTokens", result)
    }

    async fn list_expiring_tokens(
        &self,
        call: Call<pb::ListExpiringTokensRequest>,
    ) -> Result<Response<pb::ListExpiringTokensResponse>, Status> {
        let result = self.expiring(call).await;
        self.door.answer("ListExpiringTokens", result)
    }

    async fn revoke_token(
        &self,
        call: Call<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        let result = self.revoke(call).await;
        self.door.answer("RevokeToken", result)
    }

    async fn revoke_user_tokens(
        &self,
        call: Call<pb::RevokeUserTokensRequest>,
    ) -> Result<Response<pb::RevokeUserTokensResponse>, Status> {
        let result = self.revoke_user(call).await;
        self.door.answer("RevokeUserTokens", result)
    }

    async fn revoke_by_value(
        &self,
        call: Call<pb::RevokeByValueRequest>,
    ) -> Result<Response<pb::RevokeByValueResponse>, Status> {
        let result = self.revoke_values(call).await;
        self.door.answer("RevokeByValue", result)
    }

    async fn wait_applied(
        &self,
        call: Call<pb::WaitAppliedRequest>,
    ) -> Result<Response<pb::WaitAppliedResponse>, Status> {
        let result = self.wait(call).await;
        self.door.answer("WaitApplied", result)
    }
}
