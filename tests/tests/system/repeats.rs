//! A request repeated with its id is a request made once, whichever issuer it comes to.

use tokenward_proto::v1::{CreateTokenRequest, RevokeTokenRequest, Role, WriteRequest};
use tonic::Code;

use crate::site::{Site, on_both_stores};

on_both_stores!(a_mint_repeated, a_write_repeated, a_revocation_repeated);

async fn a_mint_repeated(site: Site) {
    let corner = site.corner("i1").await;
    let request = CreateTokenRequest {
        request_id: "once".into(),
        owner_id: corner.user_id("ada"),
        name: "t".into(),
        role: Role::Read.into(),
        ..CreateTokenRequest::default()
    };
    let first = site
        .issuer()
        .operator()
        .create(request.clone())
        .await
        .unwrap();
    for issuer in &site.issuers {
        let again = issuer.operator().create(request.clone()).await.unwrap();
        assert_eq!(again.token, first.token);
        assert_eq!(again.secret, first.secret);
        // The same id, something else.
        for other in [
            CreateTokenRequest {
                name: "other".into(),
                ..request.clone()
            },
            CreateTokenRequest {
                role: Role::Write.into(),
                ..request.clone()
            },
            CreateTokenRequest {
                owner_id: corner.user_id("grace"),
                ..request.clone()
            },
        ] {
            let status = issuer.operator().create(other).await.unwrap_err();
            assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
            assert!(status.message().starts_with("request_id: "), "{status:?}");
        }
        // Bound to the caller: another's is another request, and the name is taken.
        let mut minter = issuer.caller(Some(&site.house.credential("minter")));
        let status = minter.create(request.clone()).await.unwrap_err();
        assert!(status.message().starts_with("name: "), "{status:?}");
    }
    assert_eq!(site.issuer().tokens(&corner.user_id("ada")).await.len(), 1);
    // Two at once, at two issuers: one token.
    let both = CreateTokenRequest {
        request_id: "at once".replace(' ', "-"),
        name: "both".into(),
        ..request
    };
    let (mut here, mut there) = (site.issuer().operator(), site.other().operator());
    let (one, two) = tokio::join!(here.create(both.clone()), there.create(both));
    assert_eq!(one.unwrap().secret, two.unwrap().secret);
    assert_eq!(site.issuer().tokens(&corner.user_id("ada")).await.len(), 2);
}

async fn a_write_repeated(site: Site) {
    let corner = site.corner("i2").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "secret");
    let request = WriteRequest {
        request_id: "leave".into(),
        operations: vec![corner.no_member("ada")],
    };
    site.issuer()
        .operator()
        .write(request.clone())
        .await
        .unwrap();
    let back = vec![corner.member("ada", tokenward_proto::v1::OrgRole::Read)];
    site.issuer().write(back).await;
    // Late, and elsewhere: it is not done a second time.
    let again = site
        .other()
        .operator()
        .write(request.clone())
        .await
        .unwrap();
    site.all(&question, &again.revision, "ALLOW").await;
    let other = WriteRequest {
        operations: vec![corner.no_member("grace")],
        ..request
    };
    let status = site.other().operator().write(other).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    site.all(&question, &again.revision, "ALLOW").await;
}

async fn a_revocation_repeated(site: Site) {
    let corner = site.corner("i3").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    let request = RevokeTokenRequest {
        request_id: "gone".into(),
        token_id: token.id.clone(),
        ..Default::default()
    };
    let first = site
        .issuer()
        .operator()
        .revoke(request.clone())
        .await
        .unwrap();
    site.all(&question, &first.revision, "TOKEN_REVOKED").await;
    let again = site
        .other()
        .operator()
        .revoke(request.clone())
        .await
        .unwrap();
    assert_eq!(again.token, first.token);
    site.all(&question, &again.revision, "TOKEN_REVOKED").await;
    // Without an id it is harmless as well, and keeps the first time.
    let anew = RevokeTokenRequest {
        request_id: String::new(),
        ..request.clone()
    };
    let anew = site.other().operator().revoke(anew).await.unwrap();
    assert_eq!(
        anew.token.unwrap().revoke_time,
        first.token.unwrap().revoke_time
    );
    let other = site.issuer().mint(&ada, "other", Role::Read).await;
    let stolen = RevokeTokenRequest {
        token_id: other.id.clone(),
        ..request
    };
    let status = site.other().operator().revoke(stolen).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    site.all(
        &corner.read(&other.secret, "secret"),
        &other.revision,
        "ALLOW",
    )
    .await;
    // The name is free again.
    site.other().mint(&ada, "t", Role::Read).await;
}
