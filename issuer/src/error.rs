//! What can go wrong in an issuer, and the status that the caller sees: one table.
//!
//! Texts are for callers: they name the field and the rule, never a secret, never what a server
//! behind said.

use tokenward_common::store::{CommitError, FeedError, Reason};
use tonic::{Code, Status};
use tracing::error;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The request can never be taken as it is.
    #[error("{field}: {rule}")]
    Invalid { field: String, rule: String },
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Exists(String),
    #[error("{0}")]
    Precondition(String),
    #[error("an operator credential is needed: authorization: Bearer <credential>")]
    Unauthenticated,
    #[error("the credential shown is none that is known here")]
    UnknownCredential,
    #[error("authorization: must be there once, and is there more than once")]
    TwoCredentials,
    #[error(
        "a user access token is no operator credential: a token can't mint, list or revoke tokens"
    )]
    TokenAsCaller,
    #[error("credential {caller} lacks the role {role}")]
    Forbidden { caller: String, role: &'static str },
    /// Of the role `own`, and not of its owner.
    #[error(
        "credential {caller} is for the tokens of one owner alone: owner_id must be that owner's id"
    )]
    NotOwn { caller: String },
    /// Nothing was written; trying again is safe.
    #[error("the store can't take this now and nothing was written: try again")]
    Rejected,
    /// Written or not: a repeat with the same request id tells.
    #[error("the store's answer was lost: repeat with the same request id to learn the outcome")]
    Unknown,
    /// Also of what was sent just before: no repeat here would tell.
    #[error(
        "this issuer refuses its store until an operator has acted: {0}; another issuer may go on"
    )]
    Unfit(Reason),
    /// Others kept changing the same records.
    #[error("others are changing the same records: try again")]
    Contended,
    #[error("the issuer can't read its store now: try again")]
    Unavailable,
    #[error("internal error")]
    Internal,
}

impl Problem {
    pub fn invalid(field: impl Into<String>, rule: impl ToString) -> Self {
        Self::Invalid {
            field: field.into(),
            rule: rule.to_string(),
        }
    }

    /// Not the request's fault: the same may be taken in a while.
    pub fn passes(&self) -> bool {
        self.code() == Code::Unavailable
    }

    pub fn code(&self) -> Code {
        match self {
            Self::Invalid { .. } => Code::InvalidArgument,
            Self::NotFound(_) => Code::NotFound,
            Self::Exists(_) => Code::AlreadyExists,
            Self::Precondition(_) => Code::FailedPrecondition,
            Self::Unauthenticated
            | Self::UnknownCredential
            | Self::TwoCredentials
            | Self::TokenAsCaller => Code::Unauthenticated,
            Self::Forbidden { .. } | Self::NotOwn { .. } => Code::PermissionDenied,
            Self::Contended => Code::Aborted,
            Self::Rejected | Self::Unknown | Self::Unfit(_) | Self::Unavailable => {
                Code::Unavailable
            }
            Self::Internal => Code::Internal,
        }
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        Self::new(problem.code(), problem.to_string())
    }
}

/// A conflict is the caller's to retry and never arrives here as a first answer.
impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Self::Contended,
            CommitError::TooLarge(rule) => Self::invalid("request", rule),
            CommitError::Rejected(reason) => {
                error!(reason, "the store rejected a commit");
                Self::Rejected
            }
            // The log and a metric tell once, when it begins.
            CommitError::Unfit(reason) => Self::Unfit(reason),
            CommitError::Unknown(reason) => {
                error!(reason, "a commit's outcome is unknown");
                Self::Unknown
            }
        }
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        if let FeedError::Lost(text) = &error
            && let Some(reason) = Reason::of_words(text)
        {
            return Self::Unfit(reason);
        }
        error!(%error, "the store can't be read");
        Self::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_its_status() {
        let rows = [
            (
                Problem::invalid("name", "must not be empty"),
                Code::InvalidArgument,
            ),
            (Problem::NotFound("x".into()), Code::NotFound),
            (Problem::Exists("x".into()), Code::AlreadyExists),
            (Problem::Precondition("x".into()), Code::FailedPrecondition),
            (Problem::Unauthenticated, Code::Unauthenticated),
            (Problem::UnknownCredential, Code::Unauthenticated),
            (Problem::TwoCredentials, Code::Unauthenticated),
            (Problem::TokenAsCaller, Code::Unauthenticated),
            (
                Problem::Forbidden {
                    caller: "hub".into(),
                    role: "mint",
                },
                Code::PermissionDenied,
            ),
            (
                Problem::NotOwn {
                    caller: "pod".into(),
                },
                Code::PermissionDenied,
            ),
            (Problem::Rejected, Code::Unavailable),
            (Problem::Unknown, Code::Unavailable),
            (Problem::Unfit(Reason::Rollback), Code::Unavailable),
            (Problem::Contended, Code::Aborted),
            (Problem::Unavailable, Code::Unavailable),
            (Problem::Internal, Code::Internal),
        ];
        for (problem, code) in rows {
            let (text, passes) = (problem.to_string(), problem.passes());
            let status = Status::from(problem);
            assert_eq!(status.code(), code);
            assert_eq!(passes, code == Code::Unavailable);
            assert_eq!(status.message(), text);
        }
    }

    /// Where a repeat can't help nothing says "repeat" or "try again".
    #[test]
    fn nobody_is_sent_to_repeat_in_vain() {
        for reason in Reason::ALL.into_iter().filter(|reason| reason.lasts()) {
            let text = Problem::from(CommitError::Unfit(reason)).to_string();
            let read = FeedError::Lost(reason.to_string());
            assert_eq!(Problem::from(read).to_string(), text);
            assert!(text.contains(reason.words()), "{text}");
            assert!(
                !text.contains("repeat") && !text.contains("try again"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_the_store_said_stays_inside() {
        let problem = Problem::from(CommitError::Unknown("redis://:secret@host".into()));
        assert!(!problem.to_string().contains("secret"));
    }
}
