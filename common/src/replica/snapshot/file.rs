//! This file opens a snapshot file that nobody else can have written, and puts a new one in its place as a
//! whole. It must not know what is in it.

use std::{
    fs::{self, DirBuilder, File, Metadata, TryLockError},
    io::{self, BufWriter, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{LONGEST, Unsaved, Unusable};

/// The mode of a file that holds a hub's whole directory.
const MODE: u32 = 0o600;
/// The bits of the mode that let the group or others read, write or run.
const OTHERS: u32 = 0o077;
/// Writes of this length keep a disk busy.
const BUFFER: usize = 1 << 20;

pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Neither a link is followed, nor is anything waited for that is no file.
fn flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// Returns the open file and its length; `None` if there is none. Everything is asked of the open file,
/// because another may be at its path by now.
pub(super) fn open(path: &Path) -> Result<Option<(File, u64)>, Unusable> {
    let opened = File::options().read(true).custom_flags(flags()).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let kind = file.metadata()?;
    if !kind.is_file() {
        return Err(Unusable::Foreign);
    }
    if !is_own(&kind) {
        return Err(Unusable::NotOwn);
    }
    if kind.permissions().mode() & OTHERS != 0 {
        return Err(Unusable::Open);
    }
    if kind.len() > LONGEST {
        return Err(Unusable::Damaged("it is longer than any snapshot"));
    }
    Ok(Some((file, kind.len())))
}

fn is_own(kind: &Metadata) -> bool {
    kind.uid() == rustix::process::geteuid().as_raw()
}

/// Replaces the file by what `fill` writes. It is durable on return; until then the old file stands. The new
/// file has one name, so that at most two ever use the disk, and is locked, so that no other process writes
/// it or puts it in place.
pub(super) fn replace<T>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<T, Unsaved>,
) -> Result<T, Unsaved> {
    let new = new_path(path);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .custom_flags(flags())
        .open(&new)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Unsaved::Busy),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let kind = file.metadata()?;
    // What another process put in place a moment ago has this name no more.
    let named = fs::symlink_metadata(&new).ok();
    if named.is_none_or(|named| (named.dev(), named.ino()) != (kind.dev(), kind.ino())) {
        return Err(Unsaved::Busy);
    }
    // Whatever else stands here under this name is not overwritten.
    if !kind.is_file() || !is_own(&kind) || kind.nlink() != 1 {
        let what = format!("{} is no file of this program", new.display());
        return Err(io::Error::other(what).into());
    }
    // Until it is in place it is locked, so it is nobody else's to remove.
    let in_place = filled(&file, fill).and_then(|filled| {
        fs::rename(&new, path)?;
        Ok(filled)
    });
    if in_place.is_err() {
        let _ = fs::remove_file(&new);
    }
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let filled = in_place?;
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(filled)
}

fn filled<T>(
    file: &File,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<T, Unsaved>,
) -> Result<T, Unsaved> {
    // A dead process may have left it, with other bits.
    file.set_permissions(fs::Permissions::from_mode(MODE))?;
    file.set_len(0)?;
    let mut to = BufWriter::with_capacity(BUFFER, file);
    let filled = fill(&mut to)?;
    to.flush()?;
    file.sync_all()?;
    Ok(filled)
}

pub(super) fn new_path(path: &Path) -> PathBuf {
    path.with_extension("new")
}
