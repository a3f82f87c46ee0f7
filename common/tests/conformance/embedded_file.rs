//! What is peculiar to a store in one file: who may open it, what a real kill leaves, what time does
//! to it.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokenward_common::{
    clock::{ManualClock, SystemClock, UnixMillis},
    id::{Cursor, RequestId, Serial},
    state::record::Change,
    store::{
        Commit, CommitClass, CommitError, Feed, FeedError, PrivateWrite, REQUESTS_KEPT, Retention,
        Store,
        embedded::{EmbeddedStore, OpenError},
    },
    testing::conformance::soon,
};

fn open(path: &Path, create: bool) -> Result<Arc<EmbeddedStore>, OpenError> {
    EmbeddedStore::open(path, create, Arc::new(SystemClock))
}

fn request(number: u64) -> RequestId {
    let mut request = RequestId::default();
    request.0[..8].copy_from_slice(&number.to_be_bytes());
    request
}

fn revoke(number: u64) -> Commit {
    Commit {
        request: request(number),
        response: number.to_be_bytes().to_vec(),
        class: CommitClass::Takeaway,
        changes: vec![Change::Revoke(vec![Serial(number)])],
        private: Vec::new(),
        expect: Vec::new(),
    }
}

/// A lost file is never taken for an empty realm, and an empty file never for a realm.
#[tokio::test]
async fn a_missing_realm_is_not_made_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("realm");
    for _ in 0..2 {
        let missing = open(&path, false).err();
        assert!(matches!(missing, Some(OpenError::Missing(_))));
        assert!(!path.exists());
    }
    std::fs::write(&path, b"").unwrap();
    assert!(open(&path, false).is_err());
    std::fs::write(&path, b"what is this? ".repeat(1000)).unwrap();
    for create in [false, true] {
        let foreign = open(&path, create).err();
        assert!(
            matches!(foreign, Some(OpenError::Unreadable(..))),
            "{foreign:?}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let made = open(&path, true).unwrap();
    let log = made.head().await.unwrap().cursor.log;
    made.close().await;
    // Made once, it is opened.
    let again = open(&path, true).unwrap();
    assert_eq!(again.head().await.unwrap().cursor.log, log);
}

/// It names everybody and what they may do: new or old, only its owner reads it.
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("realm");
    let modes = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let mode = |file: std::fs::DirEntry| file.metadata().unwrap().permissions().mode();
        let modes: Vec<u32> = files.map(|file| mode(file.unwrap()) & 0o777).collect();
        modes
    };
    let made = open(&path, true).unwrap();
    made.commit(revoke(1)).await.unwrap();
    assert!(modes().iter().all(|mode| *mode == 0o600), "{:?}", modes());
    made.close().await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let again = open(&path, false).unwrap();
    again.commit(revoke(2)).await.unwrap();
    assert!(modes().iter().all(|mode| *mode == 0o600), "{:?}", modes());
}

/// One process holds the file; once it let go, another may.
#[tokio::test]
async fn a_held_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("realm");
    let holder = open(&path, true).unwrap();
    let refused = open(&path, false).err();
    assert!(matches!(refused, Some(OpenError::Held(_))), "{refused:?}");
    let text = refused.unwrap().to_string();
    assert!(text.contains("held by another process"), "{text}");
    holder.close().await;
    open(&path, false).unwrap();
}

/// Close writes what waits; what comes later is surely not written, and readers are let go.
#[tokio::test]
async fn close_drains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("realm");
    let store = open(&path, true).unwrap();
    let head = store.head().await.unwrap().cursor;
    let waiting = Box::pin(store.read_log(&head, Duration::from_secs(25)));
    let many = join_all((1..=2000).map(|number| store.commit(revoke(number))));
    let (committed, ()) = tokio::join!(many, store.close());
    let committed = committed.into_iter().filter(Result::is_ok).count();
    // The entries, or that it is closed: at once.
    let _ = soon(waiting).await;
    let late = store.commit(revoke(9999)).await;
    assert!(matches!(late, Err(CommitError::Rejected(_))), "{late:?}");
    let serial = store.take_serial().await;
    assert!(serial.is_err());
    let head = store.head().await;
    assert!(matches!(head, Err(FeedError::Unavailable(_))), "{head:?}");
    let again = open(&path, false).unwrap();
    let head = again.head().await.unwrap();
    assert_eq!(head.cursor.revision.0, committed as u64);
    assert_eq!(committed, 2000);
}

const CHILD: &str = "TOKENWARD_TEST_CHILD_REALM";

/// Not a test by itself: the process that is killed. Says each thing that was acknowledged.
#[tokio::test]
#[ignore = "run by a_killed_process_loses_nothing_acknowledged"]
async fn child_that_commits() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open(Path::new(&path), false).unwrap();
    let first = store.head().await.unwrap().cursor.revision.0 + 1;
    let committing = async |lane: u64| {
        for number in (first + lane..).step_by(4) {
            let serial = store.take_serial().await.unwrap();
            let cursor = store.commit(revoke(number)).await.unwrap().cursor;
            println!("\nack {} {number} {serial}", cursor.revision);
        }
    };
    tokio::join!(committing(0), committing(1), committing(2), committing(3));
}

/// SIGKILL, in the middle of many commits, three times over.
#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("realm");
    let made = open(&path, true).unwrap();
    let start = Cursor::start(made.head().await.unwrap().cursor.log);
    made.close().await;
    let mut acknowledged: Vec<(u64, u64)> = Vec::new();
    let mut serials = Vec::new();
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("embedded_file::child_that_commits")
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = |line: String| {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["ack", revision, number, serial] = words[..]
                && let (Ok(revision), Ok(number), Ok(serial)) =
                    (revision.parse(), number.parse(), serial.parse::<u64>())
            {
                acknowledged.push((revision, number));
                serials.push(serial);
            }
            acknowledged.len()
        };
        while read(lines.next().unwrap().unwrap()) < round * 100 {}
        child.kill().unwrap();
        // What it said before it died counts too; its last line may be cut.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        for line in rest.iter().take(rest.len().saturating_sub(1)) {
            read(line.clone());
        }
        child.wait().unwrap();
    }
    let store = open(&path, false).unwrap();
    for (revision, number) in &acknowledged {
        let answer = store.commit(revoke(*number)).await.unwrap();
        assert_eq!(answer.cursor.revision.0, *revision);
        assert!(answer.repeated.is_some());
    }
    let head = store.head().await.unwrap();
    let mut at = start;
    while at != head.cursor {
        let entries = store.read_log(&at, Duration::ZERO).await.unwrap();
        for entry in entries {
            assert_eq!(entry.predecessor, at.fingerprint);
            at = entry.cursor;
        }
    }
    assert_eq!(head.counts.revoked, head.cursor.revision.0);
    serials.push(store.take_serial().await.unwrap().0);
    let given = serials.len();
    serials.sort_unstable();
    serials.dedup();
    assert_eq!(serials.len(), given, "a serial was given out twice");
}

/// A request id is kept for its time, then forgotten a little with each group.
#[tokio::test]
async fn old_requests_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(UnixMillis(1_700_000_000_000)));
    let path = folder.path().join("realm");
    let store = EmbeddedStore::open(&path, true, clock.clone()).unwrap();
    for number in 1..=5 {
        store.commit(revoke(number)).await.unwrap();
    }
    clock.advance(REQUESTS_KEPT);
    let repeat = store.commit(revoke(1)).await.unwrap();
    assert!(repeat.repeated.is_some());
    clock.advance(Duration::from_millis(1));
    for number in 11..=14 {
        store.commit(revoke(number)).await.unwrap();
    }
    for number in 1..=5 {
        assert_eq!(store.request(&request(number)).await.unwrap(), None);
    }
    let kept = store.request(&request(11)).await.unwrap();
    assert_eq!(kept, Some(11u64.to_be_bytes().to_vec()));
}

/// Entries go by age, and the log of an idle realm goes whole without losing its followers.
#[tokio::test]
async fn the_log_is_trimmed_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(UnixMillis(1_700_000_000_000)));
    let path = folder.path().join("realm");
    let store = EmbeddedStore::open(&path, true, clock.clone()).unwrap();
    let hour = Duration::from_secs(3600);
    let keep = Retention {
        time: hour,
        entries: u64::MAX,
        bytes: u64::MAX,
    };
    let mut cursors = Vec::new();
    for number in 1..=4 {
        cursors.push(store.commit(revoke(number)).await.unwrap().cursor);
        clock.advance(hour / 2);
    }
    // Ages: 2 h, 1.5 h, 1 h, 0.5 h.
    store.trim(&keep).await.unwrap();
    let lost = store.read_log(&cursors[0], Duration::ZERO).await;
    assert!(matches!(lost, Err(FeedError::Lost(_))), "{lost:?}");
    let read = store.read_log(&cursors[1], Duration::ZERO).await.unwrap();
    assert_eq!(read.len(), 2);
    clock.advance(hour * 9);
    store.trim(&keep).await.unwrap();
    store
        .confirm(&"follower-1".into(), &cursors[3])
        .await
        .unwrap();
    let next = store.commit(revoke(5)).await.unwrap().cursor;
    let read = store.read_log(&cursors[3], Duration::ZERO).await.unwrap();
    assert_eq!(read[0].cursor, next);
}

/// By bytes too, in many steps, while commits go on.
#[tokio::test]
async fn a_long_log_is_trimmed_beside_commits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("realm"), true).unwrap();
    let audited = |number| Commit {
        private: vec![PrivateWrite::Audit(vec![1; 100])],
        ..revoke(number)
    };
    join_all((1..=5000).map(|number| store.commit(audited(number)))).await;
    let keep = Retention {
        time: Duration::from_secs(3600),
        entries: u64::MAX,
        bytes: 1000,
    };
    let more = join_all((5001..=5100).map(|number| store.commit(audited(number))));
    let (trimmed, more) = tokio::join!(store.trim(&keep), more);
    trimmed.unwrap();
    assert!(more.iter().all(Result::is_ok));
    store.trim(&keep).await.unwrap();
    let head = store.head().await.unwrap();
    assert_eq!(head.cursor.revision.0, 5100);
    assert_eq!(head.counts.revoked, 5100);
    let old = more[0].as_ref().unwrap().cursor;
    let lost = store.read_log(&old, Duration::ZERO).await;
    assert!(matches!(lost, Err(FeedError::Lost(_))), "{lost:?}");
}
