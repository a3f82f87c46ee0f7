//! This file reads the claims of an unverified token, for display. They prove nothing: only `verify`
//! proves a token.
//!
//! Its type can't be made a [`super::Verified`], so no code can base a decision on it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Claims, Prefix, keys::header_kid, verify::Parts, wire};
use crate::id::KeyId;

/// The claims of an unverified string, which anyone may have written. They are for display only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unverified {
    /// The claims, in their strict form but not proved by any signature.
    pub claims: Claims,
    /// The name of the key that the header claims as its signer.
    pub kid: KeyId,
}

/// Returns the name of the key that the header claims as its signer, and reads nothing else. `None`
/// unless the header has its one strict form.
pub fn peek_key(token: &str, prefix: &Prefix) -> Option<KeyId> {
    header_kid(Parts::split(token, prefix)?.header)
}

/// Reads header and claims; `None` unless both have their strict form. It doesn't check the signature.
pub fn peek(token: &str, prefix: &Prefix) -> Option<Unverified> {
    let parts = Parts::split(token, prefix)?;
    Some(Unverified {
        kid: header_kid(parts.header)?,
        claims: wire::parse(&URL_SAFE_NO_PAD.decode(parts.payload).ok()?)?,
    })
}
