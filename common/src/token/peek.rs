//! What a token says of itself, for people to look at. Proves nothing: `verify` alone does.
//!
//! The type is no [`super::Verified`] and can't be made one, so that nothing can be decided by it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{Claims, Prefix, keys::header_kid, verify::Parts, wire};
use crate::id::KeyId;

/// The claims of a string that anybody may have written. For display only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unverified {
    /// In the strict form of claims, and not proved by any signature.
    pub claims: Claims,
    /// The key that it says has signed it.
    pub kid: KeyId,
}

/// The key that a string says has signed it, whatever else it says. `None` unless the header has the
/// one strict form.
pub fn peek_key(token: &str, prefix: &Prefix) -> Option<KeyId> {
    header_kid(Parts::split(token, prefix)?.header)
}

/// `None` unless header and claims have the one strict form. The signature isn't looked at.
pub fn peek(token: &str, prefix: &Prefix) -> Option<Unverified> {
    let parts = Parts::split(token, prefix)?;
    Some(Unverified {
        kid: header_kid(parts.header)?,
        claims: wire::parse(&URL_SAFE_NO_PAD.decode(parts.payload).ok()?)?,
    })
}
