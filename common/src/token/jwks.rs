//! How a realm publishes its public keys: a JWK set (RFC 7517, RFC 8037) with the realm beside it.
//!
//! Knows nothing of fetching. What a document must hold to be used is decided here; whether its
//! realm, issuer and log are the expected ones is for the reader to compare.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::keys::{KeyError, PublicKey, VerifyKeys};
use crate::id::{KeyId, LogId};

/// Longest document that is read, in bytes: room for [`MAX_KEYS`] keys and their decoration.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// Most keys in a document.
pub const MAX_KEYS: usize = 256;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyDocument {
    pub keys: VerifyKeys,
    pub realm: String,
    pub issuer: String,
    /// Absent before the realm has a log.
    pub log_id: Option<LogId>,
}

/// Why a document is of no use. A refused document leaves the reader with the keys it has.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("longer than {MAX_DOCUMENT} bytes")]
    TooLong,
    #[error("not a key document")]
    Json(#[source] serde_json::Error),
    #[error("realm, issuer and log_id must be a name, a URL and 32 hexadecimal digits")]
    Realm,
    #[error("more than {MAX_KEYS} keys")]
    TooManyKeys,
    #[error("no Ed25519 signing key")]
    NoKey,
    #[error("kid must be 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    Kid,
    #[error("x must be 32 bytes as base64url without padding")]
    X,
    #[error("a private key is published")]
    PrivateKey,
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl KeyDocument {
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let jwk = |key: &PublicKey| JwkOut {
            kty: "OKP",
            crv: "Ed25519",
            usage: "sig",
            alg: "EdDSA",
            kid: key.kid().to_string(),
            x: URL_SAFE_NO_PAD.encode(key.as_bytes()),
        };
        serde_json::to_string(&DocumentOut {
            keys: self.keys.iter().map(jwk).collect(),
            realm: &self.realm,
            issuer: &self.issuer,
            log_id: self.log_id.map(|id| id.to_string()),
        })
    }

    /// Keys for other uses and members that aren't ours are skipped; anything amiss with a key for
    /// our use refuses the whole document.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        if json.len() > MAX_DOCUMENT {
            return Err(JwksError::TooLong);
        }
        let document: DocumentIn = serde_json::from_slice(json).map_err(JwksError::Json)?;
        if document.realm.is_empty() || document.issuer.is_empty() {
            return Err(JwksError::Realm);
        }
        if document.keys.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys);
        }
        let mut keys = Vec::new();
        for jwk in &document.keys {
            keys.extend(jwk.public_key()?);
        }
        if keys.is_empty() {
            return Err(JwksError::NoKey);
        }
        Ok(Self {
            keys: VerifyKeys::new(keys)?,
            realm: document.realm,
            issuer: document.issuer,
            log_id: document.log_id.as_deref().map(log_id).transpose()?,
        })
    }
}

fn log_id(text: &str) -> Result<LogId, JwksError> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| JwksError::Realm)?;
    Ok(LogId(bytes))
}

#[derive(Serialize)]
struct DocumentOut<'a> {
    keys: Vec<JwkOut>,
    realm: &'a str,
    issuer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_id: Option<String>,
}

#[derive(Serialize)]
struct JwkOut {
    kty: &'static str,
    crv: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    x: String,
}

#[derive(Deserialize)]
struct DocumentIn {
    keys: Vec<JwkIn>,
    realm: String,
    issuer: String,
    log_id: Option<String>,
}

#[derive(Deserialize)]
struct JwkIn {
    kty: String,
    crv: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    x: Option<String>,
    /// The secret of any kind of key.
    d: Option<serde::de::IgnoredAny>,
}

impl JwkIn {
    /// `None`: not for our use.
    fn public_key(&self) -> Result<Option<PublicKey>, JwksError> {
        if self.d.is_some() {
            return Err(JwksError::PrivateKey);
        }
        let ours = self.kty == "OKP"
            && self.crv.as_deref() == Some("Ed25519")
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == "EdDSA");
        if !ours {
            return Ok(None);
        }
        let kid = self.kid.as_deref().ok_or(JwksError::Kid)?;
        let kid = KeyId::parse(kid).map_err(|_| JwksError::Kid)?;
        let x = self.x.as_deref().ok_or(JwksError::X)?;
        let bytes = URL_SAFE_NO_PAD.decode(x).map_err(|_| JwksError::X)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| JwksError::X)?;
        Ok(Some(PublicKey::new(kid, &bytes)?))
    }
}
