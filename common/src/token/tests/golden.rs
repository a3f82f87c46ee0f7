//! Tests of tokens of version 1: tokens that people hold must stay genuine for ever, and the same
//! claims must give the same bytes (a replayed mint signs them again).

use serde::Deserialize;

use super::*;
use crate::token::wire;

#[derive(Deserialize)]
struct Golden {
    seed: String,
    public_key: String,
    kid: String,
    prefix: String,
    issuer: String,
    audience: String,
    tokens: Vec<GoldenToken>,
}

#[derive(Deserialize)]
struct GoldenToken {
    claims: Value,
    token: String,
}

#[test]
fn tokens_of_the_past_stay_as_they_are() {
    let text = include_str!("../../../tests/golden/token_v1.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    let seed = hex::decode(&golden.seed).unwrap().try_into().unwrap();
    let key = SigningKey::from_seed(KeyId::parse(&golden.kid).unwrap(), &seed).unwrap();
    assert_eq!(hex::encode(key.public().as_bytes()), golden.public_key);
    let keys = VerifyKeys::new([key.public().clone()]).unwrap();
    let expected = Expected {
        prefix: Prefix::parse(&golden.prefix).unwrap(),
        issuer: golden.issuer.into(),
        audience: golden.audience.into(),
    };
    assert_eq!(golden.tokens.len(), 8);
    for GoldenToken { claims, token } in golden.tokens {
        let claims = wire::parse(claims.to_string().as_bytes()).unwrap();
        assert_eq!(sign(&claims, &expected.prefix, &key).unwrap(), token);
        let verified = verify(&token, &expected, &keys).unwrap();
        assert_eq!(verified.claims(), &claims);
    }
}
