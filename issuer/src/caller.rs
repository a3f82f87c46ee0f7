//! Who calls an issuer. [`method`](crate::method) lists what each caller may call.
//!
//! Callers are operator credentials (`common::process::credentials`). A user access token is never accepted:
//! a token can't mint tokens.

pub use tokenward_common::process::credentials::{
    CREDENTIAL_PREFIX, Caller, CallerError, CredentialEntry, Credentials, CredentialsFile,
    LiveCredentials, Role, Whose, new_credential,
};
