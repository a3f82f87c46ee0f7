//! Bad requests and wrong callers: each answer names the field and the rule, and nothing changes.

mod callers;
mod checks;
mod mints;
mod writes;

use tokenward_common::status::{ErrorReason, fields_of, reason_of, retry_of};
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
    told_to_programs(what, &status);
}

/// Nobody has to read the text: the details say the reason, the field, and when to try again.
fn told_to_programs(what: &str, status: &Status) {
    let reason = reason_of(status);
    let known = ErrorReason::all().find(|it| it.as_str() == reason);
    let known = known.unwrap_or_else(|| panic!("{what}: `{reason}` of {status:?}"));
    assert_eq!(known.code(), status.code(), "{what}: {reason}");
    assert_eq!(retry_of(status), known.retry_after(), "{what}: {reason}");
    let fields = fields_of(status);
    if status.code() != Code::InvalidArgument {
        assert!(fields.is_empty(), "{what}: {fields:?}");
        return;
    }
    let [(field, rule)] = fields.as_slice() else {
        panic!("{what}: one field, not {fields:?}");
    };
    assert_eq!(format!("{field}: {rule}"), status.message(), "{what}");
    let of_a_path = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.[]".contains(c);
    assert!(field.chars().all(of_a_path), "{what}: `{field}` is no path");
}
