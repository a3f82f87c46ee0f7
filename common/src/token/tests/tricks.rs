//! Tests of what an attacker sends: other algorithms, other headers, other spellings, other lengths.

use ed25519_dalek::Verifier;

use super::*;
use crate::token::{KeyError, MAX_TOKEN, PublicKey};

fn payload() -> String {
    serde_json::to_string(&claims()).unwrap()
}

#[test]
fn one_byte_changed_anywhere() {
    let token = good();
    assert!(check(&token).is_ok());
    for at in 0..token.len() {
        for change in [1, 2, 0x20] {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= change;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(check(&changed).is_err(), "byte {at} ^ {change}");
        }
        let (start, end) = token.split_at(at);
        assert!(
            check(&format!("{start}A{end}")).is_err(),
            "byte put at {at}"
        );
        assert!(
            check(&format!("{start}{}", &end[1..])).is_err(),
            "byte {at} left out"
        );
        assert!(check(start).is_err(), "cut at {at}");
    }
    for tail in ["A", "=", "==", ".", " ", "\n", "\0", ".e30"] {
        assert_eq!(
            check(&format!("{token}{tail}")),
            Err(TokenError::Malformed),
            "{tail:?}"
        );
    }
    for head in [" ", "T", "tw_", "Bearer "] {
        assert_eq!(check(&format!("{head}{token}")), Err(TokenError::Malformed));
    }
}

#[test]
fn the_signature_has_one_spelling() {
    let token = good();
    let (start, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted: Vec<char> = alphabet
        .chars()
        .filter(|c| check(&format!("{start}{c}")).is_ok())
        .collect();
    assert_eq!(accepted, [last.chars().next().unwrap()]);
}

#[test]
fn other_headers_are_not_negotiated_with() {
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"typ":"uat+jwt","alg":"none","kid":"2026-11"}"#,
        r#"{"typ":"uat+jwt","alg":"None","kid":"2026-11"}"#,
        r#"{"typ":"uat+jwt","alg":"HS256","kid":"2026-11"}"#,
        r#"{"typ":"uat+jwt","alg":"Ed25519","kid":"2026-11"}"#,
        r#"{"typ":"JWT","alg":"EdDSA","kid":"2026-11"}"#,
        r#"{"typ":"UAT+JWT","alg":"EdDSA","kid":"2026-11"}"#,
        r#"{"alg":"EdDSA","typ":"uat+jwt","kid":"2026-11"}"#,
        r#"{"alg":"EdDSA","kid":"2026-11"}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA"}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"2026-11","kid":"2026-11"}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"2026-11","alg":"none"}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"2026-11","jwk":{"kty":"OKP"}}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"2026-11","jku":"https://evil.example"}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"2026-11","crit":["b64"],"b64":false}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"2026-11"} "#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"\u0032026-11"}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"../../etc/passwd"}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":""}"#,
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":null}"#,
        "",
        "{}",
    ] {
        let token = signed(header, &payload());
        assert_eq!(check(&token), Err(TokenError::Malformed), "{header}");
        // The token has no signature, or one with the length of an HMAC.
        let message = format!("tw_{}.{}", b64(header), b64(payload()));
        assert_eq!(check(&format!("{message}.")), Err(TokenError::Malformed));
        let hmac = format!("{message}.{}", b64([7; 32]));
        assert_eq!(check(&hmac), Err(TokenError::Malformed));
    }
    assert!(check(&signed(HEADER, &payload())).is_ok());
}

#[test]
fn the_header_has_one_spelling() {
    // 47 bytes of JSON leave two spare bits in the last character.
    let header = b64(HEADER);
    for bad in [
        format!("{header}="),
        format!("{header}\n"),
        format!("{header}A"),
        format!("{}1", &header[..header.len() - 1]),
    ] {
        let token = signed_segments(&bad, &b64(payload()));
        assert_eq!(check(&token), Err(TokenError::Malformed), "{bad}");
    }
}

#[test]
fn an_unknown_kid_is_told_apart() {
    for kid in ["2026-12", "2026-1", "2026-111", "a"] {
        let token = signed(&HEADER.replace("2026-11", kid), &payload());
        assert_eq!(check(&token), Err(TokenError::KeyUnknown), "{kid}");
    }
    let none = VerifyKeys::default();
    assert_eq!(
        verify(&good(), &expected(), &none),
        Err(TokenError::KeyUnknown)
    );
}

#[test]
fn a_key_signs_under_its_own_kid_only() {
    let other_kid = KeyId::parse("other").unwrap();
    let other = SigningKey::from_seed(other_kid, &[1; 32]).unwrap();
    let keys = VerifyKeys::new([key().public().clone(), other.public().clone()]).unwrap();
    let token = sign(&claims(), &Prefix::default(), &other).unwrap();
    assert_eq!(
        verify(&token, &expected(), &keys).unwrap().kid(),
        other.kid()
    );
    let (_, rest) = token.split_once('.').unwrap();
    let swapped = format!("tw_{}.{rest}", b64(HEADER));
    assert_eq!(
        verify(&swapped, &expected(), &keys),
        Err(TokenError::Signature)
    );
}

#[test]
fn signatures_by_others_and_for_others() {
    let token = good();
    let (signed, _) = token.rsplit_once('.').unwrap();
    for bytes in [[0; 64], [0xff; 64], [1; 64]] {
        let forged = format!("{signed}.{}", b64(bytes));
        assert_eq!(check(&forged), Err(TokenError::Signature));
    }
    for length in [0, 32, 63, 65, 96, 128] {
        let forged = format!("{signed}.{}", b64(vec![0; length]));
        assert_eq!(check(&forged), Err(TokenError::Malformed), "{length}");
    }
    let reader = Claims {
        role: Role::Read,
        scopes: None,
        ..claims()
    };
    let weaker = sign(&reader, &Prefix::default(), &key()).unwrap();
    let (_, signature) = weaker.rsplit_once('.').unwrap();
    let moved = format!("{signed}.{signature}");
    assert_eq!(check(&moved), Err(TokenError::Signature));
}

/// S + L is another spelling of S; RFC 8032 refuses it.
#[test]
fn a_malleated_signature() {
    const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order = hex::decode(L).unwrap();
    let token = good();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    let forged = format!("{signed}.{}", b64(bytes));
    assert_eq!(check(&forged), Err(TokenError::Signature));
}

/// Anyone can sign anything under a key of small order, so no such key may be trusted.
#[test]
fn points_of_small_order() {
    let identity: [u8; 32] = std::array::from_fn(|i| u8::from(i == 0));
    let mut forged = [0; 64];
    forged[0] = 1;
    // Without the guard the forged signature is valid.
    let weak = ed25519_dalek::VerifyingKey::from_bytes(&identity).unwrap();
    let signature = ed25519_dalek::Signature::from_bytes(&forged);
    assert!(weak.verify(b"anything", &signature).is_ok());

    let kid = KeyId::parse("2026-11").unwrap();
    assert_eq!(PublicKey::new(kid, &identity), Err(KeyError::Weak));
    let token = format!("tw_{}.{}.{}", b64(HEADER), b64(payload()), b64(forged));
    assert_eq!(check(&token), Err(TokenError::Signature));
}

#[test]
fn dots_and_lengths() {
    let header = b64(HEADER);
    for bad in [
        "".to_owned(),
        "tw_".to_owned(),
        "tw_.".to_owned(),
        "tw_..".to_owned(),
        "tw_...".to_owned(),
        format!("tw_{header}"),
        format!("tw_{header}."),
        format!("tw_{header}.."),
        format!("tw_{header}.e30"),
        good().replace('.', ""),
        good().replace('.', ".."),
        good().replacen('.', "..", 1),
        good().to_uppercase(),
        good().trim_start_matches("tw_").to_owned(),
        good().replace("tw_", "tw-"),
        "é".repeat(100),
    ] {
        assert_eq!(check(&bad), Err(TokenError::Malformed), "{bad}");
    }
    let mega = 1 << 20;
    for bad in [
        "a".repeat(mega),
        ".".repeat(mega),
        format!("tw_{}", ".".repeat(mega)),
        format!("{}{}", good(), "A".repeat(mega)),
        format!("tw_{header}.{}.{}", "A".repeat(mega), "A".repeat(86)),
        format!("tw_{}.e30.e30", "A".repeat(MAX_TOKEN - 11)),
        format!("tw_{}.e30.e30", "A".repeat(MAX_TOKEN - 12)),
    ] {
        assert_eq!(check(&bad), Err(TokenError::Malformed));
    }
}

#[test]
fn refusals_show_nothing_of_the_token() {
    let token = good();
    let broken = [
        check(&token[1..]),
        check(&token.replacen('.', "x", 1)),
        verify(&token, &expected(), &VerifyKeys::default()),
        check(&format!("{}{}", &token[..token.len() - 2], "AA")),
        check_payload(&edited(|payload| payload["sub"] = json!(1))),
    ];
    for refused in broken {
        let text = format!("{} {0:?}", refused.unwrap_err());
        for part in ["eyJ", "2026-11", "65f0c0ffee", "laptop", "issuer.example"] {
            assert!(!text.contains(part), "{text}");
        }
    }
}
