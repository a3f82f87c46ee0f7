//! This file decides what a gRPC error reports to a program: a reason whose name never changes, the
//! wrong field of the request, and when to retry. The text beside them is for people and may change.
//!
//! One table sets each reason's name, gRPC code and pause. The file must not know what was requested.
//! Details are sent in the form of `google.rpc.Status` (`grpc-status-details-bin`). They hold only what
//! the text holds too: never a secret, and never a text of an upstream server.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The value of `ErrorInfo.domain`, which marks these reasons as Tokenward's.
pub const DOMAIN: &str = "tokenward";

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorReason {
    FieldInvalid,
    RevisionForeign,
    MessageMalformed,
    MessageLate,
    MessageCut,
    MethodUnknown,
    NotFound,
    NameTaken,
    RequestIdReused,
    TokenExpired,
    TokenRevoked,
    TokenNotFineGrained,
    TokenRevokesItself,
    TooManyOverlaps,
    DecisionFinal,
    ValueNeverIssued,
    SigningKeyWithdrawn,
    CredentialMissing,
    CredentialUnknown,
    CredentialTwice,
    CertificateUnknown,
    TokenAsCredential,
    OperatorsUnknown,
    RoleMissing,
    OwnerForeign,
    FollowerForeign,
    FollowersTooMany,
    CallerShareFull,
    ProcessShareFull,
    StrangersTooMany,
    Contended,
    NotWritten,
    OutcomeUnknown,
    OutcomeUnknownNoRoom,
    StoreShort,
    StoreRefused,
    StoreUnreadable,
    StoreCorrupt,
    FeedLost,
    ViewNotReady,
    ViewStale,
    RevisionAhead,
    KeysNotReady,
    KeyUnsettled,
    Stopping,
    AnswerLate,
    Internal,
}

/// The pause in seconds for faults that mostly pass by themselves within a poll or two.
const SOON: Option<u64> = Some(1);
/// The pause in seconds for faults that last until someone has made room, or until names are free
/// again.
const LATER: Option<u64> = Some(30);

use ErrorReason as R;

/// The table has the order of the enum. A pause is in seconds, and is set only where the same call may
/// succeed later without an action by anyone.
#[rustfmt::skip]
const TABLE: [(ErrorReason, &str, Code, Option<u64>); 47] = [
    (R::FieldInvalid, "FIELD_INVALID", Code::InvalidArgument, None),
    (R::RevisionForeign, "REVISION_FOREIGN", Code::InvalidArgument, None),
    (R::MessageMalformed, "MESSAGE_MALFORMED", Code::Internal, None),
    (R::MessageLate, "MESSAGE_LATE", Code::DeadlineExceeded, None),
    (R::MessageCut, "MESSAGE_CUT", Code::Internal, None),
    (R::MethodUnknown, "METHOD_UNKNOWN", Code::Unimplemented, None),
    (R::NotFound, "NOT_FOUND", Code::NotFound, None),
    (R::NameTaken, "NAME_TAKEN", Code::AlreadyExists, None),
    (R::RequestIdReused, "REQUEST_ID_REUSED", Code::AlreadyExists, None),
    (R::TokenExpired, "TOKEN_EXPIRED", Code::FailedPrecondition, None),
    (R::TokenRevoked, "TOKEN_REVOKED", Code::FailedPrecondition, None),
    (R::TokenNotFineGrained, "TOKEN_NOT_FINE_GRAINED", Code::FailedPrecondition, None),
    (R::TokenRevokesItself, "TOKEN_REVOKES_ITSELF", Code::FailedPrecondition, None),
    (R::TooManyOverlaps, "TOO_MANY_OVERLAPS", Code::FailedPrecondition, None),
    (R::DecisionFinal, "DECISION_FINAL", Code::FailedPrecondition, None),
    (R::ValueNeverIssued, "VALUE_NEVER_ISSUED", Code::FailedPrecondition, None),
    (R::SigningKeyWithdrawn, "SIGNING_KEY_WITHDRAWN", Code::FailedPrecondition, None),
    (R::CredentialMissing, "CREDENTIAL_MISSING", Code::Unauthenticated, None),
    (R::CredentialUnknown, "CREDENTIAL_UNKNOWN", Code::Unauthenticated, None),
    (R::CredentialTwice, "CREDENTIAL_TWICE", Code::Unauthenticated, None),
    (R::CertificateUnknown, "CERTIFICATE_UNKNOWN", Code::Unauthenticated, None),
    (R::TokenAsCredential, "TOKEN_AS_CREDENTIAL", Code::Unauthenticated, None),
    (R::OperatorsUnknown, "OPERATORS_UNKNOWN", Code::Unauthenticated, None),
    (R::RoleMissing, "ROLE_MISSING", Code::PermissionDenied, None),
    (R::OwnerForeign, "OWNER_FOREIGN", Code::PermissionDenied, None),
    (R::FollowerForeign, "FOLLOWER_FOREIGN", Code::PermissionDenied, None),
    (R::FollowersTooMany, "FOLLOWERS_TOO_MANY", Code::ResourceExhausted, LATER),
    (R::CallerShareFull, "CALLER_SHARE_FULL", Code::ResourceExhausted, SOON),
    (R::ProcessShareFull, "PROCESS_SHARE_FULL", Code::ResourceExhausted, SOON),
    (R::StrangersTooMany, "STRANGERS_TOO_MANY", Code::ResourceExhausted, SOON),
    (R::Contended, "CONTENDED", Code::Aborted, None),
    (R::NotWritten, "NOT_WRITTEN", Code::Unavailable, SOON),
    (R::OutcomeUnknown, "OUTCOME_UNKNOWN", Code::Unavailable, SOON),
    (R::OutcomeUnknownNoRoom, "OUTCOME_UNKNOWN_NO_ROOM", Code::Unavailable, LATER),
    (R::StoreShort, "STORE_SHORT", Code::Unavailable, LATER),
    // This fault lasts until an operator acts, so no pause is long enough.
    (R::StoreRefused, "STORE_REFUSED", Code::Unavailable, None),
    (R::StoreUnreadable, "STORE_UNREADABLE", Code::Unavailable, SOON),
    (R::StoreCorrupt, "STORE_CORRUPT", Code::FailedPrecondition, None),
    (R::FeedLost, "FEED_LOST", Code::DataLoss, None),
    (R::ViewNotReady, "VIEW_NOT_READY", Code::Unavailable, SOON),
    (R::ViewStale, "VIEW_STALE", Code::Unavailable, SOON),
    (R::RevisionAhead, "REVISION_AHEAD", Code::Unavailable, SOON),
    (R::KeysNotReady, "KEYS_NOT_READY", Code::Unavailable, SOON),
    (R::KeyUnsettled, "KEY_UNSETTLED", Code::Unavailable, SOON),
    (R::Stopping, "STOPPING", Code::Unavailable, SOON),
    (R::AnswerLate, "ANSWER_LATE", Code::DeadlineExceeded, None),
    (R::Internal, "INTERNAL", Code::Internal, None),
];

impl ErrorReason {
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> (&'static str, Code, Option<u64>) {
        TABLE
            .get(self as usize)
            .map_or(("INTERNAL", Code::Internal, None), |row| {
                (row.1, row.2, row.3)
            })
    }

    /// Returns the value of `ErrorInfo.reason`.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    pub fn code(self) -> Code {
        self.row().1
    }

    /// Returns the value of `RetryInfo.retry_delay`; `None` for a fault that doesn't pass by itself.
    pub fn retry_after(self) -> Option<Duration> {
        self.row().2.map(Duration::from_secs)
    }

    /// Makes an error with this reason.
    pub fn status(self, text: impl Into<String>) -> Status {
        self.with(text, [])
    }

    /// Makes an error with this reason and with metadata for programs (`ErrorInfo.metadata`).
    pub fn with<const N: usize>(
        self,
        text: impl Into<String>,
        metadata: [(&str, &str); N],
    ) -> Status {
        let text = text.into();
        Status::with_error_details(self.code(), text, self.details(metadata))
    }

    /// Makes an error for the request's field, given by its path, that breaks a rule. The text names
    /// both.
    pub fn status_for_field(self, field: impl Into<String>, rule: impl Into<String>) -> Status {
        let (field, rule) = (field.into(), rule.into());
        let text = format!("{field}: {rule}");
        let mut details = self.details([]);
        details.add_bad_request_violation(field, rule);
        Status::with_error_details(self.code(), text, details)
    }

    fn details<const N: usize>(self, metadata: [(&str, &str); N]) -> ErrorDetails {
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut details =
            ErrorDetails::with_error_info(self.as_str(), DOMAIN, HashMap::from(metadata));
        if let Some(pause) = self.retry_after() {
            details.set_retry_info(Some(pause));
        }
        details
    }
}

/// Makes an error for an argument that breaks a rule, which is the commonest error.
pub fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Status {
    R::FieldInvalid.status_for_field(field, rule)
}

/// Returns the reason of a server's error; empty if the error has none or isn't Tokenward's.
pub fn reason_of(status: &Status) -> String {
    if status.details().is_empty() {
        return String::new();
    }
    match status.get_details_error_info() {
        Some(info) if info.domain == DOMAIN => info.reason,
        _ => String::new(),
    }
}

/// Returns the fields and rules that an error names.
pub fn fields_of(status: &Status) -> Vec<(String, String)> {
    let violations = status.get_details_bad_request();
    let violations = violations.map(|it| it.field_violations).unwrap_or_default();
    let pair = |it: tonic_types::FieldViolation| (it.field, it.description);
    violations.into_iter().map(pair).collect()
}

/// Returns the pause after which an error allows a retry.
pub fn retry_of(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs depend on these reasons, so none may be removed or get another meaning.
    #[test]
    fn the_reasons_are_those_of_the_golden_table() {
        let golden: Vec<_> = include_str!("status/reasons.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        let ours: Vec<_> = ErrorReason::all()
            .map(|it| {
                let pause = it.retry_after().map_or(0, |pause| pause.as_secs());
                format!("{}\t{:?}\t{pause}", it.as_str(), it.code())
            })
            .collect();
        assert_eq!(ours.join("\n"), golden.join("\n"));
    }

    #[test]
    fn each_reason_has_its_own_row_and_name() {
        let mut names = std::collections::HashSet::new();
        for (place, reason) in ErrorReason::all().enumerate() {
            assert_eq!(reason as usize, place, "{reason:?}");
            let name = reason.as_str();
            assert!(names.insert(name), "{name} twice");
            let upper = |c: char| c.is_ascii_uppercase() || c == '_';
            assert!(name.chars().all(upper) && name.len() < 64, "{name}");
            let passes = matches!(reason.code(), Code::Unavailable | Code::ResourceExhausted);
            let lasts = reason == ErrorReason::StoreRefused;
            assert_eq!(reason.retry_after().is_some(), passes && !lasts, "{name}");
        }
    }

    #[test]
    fn what_is_said_can_be_read() {
        let status = invalid("scopes.scoped[2].entity_id", "must not be empty");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.message(),
            "scopes.scoped[2].entity_id: must not be empty"
        );
        assert_eq!(reason_of(&status), "FIELD_INVALID");
        assert_eq!(
            fields_of(&status),
            [(
                "scopes.scoped[2].entity_id".to_owned(),
                "must not be empty".to_owned()
            )]
        );
        assert_eq!(retry_of(&status), None);
        let status = R::ViewStale.status("too old");
        assert_eq!(retry_of(&status), Some(Duration::from_secs(1)));
        assert!(fields_of(&status).is_empty());
        let status = R::RoleMissing.with("no", [("role", "mint")]);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["role"], "mint");
        for silent in [
            Status::internal("x"),
            Status::with_details(Code::Internal, "x", "no message".into()),
            Status::with_error_details(
                Code::Internal,
                "x",
                ErrorDetails::with_error_info("FIELD_INVALID", "another", HashMap::new()),
            ),
        ] {
            assert_eq!(reason_of(&silent), "");
        }
    }
}
