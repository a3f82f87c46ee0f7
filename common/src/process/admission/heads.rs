//! This file cuts the bytes of one side of an HTTP/2 connection into frames (RFC 9113, section 4.1). It
//! knows nothing of what they mean.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// This flag belongs to DATA and HEADERS.
pub(super) const END_STREAM: u8 = 1;
/// This flag belongs to SETTINGS.
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const HEAD_BYTES: usize = 9;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    fn new([l0, l1, l2, kind, flags, s0, s1, s2, s3]: [u8; HEAD_BYTES]) -> Self {
        Self {
            length: usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Part<'a> {
    Head(Head),
    /// A piece of the payload that follows the last head.
    Payload(&'a [u8]),
}

/// The current position within a frame.
#[derive(Default, Debug)]
pub(super) struct Heads {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    payload_missing: usize,
    /// Whether the position is between HEADERS and the last of its CONTINUATION frames.
    in_headers: bool,
}

impl Heads {
    /// Takes the next part off `bytes`; `None`: no part is complete.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Part<'a>> {
        if self.payload_missing > 0 {
            let here = self.payload_missing.min(bytes.len());
            let (payload, rest) = bytes.split_at(here);
            *bytes = rest;
            self.payload_missing -= here;
            return (here > 0).then_some(Part::Payload(payload));
        }
        let head = match (self.head_bytes, bytes.split_first_chunk()) {
            (0, Some((head, rest))) => {
                *bytes = rest;
                *head
            }
            _ => self.in_pieces(bytes)?,
        };
        let head = Head::new(head);
        self.payload_missing = head.length;
        if matches!(head.kind, HEADERS | CONTINUATION) {
            self.in_headers = !head.has(END_HEADERS);
        }
        Some(Part::Head(head))
    }

    fn in_pieces(&mut self, bytes: &mut &[u8]) -> Option<[u8; HEAD_BYTES]> {
        let here = (HEAD_BYTES - self.head_bytes).min(bytes.len());
        let (part, rest) = bytes.split_at(here);
        *bytes = rest;
        let to = self.head.get_mut(self.head_bytes..self.head_bytes + here)?;
        to.copy_from_slice(part);
        self.head_bytes += here;
        if self.head_bytes < HEAD_BYTES {
            return None;
        }
        self.head_bytes = 0;
        Some(self.head)
    }

    /// Whether another frame may be inserted here.
    pub(super) fn between(&self) -> bool {
        self.head_bytes == 0 && self.payload_missing == 0 && !self.in_headers
    }
}

/// Returns the RST_STREAM frame that ends a stream.
pub(super) fn reset(stream: u32, reason: u8) -> [u8; HEAD_BYTES + 4] {
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [0, 0, 4, RST_STREAM, 0, s0, s1, s2, s3, 0, 0, 0, reason]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_cut_the_same_in_any_pieces() {
        let mut all = vec![0, 1, 0, DATA, END_STREAM, 0, 0, 0, 3];
        all.extend([7; 256]);
        all.extend(reset(5, 8));
        all.extend([0, 0, 0, HEADERS, 0, 0x80, 0, 0, 9]);
        for size in [1, 2, 8, 9, 10, 100, 1000] {
            let (mut heads, mut seen, mut payload) = (Heads::default(), Vec::new(), 0);
            for mut piece in all.chunks(size) {
                while let Some(part) = heads.next(&mut piece) {
                    match part {
                        Part::Head(head) => seen.push((head.kind, head.length, head.stream)),
                        Part::Payload(bytes) => payload += bytes.len(),
                    }
                }
            }
            let wanted = [(DATA, 256, 3), (RST_STREAM, 4, 5), (HEADERS, 0, 9)];
            assert_eq!((seen.as_slice(), payload), (&wanted[..], 260), "{size}");
            // The header block isn't complete.
            assert!(!heads.between());
        }
    }
}
