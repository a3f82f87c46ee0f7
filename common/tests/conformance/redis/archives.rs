//! An archive of a realm in one kind of store makes the same realm in the other kind, also while the realm
//! goes on; and of a damaged file, or where a realm is, nothing is made. What is asked of Redis is asked of
//! every server and of every group of servers that the suites run on.

mod contents;
mod home;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use tokenward_common::{
    clock::{SystemClock, UnixTime},
    id::{Cursor, LogId, Serial, TokenId},
    state::{State, codec::split, key::Key, record::Change},
    store::{
        Commit, Feed, FeedError, Store,
        archive::{
            Archive, ArchiveError, Fresh, JUMP, MOST_JUMPS, Origin, Reader, Summary, Writer,
            export, import,
        },
        embedded::EmbeddedStore,
        redis::{OpenError, OpenOptions, RedisStore},
    },
};

use self::{
    contents::{Contents, Plain, contents, fill, rotation, step, value},
    home::Home,
};
use super::{
    fixture::{commit, user},
    group,
    server::{REDIS_7, REDIS_8, VALKEY_9},
    suites::open_patiently,
};

/// Makes the tests of each home.
macro_rules! archives {
    ($($module:ident $home:expr, $steps:literal;)+) => {
        $(mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_realm_is_the_same_in_the_other_kind_of_store_and_back() {
                the_same_there_and_back(&$home).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn an_archive_of_a_realm_that_goes_on_is_its_fold() {
                a_fold(&$home, $steps).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn nobody_opens_a_realm_whose_restore_broke_off() {
                broken_off(&$home).await;
            }
        })+
    };
}

// Several servers answer a commit later than one, so they get fewer steps. With either number, no step revokes
// the serial that follows a token's last value.
archives! {
    redis7 Home::one(REDIS_7), 700;
    redis8 Home::one(REDIS_8), 700;
    valkey9 Home::one(VALKEY_9), 700;
    by_sentinels Home::several(group::SENTINELS), 140;
    in_cluster Home::several(group::CLUSTER), 140;
    in_secured_cluster Home::several(group::SECURED_CLUSTER), 140;
}

async fn archived(store: &dyn Archive, path: &Path) -> Summary {
    let to = Writer::create(path).unwrap();
    export(store, "hub", UnixTime(1), &Plain, to, &|_, _| {})
        .await
        .unwrap()
}

async fn restored(archive: &Reader, mut fresh: Box<dyn Fresh>) {
    import(archive, &Plain, &mut *fresh, &|_, _| {})
        .await
        .unwrap();
    fresh.finish().await.unwrap();
}

async fn into_redis(path: &Path, home: &Home) -> RedisStore {
    let archive = Reader::open(path).unwrap();
    let origin = archive.origin();
    let (place, options) = (home.place(), home.options());
    let fresh = RedisStore::restore(&place, "hub", options, &origin);
    restored(&archive, fresh.await.unwrap()).await;
    open_patiently(&place, options).await
}

async fn into_file(path: &Path, to: &Path) -> Arc<EmbeddedStore> {
    let archive = Reader::open(path).unwrap();
    let clock = Arc::new(SystemClock);
    let fresh = EmbeddedStore::restore(to, &archive.origin(), clock.clone());
    restored(&archive, fresh.unwrap()).await;
    EmbeddedStore::open(to, false, clock).unwrap()
}

/// The new log is another one, its serials are new, and it says where it comes from.
async fn goes_on(store: &dyn Store, fork: Option<Cursor>, old: &Summary) {
    assert_eq!(fork, Some(old.head.cursor));
    let head = store.head().await.unwrap();
    assert_ne!(head.cursor.log, old.head.cursor.log);
    assert!(head.cursor.revision.0 >= old.head.cursor.revision.0 + JUMP);
    let serial = store.take_serial().await.unwrap();
    let past = serial.0 - old.head.serial.0 - 1;
    assert_eq!(past % JUMP, 0);
    assert!((1..=MOST_JUMPS).contains(&(past / JUMP)), "{past}");
    // The log can be read from its beginning on, or is known not to be.
    let committed = store.commit(commit(vec![Change::Put(user("late"))])).await;
    let after = store.read_log(&head.cursor, Duration::ZERO).await.unwrap();
    assert_eq!(
        after.last().map(|entry| entry.cursor),
        Some(committed.unwrap().cursor)
    );
    let lost = store.read_log(&old.head.cursor, Duration::ZERO).await;
    assert!(matches!(lost, Err(FeedError::Lost(_))), "{lost:?}");
}

async fn the_same_there_and_back(home: &Home) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let clock = Arc::new(SystemClock);
    let source = EmbeddedStore::open(&file("source"), true, clock).unwrap();
    fill(&*source, 400).await;
    let first = contents(&*source).await;
    assert!(first.records.len() > 100 && first.revoked.len() > 300);
    let told = archived(&*source, &file("one")).await;
    assert_eq!(told.head, source.head().await.unwrap());
    assert_eq!(source.fork().unwrap(), None);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file("one")).unwrap());
    assert_eq!(mode & 0o777, 0o600);

    let redis = into_redis(&file("one"), home).await;
    assert_eq!(contents(&redis).await, first);
    let told_again = archived(&redis, &file("two")).await;
    let fork = redis.fork().await.unwrap();
    goes_on(&redis, fork, &told).await;

    let back = into_file(&file("two"), &file("back")).await;
    assert_eq!(contents(&*back).await, first);
    goes_on(&*back, back.fork().unwrap(), &told_again).await;
    let left: BTreeSet<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restoring") || name.contains("new"))
        .collect();
    assert_eq!(left, BTreeSet::new());
}

/// The public part of each archive is the fold of the log at its end, and once nothing moves any more the
/// issuer-only part is of the same moment.
async fn a_fold(home: &Home, steps: u64) {
    let folder = tempfile::tempdir().unwrap();
    let create = OpenOptions {
        create: true,
        ..home.options()
    };
    let source = Arc::new(open_patiently(&home.place(), create).await);
    let start = source.head().await.unwrap().cursor;
    fill(&*source, 100).await;
    let writing = tokio::spawn({
        let source = Arc::clone(&source);
        async move {
            for number in 0..steps {
                source.commit(step(number)).await.unwrap();
                let rotated = rotation(number % 7, 100 + number / 7);
                source.commit(rotated).await.unwrap();
            }
        }
    });
    let mut archives = Vec::new();
    while !writing.is_finished() {
        let path = folder.path().join(archives.len().to_string());
        archives.push((archived(&*source, &path).await, path));
    }
    writing.await.unwrap();
    let path = folder.path().join("last");
    archives.push((archived(&*source, &path).await, path.clone()));
    let (last, at) = (archives.len() - 1, folder.path().join("realm"));
    for (number, (told, path)) in archives.iter().enumerate() {
        if !number.is_multiple_of(4) && number != last {
            continue;
        }
        let mut state = State::new(start.log);
        while state.cursor() != told.head.cursor {
            let entries = source
                .read_log(&state.cursor(), Duration::ZERO)
                .await
                .unwrap();
            for entry in entries {
                if entry.cursor.revision <= told.head.cursor.revision {
                    state.apply(&entry).unwrap();
                }
            }
        }
        let realm = into_file(path, &at).await;
        let held = contents(&*realm).await;
        let records: BTreeMap<Key, Vec<u8>> = state.records().map(|it| split(&it)).collect();
        assert_eq!(held.records, records);
        assert!(
            held.revoked
                .iter()
                .copied()
                .eq(state.revoked_serials().map(|it| it.0))
        );
        assert_eq!(held.counts, state.counts());
        for token in 0..7 {
            let record = held.private.get(&Key::token(TokenId(token))).unwrap();
            let nth = u64::from_be_bytes(record.as_slice().try_into().unwrap());
            // What its record says was revoked is revoked.
            assert!(state.is_revoked(value(token, nth)), "{token} {nth}");
            // And at rest it knows of all that was.
            assert!(number != last || !state.is_revoked(value(token, nth + 1)));
        }
        realm.close().await;
        std::fs::remove_file(&at).unwrap();
    }
    assert_eq!(held_by(&source).await, held_of(&path, &at).await);
}

async fn held_by(store: &RedisStore) -> Contents {
    contents(store).await
}

async fn held_of(path: &Path, at: &Path) -> Contents {
    let realm = into_file(path, at).await;
    contents(&*realm).await
}

fn refused(path: &Path) -> String {
    match Reader::open(path) {
        Ok(_) => panic!("a damaged archive is taken"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_of_a_damaged_archive() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let source = EmbeddedStore::open(&file("source"), true, Arc::new(SystemClock)).unwrap();
    fill(&*source, 20).await;
    archived(&*source, &file("whole")).await;
    let whole = std::fs::read(file("whole")).unwrap();
    Reader::open(&file("whole")).unwrap();
    let damaged = file("damaged");
    for length in (0..whole.len()).step_by(41) {
        std::fs::write(&damaged, &whole[..length]).unwrap();
        refused(&damaged);
    }
    for at in (0..whole.len()).step_by(23) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&damaged, bytes).unwrap();
        refused(&damaged);
    }
    std::fs::write(&damaged, [whole.as_slice(), b"x"].concat()).unwrap();
    assert!(refused(&damaged).contains("cut off"));
    std::fs::write(&damaged, "something else, which is precious").unwrap();
    assert!(refused(&damaged).contains("no archive"));
    // An archive is never written over a file.
    assert!(matches!(
        Writer::create(&damaged),
        Err(ArchiveError::There(_))
    ));
    drop(Writer::create(&file("begun")).unwrap());
    assert!(!file("begun").exists());
}

fn origin() -> Origin {
    let mut log = [1; 16];
    log[0] = 7;
    Origin {
        fork: Cursor::start(LogId(log)),
        serial: Serial(9),
    }
}

fn put() -> Vec<Commit> {
    vec![commit(vec![Change::Put(user("ada"))])]
}

async fn broken_off(home: &Home) {
    let (place, options, origin) = (home.place(), home.options(), origin());
    let create = OpenOptions {
        create: true,
        ..options
    };
    let mut fresh = RedisStore::restore(&place, "hub", options, &origin)
        .await
        .unwrap();
    fresh.write(put()).await.unwrap();
    drop(fresh);
    let error = RedisStore::open(&place, "hub", create).await.map(drop);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("restore of the realm is not finished"),
        "{error}"
    );
    let feed = home.feed();
    let head = feed.head().await;
    assert!(matches!(head, Err(FeedError::Corrupt(_))), "{head:?}");
    let parts: Vec<_> = feed.snapshot().collect().await;
    assert!(
        matches!(parts.as_slice(), [Err(FeedError::Corrupt(_))]),
        "{parts:?}"
    );
    let confirm = feed.confirm(&"verifier".into(), &origin.fork).await;
    confirm.unwrap_err();
    let made = RedisStore::make(&place, "hub", options).await;
    assert_eq!(made, Err(OpenError::Known));
    let again = RedisStore::restore(&place, "hub", options, &origin).await;
    assert!(matches!(again, Err(ArchiveError::There(_))));
}

#[tokio::test]
async fn nobody_opens_a_file_whose_restore_broke_off() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, origin) = (Arc::new(SystemClock), origin());
    let path = folder.path().join("realm");
    let mut fresh = EmbeddedStore::restore(&path, &origin, clock.clone()).unwrap();
    fresh.write(put()).await.unwrap();
    assert!(!path.exists());
    let again = EmbeddedStore::restore(&path, &origin, clock.clone());
    assert!(matches!(again, Err(ArchiveError::There(_))));
    fresh.finish().await.unwrap();
    let again = EmbeddedStore::restore(&path, &origin, clock.clone());
    assert!(matches!(again, Err(ArchiveError::There(_))));
    let other = folder.path().join("other");
    drop(EmbeddedStore::restore(&other, &origin, clock).unwrap());
    assert!(!other.exists());
}
