//! What may not be seen is what doesn't exist; what is secret is told to nobody.

use prost::Message;
use tokenward_proto::v1::{CheckRequest, CheckResponse, Resource, Role};
use tokenward_tests::house::{
    House, Kept, Store,
    hub::{READ, WRITE, question},
};

use crate::site::{Site, on_both_stores};

on_both_stores!(what_may_not_be_seen_is_what_does_not_exist);

/// The answer's bytes, without what tells only of the view and of the caller.
fn bytes(mut answer: CheckResponse) -> Vec<u8> {
    answer.revision.clear();
    answer.age = None;
    answer.principal = None;
    answer.encode_to_vec()
}

async fn what_may_not_be_seen_is_what_does_not_exist(site: Site) {
    let corner = site.corner("v1").await;
    let issuer = site.issuer();
    let outsider = issuer
        .mint(&corner.user_id("linus"), "t", Role::Write)
        .await;
    let scoped = corner.fine_grained("ada", "scoped", Some("gated"));
    let scoped = issuer.mint_as(scoped).await;
    let unscoped = corner.fine_grained("grace", "unscoped", None);
    let unscoped = issuer.mint_as(unscoped).await;
    let revision = unscoped.revision.clone();
    let hidden: [Resource; 3] = [
        corner.by_name("secret"),
        corner.by_id("secret"),
        corner.by_name("SECRET"),
    ];
    let missing: [Resource; 2] = [corner.by_name("missing"), corner.by_id("missing")];
    for caller in ["", &outsider.secret, &scoped.secret, &unscoped.secret] {
        for permission in [READ, WRITE] {
            let ask =
                |thing: &Resource| -> CheckRequest { question(caller, thing.clone(), permission) };
            let nothing = site.answers(&ask(&missing[0]), &revision).await;
            let principal = nothing[0].principal.clone();
            let nothing = bytes(nothing[0].clone());
            for thing in hidden.iter().chain(&missing) {
                for answer in site.answers(&ask(thing), &revision).await {
                    assert_eq!(answer.principal, principal);
                    assert_eq!(answer.reason().as_str_name(), "REASON_NOT_FOUND");
                    assert_eq!(bytes(answer), nothing, "{permission} {thing:?}");
                }
            }
        }
    }
}

/// Every house looks for its secrets when it ends; this one says of what, and that it would see one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_told() {
    let site = Site::redis().await;
    let corner = site.corner("v2").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    // Into every field that a server might quote.
    let secret = token.secret.clone();
    let mut operator = site.issuer().operator();
    let request = tokenward_proto::v1::CreateTokenRequest {
        request_id: secret.clone(),
        owner_id: secret.clone(),
        owner_name: String::new(),
        name: secret.clone(),
        role: Role::Read.into(),
        ..Default::default()
    };
    operator.create(request).await.unwrap_err();
    let mut stranger = site.issuer().caller(Some(&secret));
    stranger.create(Default::default()).await.unwrap_err();
    for verifier in &site.verifiers {
        let right = corner.read(&secret, "secret");
        verifier.at(&right, &token.revision).await;
        for wrong in [
            CheckRequest {
                permission: secret.clone(),
                ..right.clone()
            },
            CheckRequest {
                min_revision: secret.clone(),
                ..right.clone()
            },
            CheckRequest {
                permission: String::new(),
                ..right
            },
        ] {
            verifier.check(&wrong).await.unwrap_err();
        }
    }
    let house = site.house.clone();
    drop((site, operator, stranger));
    // Two issuers and three verifiers: logs, command lines, metrics, errors and answers.
    let kept = house.kept();
    let (secrets, said) = kept.size();
    assert!(
        secrets >= 7 && said >= 30,
        "{secrets} secrets, {said} texts"
    );
    assert_eq!(kept.leaks(), Vec::<String>::new());
    // The control: it would be seen.
    let control = Kept::default();
    control.secret(&secret);
    control.said("a log", format!("bad token {secret}"));
    control.said("its end", secret.rsplit('.').next().unwrap());
    assert_eq!(control.leaks(), ["a log", "its end"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_secrets_are_their_owners() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new(Store::Embedded);
    for file in ["k1.pem", "hub.credential"] {
        let mode = std::fs::metadata(house.path(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // The store holds no secret of a token.
    let issuer = house.issuer().await;
    let corner = tokenward_tests::house::hub::Corner::new("v3");
    issuer.write(corner.operations()).await;
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    drop(issuer);
    let bytes = std::fs::read(house.path("hub.redb")).unwrap();
    let signature = token.secret.rsplit('.').next().unwrap();
    let found = bytes
        .windows(signature.len())
        .any(|window| window == signature.as_bytes());
    assert!(!found);
}
