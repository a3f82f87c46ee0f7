//! Decides the exit code, the message and the next step of every failure. It knows nothing of commands.

use std::fmt::Write;

use tokenward_common::status::{ErrorReason, reason_of};
use tonic::{Code, Status};

/// How a command ended. This is the exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Denied = 1,
    Usage = 2,
    NotFound = 3,
    Credential = 4,
    Unavailable = 5,
    Conflict = 6,
    Other = 7,
    /// The change is written for good, but is not known to be in force everywhere yet.
    Incomplete = 8,
    /// The reader of the output went away: 128 plus SIGPIPE, the code that shells report for other tools.
    /// Nothing is printed then.
    Unread = 141,
}

impl Exit {
    const ALL: [(Exit, &str, &str); 9] = [
        (
            Exit::Ok,
            "ok",
            "The command is done. For `check`: the token is allowed.",
        ),
        (
            Exit::Denied,
            "denied",
            "For `check`: the token is denied. For `token decode`: it is not genuine.",
        ),
        (Exit::Usage, "usage", "The command or an argument is wrong."),
        (
            Exit::NotFound,
            "not_found",
            "What the command names does not exist.",
        ),
        (
            Exit::Credential,
            "credential",
            "The operator credential is missing, unknown or lacks a role.",
        ),
        (
            Exit::Unavailable,
            "unavailable",
            "The server did not answer or is not ready: try again.",
        ),
        (
            Exit::Conflict,
            "conflict",
            "There is a conflict, or the thing exists already.",
        ),
        (Exit::Other, "other", "Anything else went wrong."),
        (
            Exit::Incomplete,
            "incomplete",
            "For `--wait`: the change is durable, but not every verifier has confirmed it.",
        ),
    ];

    fn row(self) -> &'static (Exit, &'static str, &'static str) {
        const LAST: &(Exit, &str, &str) = &(Exit::Other, "other", "Anything else went wrong.");
        Self::ALL.iter().find(|row| row.0 == self).unwrap_or(LAST)
    }

    /// Returns the exit's name in `--json` output.
    pub(crate) fn word(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// Returns the table of exit codes for `--help`.
    pub(crate) fn help() -> String {
        let mut text = String::from("Exit codes:\n");
        for (exit, _, meaning) in Self::ALL {
            // Writing to a String can't fail.
            let _ = writeln!(text, "  {}  {meaning}", exit.code());
        }
        text.push_str(
            "  141  The reader of the output went away, as `| head` does. Nothing is printed.",
        );
        text
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command failed, for people. It never holds a secret.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// The next step for the user; may be empty.
    pub(crate) next: String,
    /// The server's reason, for programs. It is empty where the server gave none.
    pub(crate) reason: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            next: String::new(),
            reason: String::new(),
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// Builds the failure for a gRPC status. `server` describes the server that was called, such as `the
    /// issuer at http://127.0.0.1:8470`.
    pub(crate) fn status(status: &Status, server: &str) -> Self {
        let row = judge(code(status));
        let said = match status.message() {
            "" => "no reason given",
            text => text,
        };
        // The most likely cause is a wrong port.
        let taken_back = Some(status.message().to_owned()).filter(|it| it == TAKEN_BACK);
        let broken = match deepest(status).or(taken_back) {
            // A port that speaks TLS answers plain text by what is no HTTP/2.
            Some(cause) if matches!(code(status), Code::Unavailable | Code::Internal) => {
                Some(format!("the connection to {server} broke: {cause}"))
            }
            _ if is_no_grpc(status) => Some(format!("{server} speaks no gRPC: {said}")),
            _ => None,
        };
        if let Some(message) = broken {
            return Self::new(Exit::Unavailable, message).next(
                "is it running and ready, and is that its gRPC port (--listen: 8470 of an issuer, 8480 \
                 of a verifier, unless set), not that of keys, doors or metrics? Over TLS it is called \
                 by https://",
            );
        }
        let reason = reason_of(status);
        let next = find_next(&reason).unwrap_or(row.next);
        Self {
            reason,
            ..Self::new(row.exit, format!("{}: {said}", row.what))
                .next(next.replace("{server}", server))
        }
    }

    pub(crate) fn unreachable(server: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause: &(dyn std::error::Error + 'static) = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let next = if !server.contains("https://") || is_of_tcp(cause) {
            judge(Code::Unavailable).next
        } else if cause.to_string().contains("certificate") {
            "is that its name, and its certificate one that this machine trusts? Else name the \
             authority's with --ca"
        } else {
            "does that port speak TLS? A program that was started without --tls-certificate doesn't: \
             call it by http:// on this machine, and from elsewhere with --plaintext where the network \
             itself is trusted"
        };
        Self::new(Exit::Unavailable, format!("cannot reach {server}: {cause}"))
            .next(next.replace("{server}", server))
    }

    pub(crate) fn late(server: &str) -> Self {
        Self::new(
            Exit::Unavailable,
            format!("no answer from {server} in time"),
        )
        .next("try again, or give it longer with --timeout")
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Other, format!("{error:#}"))
    }
}

/// Returns whether the connection failed before any data was exchanged: nothing listens there, the name
/// doesn't resolve, or there is no route.
fn is_of_tcp(cause: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, InvalidData, UnexpectedEof};
    let said = [BrokenPipe, ConnectionReset, InvalidData, UnexpectedEof];
    let error = cause.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| !said.contains(&error.kind()))
}

/// Returns the innermost cause of a connection that broke during a call.
fn deepest(status: &Status) -> Option<String> {
    let mut cause = std::error::Error::source(status)?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

/// Returns whether the server answers over HTTP/2 but doesn't speak gRPC.
fn is_no_grpc(status: &Status) -> bool {
    status.message().starts_with("grpc-status header missing")
        || status.message().contains("invalid content-type")
}

/// A connection that broke during a call has a source error; a server's own UNKNOWN has none. When a
/// connection breaks before a request is sent, hyper cancels the request: that is no timeout.
fn code(status: &Status) -> Code {
    match status.code() {
        Code::Unknown if std::error::Error::source(status).is_some() => Code::Unavailable,
        Code::Cancelled if status.message() == TAKEN_BACK => Code::Unavailable,
        code => code,
    }
}

/// Returns the next step for an error reason, where the reason is more precise than the gRPC code.
fn find_next(reason: &str) -> Option<&'static str> {
    let known = ErrorReason::all().find(|it| it.as_str() == reason)?;
    Some(match known {
        ErrorReason::TokenAsCredential => {
            "show an operator credential (twc_...): a user's token is never one"
        }
        ErrorReason::OperatorsUnknown => "start {server} with --operators",
        ErrorReason::OwnerForeign => "name the owner that the credential is for, by id",
        ErrorReason::NameTaken => "choose another name, or take it from what holds it",
        ErrorReason::RequestIdReused => "give each request an id of its own",
        ErrorReason::OutcomeUnknown | ErrorReason::OutcomeUnknownNoRoom => {
            "repeat it, with the same --request-id where there is one: that tells whether it was done"
        }
        ErrorReason::StoreShort => {
            "make room for the store of {server}; until then it takes revocations and other changes that only \
             take access away"
        }
        ErrorReason::StoreRefused => {
            "look at the store of {server} before anything else: no repeat will help"
        }
        ErrorReason::RevisionAhead => "wait until {server} has followed as far, or ask another",
        ErrorReason::KeysNotReady | ErrorReason::KeyUnsettled => {
            "can {server} reach its --jwks? Then try again in a second"
        }
        _ => return None,
    })
}

/// hyper's message for a request that was canceled before it was sent.
const TAKEN_BACK: &str = "operation was canceled";

struct Row {
    exit: Exit,
    what: &'static str,
    next: &'static str,
}

/// Maps a gRPC code to exit code, message and next step. No other table of the codes exists.
fn judge(code: Code) -> Row {
    let (exit, what, next) = match code {
        Code::Ok => (Exit::Ok, "done", ""),
        Code::InvalidArgument | Code::OutOfRange => (
            Exit::Usage,
            "invalid argument",
            "correct the field that the message names",
        ),
        Code::NotFound => (
            Exit::NotFound,
            "not found",
            "check the id or name; `tokenward token list --owner NAME --all` shows an owner's tokens",
        ),
        Code::Unauthenticated => (
            Exit::Credential,
            "the operator credential was not accepted",
            "set --credential-file or TOKENWARD_CREDENTIAL to a credential that {server} lists",
        ),
        Code::PermissionDenied => (
            Exit::Credential,
            "the operator credential lacks a role",
            "use a credential that has the role, or add the role in the issuer's credentials file",
        ),
        Code::Unavailable => (
            Exit::Unavailable,
            "unavailable",
            "is {server} running and ready? Then try again",
        ),
        Code::DeadlineExceeded | Code::Cancelled => (
            Exit::Unavailable,
            "no answer in time",
            "try again, or give it longer with --timeout",
        ),
        Code::ResourceExhausted => (
            Exit::Unavailable,
            "overloaded",
            "wait a little and try again",
        ),
        Code::AlreadyExists => (
            Exit::Conflict,
            "already exists",
            "choose another name or request id, or revoke what holds the name",
        ),
        Code::FailedPrecondition => (
            Exit::Conflict,
            "refused in the present state",
            "mend what the message names, then try again",
        ),
        Code::Aborted => (Exit::Conflict, "conflict", "try again"),
        Code::Unimplemented => (
            Exit::Other,
            "not offered",
            "is {server} the right server, and as new as this command?",
        ),
        Code::Internal | Code::DataLoss | Code::Unknown => (
            Exit::Other,
            "the server failed",
            "look into the logs of {server}",
        ),
    };
    Row { exit, what, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_exit_code() {
        let table = [
            (Code::InvalidArgument, 2),
            (Code::OutOfRange, 2),
            (Code::NotFound, 3),
            (Code::Unauthenticated, 4),
            (Code::PermissionDenied, 4),
            (Code::Unavailable, 5),
            (Code::DeadlineExceeded, 5),
            (Code::Cancelled, 5),
            (Code::ResourceExhausted, 5),
            (Code::AlreadyExists, 6),
            (Code::FailedPrecondition, 6),
            (Code::Aborted, 6),
            (Code::Unimplemented, 7),
            (Code::Internal, 7),
            (Code::DataLoss, 7),
            (Code::Unknown, 7),
        ];
        for (code, exit) in table {
            let failure = Failure::status(&Status::new(code, "said so"), "the issuer at URL");
            assert_eq!(failure.exit.code(), exit, "{code:?}");
            assert!(failure.message.ends_with(": said so"), "{code:?}");
            assert!(!failure.next.is_empty(), "{code:?}");
            assert!(!failure.next.contains('{'), "{code:?}");
        }
    }

    #[test]
    fn the_reason_advises_better_than_the_code() {
        let ours = |reason: ErrorReason| Failure::status(&reason.status("said so"), "the issuer");
        for reason in ErrorReason::all() {
            let failure = ours(reason);
            assert_eq!(failure.reason, reason.as_str());
            assert!(!failure.next.is_empty() && !failure.next.contains('{'));
            if reason.code() == Code::Unavailable && reason.retry_after().is_none() {
                assert!(!failure.next.contains("try again"), "{}", failure.next);
            }
        }
        assert!(
            ours(ErrorReason::OutcomeUnknown)
                .next
                .contains("--request-id")
        );
        let silent = Failure::status(&Status::unavailable("x"), "it");
        assert_eq!(silent.reason, "");
    }

    #[test]
    fn a_broken_connection_is_unavailable() {
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        let told = Failure::status(&broken, "it");
        assert_eq!(told.exit, Exit::Unavailable);
        assert_eq!(told.message, "the connection to it broke: reset");
        assert!(told.next.contains("gRPC port"), "{}", told.next);
        let told = Failure::status(&Status::cancelled(TAKEN_BACK), "it");
        assert!(told.next.contains("gRPC port"), "{told} {}", told.next);
        let late = Failure::status(&Status::cancelled("Timeout expired"), "it");
        assert!(late.next.contains("--timeout"), "{late} {}", late.next);
        let other = Status::unknown("grpc-status header missing, mapped from HTTP status code 404");
        let told = Failure::status(&other, "it");
        assert_eq!(told.exit, Exit::Unavailable);
        assert!(told.message.starts_with("it speaks no gRPC: "), "{told}");
        assert_eq!(
            Failure::status(&Status::unknown("x"), "it").exit,
            Exit::Other
        );
    }

    #[test]
    fn a_failed_connection_is_told_by_its_cause() {
        use std::io::{Error, ErrorKind};
        let next =
            |url: &str, cause: Error| Failure::unreachable(&format!("it at {url}"), &cause).next;
        for (kind, over_tls) in [
            (ErrorKind::ConnectionRefused, "running"),
            (ErrorKind::TimedOut, "running"),
            (ErrorKind::UnexpectedEof, "speak TLS"),
            (ErrorKind::ConnectionReset, "speak TLS"),
        ] {
            let told = next("https://a:1", kind.into());
            assert!(told.contains(over_tls), "{kind:?}: {told}");
            let told = next("http://a:1", kind.into());
            assert!(told.contains("running"), "{kind:?}: {told}");
        }
        let wrong = Error::new(
            ErrorKind::InvalidData,
            "invalid peer certificate: UnknownIssuer",
        );
        assert!(next("https://a:1", wrong).contains("--ca"));
    }

    #[test]
    fn codes_are_dense_and_listed() {
        for (index, (exit, ..)) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), index);
            assert!(Exit::help().contains(&format!("  {index}  ")));
        }
        assert_eq!(Exit::Credential.word(), "credential");
    }
}
