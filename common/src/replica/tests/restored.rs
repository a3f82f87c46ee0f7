//! Tests of a follower that begins with a view which an earlier process had saved.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::{id::Revision, replica::snapshot::SnapshotFile, testing::faults::Point};

static GO: AtomicBool = AtomicBool::new(false);

/// A world, and the folder in which its verifiers keep their snapshot.
struct Kept {
    world: World,
    folder: tempfile::TempDir,
}

impl Kept {
    /// Saves the view of a process that has followed, and ends that process.
    async fn saved() -> Self {
        let world = World::fresh(Guards::ALL).await;
        let _ = world.feed.take_serial();
        let mut changes = vec![put("bob"), revoke(7), withdraw("stolen"), org_revoked(7)];
        changes.extend(widths().map(Change::RaiseFloor));
        let last = world.feed.commit(changes);
        world.reached(last).await;
        world.clock.advance(SECOND);
        world.fresh_as_of(world.clock.boot()).await;
        let kept = Self {
            folder: tempfile::tempdir().unwrap(),
            world,
        };
        kept.file().save(&kept.world.replica, false, &GO).unwrap();
        kept.world.stop.cancel();
        kept
    }

    fn file(&self) -> SnapshotFile {
        SnapshotFile {
            folder: self.folder.path().into(),
            realm: "hub".into(),
            bound: Some(60 * SECOND),
        }
    }

    /// Begins the next process: it has nothing but the file.
    fn restarted(self) -> World {
        let old = &self.world;
        let next = World {
            clock: Arc::clone(&old.clock),
            feed: Arc::clone(&old.feed),
            replica: Arc::new(Replica::new(old.clock.clone())),
            seen: Arc::default(),
            stop: CancellationToken::new(),
        };
        let restored = self.file().load(&*next.clock, &GO).unwrap().unwrap();
        next.replica.restore(restored);
        next.follow(Guards::ALL);
        next
    }
}

#[tokio::test(start_paused = true)]
async fn a_restored_view_catches_up_by_the_log_alone() {
    let kept = Kept::saved().await;
    let missed = kept.world.feed.commit(vec![put("eve"), revoke(8)]);
    let before = kept.world.clock.boot();
    kept.world.clock.advance(SECOND);
    let world = kept.restarted();
    assert!(world.as_of().is_some_and(|as_of| as_of <= before));
    world.reached(missed).await;
    world.fresh_as_of(world.clock.boot()).await;
    assert!(world.knows("bob") && world.knows("eve"));
    assert!(world.is_revoked(7) && world.is_revoked(8));
    assert_eq!(
        (*world.seen.resumed.borrow(), *world.seen.rebuilt.borrow()),
        (1, 0)
    );
}

/// The store is away: the view serves by the age that it has, and grows no younger.
#[tokio::test(start_paused = true)]
async fn with_nothing_up_a_restored_view_is_as_old_as_it_is() {
    let kept = Kept::saved().await;
    let as_of = kept.world.as_of();
    kept.world.feed.away(true);
    kept.world.clock.advance(30 * SECOND);
    let world = kept.restarted();
    world.failed(5).await;
    assert_eq!(world.as_of(), as_of);
    assert_eq!(world.replica.age(), Some(30 * SECOND));
    assert!(world.knows("bob") && world.is_revoked(7));
    world.feed.away(false);
    world.fresh_as_of(world.clock.boot()).await;
    assert_eq!(*world.seen.rebuilt.borrow(), 0);
}

/// After a reboot nobody knows how old the view is.
#[tokio::test(start_paused = true)]
async fn after_a_reboot_a_restored_view_is_fresh_by_a_confirm_alone() {
    let kept = Kept::saved().await;
    kept.world.feed.away(true);
    kept.world.clock.reboot();
    let world = kept.restarted();
    world.failed(5).await;
    assert_eq!(world.replica.age(), None);
    world.feed.away(false);
    world.fresh_as_of(world.clock.boot()).await;
    assert!(world.knows("bob"));
    assert_eq!(*world.seen.rebuilt.borrow(), 0);
}

/// A confirm whose head the restored view hasn't applied proves nothing.
#[tokio::test(start_paused = true)]
async fn a_restored_view_is_not_fresh_before_it_has_caught_up() {
    let kept = Kept::saved().await;
    kept.world.clock.reboot();
    kept.world.feed.commit(vec![revoke(8)]);
    kept.world.feed.close(Point::LogAnswered);
    let world = kept.restarted();
    world.confirms(3).await;
    assert_eq!(world.replica.age(), None);
    world.feed.open(Point::LogAnswered);
    world.fresh_as_of(world.clock.boot()).await;
    assert!(world.is_revoked(8));
}

/// The log was lost meanwhile, in each way: the state is read anew, and what can only grow is kept.
#[tokio::test(start_paused = true)]
async fn what_is_monotone_in_a_file_outlives_a_store_that_lost_it() {
    type Loss = fn(&FaultyFeed);
    let losses: [(&str, Loss); 4] = [
        ("rolled back", |feed| {
            feed.roll_back(Revision(1));
        }),
        ("rolled back and written again", |feed| {
            feed.roll_back(Revision(1));
            feed.commit(vec![put("eve")]);
        }),
        ("made anew", |feed| feed.wipe()),
        ("trimmed", |feed| {
            feed.commit(vec![put("eve")]);
            feed.trim(feed.commit(vec![put("zoe")]).revision);
        }),
    ];
    for (what, lose) in losses {
        let kept = Kept::saved().await;
        lose(&kept.world.feed);
        let as_of = kept.world.clock.boot();
        kept.world.clock.advance(SECOND);
        let world = kept.restarted();
        world.rebuilt(1).await;
        world.fresh_as_of(as_of).await;
        let lost = what != "trimmed";
        assert_eq!(world.knows("bob"), !lost, "{what}");
        assert!(world.is_revoked(7), "{what}");
        let view = world.replica.view().unwrap();
        assert_eq!(lowest_floor(&view.state), Serial(1), "{what}");
        assert!(view.state.is_withdrawn("stolen"), "{what}");
        let mut records = view.state.records();
        assert!(
            records.any(|it| Change::Put(it) == org_revoked(7)),
            "{what}"
        );
    }
}
