//! Who calls an issuer. [`method`](crate::method) lists what each caller may call.
//!
//! Callers are operator credentials (`common::process::credentials`). A user access token is never accepted:
//! a token can't mint tokens.

use tokenward_common::process::credentials::CallerError;
pub use tokenward_common::process::credentials::{
    CREDENTIAL_PREFIX, Caller, CredentialEntry, Credentials, CredentialsFile, LiveCredentials,
    Role, Whose, new_credential,
};

use crate::error::Problem;

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
