//! Tests with published signatures: those that must be accepted, and those that only careless verifiers
//! accept.

use super::*;
use crate::token::PublicKey;

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// Judges a signature as a token's: with a key that may be trusted, and by the strict rule.
fn taken(key: &str, message: &str, signature: &str) -> bool {
    let kid = KeyId::parse("vector").unwrap();
    let Ok(key) = PublicKey::new(kid, &bytes(key)) else {
        return false;
    };
    let signature = ed25519_dalek::Signature::from_bytes(&bytes(signature));
    let message = hex::decode(message).unwrap();
    key.dalek().verify_strict(&message, &signature).is_ok()
}

/// The vectors are tests 1 to 3 of RFC 8032, section 7.1.
#[test]
fn the_rfcs_signatures() {
    for (key, message, signature) in [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        assert!(taken(key, message, signature));
        assert!(!taken(key, &format!("{message}00"), signature));
        let mut other = bytes::<64>(signature);
        other[63] ^= 1;
        assert!(!taken(key, message, &hex::encode(other)));
    }
}

/// The cases have keys and R of small order, other encodings of a point, S at and above the group's
/// order, and equations that hold only when the cofactor is multiplied out.
#[test]
fn the_edge_cases_on_which_verifiers_differ() {
    let text = include_str!("../../../tests/golden/ed25519_edge_cases.json");
    let document: Value = serde_json::from_str(text).unwrap();
    let cases = document["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 15);
    let field = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let took: Vec<usize> = cases
        .iter()
        .enumerate()
        .filter(|(_, case)| {
            taken(
                &field(case, "key"),
                &field(case, "message"),
                &field(case, "signature"),
            )
        })
        .map(|(number, _)| number)
        .collect();
    // Only this case has a canonical key and R of large order, and holds in the equation without
    // cofactor.
    assert_eq!(took, [6]);
}
