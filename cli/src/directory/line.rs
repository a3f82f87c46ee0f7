//! Parses one line of an import: a JSON object with one operation, checked completely before anything is
//! sent. A message names the field and the rule; the caller adds the line number.

use serde_json::{Map, Value};
use tokenward_proto::v1::{Operation, operation::Operation as Op, record_key::Key};

use super::kinds::{WORDS, read_key, read_record};

pub(crate) fn parse(line: &str) -> Result<Operation, String> {
    let object: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| not_json(&error))?;
    let mut entries = object.into_iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err("must hold exactly one operation".into());
    };
    let operation = match name.split_once('_') {
        Some(("put", word)) => read_record(word, &name, value)?.map(Op::from),
        Some(("delete", word)) => read_key(word, &name, value)?.and_then(Key::deletion),
        _ => None,
    };
    let operation = operation.ok_or_else(|| {
        let known = one_of(WORDS);
        format!("{name}: is no operation; they are put_ and delete_ with {known}")
    })?;
    Ok(operation.into())
}

/// Lists words, with "or" before the last.
fn one_of(words: &[&str]) -> String {
    match words {
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
        [] => String::new(),
    }
}

/// Formats a parse error with its column only: the parser's input is one line, so its line number is
/// always 1.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("is not a JSON object: {what} at column {}", error.column())
}

#[cfg(test)]
mod tests;
