//! Headers that try to make the verifier choose another algorithm, another key or another meaning.

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokenward_proto::v1::Reason;

use super::{Genuine, Hostile, b64, hostile};

pub(super) fn cases(genuine: &Genuine) -> Vec<Hostile> {
    let mut all = other_headers(genuine);
    all.extend(other_signers(genuine));
    all.extend(other_spellings(genuine));
    all
}

/// Returns headers, each signed with the right key, unsigned, and with the public key as the secret of an
/// HMAC.
fn other_headers(genuine: &Genuine) -> Vec<Hostile> {
    let kid = kid(genuine);
    let x = b64(genuine.key.verifying_key().as_bytes());
    let with = |more: &str| format!(r#"{{"typ":"uat+jwt","alg":"EdDSA","kid":"{kid}",{more}}}"#);
    let algorithm = |alg: &str| format!(r#"{{"typ":"uat+jwt","alg":"{alg}","kid":"{kid}"}}"#);
    let typed = |typ: &str| format!(r#"{{"typ":"{typ}","alg":"EdDSA","kid":"{kid}"}}"#);
    let mut headers: Vec<String> = [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "PS256", "ES256",
        "ES512", "Ed25519", "Ed448", "eddsa", "EdDSA ",
    ]
    .map(algorithm)
    .into();
    headers.extend(
        [
            "JWT",
            "jwt",
            "at+jwt",
            "application/uat+jwt",
            "UAT+JWT",
            "uat+jwt ",
            "",
        ]
        .map(typed),
    );
    headers.extend(
        [
            format!(r#""jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#),
            r#""jku":"http://127.0.0.1:1/jwks.json""#.into(),
            r#""x5u":"http://127.0.0.1:1/cert.pem""#.into(),
            r#""x5c":["MIIB"]"#.into(),
            r#""x5t":"AAAA""#.into(),
            r#""crit":["exp"]"#.into(),
            r#""crit":["b64"],"b64":false"#.into(),
            r#""crit":[]"#.into(),
            r#""b64":false"#.into(),
            r#""zip":"DEF""#.into(),
            r#""cty":"JWT""#.into(),
            r#""enc":"A256GCM""#.into(),
            r#""alg":"none""#.into(),
            format!(r#""kid":"{kid}""#),
        ]
        .map(|more| with(&more)),
    );
    headers.extend([
        format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"uat+jwt","kid":"{kid}"}}"#),
        r#"{"typ":"uat+jwt","alg":"EdDSA"}"#.into(),
        format!(r#"{{"alg":"EdDSA","typ":"uat+jwt","kid":"{kid}"}}"#),
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":null}"#.into(),
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":""}"#.into(),
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":["k1"]}"#.into(),
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"../../../etc/passwd"}"#.into(),
        r#"{"typ":"uat+jwt","alg":"EdDSA","kid":"k1' OR '1'='1"}"#.into(),
        format!(
            r#"{{"typ":"uat+jwt","alg":"EdDSA","kid":"\u00{:02x}{}"}}"#,
            kid.as_bytes()[0],
            &kid[1..]
        ),
        format!(r#"{{ "typ":"uat+jwt","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"uat+jwt","alg":"EdDSA","kid":"{kid}"}} "#),
        "{}".into(),
        "[]".into(),
        "null".into(),
        String::new(),
    ]);
    let mut all = Vec::new();
    for header in headers {
        let message = format!("{}.{}", b64(&header), b64(&genuine.payload));
        let hmac = hmac_sha256(genuine.key.verifying_key().as_bytes(), message.as_bytes());
        let strings = [
            ("signed", genuine.signed(&header, &genuine.payload)),
            ("unsigned", format!("{}{message}.", genuine.prefix)),
            ("HMAC", format!("{}{message}.{}", genuine.prefix, b64(hmac))),
        ];
        for (how, token) in strings {
            let name = format!("header {header}, {how}");
            all.push(hostile(name, token, Reason::TokenMalformed));
        }
    }
    all
}

/// Returns the realm's own header, signed with another key.
fn other_signers(genuine: &Genuine) -> Vec<Hostile> {
    let enemy = SigningKey::from_bytes(&[7; 32]);
    let message = format!("{}.{}", b64(&genuine.header), b64(&genuine.payload));
    let by_enemy = b64(enemy.sign(message.as_bytes()).to_bytes());
    let own = format!("{}{message}.{by_enemy}", genuine.prefix);
    let mut all = vec![hostile("signed by another", own, Reason::TokenSignature)];
    for unknown in ["k0", "k", "k11", "K1", "unknown"] {
        let header = json!({"typ": "uat+jwt", "alg": "EdDSA", "kid": unknown});
        // The members keep the order that the issuer writes.
        let header = genuine
            .header
            .replace(&kid(genuine), header["kid"].as_str().unwrap_or_default());
        let token = genuine.signed(&header, &genuine.payload);
        all.push(hostile(
            format!("kid {unknown}"),
            token,
            Reason::TokenKeyUnknown,
        ));
    }
    all
}

fn other_spellings(genuine: &Genuine) -> Vec<Hostile> {
    let [header, payload, signature] = genuine.segments();
    let spelled = |segment: &str| {
        let last = segment.len() - 1;
        vec![
            ("padded", format!("{segment}=")),
            ("padded twice", format!("{segment}==")),
            ("with a line's end", format!("{segment}\n")),
            ("with a space", format!(" {segment}")),
            ("in another alphabet", format!("+/{}", &segment[2..])),
            ("in percents", format!("%65{}", &segment[1..])),
            ("cut", segment[..last].to_owned()),
            ("longer", format!("{segment}A")),
            ("empty", String::new()),
        ]
    };
    let mut all = Vec::new();
    for (how, other) in spelled(header) {
        let token = genuine.signed_segments(&other, payload);
        all.push(hostile(
            format!("header {how}"),
            token,
            Reason::TokenMalformed,
        ));
    }
    for (how, other) in spelled(payload) {
        let token = genuine.signed_segments(header, &other);
        all.push(hostile(
            format!("payload {how}"),
            token,
            Reason::TokenClaims,
        ));
    }
    for (how, other) in spelled(signature) {
        let token = format!("{}{header}.{payload}.{other}", genuine.prefix);
        all.push(hostile(
            format!("signature {how}"),
            token,
            Reason::TokenMalformed,
        ));
    }
    for (how, token) in [
        (
            "another prefix",
            format!("hf_{header}.{payload}.{signature}"),
        ),
        ("no prefix", format!("{header}.{payload}.{signature}")),
        (
            "two prefixes",
            format!("{0}{0}{header}.{payload}.{signature}", genuine.prefix),
        ),
        (
            "two segments",
            format!("{}{header}.{payload}", genuine.prefix),
        ),
        ("four segments", format!("{}.e30", genuine.token)),
        (
            "five, as if encrypted",
            format!("{}.e30.e30", genuine.token),
        ),
        ("with its scheme", format!("Bearer {}", genuine.token)),
        ("a line's end", format!("{}\n", genuine.token)),
        ("a zero byte", format!("{}\0", genuine.token)),
        ("twice", format!("{0}{0}", genuine.token)),
        ("twice with a comma", format!("{0},{0}", genuine.token)),
    ] {
        all.push(hostile(how, token, Reason::TokenMalformed));
    }
    all
}

fn kid(genuine: &Genuine) -> String {
    let header: serde_json::Value = serde_json::from_str(&genuine.header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

/// HMAC-SHA256 (RFC 2104, section 2), for a key of at most one block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let block = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(to, byte)| *to ^= byte);
        block
    };
    let inner = Sha256::new()
        .chain_update(block(0x36))
        .chain_update(message);
    let outer = Sha256::new()
        .chain_update(block(0x5c))
        .chain_update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vector of RFC 4231, section 4.3.
    #[test]
    fn the_hmac_is_one() {
        let told: String = hmac_sha256(b"Jefe", b"what do ya want for nothing?")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            told,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
