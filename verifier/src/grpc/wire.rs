//! `CheckRequest` read in place, as clients commonly write it: no string is copied.
//!
//! Commonly: each field at most once, in the order of their numbers, as protobuf libraries write
//! them; a text's length in one byte or two; neither `max_staleness` nor `explain`. Whatever else a
//! message may be, unknown fields and mistakes too, is left to prost; of what is read here prost
//! would make the very same.

use tokenward_proto::v1 as pb;

use super::question::{Asked, AskedBy, Named};

/// `None`: for prost to read.
pub(super) fn read(message: &[u8]) -> Option<Asked<'_>> {
    let mut asked = Asked::default();
    let mut fields = Fields::of(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(token)) => asked.caller = Some(AskedBy::Token(text(token)?)),
            // Not beside a token.
            (2, Value::Bytes([])) if asked.caller.is_none() => {
                asked.caller = Some(AskedBy::Anonymous);
            }
            (3, Value::Bytes(resource)) => asked.resource = named(resource)?,
            (4, Value::Bytes(permission)) => asked.permission = text(permission)?,
            (5, Value::Bytes(revision)) => asked.min_revision = text(revision)?,
            _ => return None,
        }
    }
    Some(asked)
}

fn named(message: &[u8]) -> Option<Option<Named<'_>>> {
    let mut fields = Fields::of(message);
    let Some(field) = fields.next()? else {
        return Some(None);
    };
    let named = match field {
        (1, Value::Bytes(repo)) => {
            let (mut kind, mut name, mut id) = (pb::RepoKind::Unspecified.into(), "", "");
            let mut fields = Fields::of(repo);
            while let Some(field) = fields.next()? {
                match field {
                    (1, Value::Number(number)) => kind = number.into(),
                    (2, Value::Bytes(bytes)) => name = text(bytes)?,
                    (3, Value::Bytes(bytes)) => id = text(bytes)?,
                    _ => return None,
                }
            }
            Named::Repo { kind, name, id }
        }
        (2, Value::Bytes(account)) => {
            let (mut name, mut id) = ("", "");
            let mut fields = Fields::of(account);
            while let Some(field) = fields.next()? {
                match field {
                    (1, Value::Bytes(bytes)) => name = text(bytes)?,
                    (2, Value::Bytes(bytes)) => id = text(bytes)?,
                    _ => return None,
                }
            }
            Named::Account { name, id }
        }
        _ => return None,
    };
    // One of the two.
    fields.next()?.is_none().then_some(Some(named))
}

fn text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u8),
}

/// A message's fields, in the order of their numbers (protobuf.dev, Encoding).
struct Fields<'a> {
    rest: &'a [u8],
    last: u8,
}

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;
/// Set in each byte of a varint but its last.
const MORE: u8 = 0x80;

impl<'a> Fields<'a> {
    fn of(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            last: 0,
        }
    }

    /// `Some(None)`: no more. `None`: not as it is commonly written.
    #[expect(clippy::option_option, reason = "`?` ends the reading")]
    fn next(&mut self) -> Option<Option<(u8, Value<'a>)>> {
        let Some((key, rest)) = self.rest.split_first() else {
            return Some(None);
        };
        let (number, wire_type) = (key >> 3, key & 7);
        if key & MORE != 0 || number <= self.last {
            return None;
        }
        let (first, rest) = rest.split_first()?;
        let (value, rest) = match wire_type {
            VARINT if first & MORE == 0 => (Value::Number(*first), rest),
            LENGTH_DELIMITED => {
                let (len, rest) = match (first & MORE, rest) {
                    (0, rest) => (usize::from(*first), rest),
                    (_, [second @ 0..MORE, rest @ ..]) => {
                        (usize::from(first & !MORE) | usize::from(*second) << 7, rest)
                    }
                    _ => return None,
                };
                let (bytes, rest) = rest.split_at_checked(len)?;
                (Value::Bytes(bytes), rest)
            }
            _ => return None,
        };
        self.last = number;
        self.rest = rest;
        Some(Some((number, value)))
    }
}
