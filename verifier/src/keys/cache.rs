//! Keeps the last good key set in a file, for a start while no source of keys answers.
//!
//! Only the verifier's user may write the file, and a reader finds all of it or none. Anything else in
//! its place is logged and supplies no keys.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokenward_common::{
    id::LogId,
    process::file,
    token::{KeyDocument, MAX_DOCUMENT},
};
use tracing::{info, warn};

use super::understood;
use crate::decide::Decider;

/// The mode bits that let the group or others write.
const WRITABLE: u32 = 0o022;

pub(super) struct Cache {
    path: PathBuf,
    /// The document in the file.
    kept: Option<KeyDocument>,
    /// Why the file can't be written, as it was last logged. Each reason is logged once.
    told: Option<String>,
}

impl Cache {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            kept: None,
            told: None,
        }
    }

    /// Reads the keys of the log that is followed. The cache may supply keys but can't be grounds to
    /// refuse, because its age is unknown.
    pub(super) async fn restore(&mut self, decider: &Decider, log: LogId) -> Option<KeyDocument> {
        let asked = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&asked)).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        let path = self.path.display();
        match read.and_then(|bytes| bytes.map(|it| read_for_log(&it, decider, log)).transpose()) {
            Ok(Some(document)) => {
                self.kept = Some(document.clone());
                Some(document)
            }
            Ok(None) => {
                info!("--jwks-cache {path} holds no signing keys yet");
                None
            }
            Err(problem) => {
                warn!(problem, "--jwks-cache {path} is not used");
                None
            }
        }
    }

    /// Writes the document, unless the file holds it already.
    pub(super) async fn keep(&mut self, document: KeyDocument) {
        if self.kept.as_ref() == Some(&document) {
            return;
        }
        let path = self.path.clone();
        let text = document.to_json().map_err(|error| error.to_string());
        let written = match text {
            Ok(text) => tokio::task::spawn_blocking(move || write(&path, &text))
                .await
                .map_err(|error| error.to_string())
                .and_then(|written| written.map_err(|error| error.to_string())),
            Err(problem) => Err(problem),
        };
        match written {
            Ok(()) => {
                self.kept = Some(document);
                self.told = None;
            }
            Err(problem) if self.told.as_ref() != Some(&problem) => {
                let path = self.path.display();
                warn!(
                    problem,
                    "--jwks-cache {path} can't be written: the signing keys are not kept"
                );
                self.told = Some(problem);
            }
            Err(_) => {}
        }
    }
}

/// Reads the file. It returns `None` if there is no file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let bytes = match file::read(path, MAX_DOCUMENT as u64) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| error.to_string())?,
    };
    let mode = fs::metadata(path).map(|it| it.permissions().mode());
    if mode.map_err(|error| error.to_string())? & WRITABLE != 0 {
        return Err("others may write it, and so could give this verifier keys".into());
    }
    Ok(Some(bytes))
}

/// Parses a document of this log. One of another log supplies no keys: a realm made anew has forgotten
/// which tokens of the old one were revoked.
fn read_for_log(bytes: &[u8], decider: &Decider, log: LogId) -> Result<KeyDocument, String> {
    let document = understood(bytes, decider)?;
    if document.log_id != Some(log) {
        return Err("it is of another realm's log".into());
    }
    Ok(document)
}

/// Replaces the file. It is durable on return; until then the old file stands.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // A file that a dead process left may have other permissions.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    if let Err(error) = fs::rename(&new, path) {
        // What stands at `path` is no file, so the new file is removed.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
