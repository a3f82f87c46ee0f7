//! Room on the disk that is kept for takeaways: a file beside the store's that holds blocks which
//! nothing else can take. It is let go when the disk is nearly full, and made again when there is
//! room for it and as much again; meanwhile only takeaways and what followers need are written.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::clock::BootTime;

/// Some ten thousand takeaways.
const RESERVE: u64 = 32 * 1024 * 1024;
/// How old a reading of the free room may be.
const READ: Duration = Duration::from_millis(200);

type Free = Box<dyn Fn(&Path) -> io::Result<u64> + Send>;

pub(super) struct Room {
    reserve: PathBuf,
    bytes: u64,
    free: Free,
    read: Option<BootTime>,
    held: bool,
    short: bool,
    /// This file system keeps no room, however much is free: then nothing is short until a write fails.
    unable: bool,
}

impl Room {
    pub(super) fn beside(path: &Path) -> Self {
        let mut reserve = OsString::from(path);
        reserve.push(".reserve");
        Self::new(reserve.into(), RESERVE, Box::new(free))
    }

    pub(super) fn new(reserve: PathBuf, bytes: u64, free: Free) -> Self {
        let held = fs::metadata(&reserve).is_ok_and(|file| file.len() == bytes);
        Self {
            reserve,
            bytes,
            free,
            read: None,
            held,
            short: false,
            unable: false,
        }
    }

    /// Is only what takes access away to be written?
    pub(super) fn is_short(&mut self, now: BootTime) -> bool {
        if self.read.is_none_or(|read| now.since(read) >= READ) {
            self.read = Some(now);
            let was = self.short;
            self.look();
            if self.short != was {
                tracing::warn!(short = self.short, "the disk's room for all but takeaways");
            }
        }
        self.short
    }

    fn look(&mut self) {
        // A disk that can't be asked is taken for one with room: a write tells.
        let Ok(free) = (self.free)(&self.reserve) else {
            return;
        };
        if !self.held && free >= 2 * self.bytes {
            if !self.unable {
                let made = self.hold();
                self.held = made.is_ok();
                let full = made.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull);
                self.unable = !self.held && !full;
            }
            self.short = !self.held && !self.unable;
        } else if self.held {
            self.short = free < self.bytes / 2;
            if free < self.bytes / 8 {
                self.release();
            }
        } else {
            self.short = true;
        }
    }

    /// After a disk that was full: is there room for some takeaways again?
    pub(super) fn has_some(&self) -> bool {
        (self.free)(&self.reserve).is_ok_and(|free| free >= self.bytes / 8)
    }

    /// A write failed: what is kept is for the next one.
    pub(super) fn release(&mut self) -> bool {
        let released = fs::remove_file(&self.reserve).is_ok();
        self.held = false;
        self.short = true;
        if released {
            tracing::warn!("the room kept for takeaways is used now");
        }
        released
    }

    fn hold(&self) -> io::Result<()> {
        let made = || {
            let file = private()
                .write(true)
                .create(true)
                .truncate(true)
                .open(&self.reserve)?;
            // Blocks, not a hole.
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, self.bytes)?;
            file.sync_all()
        };
        made().inspect_err(|error| {
            let _ = fs::remove_file(&self.reserve);
            tracing::warn!(%error, "no room can be kept for takeaways");
        })
    }
}

/// Of the file system that the file is on, to an ordinary user.
fn free(reserve: &Path) -> io::Result<u64> {
    let folder = reserve.parent().filter(|folder| *folder != Path::new(""));
    let told = rustix::fs::statvfs(folder.unwrap_or(Path::new(".")))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// The store's file names everybody and what they may do.
pub(super) fn make_private(path: &Path) {
    let open = |file: &fs::Metadata| file.is_file() && file.permissions().mode() & 0o077 != 0;
    if !fs::metadata(path).is_ok_and(|file| open(&file)) {
        return;
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        Ok(()) => tracing::warn!("others could read the store's file: now its owner alone can"),
        Err(error) => tracing::warn!(%error, "others can read the store's file"),
    }
}

/// For what only this user may read.
pub(super) fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::MetadataExt as _,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering::SeqCst},
        },
    };

    use super::*;

    #[test]
    fn room_is_kept_let_go_and_kept_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = folder.path().join("realm.reserve");
        let left = Arc::new(AtomicU64::new(3 << 20));
        let told = Arc::clone(&left);
        let mut room = Room::new(
            reserve.clone(),
            1 << 20,
            Box::new(move |_| Ok(told.load(SeqCst))),
        );
        let mut now = 0;
        let mut short = |room: &mut Room, free: u64| {
            left.store(free, SeqCst);
            now += u64::try_from(READ.as_nanos()).unwrap();
            room.is_short(BootTime(now))
        };
        assert!(!short(&mut room, 3 << 20));
        let file = fs::metadata(&reserve).unwrap();
        assert_eq!((file.len(), file.mode() & 0o777), (1 << 20, 0o600));
        assert!(file.blocks() * 512 >= 1 << 20, "a hole");
        assert!(!short(&mut room, 1 << 20));
        assert!(short(&mut room, (1 << 19) - 1));
        assert!(reserve.exists());
        assert!(!short(&mut room, 1 << 20));
        assert!(short(&mut room, 1000));
        assert!(!reserve.exists());
        // What was let go is no room for others.
        assert!(short(&mut room, 1 << 20));
        assert!(!short(&mut room, 2 << 20));
        assert!(reserve.exists());
    }
}
