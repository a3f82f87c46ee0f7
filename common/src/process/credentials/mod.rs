//! This module decides who calls with an operator credential, and in which roles. What a role may do is
//! declared where the role is required.
//!
//! A credential is a name, one or two digests (two while it is being changed), names of client
//! certificates, and roles. A user access token is never accepted: a token can't mint tokens.

mod caller;
mod entry;
mod error;
mod known;
mod live;
mod own;
mod role;

pub use caller::Caller;
pub use entry::{CredentialEntry, CredentialsFile};
pub use error::CallerError;
pub use known::{CREDENTIAL_PREFIX, Credentials, Shown, new_credential};
pub use live::{LiveCredentials, read};
pub use own::Whose;
pub use role::Role;
