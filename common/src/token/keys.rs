//! Public keys: which there are, how they are published (RFC 7517, RFC 8037), and the exact header
//! that each one's tokens have.

use std::{fmt, str::FromStr};

use base64::Engine;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use super::BASE64URL;
use crate::id::KeyId;

/// What every token of a realm begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prefix(Box<str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 2 to 16 characters of A-Z a-z 0-9 _ that end with _")]
pub struct PrefixError;

impl Prefix {
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if (2..=16).contains(&text.len()) && text.bytes().all(allowed) && text.ends_with('_') {
            Ok(Self(text.into()))
        } else {
            Err(PrefixError)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        Self::parse(text)
    }
}

/// Why a key or a set of keys is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("not an Ed25519 public key")]
    NotAKey,
    #[error("key {0} is of small order: it verifies what nobody signed")]
    Weak(KeyId),
    #[error("two keys are named {0}")]
    Duplicate(KeyId),
    #[error("not a JWKS: {0}")]
    Document(String),
}

/// A key that tokens are verified by.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub kid: KeyId,
    key: VerifyingKey,
    /// The first segment of every token that it signed.
    header: Box<str>,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid)
    }
}

impl PublicKey {
    pub fn new(kid: KeyId, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAKey)?;
        if key.is_weak() {
            return Err(KeyError::Weak(kid));
        }
        // As jsonwebtoken writes it; key ids need no escaping.
        let json = format!(r#"{{"typ":"uat+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
        Ok(Self {
            header: BASE64URL.encode(json).into(),
            key,
            kid,
        })
    }

    pub(super) fn key(&self) -> &VerifyingKey {
        &self.key
    }

    fn same_key(&self, other: &Self) -> bool {
        self.key.as_bytes() == other.key.as_bytes()
    }
}

/// The keys of a realm. Never changed: a new set takes its place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VerifyKeys(Vec<PublicKey>);

impl VerifyKeys {
    pub fn new(keys: Vec<PublicKey>) -> Result<Self, KeyError> {
        for (index, key) in keys.iter().enumerate() {
            if keys.iter().skip(index + 1).any(|other| other.kid == key.kid) {
                return Err(KeyError::Duplicate(key.kid.clone()));
            }
        }
        Ok(Self(keys))
    }

    pub fn from_jwks(jwks: &Jwks) -> Result<Self, KeyError> {
        Self::new(jwks.keys.clone())
    }

    pub fn contains(&self, kid: &KeyId) -> bool {
        self.0.iter().any(|key| key.kid == *kid)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn kids(&self) -> Vec<&str> {
        self.0.iter().map(|key| key.kid.as_str()).collect()
    }

    /// Whether the other set gives a name of this one to another key.
    pub fn rewritten_in(&self, other: &Self) -> bool {
        let rewritten = |old: &PublicKey, new: &PublicKey| old.kid == new.kid && !old.same_key(new);
        self.0
            .iter()
            .any(|old| other.0.iter().any(|new| rewritten(old, new)))
    }

    /// The key whose tokens begin with exactly this header.
    pub(super) fn by_header(&self, header: &str) -> Option<&PublicKey> {
        self.0.iter().find(|key| *key.header == *header)
    }
}

/// A key set as it is published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jwks {
    pub keys: Vec<PublicKey>,
    pub issuer: Option<String>,
    pub realm: Option<String>,
    pub log_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct JwkJson {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct JwksJson {
    keys: Vec<JwkJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_id: Option<String>,
}

impl Jwks {
    /// Keys of other types are passed over; a malformed one of ours refuses the whole set.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let json: JwksJson =
            serde_json::from_slice(json).map_err(|error| KeyError::Document(error.to_string()))?;
        let mut keys = Vec::new();
        for jwk in json.keys {
            if jwk.kty != "OKP" || jwk.crv.as_deref() != Some("Ed25519") {
                continue;
            }
            if jwk.usage.as_deref().is_some_and(|usage| usage != "sig")
                || jwk.alg.as_deref().is_some_and(|alg| alg != "EdDSA")
            {
                continue;
            }
            let kid = jwk.kid.unwrap_or_default();
            let kid = KeyId::parse(&kid)
                .map_err(|rule| KeyError::Document(format!("a key's kid {rule}")))?;
            let x = BASE64URL
                .decode(jwk.x.unwrap_or_default())
                .map_err(|_| KeyError::NotAKey)?;
            let bytes: [u8; 32] = x.try_into().map_err(|_| KeyError::NotAKey)?;
            keys.push(PublicKey::new(kid, &bytes)?);
        }
        Ok(Self {
            keys,
            issuer: json.issuer,
            realm: json.realm,
            log_id: json.log_id,
        })
    }

    pub fn to_json(&self) -> String {
        let json = JwksJson {
            keys: self
                .keys
                .iter()
                .map(|key| JwkJson {
                    kty: "OKP".into(),
                    crv: Some("Ed25519".into()),
                    usage: Some("sig".into()),
                    alg: Some("EdDSA".into()),
                    kid: Some(key.kid.to_string()),
                    x: Some(BASE64URL.encode(key.key.as_bytes())),
                })
                .collect(),
            issuer: self.issuer.clone(),
            realm: self.realm.clone(),
            log_id: self.log_id.clone(),
        };
        // Strings only: it can't fail.
        serde_json::to_string(&json).unwrap_or_default()
    }
}
