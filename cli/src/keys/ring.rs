//! Decides what a key ring's file holds, and which keys it may name. How the file is replaced is the
//! business of `replaced`, and which rings are valid is that of `tokenward_common::token`.

use std::{fs, path::Path};

use tokenward_common::{clock::UnixTime, token::KeyRing};

use crate::{
    exit::{Exit, Failure},
    replaced::{Replaced, failed, folder},
};

/// The file of a key ring, which this command alone may replace.
#[derive(Debug)]
pub(super) struct RingFile(Replaced);

impl RingFile {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Replaced::open("--ring", path).map(Self)
    }

    /// Reads the current ring. `None`: the file doesn't exist.
    pub(super) fn read(&self) -> Result<Option<KeyRing>, Failure> {
        let Some(text) = self.0.read()? else {
            return Ok(None);
        };
        KeyRing::parse(&text).map(Some).map_err(|mistakes| {
            let path = self.0.path().display();
            Failure::usage(format!("{path}: {}", mistakes.join("; ")))
                .next("mend the ring by hand; the issuer goes on with the last good one")
        })
    }

    /// Returns the time of the ring's last change, from its file.
    pub(super) fn changed(&self) -> Option<UnixTime> {
        let modified = self.0.old()?.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(UnixTime(since.as_secs()))
    }

    /// Returns the path of a key's file as the ring names it: relative to the ring's folder, and inside
    /// it.
    pub(super) fn relative(&self, key: &Path) -> Result<String, Failure> {
        let real = |path: &Path| {
            let folder = folder(path);
            fs::canonicalize(folder).map_err(|error| failed(folder, "can't be read", &error))
        };
        let (ring, folder) = (real(self.0.path())?, real(key)?);
        let name = key.file_name().map(|name| folder.join(name));
        name.as_deref()
            .and_then(|full| full.strip_prefix(&ring).ok()?.to_str())
            .map(str::to_owned)
            .ok_or_else(|| {
                Failure::usage(format!("{}: must be in the ring's folder", key.display()))
                    .next(format!("put it below {}", ring.display()))
            })
    }

    /// Gives a key's file the owner of the ring's file: the issuer must be able to read both.
    pub(super) fn hand_over(&self, path: &Path) -> Result<(), Failure> {
        self.0.hand_over(path)
    }

    /// Replaces the ring. The new file is on disk when this returns.
    pub(super) fn replace(self, ring: &KeyRing) -> Result<(), Failure> {
        let mistakes = ring.mistakes();
        if !mistakes.is_empty() {
            return Err(Failure::usage(mistakes.join("; ")));
        }
        let text = ring
            .to_json()
            .map_err(|error| Failure::new(Exit::Other, format!("no ring was written: {error}")))?;
        self.0.replace(&text, || Ok(()))
    }
}
