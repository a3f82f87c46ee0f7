//! Tokens that aren't genuine, by what is wrong with them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenward_common::{
    id::KeyId,
    token::{Claims, Prefix, SigningKey, sign},
};

/// `key`: the realm's own.
pub(crate) fn forge(how: &str, claims: &Claims, key: &SigningKey) -> String {
    let prefix = Prefix::default();
    let good = |claims: &Claims| sign(claims, &prefix, key).unwrap();
    let foreign = |kid: KeyId| {
        let key = SigningKey::from_seed(kid, &[2; 32]).unwrap();
        sign(claims, &prefix, &key).unwrap()
    };
    let with_header = |header: String| {
        let whole = good(claims);
        let (_, rest) = whole.split_once('.').unwrap();
        let header = URL_SAFE_NO_PAD.encode(header);
        format!("{}{header}.{rest}", prefix.as_str())
    };
    let kid = key.kid();
    match how {
        "key" => foreign(KeyId::parse("foreign").unwrap()),
        "signature" => foreign(kid.clone()),
        "algorithm" => with_header(format!(r#"{{"typ":"uat+jwt","alg":"none","kid":"{kid}"}}"#)),
        "type" => with_header(format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{kid}"}}"#)),
        "realm" => good(&Claims {
            aud: "elsewhere".into(),
            ..claims.clone()
        }),
        "issuer" => good(&Claims {
            iss: "https://evil.example".into(),
            ..claims.clone()
        }),
        "cut" => good(claims).chars().take(60).collect(),
        "rubbish" => "hunter2".into(),
        how => panic!("{how}: unknown forgery"),
    }
}
