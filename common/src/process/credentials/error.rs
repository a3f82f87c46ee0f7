//! This file decides why a caller is refused, and with which reason.

use crate::status::ErrorReason;

/// Why a caller is refused. It holds nothing of what the caller showed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallerError {
    #[error(
        "an operator credential is needed: authorization: Bearer <credential>, or a client certificate"
    )]
    Unauthenticated,
    #[error("the credential shown is none that is known here")]
    Unknown,
    /// The header is there more than once, and it is unclear which one another reader would take.
    #[error("authorization: must be there once, and is there more than once")]
    Twice,
    #[error(
        "a user access token is no operator credential: a token can't mint, list or revoke tokens"
    )]
    TokenAsCaller,
    #[error("the client certificate's names are those of no caller that is known here")]
    UnknownCertificate,
    #[error("the client certificate's names are those of several callers: give each its own")]
    AmbiguousCertificate,
    #[error("the client certificate has ended")]
    EndedCertificate,
    #[error("credential {caller} lacks the role {role}")]
    Forbidden { caller: String, role: &'static str },
}

impl CallerError {
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Unauthenticated => ErrorReason::CredentialMissing,
            Self::Unknown => ErrorReason::CredentialUnknown,
            Self::UnknownCertificate | Self::AmbiguousCertificate | Self::EndedCertificate => {
                ErrorReason::CertificateUnknown
            }
            Self::Twice => ErrorReason::CredentialTwice,
            Self::TokenAsCaller => ErrorReason::TokenAsCredential,
            Self::Forbidden { .. } => ErrorReason::RoleMissing,
        }
    }
}
