//! Tests credentials for one owner's tokens: what they reach, and that they learn nothing about others.

use tokenward_common::{clock::UnixTime, id::TokenId, process::credentials::new_credential};
use tokenward_proto::v1::token_service_server::TokenService as _;
use tonic::{Code, Request as Call, Status};

use super::*;
use crate::{grpc::TokenGrpc, tokens::Rotation};

struct World {
    issuer: Issuer,
    service: TokenGrpc,
    /// This is the secret of the credential for ada's tokens.
    secret: String,
    stop: CancellationToken,
}

impl World {
    async fn new() -> Self {
        let issuer = Issuer::new();
        issuer.commit(vec![user("ada"), user("bob")]).await;
        let stop = issuer.follow();
        let head = issuer.store.head().await.unwrap().cursor;
        issuer.replica.reached(head.log, head.revision).await;
        let (secret, digest) = new_credential().unwrap();
        let json = format!(
            r#"{{"credentials":[{{"name":"pod","sha256":["{digest}"],"roles":["own"],"owner":"ada"}}]}}"#
        );
        let parts = issuer.parts(Credentials::parse(&json).unwrap());
        let service = TokenGrpc {
            authenticator: parts.authenticator.clone(),
            tokens: parts.tokens(),
            receipts: Arc::clone(&parts.receipts),
            by_value: ByValue::default(),
        };
        Self {
            issuer,
            service,
            secret,
            stop,
        }
    }

    /// Mints a token as a caller that may.
    async fn mint(&self, owner: &str, name: &str, expires_at: Option<u64>) -> String {
        let new = NewToken {
            owner: AccountRef::Id(account(owner)),
            name: name.into(),
            role: Role::Read,
            scopes: None,
            expires_at: expires_at.map(UnixTime),
        };
        let minted = self.service.tokens.create(&request(), new).await.unwrap();
        minted.token.id.to_string()
    }

    fn call<T>(&self, body: T) -> Call<T> {
        let mut call = Call::new(body);
        let shown = format!("Bearer {}", self.secret).parse().unwrap();
        call.metadata_mut().insert("authorization", shown);
        call
    }

    async fn list(&self, owner_id: &str, owner_name: &str) -> Result<Vec<String>, Status> {
        let request = pb::ListTokensRequest {
            owner_id: owner_id.into(),
            owner_name: owner_name.into(),
            include_ended: true,
            ..pb::ListTokensRequest::default()
        };
        let answer = self.service.list_tokens(self.call(request)).await?;
        Ok(answer
            .into_inner()
            .tokens
            .into_iter()
            .map(|it| it.id)
            .collect())
    }

    async fn get(&self, token: &str) -> Result<(), Status> {
        let token_id = token.to_owned();
        let request = self.call(pb::GetTokenRequest { token_id });
        self.service.get_token(request).await.map(drop)
    }

    async fn rotate(&self, token: &str, end: Option<u64>) -> Result<pb::Token, Status> {
        let request = pb::RotateTokenRequest {
            token_id: token.into(),
            expire_time: end.map(|end| prost_types::Timestamp {
                seconds: end.try_into().unwrap(),
                nanos: 0,
            }),
            ..pb::RotateTokenRequest::default()
        };
        let answer = self.service.rotate_token(self.call(request)).await?;
        Ok(answer.into_inner().token.unwrap())
    }

    async fn revoke(&self, token: &str, request_id: &str) -> Result<(), Status> {
        let request = pb::RevokeTokenRequest {
            token_id: token.into(),
            request_id: request_id.into(),
            ..pb::RevokeTokenRequest::default()
        };
        let answer = self.service.revoke_token(self.call(request)).await;
        answer.map(drop)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn its_own_tokens_are_seen_rotated_and_revoked() {
    let world = World::new().await;
    let token = world.mint("ada", "pod", None).await;
    world.mint("bob", "laptop", None).await;
    assert_eq!(world.list("ada", "").await.unwrap(), [&*token]);
    world.get(&token).await.unwrap();
    let rotated = world.rotate(&token, None).await.unwrap();
    assert_eq!((&*rotated.id, &*rotated.owner_id), (&*token, "ada"));
    assert_eq!(
        (&*rotated.name, rotated.role),
        ("pod", pb::Role::Read.into())
    );
    world.revoke(&token, "").await.unwrap();
}

#[tokio::test]
async fn anothers_token_is_answered_as_none() {
    let world = World::new().await;
    let theirs = world.mint("bob", "laptop", None).await;
    let missing = "99";
    for (token, ended) in [(&*theirs, false), (&*theirs, true)] {
        if ended {
            let token = TokenId(token.parse().unwrap());
            world
                .service
                .tokens
                .revoke(&request(), token)
                .await
                .unwrap();
        }
        let told = |result: Result<(), Status>, asked: &str| {
            let status = result.unwrap_err();
            assert_eq!(status.code(), Code::NotFound, "{status:?}");
            status.message().replace(asked, "N")
        };
        assert_eq!(
            told(world.get(token).await, token),
            told(world.get(missing).await, missing)
        );
        assert_eq!(
            told(world.rotate(token, None).await.map(drop), token),
            told(world.rotate(missing, None).await.map(drop), missing)
        );
        assert_eq!(
            told(world.revoke(token, "r1").await, token),
            told(world.revoke(missing, "r1").await, missing)
        );
    }
    let (_, stored) = {
        let key = Key::token(TokenId(theirs.parse().unwrap()));
        let found = world.issuer.store.get(&[key]).await.unwrap();
        let found = found.into_iter().flatten().next().unwrap();
        let token: tokenward_proto::internal::StoredToken =
            prost::Message::decode(found.value.as_slice()).unwrap();
        (found.revision, token)
    };
    assert_eq!(stored.revoked_by, "hub");
    assert_eq!(stored.rotated_at, 0);
}

/// Another owner is refused whether it exists or not, and every name is: the answer would tell whose it is.
#[tokio::test]
async fn another_owner_is_refused_before_it_is_looked_for() {
    let world = World::new().await;
    for (id, name) in [
        ("bob", ""),
        ("nobody", ""),
        ("", "bob"),
        ("", "ada"),
        ("", "nobody"),
    ] {
        let refused = world.list(id, name).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{id} {name}");
        assert_eq!(
            refused.message(),
            "credential pod is for the tokens of one owner alone: owner_id must be that owner's id"
        );
    }
}

#[tokio::test]
async fn a_rotation_makes_no_token_live_longer() {
    let world = World::new().await;
    // This time is after both clocks of this test.
    let now = 1_900_000_000_u64;
    let token = world.mint("ada", "pod", Some(now + 5000)).await;
    for later in [now + 5001, now + 1_000_000] {
        let refused = world.rotate(&token, Some(later)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(
            refused
                .message()
                .starts_with("expire_time: must not be later")
        );
    }
    let end = |token: pb::Token| token.expire_time.unwrap().seconds.unsigned_abs();
    for (asked, got) in [(None, 5000), (Some(5000), 5000), (Some(4000), 4000)] {
        let asked = asked.map(|asked: u64| now + asked);
        let rotated = world.rotate(&token, asked).await.unwrap();
        assert_eq!(end(rotated), now + got);
    }
    // A token without an end may get one, and then keeps it.
    let endless = world.mint("ada", "endless", None).await;
    world.rotate(&endless, Some(now + 9000)).await.unwrap();
    assert!(world.rotate(&endless, Some(now + 9001)).await.is_err());
    // A caller that may mint may extend it.
    let id = TokenId(endless.parse().unwrap());
    let rotation = Rotation {
        expires_at: Some(UnixTime(now + 9001)),
        may_extend: true,
        ..Rotation::default()
    };
    let rotated = world.service.tokens.rotate(&request(), id, rotation).await;
    rotated.map(drop).unwrap();
}
