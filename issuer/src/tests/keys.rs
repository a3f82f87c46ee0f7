//! Tests the withdrawal of keys: known keys at once, unknown keys only on purpose.

use tokenward_proto::v1::key_service_server::KeyService as _;
use tonic::{Code, Request as Call, Status};

use super::*;
use crate::grpc::KeyGrpc;

struct World {
    issuer: Issuer,
    service: KeyGrpc,
    secret: String,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        let issuer = Issuer::new();
        let stop = issuer.follow();
        let (credentials, secret) = credentials();
        let parts = issuer.parts(credentials);
        let service = KeyGrpc {
            authenticator: parts.authenticator.clone(),
            tokens: parts.tokens(),
            receipts: Arc::clone(&parts.receipts),
        };
        Self {
            issuer,
            service,
            secret,
            stop,
        }
    }

    async fn withdraw(&self, key_id: &str, even_if_unknown: bool) -> Result<(), Status> {
        let mut call = Call::new(pb::WithdrawKeyRequest {
            key_id: key_id.into(),
            even_if_unknown,
            ..pb::WithdrawKeyRequest::default()
        });
        let shown = format!("Bearer {}", self.secret).parse().unwrap();
        call.metadata_mut().insert("authorization", shown);
        self.service.withdraw_key(call).await.map(drop)
    }

    async fn withdrawn(&self, kid: &str) -> bool {
        let kid = KeyId::parse(kid).unwrap();
        self.issuer.holds(RecordKey::WithdrawnKey(kid)).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_withdrawn_on_purpose_alone() {
    let world = World::new();
    for misspelt in ["k2", "K1", "k1.pem"] {
        let refused = world.withdraw(misspelt, false).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{misspelt}");
        let told = refused.message();
        assert!(told.contains("its own are k1."), "{told}");
        assert!(told.contains("even_if_unknown"), "{told}");
        assert!(!world.withdrawn(misspelt).await);
    }
    // Withdraws an issuer's own key, and repeats that; then a former key, and repeats that as the state now
    // knows it.
    for (kid, even_if_unknown) in [("k1", false), ("k1", false), ("k0", true), ("k0", false)] {
        world.withdraw(kid, even_if_unknown).await.unwrap();
        assert!(world.withdrawn(kid).await, "{kid}");
    }
    let told = world.withdraw("k2", false).await.unwrap_err();
    assert!(told.message().contains("its own are k1."), "{told}");
}

#[tokio::test]
async fn a_key_that_another_issuer_withdrew_a_moment_ago_is_known() {
    let world = World::new();
    let withdrawn = Change::Put(Record::WithdrawnKey(KeyId::parse("k0").unwrap()));
    world.issuer.commit(vec![withdrawn]).await;
    world.withdraw("k0", false).await.unwrap();
}

#[tokio::test]
async fn an_answer_names_the_keys_that_could_be_meant_and_not_the_old_ones() {
    let world = World::new();
    for number in 0..30 {
        let kid = KeyId::parse(&format!("old-{number}")).unwrap();
        let withdrawn = Change::Put(Record::WithdrawnKey(kid));
        world.issuer.commit(vec![withdrawn]).await;
    }
    let told = world.withdraw("k2", false).await.unwrap_err();
    assert!(told.message().contains("its own are k1."), "{told}");
}
