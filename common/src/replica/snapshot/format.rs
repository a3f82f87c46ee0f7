//! This file frames a snapshot file and guards it by a checksum. It must not know what the frames hold.
//!
//! A file is 8 bytes that no other file begins with, the format's number, frames, and the SHA-256 of all
//! that. A frame is the length of a message, its kind, and the message. Numbers are little-endian.

use std::io::{ErrorKind, Read, Write};

use prost::Message;
use sha2::{Digest as _, Sha256};

use super::{LONGEST, Unsaved, Unusable};

/// The last two bytes show a file that somebody's transfer took for text.
const MAGIC: [u8; 8] = *b"TWVIEW\r\n";
/// This version writes this format, and reads no other yet.
const FORMAT: u32 = 1;
const DIGEST: u64 = 32;
/// No message is longer, so that a damaged length costs no memory. An entry has at most 256 KiB, and a
/// frame of records ends with the record that makes it full.
const LONGEST_FRAME: u32 = 4 << 20;

/// What a frame holds. A kind's number is for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Begin = 1,
    Records = 2,
    Revoked = 3,
    Entry = 4,
    End = 5,
}

impl Kind {
    fn from_number(number: u8) -> Option<Self> {
        let all = [
            Self::Begin,
            Self::Records,
            Self::Revoked,
            Self::Entry,
            Self::End,
        ];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// Writes frames, and the checksum after them.
pub(super) struct Frames<W> {
    to: W,
    digest: Sha256,
    written: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Frames<W> {
    pub(super) fn begin(to: W) -> Result<Self, Unsaved> {
        let mut frames = Self {
            to,
            digest: Sha256::new(),
            written: 0,
            buffer: Vec::new(),
        };
        frames.buffer.extend(MAGIC);
        frames.buffer.extend(FORMAT.to_le_bytes());
        frames.flush()?;
        Ok(frames)
    }

    pub(super) fn write(&mut self, kind: Kind, message: &impl Message) -> Result<(), Unsaved> {
        let length = u32::try_from(message.encoded_len()).unwrap_or(u32::MAX);
        if length > LONGEST_FRAME || self.written >= LONGEST {
            return Err(Unsaved::TooLong);
        }
        self.buffer.extend(length.to_le_bytes());
        self.buffer.push(kind as u8);
        // A vector takes whatever is encoded.
        let _ = message.encode(&mut self.buffer);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Unsaved> {
        self.digest.update(&self.buffer);
        self.to.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the checksum, and returns the length of the file.
    pub(super) fn end(mut self) -> Result<u64, Unsaved> {
        let digest = std::mem::take(&mut self.digest).finalize();
        self.to.write_all(&digest)?;
        self.to.flush()?;
        Ok(self.written + DIGEST)
    }
}

/// Reads frames. Nothing that it returned may be used before [`Self::end`] has found all of them sound.
pub(super) struct Framed<R> {
    from: R,
    digest: Sha256,
    /// How many bytes of frames are still to come.
    left: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Framed<R> {
    pub(super) fn begin(from: R, length: u64) -> Result<Self, Unusable> {
        let mut framed = Self {
            from,
            digest: Sha256::new(),
            left: length,
            buffer: Vec::new(),
        };
        let mut head = [0; MAGIC.len() + 4];
        if length < head.len() as u64 + DIGEST {
            return Err(Unusable::Damaged("it is too short"));
        }
        framed.left -= DIGEST;
        framed.read(&mut head)?;
        let (magic, format) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(Unusable::Foreign);
        }
        let format = format.try_into().map_or(0, u32::from_le_bytes);
        if format != FORMAT {
            return Err(Unusable::Version(format));
        }
        Ok(framed)
    }

    /// Returns the next frame; `None` after the last one.
    pub(super) fn next(&mut self) -> Result<Option<(Kind, &[u8])>, Unusable> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut head = [0; 5];
        self.read(&mut head)?;
        let [a, b, c, d, kind] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > LONGEST_FRAME || u64::from(length) > self.left {
            return Err(Unusable::Damaged("a frame is longer than it can be"));
        }
        let kind = Kind::from_number(kind).ok_or(Unusable::Damaged("a frame has no kind"))?;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(length as usize, 0);
        let read = self.read(&mut buffer);
        self.buffer = buffer;
        read?;
        Ok(Some((kind, &self.buffer)))
    }

    fn read(&mut self, to: &mut [u8]) -> Result<(), Unusable> {
        self.left = (self.left)
            .checked_sub(to.len() as u64)
            .ok_or(Unusable::Damaged("it ends within a frame"))?;
        exactly(&mut self.from, to)?;
        self.digest.update(to);
        Ok(())
    }

    /// Compares the checksum, which must be the file's last bytes.
    pub(super) fn end(mut self) -> Result<(), Unusable> {
        let mut digest = [0; DIGEST as usize];
        exactly(&mut self.from, &mut digest)?;
        if self.digest.finalize().as_slice() != digest {
            return Err(Unusable::Damaged("its checksum is another"));
        }
        if self.from.read(&mut [0])? != 0 {
            return Err(Unusable::Damaged("it grew while it was read"));
        }
        Ok(())
    }
}

fn exactly(from: &mut impl Read, to: &mut [u8]) -> Result<(), Unusable> {
    from.read_exact(to).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Unusable::Damaged("it was cut off while it was read"),
        _ => Unusable::Io(error),
    })
}
