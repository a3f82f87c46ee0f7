//! Tests of reading a token without trusting it.

use super::*;
use crate::token::peek;

fn look(token: &str) -> Option<(Claims, String)> {
    peek(token, &Prefix::default()).map(|it| (it.claims, it.kid.to_string()))
}

#[test]
fn what_is_genuine_says_the_same_unverified() {
    let verified = check(&good()).unwrap();
    let kid = verified.kid().to_string();
    assert_eq!(look(&good()), Some((verified.claims().clone(), kid)));
}

#[test]
fn a_forged_one_is_shown_and_stays_forged() {
    let text = serde_json::to_string(&claims()).unwrap();
    let forged = signed(&HEADER.replace("2026-11", "other"), &text);
    assert_eq!(check(&forged), Err(TokenError::KeyUnknown));
    assert_eq!(look(&forged), Some((claims(), "other".into())));

    let (unsigned, _) = good()
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.len()))
        .unwrap();
    for signature in ["", "AAAA", "%"] {
        let token = format!("{unsigned}.{signature}");
        assert!(check(&token).is_err());
        assert_eq!(look(&token), Some((claims(), "2026-11".into())));
    }
}

#[test]
fn other_forms_are_not_guessed_at() {
    let text = serde_json::to_string(&claims()).unwrap();
    let null = edited(|it| it["exp"] = Value::Null).to_string();
    let rule = edited(|it| it["tid"] = "9".into()).to_string();
    for token in [
        String::new(),
        "tw_".into(),
        "tw_a.b.c".into(),
        good().replacen("tw_", "hf_", 1),
        good().replacen("tw_", "", 1),
        format!("{}.", good()),
        signed(&HEADER.replace("EdDSA", "none"), &text),
        signed(HEADER, &null),
        signed(HEADER, &rule),
        signed(HEADER, &text).replacen("tw_", "tw_ ", 1),
        format!("tw_{}.{}=.x", b64(HEADER), b64(&text)),
        format!("{}{}", good(), "a".repeat(4096)),
    ] {
        assert_eq!(look(&token), None, "{token}");
    }
}
