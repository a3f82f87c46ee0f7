//! These tests fill up the disk under a store, and make room on it again.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use redb::StorageBackend;
use tempfile::TempDir;

use super::*;
use crate::{
    clock::{ManualClock, UnixMillis},
    id::{Fingerprint, LogId, Revision},
    state::record::Change,
    store::CommitClass,
};

const MIB: u64 = 1 << 20;

/// A disk in memory, which outlives the database over it as a file does.
#[derive(Debug, Default)]
struct Disk {
    bytes: Mutex<Vec<u8>>,
    /// At 0 no write is taken, unless the reserve is gone.
    free: AtomicU64,
    /// The file whose absence makes room for writes.
    reserve: Mutex<Option<PathBuf>>,
    /// If set, no write is taken, however much is free.
    broken: AtomicBool,
}

#[derive(Debug, Clone)]
struct OnDisk(Arc<Disk>);

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for OnDisk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let bytes = self.0.bytes.lock().unwrap();
        out.copy_from_slice(&bytes[at(offset)..at(offset) + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.0.bytes.lock().unwrap().resize(at(len), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        if self.0.broken.load(SeqCst) {
            return Err(io::ErrorKind::Other.into());
        }
        let reserve = self.0.reserve.lock().unwrap();
        let held = reserve.as_ref().is_none_or(|reserve| reserve.exists());
        if self.0.free.load(SeqCst) == 0 && held {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut bytes = self.0.bytes.lock().unwrap();
        bytes[at(offset)..at(offset) + data.len()].copy_from_slice(data);
        Ok(())
    }
}

struct House {
    disk: Arc<Disk>,
    store: Arc<EmbeddedStore>,
    clock: Arc<ManualClock>,
    folder: TempDir,
}

fn house() -> House {
    let disk = Arc::new(Disk::default());
    disk.free.store(9 * MIB, SeqCst);
    let clock = Arc::new(ManualClock::new(UnixMillis(1_700_000_000_000)));
    let over = OnDisk(Arc::clone(&disk));
    let opener: Opener = Box::new(move || Database::builder().create_with_backend(over.clone()));
    let db = opener().unwrap();
    let tip = make_realm(&db, &*clock).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = Arc::clone(&disk);
    let room = Room::new(
        folder.path().join("realm.reserve"),
        MIB,
        Box::new(move |_| Ok(told.free.load(SeqCst))),
    );
    let store = EmbeddedStore::start(db, tip, clock.clone(), opener, room).unwrap();
    House {
        disk,
        store,
        clock,
        folder,
    }
}

fn revoke(number: u64, class: CommitClass) -> Commit {
    let mut request = RequestId::default();
    request.0[..8].copy_from_slice(&number.to_be_bytes());
    Commit {
        request,
        response: Vec::new(),
        class,
        changes: vec![Change::Revoke(vec![Serial(number)])],
        private: Vec::new(),
        expect: Vec::new(),
    }
}

impl House {
    fn free(&self, bytes: u64) {
        self.disk.free.store(bytes, SeqCst);
        self.clock.advance(Duration::from_secs(1));
    }

    async fn takes(&self, number: u64, class: CommitClass) -> Result<u64, CommitError> {
        let committed = self.store.commit(revoke(number, class)).await?;
        Ok(committed.cursor.revision.0)
    }
}

/// After a write that failed, views are still confirmed, and the next write is taken without a restart.
#[tokio::test]
async fn a_full_disk_is_written_to_again_when_there_is_room() {
    let house = house();
    assert_eq!(house.takes(1, CommitClass::Ordinary).await, Ok(1));
    let cursor = house.store.head().await.unwrap().cursor;
    let edge = Report::from("edge");
    house.store.confirm(&edge, &cursor).await.unwrap();
    // The disk fills up at once, before a reading of the free room can show it.
    house.disk.free.store(0, SeqCst);
    for _ in 0..2 {
        let full = house.takes(2, CommitClass::Takeaway).await;
        let told = match full {
            Err(CommitError::Short(reason)) => reason.to_string(),
            Err(CommitError::Unknown(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(told, Reason::Full.words());
        assert_eq!(house.store.able().await, Err(Reason::Full));
    }
    house.free(9 * MIB);
    let mut written = house.takes(2, CommitClass::Takeaway).await;
    for _ in 0..600 {
        if written.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        written = house.takes(2, CommitClass::Takeaway).await;
    }
    assert_eq!(written, Ok(2));
    house.store.confirm(&edge, &cursor).await.unwrap();
    assert_eq!(house.store.head().await.unwrap().counts.revoked, 2);
    assert_eq!(house.takes(3, CommitClass::Import).await, Ok(3));
    assert_eq!(house.store.able().await, Ok(()));
}

/// The file is opened again even if no write is requested, and confirms go on.
#[tokio::test]
async fn a_failed_file_is_opened_again_by_itself() {
    let house = house();
    house.takes(1, CommitClass::Ordinary).await.unwrap();
    let cursor = house.store.head().await.unwrap().cursor;
    let edge = Report::from("edge");
    house.store.confirm(&edge, &cursor).await.unwrap();
    house.disk.free.store(0, SeqCst);
    let _ = house.takes(2, CommitClass::Takeaway).await;
    house.free(9 * MIB);
    for _ in 0..600 {
        if house.store.able().await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(house.store.able().await, Ok(()));
    house.store.confirm(&edge, &cursor).await.unwrap();
}

#[tokio::test]
async fn short_of_room_only_takeaways_are_taken() {
    let house = house();
    assert_eq!(house.takes(1, CommitClass::Import).await, Ok(1));
    assert!(house.folder.path().join("realm.reserve").exists());
    house.free(MIB / 4);
    for class in [CommitClass::Import, CommitClass::Ordinary] {
        let refused = house.takes(2, class).await;
        assert_eq!(refused, Err(CommitError::Short(Reason::Short)));
    }
    let refused = house.store.take_serial().await;
    assert_eq!(refused, Err(CommitError::Short(Reason::Short)));
    assert_eq!(house.store.able().await, Err(Reason::Short));
    assert_eq!(house.takes(3, CommitClass::Takeaway).await, Ok(2));
    let cursor = house.store.head().await.unwrap().cursor;
    // A new follower is written down even then.
    house.store.confirm(&"new".into(), &cursor).await.unwrap();
    house.free(9 * MIB);
    assert_eq!(house.takes(4, CommitClass::Import).await, Ok(3));
    house.store.take_serial().await.unwrap();
    assert_eq!(house.store.able().await, Ok(()));
}

/// The kept room takes the whole write that failed.
#[tokio::test]
async fn what_failed_is_written_in_the_room_that_was_kept() {
    let house = house();
    let reserve = house.folder.path().join("realm.reserve");
    house.takes(1, CommitClass::Ordinary).await.unwrap();
    assert!(reserve.exists());
    let before = house.store.head().await.unwrap().cursor;
    *house.disk.reserve.lock().unwrap() = Some(reserve.clone());
    house.disk.free.store(0, SeqCst);
    assert_eq!(house.takes(2, CommitClass::Takeaway).await, Ok(2));
    assert!(!reserve.exists());
    let entries = house.store.read_log(&before, Duration::ZERO).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].changes, [Change::Revoke(vec![Serial(2)])]);
    assert_eq!(house.store.able().await, Err(Reason::Short));
    assert_eq!(house.takes(3, CommitClass::Takeaway).await, Ok(3));
}

/// The kept room is of use only to a write that found no room.
#[tokio::test]
async fn a_write_that_failed_otherwise_uses_up_no_room() {
    let house = house();
    let reserve = house.folder.path().join("realm.reserve");
    house.takes(1, CommitClass::Ordinary).await.unwrap();
    assert!(reserve.exists());
    house.disk.broken.store(true, SeqCst);
    assert!(house.takes(2, CommitClass::Takeaway).await.is_err());
    assert!(reserve.exists());
    assert_eq!(house.store.able().await, Err(Reason::Failed));
    house.disk.broken.store(false, SeqCst);
    assert_eq!(house.takes(2, CommitClass::Ordinary).await, Ok(2));
}

/// An older copy in place of the file is not read, not written and not tried again.
#[tokio::test]
async fn a_file_that_lost_what_was_acknowledged_is_not_used() {
    let lost = |sent| CommitError::Unfit {
        reason: Reason::Rollback,
        sent,
    };
    let house = house();
    house.takes(1, CommitClass::Ordinary).await.unwrap();
    let cursor = house.store.head().await.unwrap().cursor;
    // Between two groups the bytes are a consistent copy.
    let older = house.disk.bytes.lock().unwrap().clone();
    house.takes(2, CommitClass::Ordinary).await.unwrap();
    house.disk.broken.store(true, SeqCst);
    assert!(house.takes(3, CommitClass::Takeaway).await.is_err());
    *house.disk.bytes.lock().unwrap() = older;
    house.disk.broken.store(false, SeqCst);
    house.clock.advance(Duration::from_secs(1));
    for number in [3, 1] {
        let refused = house.takes(number, CommitClass::Takeaway).await;
        assert_eq!(refused, Err(lost(false)));
        assert_eq!(house.store.able().await, Err(Reason::Rollback));
    }
    assert_eq!(house.store.take_serial().await, Err(lost(false)));
    let told = |error: FeedError| match error {
        FeedError::Lost(why) => why,
        other => panic!("{other:?}"),
    };
    let words = Reason::Rollback.words();
    assert_eq!(told(house.store.head().await.unwrap_err()), words);
    for name in ["edge", "edge"] {
        let confirmed = house.store.confirm(&name.into(), &cursor).await;
        assert_eq!(told(confirmed.unwrap_err()), words);
    }
    house.store.close().await;
    assert_eq!(house.store.able().await, Err(Reason::Closed));
}

#[test]
fn a_file_has_all_of_what_it_goes_on_from() {
    let tip = |log, revision, print, serial| {
        let mut tip = Tip::new(LogId([log; 16]));
        tip.head.cursor.revision = Revision(revision);
        tip.head.cursor.fingerprint = Fingerprint([print; 16]);
        tip.head.serial = Serial(serial);
        tip
    };
    let before = tip(1, 5, 5, 9);
    for (now, all) in [
        (before, true),
        (tip(1, 6, 6, 9), true),
        (tip(1, 5, 5, 10), true),
        (tip(1, 4, 4, 9), false),
        (tip(1, 5, 6, 9), false),
        (tip(1, 5, 5, 8), false),
        (tip(1, 6, 6, 8), false),
        (tip(2, 6, 6, 9), false),
    ] {
        assert_eq!(now.has_all_of(&before), all, "{now:?}");
    }
}
