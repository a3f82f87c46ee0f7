//! Bad requests and wrong callers: each answer names the field and the rule, and nothing changes.

mod callers;
mod checks;
mod mints;
mod writes;

use tonic::{Code, Status};

/// The code, and the beginning of the message: the field, then the rule.
fn assert_refused<T: std::fmt::Debug>(
    what: &str,
    answer: Result<T, Status>,
    code: Code,
    says: &str,
) {
    let status = answer.expect_err(what);
    assert_eq!(status.code(), code, "{what}: {status:?}");
    assert!(
        status.message().contains(says),
        "{what}: `{}` should hold `{says}`",
        status.message()
    );
}
