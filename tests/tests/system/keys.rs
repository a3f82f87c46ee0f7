//! Keys rotated while tokens are minted and checked, and a key withdrawn.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tokenward_proto::v1::{KeyState, Role};
use tokenward_tests::house::{Feed, House, Issuer, Store, http, level, word};
use tonic::Code;

use crate::site::Site;

fn ring(house: &House, states: &[(&str, &str)]) {
    let keys: Vec<_> = states
        .iter()
        .map(|(kid, state)| json!({"kid": kid, "file": format!("{kid}.pem"), "state": state}))
        .collect();
    let new = house.path("ring.json.new");
    std::fs::write(&new, json!({ "keys": keys }).to_string()).unwrap();
    std::fs::rename(new, house.path("ring.json")).unwrap();
}

async fn state_of(issuer: &Issuer, kid: &str, wanted: KeyState) {
    level(&format!("{kid} is {wanted:?}"), async || {
        let keys = issuer.operator().keys().await;
        match keys.iter().find(|key| key.key_id == kid) {
            Some(key) if key.state() == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// From one key to the next without a restart: no good token is denied at any moment, and of a
/// withdrawn key none is allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_under_load_and_withdrawn() {
    let house = House::new(Store::Embedded);
    ring(&house, &[("k1", "active")]);
    let issuer = house.issuer().await;
    let args = ["--jwks-poll", "100ms"];
    let one = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let two = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let site = Site {
        issuers: vec![issuer],
        verifiers: vec![one, two],
        house,
    };
    let corner = site.corner("k1").await;
    let ada = corner.user_id("ada");
    let issuer = site.issuer();
    let made = site.house.tokenward(&[
        "keys",
        "generate",
        "--kid",
        "k2",
        "--out",
        &site.house.path("k2.pem").display().to_string(),
    ]);
    assert_eq!(made.code, Some(0), "{}", made.err);

    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let load = async {
        let mut minted = Vec::new();
        while !*stopped.borrow_and_update() {
            let token = issuer
                .mint(&ada, &format!("t{}", minted.len()), Role::Read)
                .await;
            let question = corner.read(&token.secret, "secret");
            site.all(&question, &token.revision, "ALLOW").await;
            minted.push(token);
            for old in minted.iter().rev().take(20) {
                let question = corner.read(&old.secret, "secret");
                site.all(&question, &old.revision, "ALLOW").await;
            }
        }
        minted
    };
    let rotation = async {
        ring(&site.house, &[("k1", "active"), ("k2", "published")]);
        state_of(issuer, "k2", KeyState::Published).await;
        // Signing with it begins once every verifier has it.
        for verifier in &site.verifiers {
            level("the verifier has the new key", async || {
                let lines = verifier.program.log();
                let has =
                    |line: &String| line.contains("signing keys changed") && line.contains("k2");
                lines
                    .iter()
                    .any(has)
                    .then_some(())
                    .ok_or_else(|| "not yet".to_owned())
            })
            .await;
        }
        ring(&site.house, &[("k1", "retired"), ("k2", "active")]);
        state_of(issuer, "k2", KeyState::Active).await;
        state_of(issuer, "k1", KeyState::Retired).await;
        let token = issuer.mint(&ada, "by the new key", Role::Read).await;
        assert_eq!(issuer.operator().token(&token.id).await.key_id, "k2");
        stop.send(true).unwrap();
    };
    let (minted, ()) = tokio::join!(load, rotation);
    let first = &minted[0];
    assert_eq!(issuer.operator().token(&first.id).await.key_id, "k1");

    let new = issuer.mint(&ada, "new", Role::Read).await;
    let revision = issuer.operator().withdraw("k1").await;
    site.all(
        &corner.read(&first.secret, "secret"),
        &revision,
        "TOKEN_KEY_WITHDRAWN",
    )
    .await;
    site.all(&corner.read(&new.secret, "secret"), &revision, "ALLOW")
        .await;
    state_of(issuer, "k1", KeyState::Withdrawn).await;
    // A token of a withdrawn key is mended by a rotation.
    let mended = issuer.operator().rotated(&first.id, 0).await;
    site.all(
        &corner.read(&mended.secret, "secret"),
        &mended.revision,
        "ALLOW",
    )
    .await;

    // What signs was withdrawn: nothing is minted until there is another.
    let revision = issuer.operator().withdraw("k2").await;
    site.all(
        &corner.read(&new.secret, "secret"),
        &revision,
        "TOKEN_KEY_WITHDRAWN",
    )
    .await;
    let request = tokenward_proto::v1::CreateTokenRequest {
        owner_id: ada.clone(),
        name: "none".into(),
        role: Role::Read.into(),
        ..Default::default()
    };
    let refused = issuer.operator().create(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    // It takes revocations, so it is ready, and says what is amiss.
    let (status, text) = http::get(&issuer.admin, "/readyz").unwrap();
    assert_eq!(status, 200);
    assert!(text.contains("signing_key: k2 was withdrawn"), "{text}");
}

/// A key that signs before any verifier has polled: its tokens wait for a fetch, and no answer calls
/// one of them bad.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_signs_at_once_is_fetched_at_once() {
    let house = House::new(Store::Embedded);
    ring(&house, &[("k1", "active")]);
    let issuer = house.issuer().await;
    let args = ["--jwks-poll", "1h"];
    let verifier = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let site = Site {
        issuers: vec![issuer],
        verifiers: vec![verifier],
        house,
    };
    let corner = site.corner("k3").await;
    let ada = corner.user_id("ada");
    let made = site.house.tokenward(&[
        "keys",
        "generate",
        "--kid",
        "k2",
        "--out",
        &site.house.path("k2.pem").display().to_string(),
    ]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    ring(&site.house, &[("k1", "retired"), ("k2", "active")]);
    state_of(site.issuer(), "k2", KeyState::Active).await;
    let token = site.issuer().mint(&ada, "new", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    let answer = site.verifiers[0].at(&question, &token.revision).await;
    assert_eq!(word(&Ok(answer)), "ALLOW");
    // A key that nobody has, in the very same form.
    let forged = corner.read(&with_kid(&token.secret, "k3"), "secret");
    site.soon(&forged, "TOKEN_KEY_UNKNOWN").await;
}

/// The same token, said to be signed by another key.
pub(crate) fn with_kid(token: &str, kid: &str) -> String {
    let header = format!(r#"{{"typ":"uat+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
    let (_, rest) = token.split_once('.').unwrap();
    format!("tw_{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

/// A ring that can't be used changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_ring_changes_nothing() {
    let house = House::new(Store::Embedded);
    ring(&house, &[("k1", "active")]);
    let issuer = house.issuer().await;
    for (broken, told) in [
        ("{", "not a key ring"),
        (r#"{"keys":[]}"#, "exactly one must be active"),
    ] {
        std::fs::write(house.path("ring.json"), broken).unwrap();
        level("the mistake is told", async || {
            let lines = issuer.program.log();
            let found = lines.iter().any(|line| line.contains(told));
            found.then_some(()).ok_or_else(|| lines.join("\n"))
        })
        .await;
        broken_is(&issuer, 1).await;
    }
    std::fs::remove_file(house.path("ring.json")).unwrap();
    level("that it is gone is told", async || {
        let lines = issuer.program.log();
        let gone = |line: &String| line.contains("ring.json: No such file");
        lines
            .iter()
            .any(gone)
            .then_some(())
            .ok_or_else(|| lines.join("\n"))
    })
    .await;
    broken_is(&issuer, 1).await;
    let keys = issuer.operator().keys().await;
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].state(), KeyState::Active);
    assert!(!keys[0].x.is_empty());
    ring(&house, &[("k1", "active")]);
    issuer.program.signal("-HUP");
    broken_is(&issuer, 0).await;
}

async fn broken_is(issuer: &Issuer, wanted: u8) {
    let line = format!("tokenward_issuer_key_ring_broken {wanted}");
    level(&line, async || {
        let (_, text) = http::get(&issuer.admin, "/metrics").unwrap();
        text.lines()
            .any(|told| told == line)
            .then_some(())
            .ok_or(text)
    })
    .await;
}
