//! Strings that an attacker may send in place of a token, each with the reason for which it must be
//! refused.
//!
//! | module | changes |
//! |---|---|
//! | `header` | the algorithm, the key, the header's members and spelling |
//! | `claims` | the claims, with a valid signature |
//! | `bytes` | any byte, any length, the signature's numbers |
//!
//! All cases are made from one genuine token and the realm's own signing key, so each is refused for its
//! own mistake only.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a corpus that can't be made fails the test"
)]

mod bytes;
mod claims;
mod header;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey, pkcs8::DecodePrivateKey as _};
use serde_json::Value;
use tokenward_proto::v1::Reason;

/// One string that is not a valid token.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// Describes how it differs from the genuine token.
    pub name: String,
    pub token: String,
    pub refused: Reason,
}

/// The parts of a genuine token that is allowed what is requested, and the key that signed it.
pub struct Genuine {
    pub token: String,
    prefix: String,
    header: String,
    payload: String,
    key: SigningKey,
}

impl Genuine {
    pub fn new(token: &str, prefix: &str, pem: &str) -> Self {
        let jwt = token.strip_prefix(prefix).expect("the realm's prefix");
        let parts: Vec<_> = jwt.split('.').collect();
        let text = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
            String::from_utf8(bytes).expect("JSON")
        };
        let genuine = Self {
            token: token.into(),
            prefix: prefix.into(),
            header: text(parts[0]),
            payload: text(parts[1]),
            key: SigningKey::from_pkcs8_pem(pem).expect("a key"),
        };
        // Signing again gives the same token, so each case below differs only by its own change.
        assert_eq!(genuine.signed(&genuine.header, &genuine.payload), token);
        genuine
    }

    /// Signs any header and payload with the right key.
    fn signed(&self, header: &str, payload: &str) -> String {
        self.signed_segments(&b64(header), &b64(payload))
    }

    fn signed_segments(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let signature = self.key.sign(message.as_bytes());
        format!("{}{message}.{}", self.prefix, b64(signature.to_bytes()))
    }

    fn segments(&self) -> [&str; 3] {
        let mut parts = self.token[self.prefix.len()..].split('.');
        [(); 3].map(|()| parts.next().expect("three segments"))
    }

    fn claims(&self) -> Value {
        serde_json::from_str(&self.payload).expect("JSON")
    }

    /// Returns all cases.
    pub fn corpus(&self) -> Vec<Hostile> {
        let mut all = header::cases(self);
        all.extend(claims::cases(self));
        all.extend(bytes::cases(self));
        all
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hostile(name: impl Into<String>, token: String, refused: Reason) -> Hostile {
    Hostile {
        name: name.into(),
        token,
        refused,
    }
}
