//! How a key ring's file is read and replaced: whole or not at all, by one command at a time, its
//! owner and mode kept. What a ring must be is `tokenward_common::token`'s business.

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tokenward_common::{clock::UnixTime, token::KeyRing};

use crate::{
    exit::{Exit, Failure},
    secret::SecretFile,
};

/// A ring that this command alone may replace: beside it lies the file that will be the new one.
#[derive(Debug)]
pub(super) struct RingFile {
    path: PathBuf,
    new: PathBuf,
    file: SecretFile,
    /// `None`: there is no ring yet.
    old: Option<Metadata>,
}

impl RingFile {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path
            .file_name()
            .ok_or_else(|| Failure::usage("--ring: must name a file").next("such as ring.json"))?;
        let new = path.with_file_name(format!(".{}.new", name.display()));
        let file = SecretFile::create(&new).map_err(|failure| match failure.exit {
            Exit::Conflict => Failure::new(
                Exit::Conflict,
                format!(
                    "{} exists: another command changes this ring",
                    new.display()
                ),
            )
            .next("wait for it; if it broke off, remove that file and try again"),
            _ => failure,
        })?;
        let old = match fs::symlink_metadata(path) {
            Ok(old) if !old.is_file() => {
                return Err(
                    Failure::usage(format!("--ring: {} is no plain file", path.display()))
                        .next("name the file itself, not a link to it"),
                );
            }
            Ok(old) => Some(old),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, "can't be read", &error)),
        };
        Ok(Self {
            path: path.into(),
            new,
            file,
            old,
        })
    }

    /// The ring as it is; `None`: there is none.
    pub(super) fn read(&self) -> Result<Option<KeyRing>, Failure> {
        if self.old.is_none() {
            return Ok(None);
        }
        let text = fs::read_to_string(&self.path)
            .map_err(|error| failed(&self.path, "can't be read", &error))?;
        KeyRing::parse(&text).map(Some).map_err(|mistakes| {
            Failure::usage(format!("{}: {}", self.path.display(), mistakes.join("; ")))
                .next("mend the ring by hand; the issuer goes on with the last good one")
        })
    }

    /// When the ring was last changed, as its file says.
    pub(super) fn changed(&self) -> Option<UnixTime> {
        let modified = self.old.as_ref()?.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(UnixTime(since.as_secs()))
    }

    /// A key's file as the ring names it: relative to the ring's folder, and within it.
    pub(super) fn relative(&self, key: &Path) -> Result<String, Failure> {
        let real = |path: &Path| {
            let folder = match path.parent() {
                Some(parent) if parent != Path::new("") => parent,
                _ => Path::new("."),
            };
            fs::canonicalize(folder).map_err(|error| failed(folder, "can't be read", &error))
        };
        let (ring, folder) = (real(&self.path)?, real(key)?);
        let name = key.file_name().map(|name| folder.join(name));
        name.as_deref()
            .and_then(|full| full.strip_prefix(&ring).ok()?.to_str())
            .map(str::to_owned)
            .ok_or_else(|| {
                Failure::usage(format!("{}: must be in the ring's folder", key.display()))
                    .next(format!("put it below {}", ring.display()))
            })
    }

    /// A new file beside the ring gets the ring's owner: the issuer must be able to read both.
    pub(super) fn hand_over(&self, path: &Path) -> Result<(), Failure> {
        match &self.old {
            Some(old) => own(path, old).map_err(|error| {
                failed(path, "can't be given to the ring's owner", &error)
                    .next("run the command as the ring's owner")
            }),
            None => Ok(()),
        }
    }

    /// On disk when this returns.
    pub(super) fn replace(self, ring: &KeyRing) -> Result<(), Failure> {
        let mistakes = ring.mistakes();
        if !mistakes.is_empty() {
            return Err(Failure::usage(mistakes.join("; ")));
        }
        let text = ring
            .to_json()
            .map_err(|error| Failure::new(Exit::Other, format!("no ring was written: {error}")))?;
        let Self {
            path,
            new,
            file,
            old,
        } = self;
        let remove = || {
            // It is ours; if it can't be removed, the next command says so.
            let _ = fs::remove_file(&new);
        };
        file.write(&text).inspect_err(|_| remove())?;
        let swap = || -> io::Result<()> {
            if let Some(old) = &old {
                own(&new, old)?;
                fs::set_permissions(&new, old.permissions())?;
            }
            fs::rename(&new, &path)
        };
        swap().map_err(|error| {
            remove();
            failed(&path, "can't be replaced", &error)
        })?;
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| failed(folder, "can't be synced", &error))
    }
}

#[cfg(unix)]
fn own(path: &Path, like: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let is = fs::metadata(path)?;
    if (is.uid(), is.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    chown(path, Some(like.uid()), Some(like.gid()))
}

#[cfg(not(unix))]
fn own(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}

fn failed(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("{} {what}: {error}", path.display()))
        .next("run it as the ring's owner, in a folder that exists")
}
