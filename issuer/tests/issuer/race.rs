//! Two issuers on one store, and what they are asked at the same time.

use tokenward_common::{
    id::{AccountId, Serial, TokenId},
    state::record::FloorTarget,
    store::Feed as _,
    token::Role,
};
use tokenward_issuer::{
    error::Problem,
    tokens::{Minted, NewToken, Rotation, Tokens, Update, wire::AccountRef},
};
use tokenward_proto::v1::{self as pb, operation::Operation as Op};

use crate::{
    held::{Gate, Held},
    house::{House, Issuer, model, new_token, org, user},
};

/// Two issuers on one store; the first one's commits can be held.
pub(crate) struct Race {
    pub(crate) house: House,
    pub(crate) held: std::sync::Arc<Held>,
    pub(crate) one: Tokens,
    pub(crate) two: Tokens,
    issuer: Issuer,
    calls: std::cell::Cell<u32>,
}

impl Race {
    pub(crate) async fn new() -> Self {
        let house = House::new();
        let Issuer {
            directory,
            tokens: two,
        } = house.issuer().await;
        let hub = vec![
            user("u1", "ada"),
            org("o1", "acme"),
            model("m3", "o1", "three"),
            model("m1", "u1", "one"),
            model("m2", "u1", "two"),
        ];
        let issuer = Issuer {
            directory,
            tokens: two.clone(),
        };
        house.write(&issuer, hub).await.unwrap();
        let held = Gate::over(house.store.clone());
        let one = Tokens {
            store: held.clone(),
            ..house.issuer().await.tokens
        };
        Self {
            house,
            held,
            one,
            two,
            issuer,
            calls: std::cell::Cell::new(0),
        }
    }

    /// A call of its own.
    pub(crate) fn call(&self) -> tokenward_issuer::request::Request {
        self.calls.set(self.calls.get() + 1);
        self.house.call("", &self.calls.get())
    }

    /// By the second issuer.
    pub(crate) async fn write(&self, operations: Vec<Op>) {
        self.house.write(&self.issuer, operations).await.unwrap();
    }

    pub(crate) async fn mint(&self, name: &str) -> Minted {
        self.two
            .create(&self.call(), fine_grained(name))
            .await
            .unwrap()
    }

    /// The org's longest lifetime of a token, in days.
    pub(crate) async fn longest(&self, days: Option<i64>) {
        let policy = Op::PutOrgPolicy(pb::OrgPolicy {
            org_id: "o1".into(),
            policy: pb::TokenPolicy::Allow.into(),
            max_token_lifetime: days.map(|days| prost_types::Duration {
                seconds: days * 24 * 3600,
                nanos: 0,
            }),
        });
        self.write(vec![policy]).await;
    }

    pub(crate) async fn rotate(&self, by: &Tokens, token: TokenId) -> Result<Minted, Problem> {
        by.rotate(&self.call(), token, Rotation::default()).await
    }

    pub(crate) async fn update(
        &self,
        by: &Tokens,
        token: TokenId,
        update: Update,
    ) -> Result<(), Problem> {
        by.update(&self.call(), token, update).await.map(drop)
    }

    pub(crate) async fn revoke(&self, by: &Tokens, token: TokenId) -> Result<(), Problem> {
        by.revoke(&self.call(), token).await.map(drop)
    }

    pub(crate) async fn revoke_all(&self, by: &Tokens) -> Result<(), Problem> {
        let ada = AccountRef::Name("ada".into());
        by.revoke_all(&self.call(), &ada).await.map(drop)
    }

    /// Of these values the ones that a verifier which knows everything takes.
    pub(crate) async fn live(&self, serials: impl IntoIterator<Item = Serial>) -> Vec<Serial> {
        let head = self.house.store.head().await.unwrap().cursor;
        let replica = &self.two.replica;
        replica.reached(head.log, head.revision).await;
        let view = replica.view().unwrap();
        let ada = FloorTarget::Owner(AccountId::parse("u1").unwrap());
        let floor = view.state.floor(&ada);
        let live = |serial: &Serial| *serial > floor && !view.state.is_revoked(*serial);
        serials.into_iter().filter(live).collect()
    }

    /// Of all serials that were taken, also those that no value was handed out with.
    pub(crate) async fn all_live(&self) -> Vec<Serial> {
        let last = self.house.store.head().await.unwrap().serial;
        self.live((1..=last.0).map(Serial)).await
    }

    /// The models that the token's settings in force name, and its name.
    pub(crate) async fn in_force(&self, token: TokenId) -> (String, Vec<String>) {
        let shown = self.two.show(token).await.unwrap();
        let scopes = shown.scopes.unwrap_or_default().scoped;
        let ids = scopes.into_iter().map(|scope| scope.entity_id);
        (shown.token.name.clone(), ids.collect())
    }
}

fn scopes(model: &str) -> pb::Scopes {
    pb::Scopes {
        scoped: vec![pb::Scope {
            entity_kind: pb::EntityKind::Model.into(),
            entity_id: model.into(),
            permissions: vec!["repo.content.read".into()],
            ..pb::Scope::default()
        }],
        ..pb::Scopes::default()
    }
}

pub(crate) fn fine_grained(name: &str) -> NewToken {
    NewToken {
        role: Role::FineGrained,
        scopes: tokenward_issuer::tokens::wire::scopes(Role::FineGrained, Some(scopes("m1")))
            .unwrap(),
        ..new_token("ada", name)
    }
}

pub(crate) fn on_the_orgs(name: &str) -> NewToken {
    NewToken {
        scopes: tokenward_issuer::tokens::wire::scopes(Role::FineGrained, Some(scopes("m3")))
            .unwrap(),
        ..fine_grained(name)
    }
}

pub(crate) fn rescoped() -> Update {
    Update {
        name: None,
        role: None,
        scopes: Some(scopes("m2")),
    }
}

pub(crate) fn renamed() -> Update {
    Update {
        name: Some("renamed".into()),
        role: None,
        scopes: None,
    }
}

pub(crate) fn id(minted: &Minted) -> TokenId {
    minted.token.id
}
