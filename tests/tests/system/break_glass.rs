//! What an operator does in a hurry: the realm's floor, an org's, a key withdrawn, an account frozen. Each has
//! its receipt, and when that says that all have it, no verifier allows what was taken; nor does one that
//! starts afterwards, from the records or from its own snapshot file.

use tokenward_proto::v1::{
    CheckRequest, Receipt, RevokeAllOrgTokensRequest, RevokeAllTokensRequest, Role, User,
    operation::Operation as Op,
};
use tokenward_tests::house::{Client, Feed, hub::op, word};
use tonic::Code;

use crate::site::{Site, on_both_stores};

on_both_stores!(
    all_of_a_realm,
    all_for_an_org,
    a_withdrawn_key,
    a_frozen_account,
);

/// A wait that is longer than anything takes in a healthy system.
fn patience() -> Option<prost_types::Duration> {
    Some(prost_types::Duration {
        seconds: 20,
        nanos: 0,
    })
}

/// The receipt names every verifier, and at that moment each of them answers so, without being told how new
/// its view must be. A verifier that starts now does, too, and so does one that was killed and has its own file.
async fn is_taken(site: &mut Site, receipt: &Receipt, question: &CheckRequest, wanted: &str) {
    for verifier in &site.verifiers {
        let answer = verifier.check(question).await;
        assert_eq!(word(&answer), wanted, "{}: {receipt:?}", verifier.name);
    }
    let count = u32::try_from(site.verifiers.len()).unwrap();
    assert!(receipt.complete, "{receipt:?}");
    assert_eq!((receipt.applied, receipt.pending), (count, 0));
    assert!(receipt.slowest.is_some(), "{receipt:?}");

    let folder = site.house.path("late-snapshots").display().to_string();
    let args = ["--snapshot-dir", folder.as_str()];
    let feed = Feed::Grpc(site.other());
    let mut late = site.house.verifier_with(feed, &args).await;
    assert_eq!(word(&late.check(question).await), wanted);
    // It ends in order, so it leaves its file.
    late.program.signal("-TERM");
    late.program.ended().await;
    let files = std::fs::read_dir(&folder).unwrap();
    assert!(files.count() > 0, "no snapshot file");
    late.restart().await;
    assert_eq!(word(&late.check(question).await), wanted);
    site.verifiers.push(late);
}

async fn all_of_a_realm(mut site: Site) {
    let corner = site.corner("g1").await;
    let (ada, linus) = (corner.user_id("ada"), corner.user_id("linus"));
    let one = site.issuer().mint(&ada, "one", Role::Write).await;
    let two = site.issuer().mint(&linus, "two", Role::Read).await;
    let read = corner.read(&one.secret, "secret");
    let gated = corner.read(&two.secret, "gated");
    site.all(&read, &two.revision, "ALLOW").await;
    site.all(&gated, &two.revision, "ALLOW").await;

    // Another realm's name, or none, or no reason: nothing is revoked.
    let request = RevokeAllTokensRequest {
        request_id: "night".into(),
        realm: site.house.realm().into(),
        reason: "INC-7: the database was copied".into(),
        wait: patience(),
    };
    let mut operator = site.other().operator();
    let long = "x".repeat(201);
    for (field, realm, reason) in [
        ("realm: ", "another", "INC-7"),
        ("realm: ", "", "INC-7"),
        ("reason: ", site.house.realm(), ""),
        ("reason: ", site.house.realm(), &long),
    ] {
        let refused = RevokeAllTokensRequest {
            realm: realm.into(),
            reason: reason.into(),
            request_id: String::new(),
            ..request.clone()
        };
        let told = operator
            .tokens
            .revoke_all_tokens(refused)
            .await
            .unwrap_err();
        assert_eq!(told.code(), Code::InvalidArgument);
        assert!(told.message().contains(field), "{}", told.message());
    }
    let revoker = site.house.credential("revoker");
    let mut revoker = site.other().caller(Some(&revoker));
    let told = revoker.tokens.revoke_all_tokens(request.clone()).await;
    assert_eq!(told.unwrap_err().code(), Code::PermissionDenied);
    site.all(&read, &two.revision, "ALLOW").await;

    let first = operator.tokens.revoke_all_tokens(request.clone()).await;
    let first = first.unwrap().into_inner();
    let receipt = first.receipt.unwrap();
    is_taken(&mut site, &receipt, &read, "TOKEN_REVOKED").await;
    site.all(&gated, &first.revision, "TOKEN_REVOKED").await;
    let trail = site.issuer().operator().trail().await;
    let of = |it: &&_| method(it) == "TokenService/RevokeAllTokens";
    let noted: Vec<_> = trail.iter().filter(of).collect();
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert_eq!(noted[0].reason, request.reason);
    assert_eq!(noted[0].request_id, "night");

    // People get on by new tokens: neither a rotation nor a repeat of the call has a say in them.
    let mut issuer = site.issuer().operator();
    let rotation = tokenward_proto::v1::RotateTokenRequest {
        token_id: one.id.clone(),
        ..Default::default()
    };
    let refused = issuer.rotate(rotation).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let new = site.issuer().mint(&ada, "one", Role::Write).await;
    let again = operator.tokens.revoke_all_tokens(request).await.unwrap();
    assert_eq!(again.into_inner().revision, first.revision);
    let allowed = corner.read(&new.secret, "secret");
    site.all(&allowed, &new.revision, "ALLOW").await;
    let states = site.issuer().tokens(&ada).await;
    let state = |id: &str| states.iter().find(|it| it.id == id).unwrap().state();
    assert_eq!(state(&one.id).as_str_name(), "TOKEN_STATE_REVOKED");
    assert_eq!(state(&new.id).as_str_name(), "TOKEN_STATE_ACTIVE");
}

fn method(event: &tokenward_proto::v1::AuditEvent) -> &str {
    &event.method
}

async fn all_for_an_org(mut site: Site) {
    let corner = site.corner("g2").await;
    let ada = corner.user_id("ada");
    let old = site.issuer().mint(&ada, "old", Role::Read).await;
    let fine = corner.fine_grained("grace", "fine", Some("secret"));
    let fine = site.issuer().mint_as(fine).await;
    let read = |secret: &str| corner.read(secret, "secret");
    let mut own = read(&old.secret);
    own.resource = Some(corner.notes());
    for question in [&read(&old.secret), &read(&fine.secret), &own] {
        site.all(question, &fine.revision, "ALLOW").await;
    }
    let request = RevokeAllOrgTokensRequest {
        request_id: "night".into(),
        org_name: corner.of("acme"),
        reason: "INC-8".into(),
        wait: patience(),
        ..RevokeAllOrgTokensRequest::default()
    };
    let mut operator: Client = site.other().operator();
    let nobody = RevokeAllOrgTokensRequest {
        org_name: "nobody".into(),
        request_id: String::new(),
        ..request.clone()
    };
    let told = operator.orgs.revoke_all_org_tokens(nobody).await;
    assert_eq!(told.unwrap_err().code(), Code::NotFound);
    let done = operator.orgs.revoke_all_org_tokens(request.clone()).await;
    let done = done.unwrap().into_inner();
    let receipt = done.receipt.unwrap();
    is_taken(&mut site, &receipt, &read(&old.secret), "ORG_REVOKED").await;
    site.all(&read(&fine.secret), &done.revision, "ORG_REVOKED")
        .await;
    // What the org doesn't own, and what it publishes, is as it was.
    site.all(&own, &done.revision, "ALLOW").await;
    let open = corner.read(&old.secret, "open");
    site.all(&open, &done.revision, "ALLOW").await;
    let trail = site.issuer().operator().trail().await;
    let noted = trail
        .iter()
        .find(|it| method(it) == "OrgTokenService/RevokeAllOrgTokens");
    let noted = noted.expect("an event");
    assert_eq!(noted.reason, "INC-8");
    assert_eq!(noted.org_id, corner.of("o-acme"));

    // A rotated value reaches the org, the one that it replaces doesn't, overlap or not.
    let rotated = site.issuer().operator().rotated(&old.id, 600).await;
    site.all(&read(&rotated.secret), &rotated.revision, "ALLOW")
        .await;
    site.all(&read(&old.secret), &rotated.revision, "ORG_REVOKED")
        .await;
    site.all(&own, &rotated.revision, "ALLOW").await;
    let new = site.issuer().mint(&ada, "new", Role::Read).await;
    site.all(&read(&new.secret), &new.revision, "ALLOW").await;
}

async fn a_withdrawn_key(mut site: Site) {
    let corner = site.corner("g3").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let mut operator = site.other().operator();
    let key = operator.token(&token.id).await.key_id;
    let request = tokenward_proto::v1::WithdrawKeyRequest {
        key_id: key,
        wait: patience(),
        ..Default::default()
    };
    let done = operator.keys.withdraw_key(request).await.unwrap();
    let receipt = done.into_inner().receipt.unwrap();
    is_taken(&mut site, &receipt, &question, "TOKEN_KEY_WITHDRAWN").await;
}

async fn a_frozen_account(mut site: Site) {
    let corner = site.corner("g4").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let frozen = |disabled| {
        vec![op(Op::PutUser(User {
            disabled,
            ..corner.user("ada")
        }))]
    };
    let revision = site.other().write(frozen(true)).await;
    let receipt = site.other().operator().applied(&revision).await;
    is_taken(&mut site, &receipt, &question, "OWNER_DISABLED").await;
    // It is the only one of the four that can be taken back.
    let revision = site.issuer().write(frozen(false)).await;
    site.all(&question, &revision, "ALLOW").await;
}
