//! The changes: tokens are minted and revoked, one by one and all of an owner's, and what tokens need is
//! taken and given back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokenward_proto::v1::{
    CreateTokenRequest, GrantState, Operation, OrgPolicy, OrgRole, RevokeOrgTokenRequest,
    RevokeTokenRequest, RevokeUserTokensRequest, Role, TokenPolicy, WriteRequest,
    operation::Operation as Op,
};
use tonic::Status;

use super::{
    ask::{Asked, Pool},
    call::Callers,
};
use crate::{
    history::{Takeaway, What},
    house::hub::{Corner, op},
};

/// A task makes at most this many rounds; with its pauses they last longer than any test.
const ROUNDS: usize = 1500;
const PAUSE: Duration = Duration::from_millis(40);

pub(super) const MEMBER: &str = "ada is a member of acme";
pub(super) const GRANT: &str = "linus has a grant for gated";
pub(super) const CLASSIC: &str = "acme admits classic tokens";

/// What all tasks share.
#[derive(Clone)]
pub(super) struct Changer {
    pub(super) callers: Callers,
    pub(super) pool: Arc<Pool>,
    pub(super) corner: Corner,
    pub(super) stop: Arc<AtomicBool>,
    /// What was taken is sometimes given back only after this time, which is longer than the bound.
    pub(super) hold: Duration,
}

/// A fact that is taken and given back.
pub(super) struct Turn {
    pub(super) fact: &'static str,
    pub(super) asked: Arc<Asked>,
    pub(super) off: Operation,
    pub(super) on: Operation,
}

impl Changer {
    fn goes_on(&self) -> bool {
        !self.stop.load(SeqCst)
    }

    async fn pause(&self) {
        tokio::time::sleep(PAUSE).await;
    }

    /// Mints a token, and has the model of this name asked for with it.
    async fn mint(
        &self,
        request: CreateTokenRequest,
        model: &str,
        facts: &[&str],
    ) -> Option<Arc<Asked>> {
        let request = CreateTokenRequest {
            request_id: self.callers.request_id(),
            ..request
        };
        let owner = request.owner_id.clone();
        let send = |mut issuer: crate::house::Client| {
            let request = request.clone();
            async move {
                let made = issuer.create(request).await?;
                let token = made.token.ok_or_else(|| Status::internal("no token"))?;
                Ok((token.id, made.secret))
            }
        };
        let named = |serial: &str| format!("{serial} \"{}\"", request.name);
        let told = |made: Option<&(String, String)>| What::Mint {
            token: made.map(|(serial, _)| named(serial)).unwrap_or_default(),
            serial: made.map(|(serial, _)| serial.clone()).unwrap_or_default(),
            owner,
        };
        let (serial, secret) = self.callers.change(send, told).await?;
        let question = self.corner.read(&secret, model);
        let facts = facts.iter().map(|&fact| fact.to_owned()).collect();
        Some(self.pool.add(Asked {
            token: named(&serial),
            serial,
            question,
            facts,
        }))
    }

    /// Mints a token that may read.
    pub(super) async fn reader(
        &self,
        owner: &str,
        name: &str,
        model: &str,
        facts: &[&str],
    ) -> Option<Arc<Asked>> {
        let request = CreateTokenRequest {
            owner_id: self.corner.user_id(owner),
            name: name.into(),
            role: Role::Read.into(),
            ..CreateTokenRequest::default()
        };
        self.mint(request, model, facts).await
    }

    /// Mints a token that may read this model alone.
    pub(super) async fn scoped(
        &self,
        owner: &str,
        name: &str,
        model: &str,
        facts: &[&str],
    ) -> Option<Arc<Asked>> {
        let request = self.corner.fine_grained(owner, name, Some(model));
        self.mint(request, model, facts).await
    }

    async fn write(&self, operation: &Operation, what: What) {
        let request = WriteRequest {
            request_id: self.callers.request_id(),
            operations: vec![operation.clone()],
        };
        let send = |mut issuer: crate::house::Client| {
            let request = request.clone();
            async move { issuer.write(request).await }
        };
        self.callers.change(send, |_| what).await;
    }

    /// Mints and revokes one by one; some tokens stay good.
    pub(super) async fn revoke_one_by_one(self, owner: &'static str) {
        for number in 0..ROUNDS {
            if !self.goes_on() {
                return;
            }
            let name = format!("{owner}-{number}");
            let minted = self.reader(owner, &name, "open", &[]).await;
            self.pause().await;
            if let Some(asked) = minted.filter(|_| !number.is_multiple_of(4)) {
                let request = RevokeTokenRequest {
                    request_id: self.callers.request_id(),
                    token_id: asked.serial.clone(),
                    ..RevokeTokenRequest::default()
                };
                let send = |mut issuer: crate::house::Client| {
                    let request = request.clone();
                    async move { issuer.revoke(request).await }
                };
                let what = What::Take(Takeaway::Token(asked.token.clone()));
                self.callers.change(send, |_| what).await;
                self.pool.again(&asked);
            }
            self.pause().await;
        }
    }

    /// Revokes all of an owner's tokens at once, and mints more.
    pub(super) async fn revoke_all(self, owner: &'static str) {
        let mut live = Vec::new();
        for number in 0..ROUNDS {
            if !self.goes_on() {
                return;
            }
            for part in ["a", "b"] {
                let name = format!("{owner}-{number}{part}");
                live.extend(self.reader(owner, &name, "open", &[]).await);
                self.pause().await;
            }
            let owner_id = self.corner.user_id(owner);
            let request = RevokeUserTokensRequest {
                request_id: self.callers.request_id(),
                owner_id: owner_id.clone(),
                ..RevokeUserTokensRequest::default()
            };
            let send = |mut issuer: crate::house::Client| {
                let request = request.clone();
                async move { issuer.tokens.revoke_user_tokens(request).await }
            };
            let what = What::Take(Takeaway::Floor(owner_id));
            self.callers.change(send, |_| what).await;
            for asked in live.drain(..) {
                self.pool.again(&asked);
            }
            self.pause().await;
        }
    }

    /// Has an org revoke tokens for itself, for ever.
    pub(super) async fn revoke_for_the_org(self, owner: &'static str) {
        for number in 0..ROUNDS {
            if !self.goes_on() {
                return;
            }
            let fact = format!("acme admits the token org-{number} of {owner}");
            let name = format!("org-{number}");
            let minted = self.scoped(owner, &name, "secret", &[&fact]).await;
            self.pause().await;
            if let Some(asked) = minted {
                let request = RevokeOrgTokenRequest {
                    request_id: self.callers.request_id(),
                    org_id: self.corner.of("o-acme"),
                    token_id: asked.serial.clone(),
                    ..RevokeOrgTokenRequest::default()
                };
                let send = |mut issuer: crate::house::Client| {
                    let request = request.clone();
                    async move { issuer.orgs.revoke_org_token(request).await }
                };
                let what = What::Take(Takeaway::Fact(fact));
                self.callers.change(send, |_| what).await;
                self.pool.again(&asked);
            }
            self.pause().await;
        }
    }

    /// Takes a fact and gives it back. Every other time it stays away for longer than the bound.
    pub(super) async fn take_and_give(self, turn: Turn) {
        for number in 0..ROUNDS {
            if !self.goes_on() {
                return;
            }
            let taken = What::Take(Takeaway::Fact(turn.fact.into()));
            self.write(&turn.off, taken).await;
            self.pool.again(&turn.asked);
            match number.is_multiple_of(2) {
                true => tokio::time::sleep(self.hold).await,
                false => self.pause().await,
            }
            self.write(&turn.on, What::Give(turn.fact.into())).await;
            self.pool.again(&turn.asked);
            self.pause().await;
        }
    }

    /// The facts that are taken and given back, each with a token that needs it. `None`: a mint failed.
    pub(super) async fn turns(&self) -> Option<Vec<Turn>> {
        let policy = |policy: TokenPolicy| {
            op(Op::PutOrgPolicy(OrgPolicy {
                org_id: self.corner.of("o-acme"),
                policy: policy.into(),
                ..OrgPolicy::default()
            }))
        };
        Some(vec![
            Turn {
                fact: MEMBER,
                asked: self.scoped("ada", "member", "secret", &[MEMBER]).await?,
                off: self.corner.no_member("ada"),
                on: self.corner.member("ada", OrgRole::Read),
            },
            Turn {
                fact: GRANT,
                asked: self.scoped("linus", "grant", "gated", &[GRANT]).await?,
                off: self.corner.no_grant("gated", "linus"),
                on: self.corner.grant("gated", "linus", GrantState::Accepted),
            },
            Turn {
                fact: CLASSIC,
                asked: self
                    .reader("grace", "classic", "secret", &[CLASSIC])
                    .await?,
                off: policy(TokenPolicy::FineGrainedOnly),
                on: policy(TokenPolicy::Allow),
            },
        ])
    }
}
