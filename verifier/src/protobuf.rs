//! Protobuf's encoding (protobuf.dev, Encoding), read in place and written without a message made: what
//! of prost costs the most. Decides nothing; must not know any message.
//!
//! Read is what is commonly written: fields in the order of their numbers, each once but for one that
//! is named, all numbered below 16; lengths in one byte or two. Whatever else a message may be, mistakes
//! too, is left to prost, which merges, replaces and refuses as the language has it.

use bytes::BufMut as _;

pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u8),
    /// A number of more than a byte, read past.
    Long,
}

/// A message's fields.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    last: u8,
    repeated: Option<u8>,
}

const VARINT: u8 = 0;
const LENGTH_DELIMITED: u8 = 2;
const FIXED_64: u8 = 1;
/// Set in each byte of a varint but its last.
const MORE: u8 = 0x80;
/// Of a varint.
const MOST_BYTES: usize = 10;

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            last: 0,
            repeated: None,
        }
    }

    /// This field may be there again.
    pub(crate) fn repeating(message: &'a [u8], field: u8) -> Self {
        Self {
            repeated: Some(field),
            ..Self::new(message)
        }
    }

    /// `Some(None)`: no more. `None`: not as it is commonly written.
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

/// The last of ten bytes holds one bit.
fn past_varint(bytes: &[u8]) -> Option<&[u8]> {
    let ends = |byte: &u8| byte & MORE == 0;
    let last = bytes.iter().take(MOST_BYTES).position(ends)?;
    let fits = last + 1 < MOST_BYTES || bytes.get(last) <= Some(&1);
    bytes.get(last + 1..).filter(|_| fits)
}

pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Many are short and ASCII, for which that is the shorter way.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    bytes.is_ascii() || text(bytes).is_some()
}

/// A message of two texts, numbered 1 and 2, as a map's entry is.
pub(crate) fn pair(message: &[u8]) -> Option<(&str, &str)> {
    let (first, second) = pair_as_bytes(message)?;
    Some((text(first)?, text(second)?))
}

/// The same; that they are texts isn't looked at.
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

/// Fields that are written are numbered below 16: one byte says which.
pub(crate) fn number(to: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        to.push(field << 3 | VARINT);
        varint(to, number);
    }
}

/// The empty ones too: of a oneof, it says which.
pub(crate) fn double(to: &mut Vec<u8>, field: u8, number: f64) {
    to.push(field << 3 | FIXED_64);
    to.put_f64_le(number);
}

pub(crate) fn bytes(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        bytes_even_if_none(to, field, bytes);
    }
}

/// Of a oneof, empty bytes say which; of a repeated field, one more.
pub(crate) fn bytes_even_if_none(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    to.push(field << 3 | LENGTH_DELIMITED);
    varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Seven bits a byte, the low ones first.
fn varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | MORE);
        number >>= 7;
    }
    to.push(number as u8);
}

/// A message or a text within a message, whose length stands before it.
pub(crate) fn nested(to: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    to.push(field << 3 | LENGTH_DELIMITED);
    let start = to.len();
    to.push(0);
    write(to);
    // One byte or two, mostly. What is written moves if it needs more than one.
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
