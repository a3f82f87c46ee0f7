//! What can go wrong in an issuer, and the status that the caller sees, in one table.
//!
//! The texts are for callers: they name the field and the rule, never a secret, and never the words of a
//! server behind the issuer.

pub use tokenward_common::status::ErrorReason;
use tokenward_common::store::{CommitError, FeedError, Reason};
use tonic::{Code, Status};
use tracing::error;

use crate::caller::CallerError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The request can never be accepted as it is.
    #[error("{field}: {rule}")]
    Invalid { field: String, rule: String },
    #[error("{0}")]
    NotFound(String),
    /// The reason tells what already exists.
    #[error("{1}")]
    Exists(ErrorReason, String),
    #[error("{1}")]
    Precondition(ErrorReason, String),
    /// Who calls is unknown, or lacks the role.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// The credential has the role `own`, and the token belongs to another owner than the credential's.
    #[error(
        "credential {caller} is for the tokens of one owner alone: owner_id must be that owner's id"
    )]
    NotOwn { caller: String },
    /// Nothing was written; trying again is safe.
    #[error("the store can't take this now and nothing was written: try again")]
    Rejected,
    /// The commit may or may not be written; a repeat with the same request id shows which.
    #[error("the store's answer was lost: repeat with the same request id to learn the outcome")]
    Unknown,
    /// The commit may or may not be written, for this reason. A repeat is useless before the reason has
    /// passed.
    #[error(
        "{0}; whether this was written is not known: repeat with the same request id when there is room"
    )]
    UnknownFor(Reason),
    /// Nothing was written for lack of room; the reason says whether takeaways still are.
    #[error("{0}; nothing was written, and this is taken as soon as there is room again")]
    Short(Reason),
    /// `sent` is true if this call was sent before the reason was seen; no repeat at this issuer would show
    /// its outcome.
    #[error(
        "this issuer refuses its store until an operator has acted: {reason}; {}another issuer may go on",
        unsure(.sent)
    )]
    Unfit { reason: Reason, sent: bool },
    /// Other writers kept changing the same records.
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

    /// Tells whether the request is not at fault, so that it may be accepted later.
    pub fn passes(&self) -> bool {
        self.code() == Code::Unavailable
    }

    pub fn code(&self) -> Code {
        self.reason().code()
    }

    /// Returns the problem as a reason for programs. The reason's table also has the code and the pause.
    pub fn reason(&self) -> ErrorReason {
        match self {
            Self::Invalid { .. } => ErrorReason::FieldInvalid,
            Self::NotFound(_) => ErrorReason::NotFound,
            Self::Exists(reason, _) | Self::Precondition(reason, _) => *reason,
            Self::Caller(error) => error.reason(),
            Self::NotOwn { .. } => ErrorReason::OwnerForeign,
            Self::Contended => ErrorReason::Contended,
            Self::Rejected => ErrorReason::NotWritten,
            Self::Short(_) => ErrorReason::StoreShort,
            Self::Unknown => ErrorReason::OutcomeUnknown,
            Self::UnknownFor(_) => ErrorReason::OutcomeUnknownNoRoom,
            Self::Unfit { .. } => ErrorReason::StoreRefused,
            Self::Unavailable => ErrorReason::StoreUnreadable,
            Self::Internal => ErrorReason::Internal,
        }
    }

    /// Returns the path of the request's invalid field; it is empty for all other problems.
    pub fn field(&self) -> &str {
        match self {
            Self::Invalid { field, .. } => field,
            _ => "",
        }
    }
}

fn unsure(sent: &bool) -> &'static str {
    if *sent {
        "whether this call was written is not known here; "
    } else {
        ""
    }
}

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let reason = problem.reason();
        match &problem {
            Problem::Invalid { field, rule } => reason.status_for_field(field, rule),
            Problem::Caller(CallerError::Forbidden { role, .. }) => {
                reason.with(problem.to_string(), [("role", *role)])
            }
            Problem::Short(store) | Problem::UnknownFor(store) => {
                reason.with(problem.to_string(), [("store", store.as_str())])
            }
            Problem::Unfit { reason: store, .. } => {
                reason.with(problem.to_string(), [("store", store.as_str())])
            }
            _ => reason.status(problem.to_string()),
        }
    }
}

/// This version can't read a record in the store. Callers learn only that something is wrong inside the
/// issuer; the log says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store holds what this version can't read: {0}")]
pub struct Unreadable(pub &'static str);

impl From<Unreadable> for Problem {
    fn from(unreadable: Unreadable) -> Self {
        error!(%unreadable, "a stored record can't be used");
        Self::Internal
    }
}

/// A caller retries a conflict itself, so a conflict never arrives here as a first answer.
impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Self::Contended,
            CommitError::TooLarge(rule) => Self::invalid("request", rule),
            CommitError::Rejected(reason) => {
                error!(reason, "the store rejected a commit");
                Self::Rejected
            }
            // The log and a metric report this once, when it begins.
            CommitError::Short(reason) => Self::Short(reason),
            CommitError::Unfit { reason, sent } => Self::Unfit { reason, sent },
            CommitError::Unknown(reason) => match Reason::of_words(&reason) {
                // This is reported once, too: one line per call would fill the full disk further.
                Some(reason @ Reason::Full) => Self::UnknownFor(reason),
                _ => {
                    error!(reason, "a commit's outcome is unknown");
                    Self::Unknown
                }
            },
        }
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        if let FeedError::Lost(text) = &error
            && let Some(reason) = Reason::of_words(text)
        {
            return Self::Unfit {
                reason,
                sent: false,
            };
        }
        error!(%error, "the store can't be read");
        Self::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use tokenward_common::status::{fields_of, reason_of, retry_of};

    use super::*;

    #[test]
    fn every_problem_has_its_status() {
        let rows = [
            (
                Problem::invalid("name", "must not be empty"),
                Code::InvalidArgument,
            ),
            (Problem::NotFound("x".into()), Code::NotFound),
            (
                Problem::Exists(ErrorReason::NameTaken, "x".into()),
                Code::AlreadyExists,
            ),
            (
                Problem::Precondition(ErrorReason::DecisionFinal, "x".into()),
                Code::FailedPrecondition,
            ),
            (CallerError::Unauthenticated.into(), Code::Unauthenticated),
            (CallerError::Unknown.into(), Code::Unauthenticated),
            (
                CallerError::UnknownCertificate.into(),
                Code::Unauthenticated,
            ),
            (CallerError::Twice.into(), Code::Unauthenticated),
            (CallerError::TokenAsCaller.into(), Code::Unauthenticated),
            (
                CallerError::Forbidden {
                    caller: "hub".into(),
                    role: "mint",
                }
                .into(),
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
            (Problem::UnknownFor(Reason::Full), Code::Unavailable),
            (Problem::Short(Reason::Short), Code::Unavailable),
            (
                Problem::Unfit {
                    reason: Reason::Rollback,
                    sent: true,
                },
                Code::Unavailable,
            ),
            (Problem::Contended, Code::Aborted),
            (Problem::Unavailable, Code::Unavailable),
            (Problem::Internal, Code::Internal),
        ];
        let mut reasons = std::collections::HashSet::new();
        for (problem, code) in rows {
            let (text, passes) = (problem.to_string(), problem.passes());
            let reason = problem.reason();
            assert!(reasons.insert(reason), "{reason:?} is another's");
            let field = problem.field().to_owned();
            let status = Status::from(problem);
            assert_eq!(status.code(), code);
            assert_eq!(reason_of(&status), reason.as_str());
            assert_eq!(retry_of(&status), reason.retry_after());
            let fields: Vec<_> = fields_of(&status).into_iter().map(|it| it.0).collect();
            assert_eq!(fields.concat(), field);
            assert_eq!(passes, code == Code::Unavailable);
            assert_eq!(status.message(), text);
        }
    }

    /// No text says "repeat" or "try again" where a repeat can't help.
    #[test]
    fn nobody_is_sent_to_repeat_in_vain() {
        for reason in Reason::ALL.into_iter().filter(|reason| reason.lasts()) {
            let unfit = |sent| Problem::from(CommitError::Unfit { reason, sent }).to_string();
            let read = FeedError::Lost(reason.to_string());
            assert_eq!(Problem::from(read).to_string(), unfit(false));
            assert!(unfit(true).contains("not known"));
            for text in [unfit(false), unfit(true)] {
                assert!(text.contains(reason.words()), "{text}");
                assert!(
                    !text.contains("repeat") && !text.contains("try again"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        for error in [
            CommitError::Short(Reason::Full),
            CommitError::Unknown(Reason::Full.to_string()),
        ] {
            let text = Problem::from(error).to_string();
            assert!(text.starts_with("the store's disk is full"), "{text}");
            assert!(
                text.contains("when there is room") || text.contains("as soon as there is room")
            );
        }
    }

    /// Counts the events that are logged.
    struct Lines(std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    /// A hub's many calls are all refused meanwhile, so the log reports the state once, when it begins.
    #[test]
    fn a_store_that_is_short_says_so_to_callers_and_not_to_the_log() {
        let lines = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let log = Lines(lines.clone());
        let told = || lines.load(std::sync::atomic::Ordering::SeqCst);
        tracing::subscriber::with_default(log, || {
            for reason in Reason::ALL.into_iter().filter(|it| it.spares_takeaways()) {
                let text = Problem::from(CommitError::Short(reason)).to_string();
                assert!(text.starts_with(reason.words()), "{text}");
                assert!(text.contains("only takeaways are taken"), "{text}");
                assert!(!text.contains("try again"), "{text}");
            }
            assert_eq!(told(), 0);
            let _ = Problem::from(CommitError::Rejected("no room".into()));
            assert_eq!(told(), 1);
        });
    }

    #[test]
    fn what_the_store_said_stays_inside() {
        let problem = Problem::from(CommitError::Unknown("redis://:secret@host".into()));
        assert!(!problem.to_string().contains("secret"));
    }
}
