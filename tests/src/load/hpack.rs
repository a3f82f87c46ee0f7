//! The part of HPACK (RFC 7541) that finds `grpc-status` in an answer. Of other fields it needs only the
//! lengths of names and values, which decide what the dynamic table still holds.

use std::collections::{HashMap, VecDeque};

/// Lengths in bits of the Huffman codes of each byte (appendix B). The code is canonical, so the lengths
/// define it; the 257th code is the end of string, with 30 bits.
const CODE_LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Lengths of the names in the static table (appendix A), which has no `grpc-status`.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14,
    16, 13, 12, 6, 4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10,
    25, 17, 10, 4, 3, 16,
];

/// Bytes that a field's size has beside its name and value (section 4.1).
const ENTRY_OVERHEAD: usize = 32;
/// The table size in bytes without a setting; the client sends none.
const TABLE_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Name {
    length: usize,
    is_status: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Name,
    size: usize,
    /// The value, if this is a `grpc-status`.
    status: Option<u32>,
}

#[derive(Debug)]
pub struct Decoder {
    entries: VecDeque<Entry>,
    size: usize,
    limit: usize,
    codes: HashMap<(u8, u32), u8>,
}

/// A block that is not valid. Either the server broke RFC 7541, or this decoder did.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl Default for Decoder {
    fn default() -> Self {
        let mut by_length: Vec<(u8, u8)> = CODE_LENGTHS.iter().copied().zip(0..=255).collect();
        by_length.sort_unstable();
        let (mut code, mut previous, mut codes) = (0u32, 0, HashMap::new());
        for (length, byte) in by_length {
            code <<= length - previous;
            codes.insert((length, code), byte);
            (code, previous) = (code + 1, length);
        }
        Self {
            entries: VecDeque::new(),
            size: 0,
            limit: TABLE_BYTES,
            codes,
        }
    }
}

impl Decoder {
    /// Returns the `grpc-status` in a block, if there is one. Every block must pass through here, in
    /// order.
    pub fn status(&mut self, mut block: &[u8]) -> Result<Option<u32>, Malformed> {
        let mut found = None;
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut block, 7)?;
                found = found.or(self.entry(index)?.and_then(|e| e.status));
            } else if first & 0x40 != 0 {
                let entry = self.literal(&mut block, 6)?;
                found = found.or(entry.status);
                self.insert(entry);
            } else if first & 0x20 != 0 {
                self.limit = integer(&mut block, 5)?.min(TABLE_BYTES);
                self.evict();
            } else {
                found = found.or(self.literal(&mut block, 4)?.status);
            }
        }
        Ok(found)
    }

    /// Returns an entry of the dynamic table. `None`: the index is in the static table, which has no
    /// relevant entry.
    fn entry(&self, index: usize) -> Result<Option<Entry>, Malformed> {
        match index.checked_sub(STATIC_NAMES.len() + 1) {
            None if index == 0 => Err(Malformed),
            None => Ok(None),
            Some(dynamic) => self
                .entries
                .get(dynamic)
                .copied()
                .map(Some)
                .ok_or(Malformed),
        }
    }

    fn literal(&self, block: &mut &[u8], prefix: u8) -> Result<Entry, Malformed> {
        let index = integer(block, prefix)?;
        let name = if index == 0 {
            let text = self.string(block)?;
            Name {
                length: text.len(),
                is_status: text == b"grpc-status",
            }
        } else if let Some(length) = STATIC_NAMES.get(index - 1) {
            Name {
                length: usize::from(*length),
                is_status: false,
            }
        } else {
            self.entry(index)?.ok_or(Malformed)?.name
        };
        let value = self.string(block)?;
        let status = if name.is_status {
            let text = std::str::from_utf8(&value).map_err(|_| Malformed)?;
            Some(text.parse().map_err(|_| Malformed)?)
        } else {
            None
        };
        Ok(Entry {
            name,
            size: name.length + value.len() + ENTRY_OVERHEAD,
            status,
        })
    }

    fn string(&self, block: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
        let huffman = block.first().ok_or(Malformed)? & 0x80 != 0;
        let length = integer(block, 7)?;
        let (text, rest) = block.split_at_checked(length).ok_or(Malformed)?;
        *block = rest;
        Ok(if huffman {
            self.unhuffman(text)
        } else {
            text.to_vec()
        })
    }

    /// Decodes Huffman codes. The bits that are left at the end are padding.
    fn unhuffman(&self, text: &[u8]) -> Vec<u8> {
        let (mut out, mut code, mut length) = (Vec::new(), 0u32, 0u8);
        for bit in text
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1))
        {
            (code, length) = (code << 1 | u32::from(bit), length + 1);
            if let Some(byte) = self.codes.get(&(length, code)) {
                out.push(*byte);
                (code, length) = (0, 0);
            }
        }
        out
    }

    fn insert(&mut self, entry: Entry) {
        self.entries.push_front(entry);
        self.size += entry.size;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.limit {
            let Some(entry) = self.entries.pop_back() else {
                break;
            };
            self.size -= entry.size;
        }
    }
}

/// Reads an integer (section 5.1).
fn integer(block: &mut &[u8], prefix: u8) -> Result<usize, Malformed> {
    let mut next = || {
        let (first, rest) = block.split_first().ok_or(Malformed)?;
        *block = rest;
        Ok(usize::from(*first))
    };
    let mask = (1usize << prefix) - 1;
    let mut value = next()? & mask;
    if value < mask {
        return Ok(value);
    }
    for shift in [0, 7, 14, 21] {
        let byte = next()?;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(hex: &str) -> Vec<u8> {
        let hex: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        hex.chunks(2)
            .map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap())
            .collect()
    }

    /// The example of RFC 7541, appendix C.6: three answers, a table of 256 bytes, Huffman codes.
    #[test]
    fn the_dynamic_table_is_kept_as_in_the_rfc() {
        let mut decoder = Decoder {
            limit: 256,
            ..Decoder::default()
        };
        let blocks = [
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad \
              1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                222,
            ),
            ("4883 640e ffc1 c0bf", 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 \
              e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                215,
            ),
        ];
        for (hex, size) in blocks {
            assert_eq!(decoder.status(&block(hex)), Ok(None));
            assert_eq!(decoder.size, size);
        }
    }

    #[test]
    fn a_status_is_found_as_a_literal_and_by_its_index() {
        let mut decoder = Decoder::default();
        let mut literal = vec![0x40, 11];
        literal.extend(b"grpc-status");
        literal.extend([2, b'1', b'4']);
        assert_eq!(decoder.status(&literal), Ok(Some(14)));
        assert_eq!(decoder.status(&[0x88, 0xbe]), Ok(Some(14)));
        // This field has an indexed name and another value, and is not added to the table.
        assert_eq!(decoder.status(&[0x0f, 62 - 15, 1, b'0']), Ok(Some(0)));
        assert_eq!(decoder.status(&[0x88]), Ok(None));
        assert_eq!(decoder.status(&[0xbf]), Err(Malformed));
    }
}
