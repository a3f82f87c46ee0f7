//! Records how far an import came, in a file beside its input, and decides whether another import may
//! resume from there.
//!
//! The file is one line of JSON, overwritten in place by one write as each batch is answered: a killed
//! import leaves the old line or the new one. It identifies the input (its length, and the SHA-256 of all
//! that is settled) and the realm, so that no part of another file is skipped, nor of the same file for
//! another realm.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokenward_common::id::RevisionToken;

use super::batch::Mark;
use crate::exit::{Exit, Failure};

/// The field that marks a progress file and holds its version.
const FORM: &str = "tokenward_import";
const VERSION: u64 = 1;
/// The line's padded width in bytes. It fits in one sector, and an overwritten line is never shorter than
/// the line before.
const WIDTH: usize = 511;
/// The most bytes that are read. A longer file is no progress file.
const LONGEST: u64 = 4096;

/// What is settled: answered by the issuer, or refused before it was sent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) end: Mark,
    pub(super) operations: u64,
    pub(super) batches: u64,
    pub(super) refused_here: u64,
    pub(super) refused_there: u64,
    /// The last revision that the issuer returned; may be empty.
    pub(super) revision: String,
}

/// An open progress file. Its lock allows one import at a time.
#[derive(Debug)]
pub(super) struct Progress {
    path: PathBuf,
    file: File,
    length: u64,
    /// The realm's log id. It is empty before the issuer has answered.
    realm: String,
    /// The position where this run of the import began.
    pub(super) before: Tally,
}

impl Progress {
    /// Opens and locks the file. `length` is the input's length in bytes.
    pub(super) fn open(path: PathBuf, length: u64, restart: bool) -> Result<Self, Failure> {
        let unusable = |error: &io::Error| unusable(&path, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| unusable(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{} is held by another import", path.display());
                return Err(Failure::new(Exit::Conflict, text)
                    .next("wait for the other import of this file to end"));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(&error)),
        }
        let mut text = String::new();
        let read = (&file).take(LONGEST).read_to_string(&mut text);
        match read {
            Err(error) if error.kind() != io::ErrorKind::InvalidData => {
                return Err(unusable(&error));
            }
            _ => {}
        }
        let mut progress = Self {
            path,
            file,
            length,
            realm: String::new(),
            before: Tally::default(),
        };
        if progress.file.metadata().is_ok_and(|file| file.len() == 0) {
            return Ok(progress);
        }
        let Some((realm, was, tally)) = read_line(&text) else {
            let text = format!("{} is no import's progress file", progress.path.display());
            return Err(Failure::usage(text)
                .next("name another file with --progress, or remove this one if it is yours"));
        };
        if !restart {
            if was != length {
                return Err(progress.changed());
            }
            (progress.realm, progress.before) = (realm, tally);
        }
        Ok(progress)
    }

    /// Reads the input up to where the import resumes. Returns the digest of that part, or why the import
    /// may not resume.
    pub(super) fn verify(&self, input: &mut impl Read) -> io::Result<Result<Sha256, Failure>> {
        let mut digest = Sha256::new();
        let mut rest = self.before.end.offset;
        let mut piece = vec![0; 256 << 10];
        while rest > 0 {
            let most = piece.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            let read = input.read(piece.get_mut(..most).unwrap_or_default())?;
            if read == 0 {
                return Ok(Err(self.changed()));
            }
            digest.update(piece.get(..read).unwrap_or_default());
            rest -= read as u64;
        }
        let found: [u8; 32] = digest.clone().finalize().into();
        if self.before.end.offset > 0 && found != self.before.end.digest {
            return Ok(Err(self.changed()));
        }
        Ok(Ok(digest))
    }

    /// Checks that the progress belongs to the issuer's realm, and is not ahead of its head.
    pub(super) fn settle_realm(&mut self, head: RevisionToken) -> Result<(), Failure> {
        let realm = head.log.to_string();
        if !self.realm.is_empty() && self.realm != realm {
            return Err(self.refuse("tells of an import into another realm"));
        }
        let answered = RevisionToken::parse(&self.before.revision);
        if answered.is_some_and(|answered| answered.revision > head.revision) {
            return Err(self.refuse("tells of answers that the realm no longer knows"));
        }
        self.realm = realm;
        Ok(())
    }

    /// Overwrites the line with one write.
    pub(super) fn note(&self, tally: &Tally) -> Result<(), Failure> {
        let line = json!({
            FORM: VERSION,
            "realm": self.realm,
            "length": self.length,
            "line": tally.end.line,
            "offset": tally.end.offset,
            "sha256": hex::encode(tally.end.digest),
            "operations": tally.operations,
            "batches": tally.batches,
            "refused_here": tally.refused_here,
            "refused_there": tally.refused_there,
            "revision": tally.revision,
        })
        .to_string();
        let line = format!("{line:WIDTH$}\n");
        self.file
            .write_all_at(line.as_bytes(), 0)
            .map_err(|error| unusable(&self.path, &error))
    }

    pub(super) fn resumed(&self) -> String {
        format!(
            "resumed at line {}: {} operations were written before",
            self.before.end.line + 1,
            self.before.operations
        )
    }

    /// Removes the file: everything is answered, so there is nothing to resume.
    pub(super) fn finish(self) -> Result<(), Failure> {
        std::fs::remove_file(&self.path).map_err(|error| unusable(&self.path, &error))
    }

    fn changed(&self) -> Failure {
        self.refuse("tells of another file, or of this one before it was changed")
    }

    fn refuse(&self, why: &str) -> Failure {
        let text = format!("the import can't go on: {} {why}", self.path.display());
        Failure::new(Exit::Conflict, text)
            .next("import the file from the beginning with --restart; what was written already stays as it is")
    }
}

/// An import that never began leaves no file behind.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|file| file.len() == 0) {
            // An error is ignored: the next import would find the file empty, and use it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!(
        "the progress file {} can't be used: {error}",
        path.display()
    ))
    .next("name another place for it with --progress")
}

/// Parses the line: realm, input length, and what was settled.
fn read_line(text: &str) -> Option<(String, u64, Tally)> {
    let line: Value = serde_json::from_str(text).ok()?;
    let number = |name: &str| line.get(name)?.as_u64();
    let text = |name: &str| line.get(name)?.as_str().map(str::to_owned);
    if number(FORM)? != VERSION {
        return None;
    }
    let mut digest = [0; 32];
    hex::decode_to_slice(text("sha256")?, &mut digest).ok()?;
    let tally = Tally {
        end: Mark {
            line: number("line")?,
            offset: number("offset")?,
            digest,
        },
        operations: number("operations")?,
        batches: number("batches")?,
        refused_here: number("refused_here")?,
        refused_there: number("refused_there")?,
        revision: text("revision")?,
    };
    Some((text("realm")?, number("length")?, tally))
}

#[cfg(test)]
mod tests;
