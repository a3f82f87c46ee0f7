use tokenward_common::{
    id::{AccountId, KeyId, Serial, TokenId},
    token::{
        EntityKind as Kind, Role, Scope as ClaimsScope, Scopes as ClaimsScopes, SigningKey,
        VerifyKeys, sign,
    },
};

use super::*;

const NOW: UnixTime = UnixTime(1_801_396_800);

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(KeyId::parse(kid).unwrap()).unwrap()
}

fn claims() -> Claims {
    Claims {
        iss: "https://tokens.test".into(),
        aud: "hub".into(),
        sub: AccountId::parse("u1").unwrap(),
        serial: Serial(1043),
        tid: TokenId(1042),
        name: "eval".into(),
        iat: UnixTime(1_801_393_200),
        exp: Some(UnixTime(1_801_400_400)),
        role: Role::FineGrained,
        scopes: Some(ClaimsScopes {
            scoped: vec![ClaimsScope {
                kind: Kind::Model,
                id: "m42".into(),
                permissions: vec!["repo.content.read".into()],
                patterns: Vec::new(),
            }],
            global: vec!["discussion.write".into()],
            can_read_gated_repos: true,
        }),
    }
}

fn token(key: &SigningKey) -> Secret {
    Secret::new(sign(&claims(), &Prefix::default(), key).unwrap())
}

fn document(keys: &[&SigningKey], realm: &str) -> KeyDocument {
    KeyDocument {
        keys: VerifyKeys::new(keys.iter().map(|key| key.public().clone())).unwrap(),
        realm: Some(realm.into()),
        issuer: Some("https://tokens.test".into()),
        ..KeyDocument::default()
    }
}

fn judged(token: &Secret, keys: Option<&KeyDocument>) -> (Unverified, Signature) {
    judge(token, &Prefix::default(), keys).unwrap()
}

#[test]
fn what_it_says_is_shown_and_never_the_string() {
    let token = token(&key("k1"));
    let (said, signature) = judged(&token, None);
    let shown = text(&said, &signature, NOW);
    assert_eq!(
        shown,
        "\
owner     u1
token     1042
value     1043
name      eval
role      fineGrained
realm     hub
issuer    https://tokens.test
issued    2027-01-31T11:00:00Z
expires   2027-01-31T13:00:00Z
key       k1
global    discussion.write
gated     may be read
scope     model:m42=repo.content.read
signature: not verified
"
    );
    let value = value(&said, &signature, NOW);
    assert_eq!(value["verified"], Value::Null);
    assert_eq!(value["scopes"]["scoped"][0]["entity_id"], "m42");
    for part in token.expose().split('.') {
        assert!(!shown.contains(part) && !value.to_string().contains(part));
    }
}

#[test]
fn an_expired_token_says_so() {
    let (said, signature) = judged(&token(&key("k1")), None);
    let end = UnixTime(1_801_400_400);
    assert!(text(&said, &signature, end).contains("expires   2027-01-31T13:00:00Z: EXPIRED\n"));
    assert_eq!(value(&said, &signature, end)["expired"], true);
    assert_eq!(value(&said, &signature, NOW)["expired"], false);
}

#[test]
fn only_the_realms_keys_make_it_genuine() {
    let (one, other) = (key("k1"), key("k2"));
    let token = token(&one);
    let (said, signature) = judged(&token, Some(&document(&[&other, &one], "hub")));
    assert_eq!(signature, Signature::Verified);
    assert!(text(&said, &signature, NOW).ends_with("signature: verified by key k1\n"));
    assert_eq!(value(&said, &signature, NOW)["verified"], true);

    for (document, reason) in [
        (document(&[&other], "hub"), "a key that is not known"),
        (document(&[&key("k1")], "hub"), "signature is not valid"),
        (document(&[&one], "other"), "claims are not those"),
    ] {
        let (said, signature) = judged(&token, Some(&document));
        let shown = text(&said, &signature, NOW);
        assert!(
            shown.contains("signature: NOT genuine: ") && shown.contains(reason),
            "{shown}"
        );
        let value = value(&said, &signature, NOW);
        assert_eq!(value["verified"], false);
        assert!(value["problem"].as_str().unwrap().contains(reason));
    }
}

#[test]
fn what_is_no_token_is_refused_and_not_repeated() {
    for text in ["tw_eyJ0.eyJpc3Mi", "nonsense-nonsense", "tw_"] {
        let failure = judge(&Secret::new(text.into()), &Prefix::default(), None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(!failure.message.contains("eyJ"), "{failure}");
        assert!(!failure.message.contains("nonsense"), "{failure}");
    }
    // A realm's own prefix must be given.
    let foreign = Prefix::parse("hf_").unwrap();
    assert!(judge(&token(&key("k1")), &foreign, None).is_err());
}
