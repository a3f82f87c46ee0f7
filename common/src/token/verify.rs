//! This file alone decides what makes a token genuine, which algorithm it must use, and when it is
//! expired.
//!
//! It must not know the state (revocations, the owner's rights), where the keys came from, or the time.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::Signature;

use super::{
    Claims, MAX_TOKEN, Prefix, VerifyKeys,
    keys::{PublicKey, header_kid},
    wire,
};
use crate::{clock::UnixTime, id::KeyId};

/// The length of 64 bytes as base64url without padding.
const SIGNATURE_CHARACTERS: usize = 86;

/// What a realm's tokens must contain. The values are compared exactly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// The prefix of every token of the realm.
    pub prefix: Prefix,
    /// The issuer's URL: the claim `iss`.
    pub issuer: Box<str>,
    /// The realm's name: the claim `aud`.
    pub audience: Box<str>,
}

/// Why a string is no genuine token. No error text holds any part of the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its prefix, segments, length or header are not in our tokens' form; no key was tried.
    #[error("not a token of this realm's form")]
    Malformed,
    /// The token has our form, but its key is not known here. The key may be newer than the known ones.
    #[error("signed with a key that is not known here")]
    KeyUnknown,
    /// The key that the header names didn't make it, or it was changed since (RFC 8032, section 5.1.7).
    #[error("the signature is not valid")]
    Signature,
    /// A trusted key signed the token, but it is for another realm or breaks the form of claims.
    #[error("the claims are not those of this realm's tokens")]
    Claims,
}

/// The claims of a token that was found genuine. Only [`verify`] makes this type.
///
/// It doesn't cover expiry, revocation or withdrawn keys: these are judged at every use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    claims: Claims,
    kid: Arc<KeyId>,
}

impl Verified {
    /// Returns the token's claims, which the realm's issuer has signed.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns the name of the key that signed the token.
    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// Returns the shared `kid`, for a caller that keeps it beside many tokens.
    pub fn shared_kid(&self) -> &Arc<KeyId> {
        &self.kid
    }

    /// Whether `now` is at or after `exp` (RFC 7519, section 4.1.4). There is no leeway.
    pub fn expired(&self, now: UnixTime) -> bool {
        self.claims.exp.is_some_and(|exp| now >= exp)
    }
}

/// Decides whether this string is a genuine token of the realm.
///
/// ```
/// use tokenward_common::token::{Expected, Prefix, TokenError, VerifyKeys, verify};
///
/// let expected = Expected {
///     prefix: Prefix::parse("tw_")?,
///     issuer: "https://hub.example".into(),
///     audience: "main".into(),
/// };
/// // The header `{"typ":"uat+jwt","alg":"EdDSA","kid":"k"}`. No key of its name is trusted.
/// let header = "eyJ0eXAiOiJ1YXQrand0IiwiYWxnIjoiRWREU0EiLCJraWQiOiJrIn0";
/// let token = format!("tw_{header}.e30.AAAA");
/// let none = VerifyKeys::default();
/// assert_eq!(verify(&token, &expected, &none), Err(TokenError::KeyUnknown));
/// assert_eq!(verify("hf_abc", &expected, &none), Err(TokenError::Malformed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(token: &str, expected: &Expected, keys: &VerifyKeys) -> Result<Verified, TokenError> {
    let Parts {
        signed,
        header,
        payload,
        signature,
    } = Parts::split(token, &expected.prefix).ok_or(TokenError::Malformed)?;
    let key = key_of(header, keys)?;
    let signature = parse_signature(signature).ok_or(TokenError::Malformed)?;
    key.dalek()
        .verify_strict(signed.as_bytes(), &signature)
        .map_err(|_| TokenError::Signature)?;
    let claims = URL_SAFE_NO_PAD
        .decode(payload)
        .ok()
        .and_then(|json| wire::parse(&json))
        .filter(|claims| claims.iss == expected.issuer && claims.aud == expected.audience)
        .ok_or(TokenError::Claims)?;
    Ok(Verified {
        claims,
        kid: Arc::clone(key.shared_kid()),
    })
}

/// A token's three segments. None of them is decoded yet.
pub(super) struct Parts<'t> {
    /// Header and payload with the dot between them.
    signed: &'t str,
    pub(super) header: &'t str,
    pub(super) payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    pub(super) fn split(token: &'t str, prefix: &Prefix) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let jwt = token.strip_prefix(prefix.as_str())?;
        let (signed, signature) = jwt.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if payload.contains('.') {
            return None;
        }
        Some(Self {
            signed,
            header,
            payload,
            signature,
        })
    }
}

/// Finds the key whose header has exactly these bytes. The header chooses the key and nothing else.
fn key_of<'k>(header: &str, keys: &'k VerifyKeys) -> Result<&'k PublicKey, TokenError> {
    keys.by_header(header).ok_or_else(|| {
        if header_kid(header).is_some() {
            TokenError::KeyUnknown
        } else {
            TokenError::Malformed
        }
    })
}

fn parse_signature(text: &str) -> Option<Signature> {
    if text.len() != SIGNATURE_CHARACTERS {
        return None;
    }
    // decode_slice needs room for whole groups of four characters.
    let mut bytes = [0; SIGNATURE_CHARACTERS.div_ceil(4) * 3];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    Signature::from_slice(bytes.get(..length)?).ok()
}
