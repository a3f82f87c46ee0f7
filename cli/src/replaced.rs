//! Replaces a settings file that a running program reloads: atomically, by one command at a time, with
//! owner and mode kept. It doesn't know what the file contains.

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use crate::{
    exit::{Exit, Failure},
    secret::SecretFile,
};

/// A limit in bytes, much larger than any such file.
const LONGEST: u64 = 16 * 1024 * 1024;

/// A file that this command alone may replace. The new version is written to a file beside it, which is
/// also the lock.
#[derive(Debug)]
pub(crate) struct Replaced {
    path: PathBuf,
    new: PathBuf,
    file: SecretFile,
    /// `None`: the file doesn't exist yet.
    old: Option<Metadata>,
}

impl Replaced {
    pub(crate) fn open(option: &str, path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().ok_or_else(|| {
            Failure::usage(format!("{option}: must name a file"))
                .next("such as one that ends in .json")
        })?;
        let new = path.with_file_name(format!(".{}.new", name.display()));
        let file = SecretFile::create(&new).map_err(|failure| match failure.exit {
            Exit::Conflict => Failure::new(
                Exit::Conflict,
                format!(
                    "{} exists: another command changes {}",
                    new.display(),
                    path.display()
                ),
            )
            .next("wait for it; if it broke off, remove that file and try again"),
            _ => failure,
        })?;
        let old = match fs::symlink_metadata(path) {
            Ok(old) if !old.is_file() => {
                return Err(Failure::usage(format!(
                    "{option}: {} is no plain file",
                    path.display()
                ))
                .next("name the file itself, not a link to it"));
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

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Metadata of the current file. `None`: the file doesn't exist.
    pub(crate) fn old(&self) -> Option<&Metadata> {
        self.old.as_ref()
    }

    /// Returns the current text. `None`: the file doesn't exist.
    pub(crate) fn read(&self) -> Result<Option<String>, Failure> {
        let Some(old) = &self.old else {
            return Ok(None);
        };
        if old.len() > LONGEST {
            return Err(Failure::usage(format!(
                "{} is too long",
                self.path.display()
            )));
        }
        fs::read_to_string(&self.path)
            .map(Some)
            .map_err(|error| failed(&self.path, "can't be read", &error))
    }

    /// Gives another new file the owner of this one: a program that reads this file must be able to read
    /// the other.
    pub(crate) fn hand_over(&self, path: &Path) -> Result<(), Failure> {
        match &self.old {
            Some(old) => own(path, old).map_err(|error| {
                let what = format!("can't be given to the owner of {}", self.path.display());
                failed(path, &what, &error)
            }),
            None => Ok(()),
        }
    }

    /// Replaces the file; the new text is on disk when this returns. `before` runs once the new text is on
    /// disk and before the rename, and may fail.
    pub(crate) fn replace(
        self,
        text: &str,
        before: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self {
            path,
            new,
            file,
            old,
        } = self;
        let remove = || {
            // This is our own file. If it can't be removed, the next command reports it.
            let _ = fs::remove_file(&new);
        };
        let unable = |error: io::Error| failed(&path, "can't be replaced", &error);
        let made = || -> io::Result<()> {
            if let Some(old) = &old {
                own(&new, old)?;
                fs::set_permissions(&new, old.permissions())?;
            }
            Ok(())
        };
        // The steps that are likely to fail come first. A failure before the rename removes the new file.
        file.write(text)
            .and_then(|()| made().map_err(unable))
            .and_then(|()| before())
            .and_then(|()| fs::rename(&new, &path).map_err(unable))
            .inspect_err(|_| remove())?;
        let folder = folder(&path);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| failed(folder, "can't be synced", &error))
    }
}

/// Returns the folder that holds a file.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
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

pub(crate) fn failed(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("{} {what}: {error}", path.display()))
        .next("run it as the file's owner, in a folder that exists")
}
