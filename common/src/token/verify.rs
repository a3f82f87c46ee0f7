//! What makes a token genuine: the one place.
//!
//! The header is compared, never interpreted: a token begins with the exact text that one of our
//! keys writes, or it isn't ours. The payload is looked at only after its signature was found good.

use base64::Engine;
use ed25519_dalek::Signature;

use super::{
    BASE64URL, MAX_TOKEN,
    claims::Claims,
    keys::{Prefix, PublicKey, VerifyKeys},
};
use crate::{clock::UnixTime, id::KeyId};

/// What every token of this realm must say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    pub prefix: Prefix,
    pub issuer: String,
    /// The realm.
    pub audience: String,
}

/// Why a string is no genuine token. Says nothing of the string itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenError {
    #[error("not a token: wrong prefix, length or encoding")]
    Malformed,
    #[error("not signed by a known key")]
    KeyUnknown,
    #[error("the signature is wrong")]
    Signature,
    #[error("not this realm's claims")]
    Claims,
}

/// A token that is genuine. Only [`verify`] makes one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    claims: Claims,
    kid: KeyId,
}

impl Verified {
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The key that signed it.
    pub fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// RFC 7519, section 4.1.4: refused *on* or after the time. Judged at every use.
    pub fn expired(&self, now: UnixTime) -> bool {
        self.claims.exp.is_some_and(|exp| now >= exp)
    }
}

/// Genuine: ours by prefix, header, signature, issuer and realm. Not: unexpired, or unrevoked.
pub fn verify(
    token: &str,
    expected: &Expected,
    keys: &VerifyKeys,
) -> Result<Verified, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    let jwt = token
        .strip_prefix(expected.prefix.as_str())
        .ok_or(TokenError::Malformed)?;
    let (message, signature) = jwt.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    if payload.contains('.') {
        return Err(TokenError::Malformed);
    }
    let key = keys
        .by_header(header)
        .ok_or_else(|| unknown_header(header))?;
    check_signature(key, message, signature)?;
    let payload = BASE64URL
        .decode(payload)
        .map_err(|_| TokenError::Malformed)?;
    let claims = Claims::from_json(&payload).map_err(|_| TokenError::Claims)?;
    if *claims.iss != *expected.issuer || *claims.aud != *expected.audience {
        return Err(TokenError::Claims);
    }
    Ok(Verified {
        claims,
        kid: key.kid.clone(),
    })
}

/// 64 bytes in canonical base64url: 86 characters.
fn check_signature(key: &PublicKey, message: &str, signature: &str) -> Result<(), TokenError> {
    let mut bytes = [0; 64];
    match BASE64URL.decode_slice(signature, &mut bytes) {
        Ok(64) => {}
        _ => return Err(TokenError::Malformed),
    }
    key.key()
        .verify_strict(message.as_bytes(), &Signature::from_bytes(&bytes))
        .map_err(|_| TokenError::Signature)
}

/// Tells a header such as ours, of a key that isn't here, from everything else. Whatever it says,
/// the token is refused.
fn unknown_header(header: &str) -> TokenError {
    let ours = |json: &[u8]| {
        let text = std::str::from_utf8(json).ok()?;
        let kid = text
            .strip_prefix(r#"{"typ":"uat+jwt","alg":"EdDSA","kid":""#)?
            .strip_suffix(r#""}"#)?;
        KeyId::parse(kid).ok()
    };
    match BASE64URL.decode(header) {
        Ok(json) if ours(&json).is_some() => TokenError::KeyUnknown,
        _ => TokenError::Malformed,
    }
}
