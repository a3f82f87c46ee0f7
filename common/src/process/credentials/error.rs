//! Why a caller is refused.

use crate::status::ErrorReason;

/// Holds nothing of what the caller showed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    #[error("an operator credential is needed: authorization: Bearer <credential>")]
    Unauthenticated,
    #[error("the credential shown is none that is known here")]
    Unknown,
    /// Which of them another reader would take is anybody's guess.
    #[error("authorization: must be there once, and is there more than once")]
    Twice,
    #[error(
        "a user access token is no operator credential: a token can't mint, list or revoke tokens"
    )]
    TokenAsCaller,
    #[error("credential {caller} lacks the role {role}")]
    Forbidden { caller: String, role: &'static str },
}

impl CallerError {
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Unauthenticated => ErrorReason::CredentialMissing,
            Self::Unknown => ErrorReason::CredentialUnknown,
            Self::Twice => ErrorReason::CredentialTwice,
            Self::TokenAsCaller => ErrorReason::TokenAsCredential,
            Self::Forbidden { .. } => ErrorReason::RoleMissing,
        }
    }
}
