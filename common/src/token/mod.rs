//! This module decides what makes a token genuine, and makes tokens.
//!
//! A token is `<prefix><JWT>`. The JWT has the header `{"typ":"uat+jwt","alg":"EdDSA","kid":"…"}`, byte
//! for byte, claims in one strict form, and an Ed25519 signature. A token can't choose its algorithm or
//! its rules: the realm's keys decide them.
//!
//! | module | decides |
//! |---|---|
//! | `claims` | what a token's claims are, and the rules that hold for them |
//! | `wire` | the JSON of the claims |
//! | `prefix` | what a prefix is |
//! | `keys`, `jwks` | which public keys are trusted, and how they are published |
//! | `ring` | which signing keys a realm has, and which one signs |
//! | `verify` | what makes a token genuine; algorithm; expiry |
//! | `signing_key`, `sign` (feature `mint`) | how a token is made |
//! | `memo` | under which key it is remembered that a token is genuine |
//! | `peek` | what the claims of an unverified token are, for display |
//! | `redact` | how tokens are kept out of texts such as logs and errors |
//! | `found` | which parts of a text may be tokens |
//!
//! It must not know the state, the network or the clock: `now` is an argument.

mod claims;
mod found;
mod jwks;
mod keys;
mod memo;
mod peek;
mod prefix;
mod redact;
mod ring;
mod verify;
mod wire;

#[cfg(feature = "mint")]
mod sign;
#[cfg(feature = "mint")]
mod signing_key;

#[cfg(feature = "mint")]
#[cfg(test)]
mod tests;

pub use claims::{
    Claims, ClaimsError, EntityKind, MAX_NAME_CHARS, MAX_PATTERN_CHARS, MAX_PERMISSION, MAX_SCOPES,
    Role, Scope, Scopes,
};
pub use found::{any_tokens_in, tokens_in};
pub use jwks::{EntryError, JwksError, KeyDocument, MAX_DOCUMENT, MAX_KEYS, Unusable};
pub use keys::{KeyError, PublicKey, VerifyKeys};
pub use memo::{MemoHasher, MemoKey};
pub use peek::{Unverified, peek, peek_key};
pub use prefix::{Prefix, PrefixError};
pub use redact::{SCANNER_REGEX, redact, redact_secrets, scanner_regex};
pub use ring::{KeyRing, RingKey, RingState};
pub use verify::{Expected, TokenError, Verified, verify};

#[cfg(feature = "mint")]
pub use sign::{SignError, install_provider, sign};
#[cfg(feature = "mint")]
pub use signing_key::{SigningKey, SigningKeyError};

/// The longest token, prefix included, in bytes.
pub const MAX_TOKEN: usize = 4096;
