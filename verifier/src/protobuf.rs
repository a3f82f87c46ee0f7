//! Reads Protobuf's encoding (protobuf.dev, Encoding) in place and writes it without building a
//! message, because that is what costs most in prost. It decides nothing and must not know any message.
//!
//! It reads what is commonly written: fields in the order of their numbers, each once except for one
//! that may repeat, all numbered below 16, and lengths of one or two bytes. Any other message,
//! malformed ones too, is left to prost, which merges, replaces and refuses as the language defines.

use bytes::BufMut as _;

pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u8),
    /// A number of more than one byte, which was skipped.
    Long,
}

/// The fields of a message, in their order.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    last: u8,
    repeated: Option<u8>,
}

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;
const FIXED_64: u8 = 1;
/// This bit is set in each byte of a varint except the last.
const MORE: u8 = 0x80;
/// The most bytes of a varint.
const MOST_BYTES: usize = 10;

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            last: 0,
            repeated: None,
        }
    }

    /// Reads a message in which `field` may repeat.
    pub(crate) fn repeating(message: &'a [u8], field: u8) -> Self {
        Self {
            repeated: Some(field),
            ..Self::new(message)
        }
    }

    /// Returns the next field. `Some(None)` means no more fields; `None` means that the message isn't
    /// as commonly written.
    #[expect(clippy::option_option, reason = "`?` ends the reading")]
    pub(crate) fn next(&mut self) -> Option<Option<(u8, Value<'a>)>> {
        let Some((key, rest)) = self.rest.split_first() else {
            return Some(None);
        };
        let (number, wire_type) = (key >> 3, key & 7);
        let again = number == self.last && self.repeated == Some(number);
        if key & MORE != 0 || (number <= self.last && !again) {
            return None;
        }
        let (first, after) = rest.split_first()?;
        let (value, rest) = match wire_type {
            VARINT if first & MORE == 0 => (Value::Number(*first), after),
            VARINT => (Value::Long, past_varint(rest)?),
            LENGTH_DELIMITED => {
                let (len, rest) = match (first & MORE, after) {
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

/// Skips a varint. The last of ten bytes holds one bit.
fn past_varint(bytes: &[u8]) -> Option<&[u8]> {
    let ends = |byte: &u8| byte & MORE == 0;
    let last = bytes.iter().take(MOST_BYTES).position(ends)?;
    let fits = last + 1 < MOST_BYTES || bytes.get(last) <= Some(&1);
    bytes.get(last + 1..).filter(|_| fits)
}

pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Whether the bytes are UTF-8. Many texts are short and ASCII, for which the first test is faster.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || text(bytes).is_some()
}

/// Reads a message of two texts, numbered 1 and 2, as a map's entry is.
pub(crate) fn pair(message: &[u8]) -> Option<(&str, &str)> {
    let (first, second) = pair_as_bytes(message)?;
    Some((text(first)?, text(second)?))
}

/// Reads a message of two byte strings, numbered 1 and 2. It doesn't check that they are texts.
pub(crate) fn pair_as_bytes(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut first, mut second): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => first = bytes,
            (2, Value::Bytes(bytes)) => second = bytes,
            _ => return None,
        }
    }
    Some((first, second))
}

/// Writes a number, unless it is 0. Written fields are numbered below 16, so one byte holds number and
/// type.
pub(crate) fn number(to: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        to.push(field << 3 | VARINT);
        varint(to, number);
    }
}

/// Writes a double, even 0: in a oneof the field itself is the information.
pub(crate) fn double(to: &mut Vec<u8>, field: u8, number: f64) {
    to.push(field << 3 | FIXED_64);
    to.put_f64_le(number);
}

pub(crate) fn bytes(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        bytes_even_if_none(to, field, bytes);
    }
}

/// Writes bytes, even none: in a oneof they show which field is set, and in a repeated field they are
/// one more element.
pub(crate) fn bytes_even_if_none(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    to.push(field << 3 | LENGTH_DELIMITED);
    varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Writes a varint: seven bits a byte, the low ones first.
fn varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | MORE);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Writes a message or a text within a message, with its length before it.
pub(crate) fn nested(to: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    to.push(field << 3 | LENGTH_DELIMITED);
    let start = to.len();
    to.push(0);
    write(to);
    // The length takes one or two bytes mostly. If it needs more than one, the written bytes move.
    let len = to.len() - start - 1;
    match to.get_mut(start) {
        Some(byte) if len < 0x80 => *byte = len as u8,
        Some(byte) if len < 0x4000 => {
            *byte = len as u8 | MORE;
            to.insert(start + 1, (len >> 7) as u8);
        }
        _ => {
            let mut prefix = Vec::new();
            varint(&mut prefix, len as u64);
            to.splice(start..=start, prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_stands_before_what_it_counts() {
        for (len, prefix) in [
            (0, &[0x0a, 0][..]),
            (127, &[0x0a, 0x7f]),
            (128, &[0x0a, 0x80, 1]),
            (300, &[0x0a, 0xac, 2]),
            (16_383, &[0x0a, 0xff, 0x7f]),
            (16_384, &[0x0a, 0x80, 0x80, 1]),
        ] {
            let (text, mut message) = (vec![7; len], vec![1, 2]);
            nested(&mut message, 1, |to| to.extend_from_slice(&text));
            message.push(3);
            let whole = [&[1, 2], prefix, &text, &[3]].concat();
            assert_eq!(message, whole, "{len}");
        }
    }
}
