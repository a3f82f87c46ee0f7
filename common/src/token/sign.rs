//! This file decides how a token is made from claims and a key.
//!
//! jsonwebtoken encodes the token. ed25519-dalek signs it, as this process's provider of jsonwebtoken.
//! The provider's factory gets the key as bytes for every token, and deriving a key from a seed each
//! time would double the cost of a signature. So the bytes are a number, and a table holds the ready
//! keys by number.
//!
//! It must not know the caller, the serial counter, the store or the clock.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ed25519_dalek::Signer as _;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature::{Error as SignatureError, Signer, Verifier},
};

use super::{Claims, ClaimsError, MAX_TOKEN, Prefix, SigningKey};

/// Why no token was made. No error text holds any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims break a rule, so every verifier would refuse the token.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// The string would be longer than [`MAX_TOKEN`], so every verifier would refuse it.
    #[error("the token would be longer than {MAX_TOKEN} bytes: fewer or shorter scopes")]
    TooLong,
    /// Another part of this process has installed a provider of jsonwebtoken first.
    #[error("another signature provider is installed in this process")]
    Provider,
    /// The JSON could not be written, or the signature could not be made; no input is known to cause
    /// it.
    #[error("the token can't be encoded")]
    Encode(#[source] Error),
}

/// Makes a token, which is a secret. It refuses claims that a verifier would refuse.
pub fn sign(claims: &Claims, prefix: &Prefix, key: &SigningKey) -> Result<String, SignError> {
    claims.check()?;
    install_provider()?;
    let mut token = jsonwebtoken::encode(key.header(), claims, key.registered().handle())
        .map_err(SignError::Encode)?;
    token.insert_str(0, prefix.as_str());
    if token.len() > MAX_TOKEN {
        return Err(SignError::TooLong);
    }
    Ok(token)
}

/// Installs ed25519-dalek as jsonwebtoken's provider, once; [`sign`] calls it too. Without a provider
/// jsonwebtoken panics at each use, so a program that uses it otherwise must call this first.
pub fn install_provider() -> Result<(), SignError> {
    static OURS: OnceLock<bool> = OnceLock::new();
    if *OURS.get_or_init(|| PROVIDER.install_default().is_ok()) {
        Ok(())
    } else {
        Err(SignError::Provider)
    }
}

static KEYS: RwLock<BTreeMap<u64, Arc<ed25519_dalek::SigningKey>>> = RwLock::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A key in the table. Dropping this removes the key; its number is never used again.
pub(super) struct Registered {
    number: u64,
    key: Arc<ed25519_dalek::SigningKey>,
    handle: EncodingKey,
}

impl Registered {
    pub(super) fn new(key: ed25519_dalek::SigningKey) -> Self {
        let key = Arc::new(key);
        let number = NEXT.fetch_add(1, Relaxed);
        KEYS.write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, Arc::clone(&key));
        Self {
            number,
            key,
            handle: EncodingKey::from_ed_der(&number.to_be_bytes()),
        }
    }

    pub(super) fn key(&self) -> &ed25519_dalek::SigningKey {
        &self.key
    }

    fn handle(&self) -> &EncodingKey {
        &self.handle
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        KEYS.write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.number);
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // jsonwebtoken's default functions panic.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| refused(),
        rsa_pub_components_from_public_key: |_| refused(),
        ec_pub_components_from_private_key: |_, _| refused(),
        ed_pub_components_from_private_key: |_, _| refused(),
        compute_digest: |_, _| refused(),
    },
};

fn refused<T>() -> Result<T, Error> {
    Err(ErrorKind::InvalidAlgorithm.into())
}

fn signer(algorithm: &Algorithm, handle: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    if *algorithm != Algorithm::EdDSA {
        return refused();
    }
    let number = handle
        .as_bytes()
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| ErrorKind::InvalidEddsaKey)?;
    let keys = KEYS.read().unwrap_or_else(PoisonError::into_inner);
    let key = keys.get(&number).ok_or(ErrorKind::InvalidEddsaKey)?;
    Ok(Box::new(DalekSigner(Arc::clone(key))))
}

struct DalekSigner(Arc<ed25519_dalek::SigningKey>);

impl Signer<Vec<u8>> for DalekSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.0.sign(message).to_vec())
    }
}

impl JwtSigner for DalekSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

/// The verifier for tests that compare jsonwebtoken's decoder with our verifier, which doesn't use it.
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    if *algorithm != Algorithm::EdDSA {
        return refused();
    }
    let bytes = <[u8; 32]>::try_from(key.try_get_as_bytes()?);
    let bytes = bytes.map_err(|_| ErrorKind::InvalidEddsaKey)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
    Ok(Box::new(DalekVerifier(
        key.map_err(|_| ErrorKind::InvalidEddsaKey)?,
    )))
}

struct DalekVerifier(ed25519_dalek::VerifyingKey);

impl Verifier<Vec<u8>> for DalekVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let signature =
            ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureError::new())?;
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for DalekVerifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
