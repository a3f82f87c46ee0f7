//! Signing. Only issuers have this; the crate's feature `mint` brings it.
//!
//! jsonwebtoken writes the compact form; its cryptography is ed25519-dalek, the same that verifies.

use std::{
    fmt,
    sync::{Arc, OnceLock, RwLock},
};

use ed25519_dalek::{
    Signature, Signer as _, VerifyingKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error as JwtError, ErrorKind},
    signature,
};
use zeroize::Zeroizing;

use super::{
    MAX_TOKEN,
    claims::{Claims, ClaimsError},
    keys::{KeyError, Prefix, PublicKey},
};
use crate::id::KeyId;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("not a PKCS#8 Ed25519 private key")]
    NotAKey,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    #[error("the token would be longer than {MAX_TOKEN} characters")]
    TooLong,
    #[error("the machine gives no randomness")]
    Random,
    #[error("signing failed")]
    Failed,
}

/// A private key and its name.
#[derive(Clone)]
pub struct SigningKey {
    kid: KeyId,
    key: Arc<ed25519_dalek::SigningKey>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret)", self.kid)
    }
}

impl SigningKey {
    /// PKCS#8, RFC 8410: PEM or DER.
    pub fn from_pkcs8(kid: KeyId, bytes: &[u8]) -> Result<Self, SignError> {
        let key = match std::str::from_utf8(bytes) {
            Ok(pem) => ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim()),
            Err(_) => ed25519_dalek::SigningKey::from_pkcs8_der(bytes),
        };
        let key = Arc::new(key.map_err(|_| SignError::NotAKey)?);
        Ok(Self { kid, key })
    }

    /// A new one, by the machine's randomness.
    pub fn generate(kid: KeyId) -> Result<Self, SignError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_| SignError::Random)?;
        Ok(Self::from_seed(kid, &seed))
    }

    pub(super) fn from_seed(kid: KeyId, seed: &[u8; 32]) -> Self {
        let key = Arc::new(ed25519_dalek::SigningKey::from_bytes(seed));
        Self { kid, key }
    }

    /// The file's text.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, SignError> {
        self.key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| SignError::Failed)
    }

    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    pub fn public(&self) -> Result<PublicKey, SignError> {
        Ok(PublicKey::new(
            self.kid.clone(),
            self.key.verifying_key().as_bytes(),
        )?)
    }
}

/// Makes tokens by one key.
pub struct Minter {
    kid: KeyId,
    prefix: Prefix,
    header: Header,
    handle: EncodingKey,
}

impl Minter {
    pub fn new(key: &SigningKey, prefix: Prefix) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("uat+jwt".into());
        header.kid = Some(key.kid.to_string());
        Self {
            kid: key.kid.clone(),
            prefix,
            header,
            handle: register(Arc::clone(&key.key)),
        }
    }

    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The token's string.
    pub fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        claims.check()?;
        let jwt = jsonwebtoken::encode(&self.header, &claims.to_json(), &self.handle)
            .map_err(|_| SignError::Failed)?;
        let token = format!("{}{jwt}", self.prefix.as_str());
        if token.len() > MAX_TOKEN {
            return Err(SignError::TooLong);
        }
        Ok(token)
    }
}

/// jsonwebtoken hands its provider the key's bytes at every signature, and a private key takes as
/// long to make of them as to sign. So the bytes are a place in this list; nothing leaves it.
static KEYS: RwLock<Vec<Arc<ed25519_dalek::SigningKey>>> = RwLock::new(Vec::new());
static INSTALLED: OnceLock<()> = OnceLock::new();
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn register(key: Arc<ed25519_dalek::SigningKey>) -> EncodingKey {
    // Another provider in this process would be of its own making: it fails on our handles.
    INSTALLED.get_or_init(|| drop(PROVIDER.install_default()));
    let mut keys = KEYS.write().unwrap_or_else(|e| e.into_inner());
    let place = keys
        .iter()
        .position(|known| known.verifying_key() == key.verifying_key())
        .unwrap_or_else(|| {
            keys.push(key);
            keys.len() - 1
        });
    EncodingKey::from_ed_der(&(place as u64).to_be_bytes())
}

struct Ed25519Signer(Arc<ed25519_dalek::SigningKey>);

fn signer(algorithm: &Algorithm, handle: &EncodingKey) -> Result<Box<dyn JwtSigner>, JwtError> {
    let keys = KEYS.read().unwrap_or_else(|e| e.into_inner());
    let place: Option<[u8; 8]> = handle.as_bytes().try_into().ok();
    place
        .filter(|_| *algorithm == Algorithm::EdDSA && handle.family() == AlgorithmFamily::Ed)
        .and_then(|place| usize::try_from(u64::from_be_bytes(place)).ok())
        .and_then(|place| keys.get(place))
        .map(|key| Box::new(Ed25519Signer(Arc::clone(key))) as Box<dyn JwtSigner>)
        .ok_or_else(|| ErrorKind::InvalidEddsaKey.into())
}

impl signature::Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, JwtError> {
    let bytes: Option<[u8; 32]> = key.try_get_as_bytes()?.try_into().ok();
    bytes
        .filter(|_| *algorithm == Algorithm::EdDSA)
        .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
        .map(|key| Box::new(Ed25519Verifier(key)) as Box<dyn JwtVerifier>)
        .ok_or_else(|| ErrorKind::InvalidEddsaKey.into())
}

impl signature::Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        Signature::from_slice(signature)
            .and_then(|signature| self.0.verify_strict(message, &signature))
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
