//! This file decides the bytes of an archive. They stay for ever: a change is a new version.
//!
//! The file is [`MAGIC`] and then chunks. A chunk is its length in 4 bytes, least significant first, that
//! many bytes of a [`Piece`], and 32 bytes of SHA-256 over the digest of the chunk before and these bytes.
//! The digest before the first chunk is that of [`MAGIC`]. The first piece is the start, the last one is the
//! end, and no byte follows it: so a file that was cut off, changed or put together from two is found out.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use prost::Message;
use sha2::{Digest, Sha256};
use tokenward_proto::internal as pb;

use crate::{
    state::key::Key,
    state::record::Kind,
    store::{
        FeedError,
        archive::{ArchiveError, Origin, Summary},
        wire,
    },
};

const MAGIC: &[u8] = b"tokenward archive 1\n";
/// No piece is longer: a damaged length must not take the machine's memory.
const LONGEST: usize = 16 * 1024 * 1024;

/// One piece of an archive. It holds one of these.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Piece {
    #[prost(message, optional, tag = "1")]
    pub(super) start: Option<Start>,
    #[prost(message, repeated, tag = "2")]
    pub(super) records: Vec<pb::Record>,
    #[prost(message, optional, tag = "3")]
    pub(super) revoked: Option<pb::RevokedPage>,
    #[prost(message, repeated, tag = "4")]
    pub(super) entries: Vec<pb::Entry>,
    #[prost(message, repeated, tag = "5")]
    pub(super) private: Vec<Private>,
    #[prost(message, repeated, tag = "6")]
    pub(super) tokens: Vec<OwnersToken>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    pub(super) audit: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "8")]
    pub(super) end: Option<End>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Start {
    #[prost(string, tag = "1")]
    pub(super) realm: String,
    /// The log's id, which the entries don't name.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) log: Vec<u8>,
    /// When the archive was begun, in Unix seconds.
    #[prost(uint64, tag = "3")]
    pub(super) time: u64,
}

/// An issuer-only record.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Private {
    #[prost(uint32, tag = "1")]
    pub(super) kind: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) value: Vec<u8>,
}

/// A token on an owner's list.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OwnersToken {
    #[prost(string, tag = "1")]
    pub(super) owner: String,
    #[prost(uint64, tag = "2")]
    pub(super) token: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct End {
    #[prost(message, optional, tag = "1")]
    pub(super) head: Option<pb::Head>,
    #[prost(uint64, tag = "2")]
    pub(super) records: u64,
}

impl Private {
    pub(super) fn new((key, value): (Key, Vec<u8>)) -> Self {
        Self {
            kind: key.kind.number(),
            key: key.bytes,
            value,
        }
    }

    pub(super) fn split(self) -> Option<(Key, Vec<u8>)> {
        let kind = Kind::from_number(self.kind).filter(|kind| !Kind::PUBLIC.contains(kind))?;
        let bytes = self.key;
        Some((Key { kind, bytes }, self.value))
    }
}

/// Writes an archive. The file gets its name only when it is whole, and never replaces another one.
pub struct Writer {
    out: BufWriter<File>,
    digest: [u8; 32],
    new: PathBuf,
    path: PathBuf,
}

impl Writer {
    /// Begins an archive, which only this user may read: it names all accounts and what they may do.
    pub fn create(path: &Path) -> Result<Self, ArchiveError> {
        if path.symlink_metadata().is_ok() {
            let text = format!("{} exists: name another file", path.display());
            return Err(ArchiveError::There(text));
        }
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}.new", std::process::id()));
        let new = PathBuf::from(new);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&new);
        let file = file.map_err(|error| ArchiveError::Io(new.clone(), error))?;
        let mut writer = Self {
            out: BufWriter::with_capacity(256 << 10, file),
            digest: Sha256::digest(MAGIC).into(),
            new,
            path: path.into(),
        };
        writer.all(MAGIC)?;
        Ok(writer)
    }

    fn all(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| ArchiveError::Io(self.new.clone(), error))
    }

    pub(super) fn put(&mut self, piece: &Piece) -> Result<(), ArchiveError> {
        let bytes = piece.encode_to_vec();
        let length = u32::try_from(bytes.len()).ok();
        let Some(length) = length.filter(|_| bytes.len() <= LONGEST) else {
            return Err(ArchiveError::Store("a piece is too long".into()));
        };
        self.digest = chained(&self.digest, &bytes);
        self.all(&length.to_le_bytes())?;
        self.all(&bytes)?;
        let digest = self.digest;
        self.all(&digest)
    }

    /// Makes the file durable, and gives it its name.
    pub(super) fn finish(mut self) -> Result<(), ArchiveError> {
        let kept = self.out.flush();
        let kept = kept.and_then(|()| self.out.get_ref().sync_all());
        kept.map_err(|error| ArchiveError::Io(self.new.clone(), error))?;
        // A link takes no name that is taken; a rename would.
        let named = fs::hard_link(&self.new, &self.path).and_then(|()| sync_folder(&self.path));
        named.map_err(|error| ArchiveError::Io(self.path.clone(), error))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Once the file has its name this one is only a second name of it.
        let _ = fs::remove_file(&self.new);
    }
}

/// Reads an archive whose every byte was checked.
pub struct Reader {
    path: PathBuf,
    realm: String,
    summary: Summary,
}

impl Reader {
    /// Reads the whole file once and checks it, so that nothing is made of a damaged one.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let mut chunks = Chunks::open(path)?;
        let first = chunks.next()?.and_then(|piece| piece.start);
        let start = first.ok_or_else(|| chunks.unusable("it has no start"))?;
        let mut end = None;
        while let Some(piece) = chunks.next()? {
            if end.is_some() {
                return Err(chunks.unusable("something follows its end"));
            }
            end = piece.end;
        }
        let end = end.ok_or_else(|| chunks.unusable("its end is missing"))?;
        let head = wire::head_from_proto(end.head).map_err(|e| chunks.unusable(e))?;
        if head.cursor.log.0.as_slice() != start.log {
            return Err(chunks.unusable("its end is of another log"));
        }
        Ok(Self {
            path: path.into(),
            realm: start.realm,
            summary: Summary {
                head,
                records: end.records,
            },
        })
    }

    /// Returns the name of the realm that the archive is of.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Says what the archive holds.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Returns where a realm that is made of it comes from.
    pub fn origin(&self) -> Origin {
        Origin {
            fork: self.summary.head.cursor,
            serial: self.summary.head.serial,
        }
    }

    /// Returns the pieces, which are checked once more as they are read.
    pub(super) fn pieces(&self) -> Result<Chunks, ArchiveError> {
        Chunks::open(&self.path)
    }
}

pub(super) struct Chunks {
    file: BufReader<File>,
    digest: [u8; 32],
    path: PathBuf,
}

impl Chunks {
    fn open(path: &Path) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(|error| ArchiveError::Io(path.into(), error))?;
        let mut chunks = Self {
            file: BufReader::with_capacity(256 << 10, file),
            digest: Sha256::digest(MAGIC).into(),
            path: path.into(),
        };
        let mut magic = [0; MAGIC.len()];
        match chunks.file.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => Ok(chunks),
            Ok(()) => Err(chunks.unusable("it is of a later version, or no archive")),
            Err(error) => Err(chunks.torn(error)),
        }
    }

    /// Returns the next piece; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, ArchiveError> {
        let mut length = [0; 4];
        match self.file.read(&mut length[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(self.torn(error)),
        }
        self.exact(&mut length[1..])?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(self.unusable("a piece is too long"));
        }
        let mut bytes = vec![0; length];
        self.exact(&mut bytes)?;
        let mut digest = [0; 32];
        self.exact(&mut digest)?;
        self.digest = chained(&self.digest, &bytes);
        if digest != self.digest {
            return Err(self.unusable("its checksum is wrong: it was changed or is damaged"));
        }
        let piece = Piece::decode(bytes.as_slice()).map_err(|error| self.unusable(error))?;
        Ok(Some(piece))
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), ArchiveError> {
        match self.file.read_exact(bytes) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.torn(error)),
        }
    }

    fn torn(&self, error: io::Error) -> ArchiveError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.unusable("it is cut off"),
            _ => ArchiveError::Io(self.path.clone(), error),
        }
    }

    pub(super) fn unusable(&self, why: impl ToString) -> ArchiveError {
        ArchiveError::Unusable(self.path.clone(), why.to_string())
    }
}

fn chained(before: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let digest = Sha256::new().chain_update(before).chain_update(bytes);
    digest.finalize().into()
}

/// A file's name must survive a crash as its content does.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

impl From<crate::state::codec::DecodeError> for ArchiveError {
    fn from(error: crate::state::codec::DecodeError) -> Self {
        Self::Feed(FeedError::from(error))
    }
}
