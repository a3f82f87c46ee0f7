//! This file keeps room on the disk for takeaways: a file beside the store's file that holds blocks
//! which nothing else can take. The room is released when the disk is nearly full, and made again when
//! there is room for it and as much again. Meanwhile only takeaways and what followers need are
//! written. It must not know the database.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use super::why::is_full;
use crate::clock::BootTime;

/// The reserve in bytes is enough for some ten thousand takeaways.
const RESERVE: u64 = 32 * 1024 * 1024;
/// A reading of the free room is used for this long.
const READ: Duration = Duration::from_millis(200);
/// After a failure to keep the reserve, it isn't tried again for this long: each try writes all of it
/// to a disk that others need.
const AGAIN: Duration = Duration::from_secs(10);

type Free = Box<dyn Fn(&Path) -> io::Result<u64> + Send>;
type Hold = Box<dyn Fn(&Path, u64) -> io::Result<()> + Send>;

pub(super) struct Room {
    reserve: PathBuf,
    bytes: u64,
    free: Free,
    hold: Hold,
    read: Option<BootTime>,
    held: bool,
    short: bool,
    /// At the last try no room could be kept, however much was free. Then nothing is short until a
    /// write fails.
    unable: bool,
    /// The time of the last try that failed, and its error.
    failed: Option<(BootTime, String)>,
}

impl Room {
    pub(super) fn beside(path: &Path) -> Self {
        let mut reserve = OsString::from(path);
        reserve.push(".reserve");
        Self::new(reserve.into(), RESERVE, Box::new(free))
    }

    pub(super) fn new(reserve: PathBuf, bytes: u64, free: Free) -> Self {
        let held = fs::metadata(&reserve).is_ok_and(|file| is_kept(&file, bytes));
        Self {
            reserve,
            bytes,
            free,
            hold: Box::new(hold),
            read: None,
            held,
            short: false,
            unable: false,
            failed: None,
        }
    }

    /// Reports whether only takeaways and what followers need may be written.
    pub(super) fn is_short(&mut self, now: BootTime) -> bool {
        if self.read.is_none_or(|read| now.since(read) >= READ) {
            self.read = Some(now);
            let was = self.short;
            self.look(now);
            if self.short != was {
                // This is the target of `process::CHANGES`: its events are never held back.
                tracing::warn!(target: "tokenward::changes", short = self.short, "the disk's room for all but takeaways");
            }
        }
        self.short
    }

    fn look(&mut self, now: BootTime) {
        // A disk whose free room can't be read is taken for one with room: a write shows whether it
        // has.
        let Ok(free) = (self.free)(&self.reserve) else {
            return;
        };
        if !self.held && free >= 2 * self.bytes {
            let just = |(at, _): &(BootTime, String)| now.since(*at) < AGAIN;
            if !self.failed.as_ref().is_some_and(just) {
                self.try_to_hold(now);
            }
            self.short = !self.held && !self.unable;
        } else if self.held {
            self.short = free < self.bytes / 2;
            if free < self.bytes / 8 {
                self.release();
            }
        } else {
            self.short = !self.unable;
        }
    }

    fn try_to_hold(&mut self, now: BootTime) {
        let Err(error) = (self.hold)(&self.reserve, self.bytes) else {
            self.held = true;
            self.unable = false;
            self.failed = None;
            return;
        };
        self.unable = !is_full(&error);
        let error = error.to_string();
        if !matches!(&self.failed, Some((_, told)) if *told == error) {
            tracing::warn!(error, "no room can be kept for takeaways");
        }
        self.failed = Some((now, error));
    }

    /// Reports whether a disk that was full has room for some takeaways again.
    pub(super) fn has_some(&self) -> bool {
        (self.free)(&self.reserve).is_ok_and(|free| free >= self.bytes / 8)
    }

    /// Releases the kept room for the next write, after a write failed.
    pub(super) fn release(&mut self) -> bool {
        let released = fs::remove_file(&self.reserve).is_ok();
        self.held = false;
        self.short = true;
        if released {
            tracing::warn!("the room kept for takeaways is used now");
        }
        released
    }
}

fn hold(reserve: &Path, bytes: u64) -> io::Result<()> {
    let made = || {
        let file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(reserve)?;
        // The file must have blocks, not a hole.
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        file.sync_all()
    };
    made().inspect_err(|_| {
        let _ = fs::remove_file(reserve);
    })
}

/// Reports whether the file has blocks. A copy of it may have a hole instead.
fn is_kept(file: &fs::Metadata, bytes: u64) -> bool {
    file.len() == bytes && file.blocks().saturating_mul(512) >= bytes
}

/// Returns the room that an ordinary user has on the file system of the file.
fn free(reserve: &Path) -> io::Result<u64> {
    let folder = reserve.parent().filter(|folder| *folder != Path::new(""));
    let told = rustix::fs::statvfs(folder.unwrap_or(Path::new(".")))?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Makes the store's file private, because it names all accounts and what they may do.
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

/// Makes the options to open a file that only this user may read.
pub(super) fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
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
        // Room that was released is no room for other writes.
        assert!(short(&mut room, 1 << 20));
        assert!(!short(&mut room, 2 << 20));
        assert!(reserve.exists());
    }

    /// Makes a room over this much free space, whose reserve can't be made, and counts the tries.
    fn vain(free: u64, kind: io::ErrorKind) -> (Room, Arc<AtomicUsize>) {
        let tried = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tried);
        let mut room = Room::new("/none/reserve".into(), 1 << 20, Box::new(move |_| Ok(free)));
        room.hold = Box::new(move |_, _| {
            counted.fetch_add(1, SeqCst);
            Err(kind.into())
        });
        (room, tried)
    }

    fn at(millis: u64) -> BootTime {
        BootTime(millis * 1_000_000)
    }

    #[test]
    fn what_finds_no_room_is_not_tried_at_every_look() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let (mut room, tried) = vain(3 << 20, kind);
            for (millis, times) in [(1000, 1), (1500, 1), (10_800, 1), (11_000, 2), (12_000, 2)] {
                assert!(room.is_short(at(millis)), "{kind} {millis}");
                assert_eq!(tried.load(SeqCst), times, "{kind} {millis}");
            }
        }
    }

    #[test]
    fn where_no_room_can_be_kept_nothing_is_short() {
        for free in [3 << 20, 1 << 20, 0] {
            let (mut room, tried) = vain(3 << 20, io::ErrorKind::Unsupported);
            assert!(!room.is_short(at(1000)));
            room.free = Box::new(move |_| Ok(free));
            assert!(!room.is_short(at(20_000)), "{free}");
            // The reason why it couldn't be kept may pass, so it is tried again where there is room.
            let again = usize::from(free >= 2 << 20);
            assert_eq!(tried.load(SeqCst), 1 + again);
        }
    }

    #[test]
    fn a_hole_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = folder.path().join("realm.reserve");
        let hole = fs::File::create(&reserve).unwrap();
        hole.set_len(1 << 20).unwrap();
        let mut room = Room::new(reserve.clone(), 1 << 20, Box::new(|_| Ok(3 << 20)));
        assert!(!room.held);
        assert!(!room.is_short(at(1000)));
        assert!(fs::metadata(&reserve).unwrap().blocks() * 512 >= 1 << 20);
        assert!(Room::new(reserve, 1 << 20, Box::new(free)).held);
    }
}
