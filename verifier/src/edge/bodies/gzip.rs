//! Decompresses `Content-Encoding: gzip` (RFC 1952) as it arrives and hands it on in pieces. It keeps
//! nothing, is pure, and must not know what the content means.
//!
//! It is stricter than any reader, so that all readers read the same: one member (of two, some readers take
//! only the first), nothing after its end, correct length and checksum, and no field but a name in the
//! header. A server that does not decompress finds no JSON in it.

#[cfg(test)]
mod tests;

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// At most this many decompressed bytes are handed on at once.
const PIECE: usize = 16 * 1024;
/// A body may grow to [`FOLD`] times its compressed length plus [`GROWTH`] bytes. Real text stays well
/// under it (it grows three- to tenfold), and the sender of a bomb must send a thirtieth of it.
const FOLD: u64 = 30;
const GROWTH: u64 = 64 * 1024;
/// This is the longest file name in the header, in bytes.
const LONGEST_NAME: usize = 1024;

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
const HEAD: usize = 10;
const HAS_NAME: u8 = 8;
const TRAILER: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// Not all readers would read this gzip alike.
    Wrong,
    /// The body grows more than it may.
    Grows,
    /// The receiver of the pieces wants no more.
    Enough,
}

pub(super) struct Gunzip {
    at: At,
    inflate: Decompress,
    sum: Crc,
    came: u64,
    piece: Box<[u8]>,
}

enum At {
    Head(usize, u8),
    Name(usize),
    Data,
    Trailer([u8; TRAILER], usize),
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self {
            at: At::Head(0, 0),
            inflate: Decompress::new(false),
            sum: Crc::new(),
            came: 0,
            piece: vec![0; PIECE].into(),
        }
    }

    /// Returns the length of the decompressed bytes.
    pub(super) fn length(&self) -> u64 {
        self.inflate.total_out()
    }

    /// Takes the next compressed bytes as they came. `take` returns whether it wants more.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Stop> {
        let mut rest = bytes;
        self.came += bytes.len() as u64;
        while let Some((byte, after)) = rest.split_first() {
            match &mut self.at {
                At::Data => {
                    let used = self.inflated(rest, &mut take)?;
                    rest = rest.get(used..).unwrap_or_default();
                    continue;
                }
                At::Head(place, flags) => {
                    let fine = match *place {
                        3 => {
                            *flags = *byte;
                            matches!(*byte, 0 | HAS_NAME)
                        }
                        place => MAGIC.get(place).is_none_or(|known| known == byte),
                    };
                    if !fine {
                        return Err(Stop::Wrong);
                    }
                    *place += 1;
                    if *place == HEAD {
                        self.at = match *flags {
                            HAS_NAME => At::Name(0),
                            _ => At::Data,
                        };
                    }
                }
                At::Name(length) => {
                    *length += 1;
                    if *length > LONGEST_NAME {
                        return Err(Stop::Wrong);
                    }
                    if *byte == 0 {
                        self.at = At::Data;
                    }
                }
                At::Trailer(trailer, place) => {
                    // Nothing may follow the trailer.
                    *trailer.get_mut(*place).ok_or(Stop::Wrong)? = *byte;
                    *place += 1;
                }
            }
            rest = after;
        }
        Ok(())
    }

    /// Decompresses, and returns how many of these bytes were used.
    fn inflated(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> bool,
    ) -> Result<usize, Stop> {
        let (read, made) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(bytes, &mut self.piece, FlushDecompress::None)
            .map_err(|_| Stop::Wrong)?;
        let total = self.inflate.total_out();
        if total > GROWTH + FOLD * self.came {
            return Err(Stop::Grows);
        }
        let made = usize::try_from(total - made).unwrap_or_default();
        let used = usize::try_from(self.inflate.total_in() - read).unwrap_or_default();
        let piece = self.piece.get(..made).unwrap_or_default();
        self.sum.update(piece);
        match status {
            Status::StreamEnd => self.at = At::Trailer([0; TRAILER], 0),
            // The decompression made no progress and never would.
            Status::Ok | Status::BufError if used == 0 && made == 0 => return Err(Stop::Wrong),
            Status::Ok | Status::BufError => {}
        }
        match made == 0 || take(piece) {
            true => Ok(used),
            false => Err(Stop::Enough),
        }
    }

    /// Returns whether the gzip has ended, with the length and checksum that its trailer declares.
    pub(super) fn is_whole(&self) -> bool {
        let At::Trailer([s1, s2, s3, s4, l1, l2, l3, l4], TRAILER) = self.at else {
            return false;
        };
        // The trailer has only the last 32 bits of the length.
        u32::from_le_bytes([s1, s2, s3, s4]) == self.sum.sum()
            && u32::from_le_bytes([l1, l2, l3, l4]) == self.sum.amount()
    }
}
