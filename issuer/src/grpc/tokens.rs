//! `TokenService`.

use tokenward_common::id::{TokenId, parse_number};
use tokenward_proto::v1 as pb;
use tonic::{Request as Call, Response, Status, async_trait};

use super::Door;
use crate::{
    caller::{MINT, REVOKE, SEE_TOKENS},
    error::Problem,
    request::Request,
    tokens::{MAX_PAGE, NewToken, Tokens, wire},
};

const DEFAULT_PAGE: usize = 100;

#[derive(Clone)]
pub struct TokenGrpc {
    pub door: Door,
    pub tokens: Tokens,
}

impl TokenGrpc {
    async fn create(
        &self,
        call: Call<pb::CreateTokenRequest>,
    ) -> Result<pb::CreateTokenResponse, Problem> {
        let caller = self.door.caller(&call, MINT)?;
        let now = self.door.clock.unix();
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = Request::new(caller, "TokenService/CreateToken", id, &body, now)?;
        let role = wire::role(body.role)?;
        let new = NewToken {
            owner: wire::owner(&body.owner_id, &body.owner_name)?,
            name: wire::name(&body.name)?,
            role,
            scopes: wire::scopes(role, body.scopes)?,
            expires_at: wire::expiry(body.expire_time, now.seconds())?,
        };
        let minted = self.tokens.create(&request, new).await?;
        Ok(pb::CreateTokenResponse {
            token: Some(wire::token(minted.token, now.seconds())),
            secret: minted.secret.unwrap_or_default(),
            revision: minted.cursor.token(),
        })
    }

    async fn get(&self, call: Call<pb::GetTokenRequest>) -> Result<pb::GetTokenResponse, Problem> {
        self.door.caller(&call, SEE_TOKENS)?;
        let token = self
            .tokens
            .show(token_id(&call.get_ref().token_id)?)
            .await?;
        Ok(pb::GetTokenResponse {
            token: Some(wire::token(token, self.door.clock.unix().seconds())),
        })
    }

    async fn list(
        &self,
        call: Call<pb::ListTokensRequest>,
    ) -> Result<pb::ListTokensResponse, Problem> {
        self.door.caller(&call, SEE_TOKENS)?;
        let body = call.get_ref();
        let limit = match usize::try_from(body.page_size).unwrap_or(usize::MAX) {
            0 => DEFAULT_PAGE,
            size if size <= MAX_PAGE => size,
            _ => return Err(Problem::invalid("page_size", "must be at most 1000")),
        };
        let after = match body.page_token.as_str() {
            "" => None,
            text => Some(TokenId(parse_number(text).ok_or_else(|| {
                Problem::invalid("page_token", "must be one that an answer gave")
            })?)),
        };
        let owner = wire::owner(&body.owner_id, &body.owner_name)?;
        let now = self.door.clock.unix().seconds();
        let (tokens, next) = self
            .tokens
            .list(&owner, after, limit, body.include_ended, now)
            .await?;
        Ok(pb::ListTokensResponse {
            tokens: tokens.into_iter().map(|t| wire::token(t, now)).collect(),
            next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    async fn revoke(
        &self,
        call: Call<pb::RevokeTokenRequest>,
    ) -> Result<pb::RevokeTokenResponse, Problem> {
        let caller = self.door.caller(&call, REVOKE)?;
        let now = self.door.clock.unix();
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let request = Request::new(caller, "TokenService/RevokeToken", id, &body, now)?;
        let (token, cursor) = self
            .tokens
            .revoke(&request, token_id(&body.token_id)?)
            .await?;
        Ok(pb::RevokeTokenResponse {
            revision: cursor.token(),
            token: Some(wire::token(token, now.seconds())),
            receipt: None,
        })
    }
}

fn token_id(text: &str) -> Result<TokenId, Problem> {
    parse_number(text)
        .map(TokenId)
        .ok_or_else(|| Problem::invalid("token_id", "must be a token's id: a decimal number"))
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

    async fn revoke_token(
        &self,
        call: Call<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        let result = self.revoke(call).await;
        self.door.answer("RevokeToken", result)
    }

    async fn update_token(
        &self,
        _: Call<pb::UpdateTokenRequest>,
    ) -> Result<Response<pb::UpdateTokenResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn rotate_token(
        &self,
        _: Call<pb::RotateTokenRequest>,
    ) -> Result<Response<pb::RotateTokenResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list_expiring_tokens(
        &self,
        _: Call<pb::ListExpiringTokensRequest>,
    ) -> Result<Response<pb::ListExpiringTokensResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn revoke_user_tokens(
        &self,
        _: Call<pb::RevokeUserTokensRequest>,
    ) -> Result<Response<pb::RevokeUserTokensResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn revoke_by_value(
        &self,
        _: Call<pb::RevokeByValueRequest>,
    ) -> Result<Response<pb::RevokeByValueResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn wait_applied(
        &self,
        _: Call<pb::WaitAppliedRequest>,
    ) -> Result<Response<pb::WaitAppliedResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
