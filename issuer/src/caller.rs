//! Who may call an issuer, and for what: the one place.
//!
//! Callers are operator credentials (`common::process::credentials`). A user access token is never
//! accepted: a token can't mint tokens.

use tokenward_common::process::credentials::CallerError;
pub use tokenward_common::process::credentials::{
    CREDENTIAL_PREFIX, Caller, CredentialEntry, Credentials, CredentialsFile, LiveCredentials,
    Role, Whose, new_credential,
};

use crate::error::Problem;

// Getting, listing, rotating and revoking tokens, and the wait for it, are also for credentials of
// the role `own`, each for one owner's tokens: `Door::caller_or_own` says where.

/// See and change tokens.
pub const MINT: &[Role] = &[Role::Mint];
/// See tokens.
pub const SEE_TOKENS: &[Role] = &[Role::Mint, Role::Revoke];
/// Take tokens and keys out of use, and wait for it.
pub const REVOKE: &[Role] = &[Role::Revoke];
/// Wait until verifiers know a revision: whoever was given one.
pub const WAIT: &[Role] = &[Role::Revoke, Role::Mint, Role::Directory];
/// Write the directory, and take all of it out.
pub const DIRECTORY: &[Role] = &[Role::Directory];
/// See single things of the directory.
pub const SEE_DIRECTORY: &[Role] = &[Role::Directory, Role::Mint, Role::Revoke];
/// Decide on tokens for orgs, and see those that reach one.
pub const ORGS: &[Role] = &[Role::Orgs];
/// See the signing keys' names and states.
pub const SEE_KEYS: &[Role] = &[Role::Revoke, Role::Mint];
/// Follow the log.
pub const FEED: &[Role] = &[Role::Feed];
/// Read the audit trail.
pub const AUDIT: &[Role] = &[Role::Audit];

impl From<CallerError> for Problem {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::Unauthenticated => Self::Unauthenticated,
            CallerError::Unknown => Self::UnknownCredential,
            CallerError::Twice => Self::TwoCredentials,
            CallerError::TokenAsCaller => Self::TokenAsCaller,
            CallerError::Forbidden { caller, role } => Self::Forbidden { caller, role },
        }
    }
}
