//! Tests of what a snapshot file holds when the view changes while it is saved, and of what is done with a
//! file that isn't what was saved.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{PermissionsExt as _, symlink},
    sync::{Arc, atomic::AtomicBool},
};

use super::*;
use crate::{
    clock::ManualClock,
    id::{AccountId, Fingerprint, LogId, Name, RepoId, Revision, Serial},
    state::{
        Entry,
        record::{
            Change, GateMode, Member, Org, OrgRole, Record, RecordKey, Repo, RepoKind, User,
            Visibility,
        },
    },
};

const LOG: LogId = LogId([1; 16]);
static GO: AtomicBool = AtomicBool::new(false);
const BOUND: Duration = Duration::from_secs(60);

struct World {
    clock: Arc<ManualClock>,
    replica: Replica,
    folder: tempfile::TempDir,
    file: SnapshotFile,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis(1_800_000_000_000)));
        let folder = tempfile::tempdir().unwrap();
        let replica = Replica::new(clock.clone());
        replica.put(State::new(LOG), Some(fresh(&clock)));
        Self {
            file: SnapshotFile {
                folder: folder.path().into(),
                realm: "hub".into(),
                bound: Some(BOUND),
            },
            replica,
            clock,
            folder,
        }
    }

    fn apply(&self, changes: Vec<Change>) {
        let before = self.replica.cursor();
        self.replica.apply(&entry(before, changes)).unwrap();
    }

    fn save(&self) -> Result<Saved, Unsaved> {
        self.file.save(&self.replica, false, &GO)
    }

    fn load(&self) -> Result<Option<Restored>, Unusable> {
        self.file.load(&*self.clock, &GO)
    }

    /// Why the file isn't used.
    fn refused(&self) -> String {
        match self.load() {
            Ok(_) => "used".into(),
            Err(problem) => problem.to_string(),
        }
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(self.file.path(), bytes).unwrap();
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.file.path()).unwrap()
    }

    /// A view with a few records of several kinds.
    fn small() -> Self {
        let world = Self::new();
        world.apply(vec![user("ada"), user("bob"), org("acme"), member("ada")]);
        world.apply(vec![Change::Revoke(vec![Serial(3), Serial(262_150)])]);
        world
    }
}

fn fresh(clock: &ManualClock) -> Freshness {
    Freshness::new(clock.boot(), clock.unix())
}

fn entry(before: Cursor, changes: Vec<Change>) -> Entry {
    let revision = before.revision.0 + 1;
    let mut fingerprint = [7; 16];
    fingerprint[..8].copy_from_slice(&revision.to_be_bytes());
    Entry {
        cursor: Cursor {
            log: before.log,
            revision: Revision(revision),
            fingerprint: Fingerprint(fingerprint),
        },
        predecessor: before.fingerprint,
        serial: Serial(revision),
        time: UnixMillis(0),
        changes,
    }
}

fn id(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn user(of: &str) -> Change {
    Change::Put(Record::User(User {
        id: id(of),
        name: Name::parse(of).unwrap(),
        disabled: false,
        service_account_of: None,
        display: Box::default(),
    }))
}

fn org(of: &str) -> Change {
    Change::Put(Record::Org(Org {
        id: id(of),
        name: Name::parse(of).unwrap(),
        display: Box::default(),
    }))
}

fn member(user: &str) -> Change {
    Change::Put(Record::Member(Member {
        org: id("acme"),
        user: id(user),
        role: OrgRole::Write,
    }))
}

fn repo(of: &str, owner: &str) -> Change {
    Change::Put(Record::Repo(Repo {
        id: RepoId::parse(of).unwrap(),
        kind: RepoKind::Model,
        owner: id(owner),
        name: Name::parse(of).unwrap(),
        visibility: Visibility::Private,
        gate: GateMode::None,
        creator: None,
        disabled: false,
        group: None,
        org_members_gated: false,
    }))
}

#[test]
fn what_is_restored_is_what_was_saved() {
    let world = World::small();
    assert!(world.load().unwrap().is_none());
    let saved = world.save().unwrap();
    assert_eq!(saved.cursor, world.replica.cursor());
    assert_eq!(saved.bytes, world.bytes().len() as u64);
    let mode = fs::metadata(world.file.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let restored = world.load().unwrap().unwrap();
    let view = world.replica.view().unwrap();
    assert!(restored.state().same_facts(&view.state));
    assert_eq!(restored.cursor(), view.state.cursor());
    drop(view);
    // A restored view is saved again, and says the same.
    let again = Replica::new(world.clock.clone());
    again.restore(restored);
    assert!(again.age().is_some());
    let first = world.bytes();
    world.file.save(&again, true, &GO).unwrap();
    assert_eq!(world.bytes().len(), first.len());
    let left = fs::read_dir(world.folder.path()).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn the_age_is_known_on_the_same_boot_alone() {
    let world = World::small();
    world.save().unwrap();
    let age = || world.load().unwrap().unwrap().age(world.clock.boot());
    assert_eq!(age(), Some(Duration::ZERO));
    // However the wall clock jumps, the age is the time that has passed.
    world.clock.advance(Duration::from_secs(7));
    world.clock.set_unix(UnixMillis(5));
    assert_eq!(age(), Some(Duration::from_secs(7)));
    // The receipts of then declared less than what would be allowed now.
    let longer = SnapshotFile {
        bound: Some(BOUND + Duration::from_millis(1)),
        ..world.file.clone()
    };
    let restored = longer.load(&*world.clock, &GO).unwrap().unwrap();
    assert_eq!(restored.age(world.clock.boot()), None);
    world.clock.reboot();
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(age(), None);
}

#[test]
fn a_file_of_a_time_that_has_not_come_is_refused() {
    let world = World::small();
    let later = BootTime(world.clock.boot().0 + 1);
    let state = World::small().load_own();
    let replica = Replica::new(world.clock.clone());
    replica.put(state, Some(Freshness::new(later, world.clock.unix())));
    world.file.save(&replica, false, &GO).unwrap();
    assert!(world.refused().contains("has not come yet"));
}

impl World {
    fn load_own(&self) -> State {
        self.save().unwrap();
        self.load().unwrap().unwrap().state
    }
}

#[test]
fn no_changed_byte_and_no_cut_is_overlooked() {
    let world = World::small();
    world.save().unwrap();
    let good = world.bytes();
    assert!(good.len() < 2_000, "{}", good.len());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        world.put(&bad);
        assert_ne!(world.refused(), "used", "byte {at}");
        bad[at] ^= 0x81;
        world.put(&bad);
        assert_ne!(world.refused(), "used", "byte {at}");
        world.put(&good[..at]);
        assert_ne!(world.refused(), "used", "cut at {at}");
    }
    world.put(&[&good[..], &[0]].concat());
    assert_ne!(world.refused(), "used");
    world.put(&[&good[..], &good[..]].concat());
    assert_ne!(world.refused(), "used");
    world.put(&good);
    assert_eq!(world.refused(), "used");
}

#[test]
fn what_is_no_file_of_this_realms_verifier_is_not_used_and_is_told() {
    let world = World::small();
    world.save().unwrap();
    let path = world.file.path();
    let good = world.bytes();
    let other = SnapshotFile {
        realm: "other".into(),
        ..world.file.clone()
    };
    let told = |file: &SnapshotFile| match file.load(&*world.clock, &GO) {
        Ok(_) => "used".into(),
        Err(problem) => problem.to_string(),
    };
    assert_eq!(told(&other), "it is of the realm `hub`");
    for mode in [0o604, 0o602, 0o640, 0o620, 0o660, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(world.refused().contains("others may"), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut next = good.clone();
    next[8] = 2;
    for (bytes, why) in [
        (&b""[..], "damaged: it is too short"),
        (&[0; 500], "no snapshot file"),
        (&next, "format 2 is not known to this version"),
    ] {
        world.put(bytes);
        assert!(world.refused().contains(why), "{}", world.refused());
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(world.refused().contains("no snapshot file"));
    // A folder is not put out of the way either, and nothing is left beside it.
    assert!(matches!(world.save(), Err(Unsaved::Io(_))));
    fs::remove_dir(&path).unwrap();
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 0);
    let elsewhere = world.folder.path().join("elsewhere");
    fs::write(&elsewhere, &good).unwrap();
    symlink("elsewhere", &path).unwrap();
    assert_ne!(world.refused(), "used");
}

#[test]
fn nothing_of_somebody_else_is_overwritten_and_one_call_writes_at_a_time() {
    let world = World::small();
    let new = file::new_path(&world.file.path());
    let other = world.folder.path().join("other");
    fs::write(&other, "other").unwrap();
    symlink("other", &new).unwrap();
    assert!(matches!(world.save(), Err(Unsaved::Io(_))));
    fs::remove_file(&new).unwrap();
    fs::hard_link(&other, &new).unwrap();
    assert!(matches!(world.save(), Err(Unsaved::Io(_))));
    assert_eq!(fs::read_to_string(&other).unwrap(), "other");
    fs::remove_file(&new).unwrap();
    // What a dead process left is used up; what a living one holds is left alone.
    fs::write(&new, vec![7; 100_000]).unwrap();
    let living = fs::File::open(&new).unwrap();
    living.lock().unwrap();
    assert!(matches!(world.save(), Err(Unsaved::Busy)));
    drop(living);
    world.save().unwrap();
    assert_eq!(world.refused(), "used");
}

/// Does something at each write to a file.
struct Writes<'a>(Vec<u8>, Box<dyn FnMut() + 'a>);

impl Write for Writes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.1)();
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn saved_while<'a>(world: &'a World, act: impl FnMut() + 'a) -> Result<Vec<u8>, Unsaved> {
    let mut to = Writes(Vec::new(), Box::new(act));
    save::save(&world.file, &world.replica, false, &GO, &mut to)?;
    Ok(to.0)
}

/// At each write something is taken, moved or put. What is saved is the fold of the log up to its cursor,
/// though each piece is of another moment.
#[test]
fn a_view_that_changes_while_it_is_saved_is_saved_as_of_one_moment() {
    let world = World::new();
    let mut log = Vec::new();
    let commit = |log: &mut Vec<Entry>, changes| {
        let entry = entry(world.replica.cursor(), changes);
        world.replica.apply(&entry).unwrap();
        log.push(entry);
    };
    commit(&mut log, vec![org("acme"), org("other")]);
    for number in 0..3_000 {
        let name = format!("u{number}");
        let of = if number % 2 == 0 { "acme" } else { "other" };
        commit(
            &mut log,
            vec![user(&name), member(&name), repo(&format!("r{number}"), of)],
        );
    }
    let before = world.replica.cursor();
    let mut number = 0;
    let mut during = Vec::new();
    let bytes = saved_while(&world, || {
        // What is written of an entry causes the next one, without end.
        if number == 100 {
            return;
        }
        number += 1;
        let name = format!("u{}", number * 37 % 3_000);
        commit(
            &mut during,
            vec![
                Change::Delete(RecordKey::Member {
                    org: id("acme"),
                    user: id(&name),
                }),
                repo(&format!("r{}", number * 53 % 3_000), "acme"),
                user(&format!("new{number}")),
                Change::Revoke(vec![Serial(number)]),
                Change::Retire(RecordKey::User(id(&format!("u{}", number * 41 % 3_000)))),
            ],
        );
    })
    .unwrap();
    assert_eq!(number, 100);
    world.put(&bytes);
    fs::set_permissions(world.file.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let restored = world.load().unwrap().unwrap();
    let at = restored.cursor();
    assert!(at.revision > before.revision);
    let mut fold = State::new(LOG);
    let all = log.iter().chain(&during);
    for entry in all.take_while(|entry| entry.cursor.revision <= at.revision) {
        fold.apply(entry).unwrap();
    }
    assert!(restored.state().same_facts(&fold));
    assert_eq!(restored.state().counts(), fold.counts());
}

#[test]
fn a_view_that_is_replaced_or_outruns_the_disk_or_is_not_fresh_is_not_saved() {
    let world = World::small();
    world.save().unwrap();
    let good = world.bytes();
    let mut replaced = false;
    let told = saved_while(&world, || {
        if !std::mem::replace(&mut replaced, true) {
            world.replica.replace(State::new(LOG), fresh(&world.clock));
        }
    });
    assert!(matches!(told, Err(Unsaved::Replaced)));
    let told = saved_while(&world, || {
        for _ in 0..1_100 {
            world.apply(vec![user("eve")]);
        }
    });
    assert!(matches!(told, Err(Unsaved::TooSlow)));
    let told = saved_while(&world, || {
        assert!(matches!(world.save(), Err(Unsaved::Busy)));
    });
    assert!(told.is_ok());
    let stop = AtomicBool::new(true);
    let told = world.file.save(&world.replica, true, &stop);
    assert!(matches!(told, Err(Unsaved::Stopped)));
    world.replica.put(State::new(LOG), None);
    assert!(matches!(world.save(), Err(Unsaved::NotFresh)));
    // The file before all that stands, and nothing is copied any more.
    assert_eq!(world.bytes(), good);
    assert!(!world.replica.tap.is_on());
}

/// Prints how long a million records take. Run it alone:
/// `cargo test --profile ci -p tokenward-common --lib a_million_records -- --ignored --nocapture`.
#[test]
#[ignore = "it measures, and asserts nothing of time"]
fn a_million_records() {
    let clock = Arc::new(crate::clock::SystemClock);
    let world = World::new();
    let replica = Replica::new(clock.clone());
    let mut state = State::new(LOG);
    let load = |state: &mut State, change| match change {
        Change::Put(record) => state.load(record).unwrap(),
        _ => unreachable!(),
    };
    load(&mut state, org("acme"));
    for number in 0..500_000 {
        load(&mut state, user(&format!("user-{number:08}")));
        if number % 2 == 0 {
            load(&mut state, member(&format!("user-{number:08}")));
            load(&mut state, repo(&format!("repo-{number:08}"), "acme"));
        }
    }
    replica.put(state, Some(Freshness::new(clock.boot(), clock.unix())));
    let used = || {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(
            used.tv_sec.cast_unsigned(),
            u32::try_from(used.tv_nsec).unwrap(),
        )
    };
    for gentle in [false, true] {
        let (began, before) = (clock.boot(), used());
        let saved = world.file.save(&replica, gentle, &GO).unwrap();
        let (took, cpu) = (clock.boot().since(began), used() - before);
        let (bytes, held) = (saved.bytes, saved.held);
        eprintln!("saved, gentle {gentle}: {took:?}, {cpu:?} of CPU, {bytes} bytes, held {held:?}");
    }
    let kept = world.file.path();
    for _ in 0..3 {
        let (began, before) = (clock.boot(), used());
        let restored = world.file.load(&*clock, &GO).unwrap().unwrap();
        let (took, cpu) = (clock.boot().since(began), used() - before);
        let records: u64 = restored.state().counts().kinds.iter().sum();
        eprintln!("restored {records} from {kept:?} in {took:?}, {cpu:?} of CPU");
    }
}
