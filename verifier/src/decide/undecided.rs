//! The reasons why a question was not decided.

use std::time::Duration;

/// The rule that a `min_revision` of another log breaks.
pub(crate) const FOREIGN: &str = "is of another log than this verifier follows";

/// No decision could be made. The caller may try again, or call another verifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    #[error("this verifier has no fresh view yet")]
    NotYet,
    #[error("this verifier has no signing keys yet")]
    NoKeys,
    /// The key may be newer than the keys here.
    #[error("the key that signed the token is not known here yet")]
    KeyUnknown,
    #[error("this verifier's view is {age:?} old, past the bound of {bound:?}")]
    Stale { age: Duration, bound: Duration },
    #[error("this verifier's view is at revision {at}, behind min_revision")]
    Behind { at: u64 },
    #[error("min_revision: is of another log, and this verifier is about to follow another one")]
    Changing,
    #[error(
        "too many tokens with false signatures came lately: a token that is new here is not looked at now"
    )]
    Crowded,
    /// The question itself is wrong, so no retry will help.
    #[error("min_revision: {FOREIGN}")]
    ForeignRevision,
}
