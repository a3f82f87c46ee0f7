//! `OrgTokenService` lists the tokens that reach an org, and takes the org's decisions. It decides only that
//! a token may not revoke itself.

use std::{mem::take, sync::Arc};

use tokenward_common::id::{TokenId, parse_number};
use tokenward_proto::v1 as pb;

use super::{
    authenticator::{AdmittedCall, Authenticator, serve},
    receipt,
    tokens::{bad_page, page_size, token_id},
};
use crate::{
    error::{ErrorReason, Problem},
    receipts::Receipts,
    request::Request,
    tokens::{
        Decision, Listing, Order, OrgShown, Tokens,
        wire::{self, AccountRef},
    },
};

#[derive(Clone)]
pub struct OrgGrpc {
    pub authenticator: Authenticator,
    pub tokens: Tokens,
    pub receipts: Arc<Receipts>,
}

impl OrgGrpc {
    async fn list(
        &self,
        _: AdmittedCall,
        body: pb::ListOrgTokensRequest,
    ) -> Result<pb::ListOrgTokensResponse, Problem> {
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
        let now = self.authenticator.clock.unix().seconds();
        let (tokens, next) = self.tokens.list_for_org(listing, now).await?;
        Ok(pb::ListOrgTokensResponse {
            tokens: tokens.into_iter().map(|it| self.token(it)).collect(),
            next_page_token: next.map(|next| next.to_string()).unwrap_or_default(),
        })
    }

    async fn approve(
        &self,
        call: AdmittedCall,
        mut body: pb::ApproveOrgTokenRequest,
    ) -> Result<pb::ApproveOrgTokenResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let org = wire::org(&body.org_id, &body.org_name)?;
        let order = order(&org, &body.token_id, Decision::Approve)?;
        let (token, revision) = self.decide(&request, order).await?;
        Ok(pb::ApproveOrgTokenResponse { token, revision })
    }

    async fn deny(
        &self,
        call: AdmittedCall,
        mut body: pb::DenyOrgTokenRequest,
    ) -> Result<pb::DenyOrgTokenResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let org = wire::org(&body.org_id, &body.org_name)?;
        let order = order(&org, &body.token_id, Decision::Deny)?;
        let (token, revision) = self.decide(&request, order).await?;
        Ok(pb::DenyOrgTokenResponse { token, revision })
    }

    async fn revoke(
        &self,
        call: AdmittedCall,
        mut body: pb::RevokeOrgTokenRequest,
    ) -> Result<pb::RevokeOrgTokenResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let org = wire::org(&body.org_id, &body.org_name)?;
        let token = match (body.token_id.as_str(), body.value.as_str()) {
            (id, "") => token_id(id)?,
            ("", value) => self.tokens.parse_value(value)?,
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
        let (token, revision) = self.decide(&request, order).await?;
        Ok(pb::RevokeOrgTokenResponse { token, revision })
    }

    async fn revoke_all(
        &self,
        call: AdmittedCall,
        mut body: pb::RevokeAllOrgTokensRequest,
    ) -> Result<pb::RevokeAllOrgTokensResponse, Problem> {
        let id = take(&mut body.request_id);
        let wait = receipt::wait(body.wait.take())?;
        let request = self.authenticator.request(&call, id, &body)?;
        let org = wire::org(&body.org_id, &body.org_name)?;
        let reason = wire::reason(body.reason)?;
        let cursor = self.tokens.revoke_in_org(&request, &org, &reason).await?;
        Ok(pb::RevokeAllOrgTokensResponse {
            receipt: receipt::after(&self.receipts, &self.authenticator, &cursor, wait).await?,
            revision: cursor.token(),
        })
    }

    async fn decide(
        &self,
        request: &Request,
        order: Order<'_>,
    ) -> Result<(Option<pb::OrgToken>, String), Problem> {
        let (shown, cursor) = self.tokens.decide(request, order).await?;
        Ok((Some(self.token(shown)), cursor.token()))
    }

    fn token(&self, shown: OrgShown) -> pb::OrgToken {
        let now = self.authenticator.clock.unix().seconds();
        let state = shown.state.map_or(0, |state| state.number());
        pb::OrgToken {
            token: Some(wire::token(shown.shown, now)),
            org_state: i32::try_from(state).unwrap_or_default(),
        }
    }
}

fn order<'a>(org: &'a AccountRef, token: &str, decision: Decision) -> Result<Order<'a>, Problem> {
    Ok(Order {
        org,
        token: token_id(token)?,
        decision,
        found: false,
    })
}

serve! {
    pb::org_token_service_server::OrgTokenService, by OrgGrpc => {
        list_org_tokens(pb::ListOrgTokensRequest) -> pb::ListOrgTokensResponse
            = ListOrgTokens by list;
        approve_org_token(pb::ApproveOrgTokenRequest) -> pb::ApproveOrgTokenResponse
            = ApproveOrgToken by approve;
        deny_org_token(pb::DenyOrgTokenRequest) -> pb::DenyOrgTokenResponse
            = DenyOrgToken by deny;
        revoke_org_token(pb::RevokeOrgTokenRequest) -> pb::RevokeOrgTokenResponse
            = RevokeOrgToken by revoke;
        revoke_all_org_tokens(pb::RevokeAllOrgTokensRequest) -> pb::RevokeAllOrgTokensResponse
            = RevokeAllOrgTokens by revoke_all;
    }
}
