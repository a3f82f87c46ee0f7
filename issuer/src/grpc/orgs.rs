//! `OrgTokenService`.

use tokenward_common::id::{TokenId, parse_number};
use tokenward_proto::v1::{self as pb, org_token_service_server::OrgTokenService as Service};
use tonic::{Request as Call, Response, Status, async_trait};

use super::{
    Door,
    tokens::{bad_page, page_size, token_id},
};
use crate::{
    caller::ORGS,
    error::{ErrorReason, Problem},
    request::Request,
    tokens::{
        Decision, Listing, Order, OrgShown, Tokens,
        wire::{self, AccountRef},
    },
};

#[derive(Clone)]
pub struct OrgGrpc {
    pub door: Door,
    pub tokens: Tokens,
}

impl OrgGrpc {
    async fn list(
        &self,
        call: Call<pb::ListOrgTokensRequest>,
    ) -> Result<pb::ListOrgTokensResponse, Problem> {
        self.door.caller(&call, ORGS)?;
        let body = call.into_inner();
        let limit = page_size(body.page_size)?;
        let after = match body.page_token.as_str() {
            "" => None,
            text => Some(TokenId(parse_number(text).ok_or_else(bad_page)?)),
        };
        let org = wire::org(&body.org_id, &body.org_name)?;
        let owner = match (body.owner_id.as_str(), body.owner_name.as_str()) {
            ("", "") => None,
            (id, name) => Some(wire::owner(id, name)?),
        };
        let listing = Listing {
            org: &org,
            owner: owner.as_ref(),
            after,
            limit,
            ended_too: body.include_revoked,
        };
        let now = self.door.clock.unix().seconds();
        let (tokens, next) = self.tokens.list_of_org(listing, now).await?;
        Ok(pb::ListOrgTokensResponse {
            tokens: tokens.into_iter().map(|it| self.token(it)).collect(),
            next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    async fn decide(
        &self,
        request: Request,
        org: AccountRef,
        token: &str,
        decision: Decision,
    ) -> Result<(Option<pb::OrgToken>, String), Problem> {
        let token = token_id(token)?;
        let order = Order {
            org: &org,
            token,
            decision,
            found: false,
        };
        let (shown, cursor) = self.tokens.decide(&request, order).await?;
        Ok((Some(self.token(shown)), cursor.token()))
    }

    async fn revoke(
        &self,
        call: Call<pb::RevokeOrgTokenRequest>,
    ) -> Result<pb::RevokeOrgTokenResponse, Problem> {
        let caller = self.door.caller(&call, ORGS)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let method = "OrgTokenService/RevokeOrgToken";
        let request = self.door.request(caller, method, id, &body)?;
        let org = wire::org(&body.org_id, &body.org_name)?;
        let token = match (body.token_id.as_str(), body.value.as_str()) {
            (id, "") => token_id(id)?,
            ("", value) => self.tokens.of_value(value)?,
            _ => {
                let rule = "must be empty when value is set";
                return Err(Problem::invalid("token_id", rule));
            }
        };
        if !body.calling_token_id.is_empty() {
            let rule = |_| Problem::invalid("calling_token_id", "must be a token's decimal id");
            if token_id(&body.calling_token_id).map_err(rule)? == token {
                let text = "calling_token_id: is the very token that is to be revoked; revoke it \
                            with another, or have its owner do it";
                return Err(Problem::Precondition(
                    ErrorReason::TokenRevokesItself,
                    text.into(),
                ));
            }
        }
        let order = Order {
            org: &org,
            token,
            decision: Decision::Revoke,
            found: !body.value.is_empty(),
        };
        let (shown, cursor) = self.tokens.decide(&request, order).await?;
        Ok(pb::RevokeOrgTokenResponse {
            token: Some(self.token(shown)),
            revision: cursor.token(),
        })
    }

    fn token(&self, shown: OrgShown) -> pb::OrgToken {
        let now = self.door.clock.unix().seconds();
        let state = shown.state.map_or(0, |state| state.number());
        pb::OrgToken {
            token: Some(wire::token(shown.shown, now)),
            org_state: i32::try_from(state).unwrap_or_default(),
        }
    }
}

macro_rules! decided {
    ($self:ident, $call:ident, $method:literal, $decision:expr, $response:ident) => {{
        let result = async {
            let caller = $self.door.caller(&$call, ORGS)?;
            let mut body = $call.into_inner();
            let id = std::mem::take(&mut body.request_id);
            let method = concat!("OrgTokenService/", $method);
            let request = $self.door.request(caller, method, id, &body)?;
            let org = wire::org(&body.org_id, &body.org_name)?;
            let decided = $self.decide(request, org, &body.token_id, $decision);
            let (token, revision) = decided.await?;
            Ok(pb::$response { token, revision })
        };
        $self.door.answer($method, result.await)
    }};
}

#[async_trait]
impl Service for OrgGrpc {
    async fn list_org_tokens(
        &self,
        call: Call<pb::ListOrgTokensRequest>,
    ) -> Result<Response<pb::ListOrgTokensResponse>, Status> {
        let result = self.list(call).await;
        self.door.answer("ListOrgTokens", result)
    }

    async fn approve_org_token(
        &self,
        call: Call<pb::ApproveOrgTokenRequest>,
    ) -> Result<Response<pb::ApproveOrgTokenResponse>, Status> {
        decided!(
            self,
            call,
            "ApproveOrgToken",
            Decision::Approve,
            ApproveOrgTokenResponse
        )
    }

    async fn deny_org_token(
        &self,
        call: Call<pb::DenyOrgTokenRequest>,
    ) -> Result<Response<pb::DenyOrgTokenResponse>, Status> {
        decided!(
            self,
            call,
            "DenyOrgToken",
            Decision::Deny,
            DenyOrgTokenResponse
        )
    }

    async fn revoke_org_token(
        &self,
        call: Call<pb::RevokeOrgTokenRequest>,
    ) -> Result<Response<pb::RevokeOrgTokenResponse>, Status> {
        let result = self.revoke(call).await;
        self.door.answer("RevokeOrgToken", result)
    }
}
