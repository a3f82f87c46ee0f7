//! Packs ids for rows. It encodes a text as `record/part.rs` does, so hex ids take half the space. This file
//! must not know what a row holds.

use crate::id::MAX_ID;

/// Holds a packed id on the stack, so that a look-up allocates nothing.
pub(crate) struct PackedId {
    len: usize,
    bytes: [u8; MAX_ID + 1],
}

impl PackedId {
    /// Packs an id; `None` if the text can't be an id, because it is empty or too long.
    pub(crate) fn pack(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_ID {
            return None;
        }
        let mut bytes = [0; MAX_ID + 1];
        let (tag, body) = bytes.split_first_mut()?;
        let len = match spell(text.as_bytes(), body) {
            Some(len) => {
                *tag = 0x80 | len as u8;
                len
            }
            None => {
                *tag = text.len() as u8;
                body.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
                text.len()
            }
        };
        Some(Self {
            len: len + 1,
            bytes,
        })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Writes the bytes that an even number of lowercase hex digits encodes, and returns their number.
fn spell(text: &[u8], out: &mut [u8]) -> Option<usize> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    // Every look-up by id runs this loop, so it has no branch for each digit, but one for the whole text.
    let mut wrong = 0;
    for (byte, pair) in out.iter_mut().zip(text.as_chunks::<2>().0) {
        let [high, low] = pair.map(digit);
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    (wrong & NO_DIGIT == 0).then_some(text.len() / 2)
}

/// This mark is above the value of every digit.
const NO_DIGIT: u8 = 0x80;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

fn digit(byte: u8) -> u8 {
    DIGITS.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT)
}

/// Splits a row into its packed id, with which it begins, and the bytes after it.
pub(crate) fn split(row: &[u8]) -> Option<(&[u8], &[u8])> {
    let tag = row.first()?;
    row.split_at_checked(usize::from(tag & 0x7f) + 1)
}

/// Converts a packed id back to text.
pub(crate) fn unpack(packed: &[u8]) -> String {
    match packed.split_first() {
        Some((tag, bytes)) if tag & 0x80 != 0 => hex::encode(bytes),
        Some((_, bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        None => String::new(),
    }
}

/// Reads a row from its beginning; a field that is missing is read as `None`.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    /// Reads a length of seven bits per byte, low bits first.
    pub(super) fn length(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = self.u8()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.u8()?;
        std::str::from_utf8(self.bytes(usize::from(len))?).ok()
    }
}

/// Appends a length as [`Reader::length`] reads it.
pub(super) fn push_length(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a text as [`Reader::text`] reads it. Texts are names of at most 96 bytes.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_comes_back() {
        for id in ["a", "ab", "abc", "ABCD", "65f0c0ffee0123456789abcd", "x-1"] {
            let packed = PackedId::pack(id).unwrap();
            assert_eq!(unpack(packed.as_bytes()), id);
            let mut row = packed.as_bytes().to_vec();
            row.extend_from_slice(b"body");
            assert_eq!(split(&row), Some((packed.as_bytes(), &b"body"[..])));
        }
        let long = "a".repeat(MAX_ID);
        assert_eq!(unpack(PackedId::pack(&long).unwrap().as_bytes()), long);
        assert!(PackedId::pack("").is_none());
        assert!(PackedId::pack(&"g".repeat(MAX_ID + 1)).is_none());
    }

    #[test]
    fn lengths_come_back() {
        for length in [0, 1, 127, 128, 300, 70_000, 1 << 27] {
            let mut bytes = Vec::new();
            push_length(&mut bytes, length);
            assert_eq!(Reader(&bytes).length(), Some(length));
        }
        assert_eq!(Reader(&[0x80]).length(), None);
    }
}
