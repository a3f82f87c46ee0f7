//! This file decides how a realm publishes its public keys: as a JWK set (RFC 7517, RFC 8037) with the
//! realm's name, issuer and log id beside it. It decides what a document must hold to be used.
//!
//! It knows nothing of fetching. The reader of a document compares its realm, issuer and log with the
//! expected ones. A standard set, which has none of them, is read too: its reader must know them from
//! elsewhere.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize};

use super::keys::{KeyError, PublicKey, VerifyKeys};
use crate::id::{KeyId, LogId};

/// The longest document that is read, in bytes: it has room for [`MAX_KEYS`] keys and their other
/// members.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// The most keys that a document may have.
pub const MAX_KEYS: usize = 256;

/// A realm's public keys as they are published, with the names of the realm, its issuer and its log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyDocument {
    /// The keys that may have signed a token of the realm. A parsed document has at least one.
    pub keys: VerifyKeys,
    /// The entries for token signatures that were skipped because they can't be used. They are never
    /// written.
    pub unusable: Vec<Unusable>,
    /// The realm's name. A standard set has no realm, issuer or log id.
    pub realm: Option<String>,
    /// The issuer's URL, as in the claim `iss`.
    pub issuer: Option<String>,
    /// The id of the realm's log. It is also absent before the realm has a log.
    pub log_id: Option<LogId>,
}

/// An entry that is meant for token signatures but can't be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unusable {
    /// The key's name, if it can be read.
    pub kid: Option<KeyId>,
    /// The first rule that the entry breaks.
    pub why: EntryError,
}

/// Why a document is of no use. A reader that refuses a document keeps the keys that it has.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The document has more than [`MAX_DOCUMENT`] bytes; nothing of it was read.
    #[error("longer than {MAX_DOCUMENT} bytes")]
    TooLong,
    /// The document isn't JSON, or isn't an object with a list of keys (RFC 7517, section 5).
    #[error("not a key document")]
    Json(#[source] serde_json::Error),
    /// The realm, the issuer or the log id is empty or not in its form.
    #[error("realm, issuer and log_id must be a name, a URL and 32 hexadecimal digits")]
    Realm,
    /// The document has more than [`MAX_KEYS`] entries; entries for other uses count too.
    #[error("more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// No entry is an Ed25519 key for signatures (RFC 8037, section 2).
    #[error("no Ed25519 signing key")]
    NoKey,
    /// Ed25519 signing keys are there, but none can be used. The source is the first one's error.
    #[error("no usable Ed25519 signing key")]
    NoneUsable(#[source] EntryError),
    /// The document holds a private key. This is a leak, not an unknown entry: every reader of the set
    /// can sign.
    #[error("a private key is published")]
    PrivateKey,
}

/// Why one entry is of no use. The other entries still count (RFC 7517, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A member that a key needs is missing or of another type.
    #[error("not in the form of a key")]
    Form,
    /// The `kid` is missing, or is not a valid key name.
    #[error("kid must be 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    Kid,
    /// The public key's bytes can't be read (RFC 8037, section 2).
    #[error("x must be 32 bytes as base64url without padding")]
    X,
    /// The bytes are not a key that may be trusted, or two different keys have this `kid`.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl KeyDocument {
    /// Writes the document as an issuer publishes it: a JWK set (RFC 7517, section 5) with three more
    /// members.
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
            realm: self.realm.as_deref(),
            issuer: self.issuer.as_deref(),
            log_id: self.log_id.map(|id| id.to_string()),
        })
    }

    /// Reads a document. It skips keys for other uses and unknown members. It also skips and reports
    /// each signing key that can't be used, and refuses a document without a usable one.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        if json.len() > MAX_DOCUMENT {
            return Err(JwksError::TooLong);
        }
        let document: DocumentIn = serde_json::from_slice(json).map_err(JwksError::Json)?;
        if [&document.realm, &document.issuer].contains(&&Some(String::new())) {
            return Err(JwksError::Realm);
        }
        if document.keys.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys);
        }
        let (mut keys, mut unusable) = (Vec::<PublicKey>::new(), Vec::new());
        for entry in document.keys {
            match entry.public_key()? {
                Entry::Key(key) => keys.push(key),
                Entry::Unusable(entry) => unusable.push(entry),
                Entry::NotOurs => {}
            }
        }
        let keys = one_per_kid(keys, &mut unusable);
        if keys.is_empty() {
            let why = unusable.first().map(|entry| entry.why);
            return Err(why.map_or(JwksError::NoKey, JwksError::NoneUsable));
        }
        let keys = VerifyKeys::new(keys);
        Ok(Self {
            keys: keys.map_err(|error| JwksError::NoneUsable(error.into()))?,
            unusable,
            realm: document.realm,
            issuer: document.issuer,
            log_id: document.log_id.as_deref().map(log_id).transpose()?,
        })
    }
}

/// Keeps none of two different keys with one `kid`: it is unclear which is meant. Equal keys count
/// once.
fn one_per_kid(keys: Vec<PublicKey>, unusable: &mut Vec<Unusable>) -> Vec<PublicKey> {
    let mut one: Vec<PublicKey> = Vec::new();
    for key in keys {
        match one.iter().find(|it| it.kid() == key.kid()) {
            None => one.push(key),
            Some(same) if *same == key => {}
            Some(_) => unusable.push(Unusable {
                kid: Some(key.kid().clone()),
                why: TWICE,
            }),
        }
    }
    let twice = |key: &PublicKey| {
        let mut unusable = unusable.iter();
        unusable.any(|it| it.kid.as_ref() == Some(key.kid()) && it.why == TWICE)
    };
    one.retain(|key| !twice(key));
    one
}

const TWICE: EntryError = EntryError::Key(KeyError::DuplicateKid);

fn log_id(text: &str) -> Result<LogId, JwksError> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| JwksError::Realm)?;
    Ok(LogId(bytes))
}

#[derive(Serialize)]
struct DocumentOut<'a> {
    keys: Vec<JwkOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
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
    keys: Vec<EntryIn>,
    #[serde(default, deserialize_with = "present")]
    realm: Option<String>,
    #[serde(default, deserialize_with = "present")]
    issuer: Option<String>,
    log_id: Option<String>,
}

/// Refuses `null`: a member that is present must have a value.
fn present<'de, D: Deserializer<'de>>(member: D) -> Result<Option<String>, D::Error> {
    String::deserialize(member).map(Some)
}

/// One entry of the key list. An object whose members have unexpected types is still an entry.
#[derive(Deserialize)]
#[serde(untagged)]
enum EntryIn {
    Jwk(JwkIn),
    Other(OtherIn),
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
    /// The private part of a key of any type. Its presence alone refuses the document.
    d: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct OtherIn {
    kty: Option<serde_json::Value>,
    kid: Option<serde_json::Value>,
    d: Option<serde::de::IgnoredAny>,
}

enum Entry {
    Key(PublicKey),
    Unusable(Unusable),
    NotOurs,
}

impl EntryIn {
    fn public_key(&self) -> Result<Entry, JwksError> {
        let (kid, found) = match self {
            Self::Jwk(jwk) if jwk.d.is_some() => return Err(JwksError::PrivateKey),
            Self::Jwk(jwk) if !jwk.is_ours() => return Ok(Entry::NotOurs),
            Self::Jwk(jwk) => (jwk.kid.as_deref(), jwk.key()),
            Self::Other(other) if other.d.is_some() => return Err(JwksError::PrivateKey),
            Self::Other(other) => {
                let kty = other.kty.as_ref().and_then(|kty| kty.as_str());
                if kty.is_some_and(|kty| kty != "OKP") {
                    return Ok(Entry::NotOurs);
                }
                let kid = other.kid.as_ref().and_then(|kid| kid.as_str());
                (kid, Err(EntryError::Form))
            }
        };
        Ok(found.map_or_else(
            |why| {
                let kid = kid.and_then(|kid| KeyId::parse(kid).ok());
                Entry::Unusable(Unusable { kid, why })
            },
            Entry::Key,
        ))
    }
}

impl JwkIn {
    fn is_ours(&self) -> bool {
        self.kty == "OKP"
            && self.crv.as_deref() == Some("Ed25519")
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == "EdDSA")
    }

    fn key(&self) -> Result<PublicKey, EntryError> {
        let kid = self.kid.as_deref().ok_or(EntryError::Kid)?;
        let kid = KeyId::parse(kid).map_err(|_| EntryError::Kid)?;
        let x = self.x.as_deref().ok_or(EntryError::X)?;
        let bytes = URL_SAFE_NO_PAD.decode(x).map_err(|_| EntryError::X)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| EntryError::X)?;
        Ok(PublicKey::new(kid, &bytes)?)
    }
}
