//! This file decides how the secret half of a key is read from a PKCS#8 file, drawn at random and
//! written.
//!
//! It knows nothing of tokens. The secret leaves only through [`SigningKey::to_pkcs8_pem`].

use std::fmt;

use ed25519_dalek::pkcs8::{
    DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding,
};
use jsonwebtoken::{Algorithm, Header};
use zeroize::{Zeroize, Zeroizing};

use super::{
    keys::{KeyError, PublicKey},
    sign::Registered,
};
use crate::id::KeyId;

/// Why there is no key. No error text holds any part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// The file is encrypted, holds another kind of key, is broken, or its public key doesn't match.
    #[error("not an unencrypted PKCS#8 file (PEM or DER) with an Ed25519 key")]
    NotPkcs8,
    /// The public half is a key that no verifier would trust.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The operating system gave no random bytes, so no key was drawn.
    #[error("no random bytes from the system")]
    Random,
    /// The PEM text could not be written; no key is known to cause it.
    #[error("the key can't be written as PKCS#8")]
    Encode,
}

/// An Ed25519 key that signs tokens. Its secret is wiped when it is dropped.
pub struct SigningKey {
    public: PublicKey,
    /// The header that jsonwebtoken writes in front of every token.
    header: Header,
    registered: Registered,
}

impl SigningKey {
    /// Reads a PKCS#8 file's bytes, PEM or DER. If the file has a public key (version 2), it must
    /// match.
    pub fn from_pkcs8(kid: KeyId, file: &[u8]) -> Result<Self, SigningKeyError> {
        let pem = file.trim_ascii_start().starts_with(b"-----BEGIN");
        let bytes = if pem {
            let text = std::str::from_utf8(file).map_err(|_| SigningKeyError::NotPkcs8)?;
            KeypairBytes::from_pkcs8_pem(text.trim_ascii_start())
        } else {
            KeypairBytes::from_pkcs8_der(file)
        };
        let mut bytes = bytes.map_err(|_| SigningKeyError::NotPkcs8)?;
        let key = ed25519_dalek::SigningKey::try_from(&bytes);
        // KeypairBytes wipes itself only under a feature of a foreign crate.
        bytes.secret_key.zeroize();
        Self::new(kid, key.map_err(|_| SigningKeyError::NotPkcs8)?)
    }

    /// Makes a key from the 32 bytes from which RFC 8032 derives both halves.
    pub fn from_seed(kid: KeyId, seed: &[u8; 32]) -> Result<Self, SigningKeyError> {
        Self::new(kid, ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Makes a key from the operating system's random bytes.
    pub fn generate(kid: KeyId) -> Result<Self, SigningKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| SigningKeyError::Random)?;
        Self::from_seed(kid, &seed)
    }

    fn new(kid: KeyId, key: ed25519_dalek::SigningKey) -> Result<Self, SigningKeyError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("uat+jwt".to_owned());
        header.kid = Some(kid.to_string());
        Ok(Self {
            public: PublicKey::new(kid, key.verifying_key().as_bytes())?,
            header,
            registered: Registered::new(key),
        })
    }

    /// Returns the key's name, which stands in the header of every token that it signs.
    pub fn kid(&self) -> &KeyId {
        self.public.kid()
    }

    /// Returns the public half, which verifiers must trust. It must be published before the key signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Writes version 1 of PKCS#8, without the public key: OpenSSL 3.0 doesn't read version 2.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SigningKeyError> {
        let mut bytes = KeypairBytes {
            secret_key: self.registered.key().to_bytes(),
            public_key: None,
        };
        let pem = bytes.to_pkcs8_pem(LineEnding::LF);
        bytes.secret_key.zeroize();
        pem.map_err(|_| SigningKeyError::Encode)
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn registered(&self) -> &Registered {
        &self.registered
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", self.kid())
            .finish_non_exhaustive()
    }
}
