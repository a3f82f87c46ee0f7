//! Tests of minting and verifying against each other, against jsonwebtoken, and against attackers.

mod form;
mod golden;
mod keys;
mod peek;
mod round_trip;
mod tricks;
mod vectors;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::Signer;
use serde_json::{Value, json};

use super::{
    Claims, EntityKind, Expected, Prefix, Role, Scope, Scopes, SigningKey, TokenError, Verified,
    VerifyKeys, sign, verify,
};
use crate::{
    clock::UnixTime,
    id::{AccountId, KeyId, Serial, TokenId},
};

const HEADER: &str = r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"2026-11"}"#;
const SEED: [u8; 32] = [42; 32];

fn key() -> SigningKey {
    SigningKey::from_seed(KeyId::parse("2026-11").unwrap(), &SEED).unwrap()
}

fn keys() -> VerifyKeys {
    VerifyKeys::new([key().public().clone()]).unwrap()
}

fn expected() -> Expected {
    Expected {
        prefix: Prefix::default(),
        issuer: "https://issuer.example".into(),
        audience: "hub".into(),
    }
}

fn claims() -> Claims {
    Claims {
        iss: "https://issuer.example".into(),
        aud: "hub".into(),
        sub: AccountId::parse("65f0c0ffee0123456789abcd").unwrap(),
        serial: Serial(7),
        tid: TokenId(3),
        name: "laptop".into(),
        iat: UnixTime(1_790_000_000),
        exp: Some(UnixTime(1_800_000_000)),
        role: Role::FineGrained,
        scopes: Some(Scopes {
            scoped: vec![Scope {
                kind: EntityKind::Org,
                id: "org1".into(),
                permissions: vec!["repo.write".into(), "repo.content.read".into()],
                patterns: vec!["prod-*".into()],
            }],
            global: vec!["discussion.write".into()],
            can_read_gated_repos: true,
        }),
    }
}

fn claims_json() -> Value {
    serde_json::to_value(claims()).unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs any header and payload with the right key.
fn signed(header: &str, payload: &str) -> String {
    signed_segments(&b64(header), &b64(payload))
}

fn signed_segments(header: &str, payload: &str) -> String {
    let message = format!("{header}.{payload}");
    let signature = ed25519_dalek::SigningKey::from_bytes(&SEED).sign(message.as_bytes());
    format!("tw_{message}.{}", b64(signature.to_bytes()))
}

fn good() -> String {
    sign(&claims(), &Prefix::default(), &key()).unwrap()
}

fn check(token: &str) -> Result<Verified, TokenError> {
    verify(token, &expected(), &keys())
}

fn check_payload(payload: &Value) -> Result<Verified, TokenError> {
    check(&signed(HEADER, &payload.to_string()))
}

/// Returns the claims' JSON with a change.
fn edited(change: impl FnOnce(&mut Value)) -> Value {
    let mut payload = claims_json();
    change(&mut payload);
    payload
}

#[test]
fn the_json_has_its_one_form() {
    let text = serde_json::to_string(&claims()).unwrap();
    assert_eq!(
        text,
        r#"{"iss":"https://issuer.example","aud":"hub","sub":"65f0c0ffee0123456789abcd","jti":"7","tid":"3","name":"laptop","iat":1790000000,"exp":1800000000,"role":"fineGrained","scopes":{"scoped":[{"entity":{"type":"org","id":"org1"},"permissions":["repo.write","repo.content.read"],"patterns":["prod-*"]}],"global":["discussion.write"],"canReadGatedRepos":true}}"#
    );
    let bare = Claims {
        exp: None,
        scopes: Some(Scopes::default()),
        ..claims()
    };
    let text = serde_json::to_string(&bare).unwrap();
    assert!(text.ends_with(r#""iat":1790000000,"role":"fineGrained","scopes":{"scoped":[]}}"#));
    assert_eq!(
        serde_json::to_value(Claims {
            role: Role::Read,
            scopes: None,
            ..bare
        })
        .unwrap()
        .get("scopes"),
        None
    );
}

#[test]
fn our_own_signing_helper_is_right() {
    let text = serde_json::to_string(&claims()).unwrap();
    assert_eq!(signed(HEADER, &text), good());
    assert_eq!(
        check_payload(&json!(claims_json())).unwrap().claims(),
        &claims()
    );
}

#[test]
fn a_token_is_refused_at_its_expiry() {
    let verified = check(&good()).unwrap();
    assert!(!verified.expired(UnixTime(0)));
    assert!(!verified.expired(UnixTime(1_799_999_999)));
    assert!(verified.expired(UnixTime(1_800_000_000)));
    assert!(verified.expired(UnixTime(u64::MAX)));
    let forever = Claims {
        exp: None,
        ..claims()
    };
    let token = sign(&forever, &Prefix::default(), &key()).unwrap();
    assert!(!check(&token).unwrap().expired(UnixTime(u64::MAX)));
}
