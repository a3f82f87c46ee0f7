//! What makes a token genuine.
//!
//! Decides: the token's string and claims, which keys sign and verify it, when it has expired. Must
//! not know the state (a genuine token may be revoked), the network, or the clock: time is an
//! argument. All cryptography of tokens is in this folder.
//!
//! A token is `<prefix><JWT>`: RFC 7519 in the compact form of RFC 7515, signed by Ed25519
//! (RFC 8037). Its header is one of few exact texts; nothing is negotiated.

mod claims;
mod keys;
mod memo;
mod redact;
#[cfg(feature = "mint")]
mod sign;
#[cfg(test)]
mod tests;
mod verify;

pub use claims::{Claims, ClaimsError, EntityKind, MAX_SCOPES, Role, Scope, Scopes};
pub use keys::{Jwks, KeyError, Prefix, PrefixError, PublicKey, VerifyKeys};
pub use memo::{MemoHasher, MemoKey};
pub use redact::{SCANNER_REGEX, redact};
#[cfg(feature = "mint")]
pub use sign::{Minter, SignError, SigningKey};
pub use verify::{Expected, TokenError, Verified, verify};

/// Longest token, prefix included, in bytes.
pub const MAX_TOKEN: usize = 4096;

/// base64url without padding, RFC 4648 section 5; on reading, only the canonical form.
pub(crate) const BASE64URL: base64::engine::GeneralPurpose =
    base64::engine::general_purpose::URL_SAFE_NO_PAD;
