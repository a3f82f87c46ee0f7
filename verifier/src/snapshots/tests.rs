//! Tests of what a verifier answers that starts while the store is away, and of when it saves.

use tokenward_common::{clock::UnixMillis, store::guards::Guards, token::Role};
use tokenward_proto::v1::Reason;

use super::*;
use crate::{
    bounds::Bounds,
    decide::{
        Undecided,
        tests::{Hub, READ, START, WRITE, ask, revoke, token, within},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const BOUNDS: Bounds = Bounds {
    read: Duration::from_secs(60),
    write: Duration::from_secs(5),
    infer: Duration::from_secs(60),
};

fn snapshots(hub: &Hub, folder: &tempfile::TempDir) -> Arc<Snapshots> {
    Arc::new(Snapshots {
        file: SnapshotFile {
            folder: folder.path().into(),
            realm: "hub".into(),
            bound: Some(BOUNDS.longest()),
        },
        interval: 300 * SECOND,
        replica: Arc::clone(&hub.decider.replica),
        following: Arc::default(),
    })
}

/// Follows, revokes serial 7, saves, and ends; the store is away from then on.
async fn ended(folder: &tempfile::TempDir) -> Hub {
    let hub = Hub::followed(Guards::ALL).await;
    hub.commit(vec![revoke(7)]).await;
    let stop = CancellationToken::new();
    let kept = snapshots(&hub, folder).save(None, false, &stop).await;
    assert!(kept.unwrap().is_some());
    hub.feed.away(true);
    hub
}

/// Starts the next process, as `run` does.
async fn started(hub: &Hub, folder: &tempfile::TempDir) -> Hub {
    let next = hub.restarted(BOUNDS);
    snapshots(&next, folder)
        .restore(&CancellationToken::new())
        .await;
    next.follow();
    next
}

#[tokio::test(start_paused = true)]
async fn a_start_with_nothing_up_serves_each_class_within_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let hub = ended(&folder).await;
    let (good, dead) = (token("ada", 8, Role::Write), token("ada", 7, Role::Write));
    for passed in [1, 3, 3, 50] {
        hub.clock.advance(passed * SECOND);
        let next = started(&hub, &folder).await;
        let age = next.decider.replica.age().unwrap();
        let read = next.decide(&ask(&good, "own", READ)).unwrap();
        assert_eq!((read.verdict.is_ok(), read.age), (true, age));
        assert_eq!(read.bound, BOUNDS.read);
        assert_eq!(
            next.reason(&ask(&dead, "own", READ)),
            Some(Reason::TokenRevoked)
        );
        let write = next.decide(&ask(&good, "own", WRITE));
        if age <= BOUNDS.write {
            assert!(write.unwrap().verdict.is_ok());
        } else {
            let bound = BOUNDS.write;
            assert_eq!(write.unwrap_err(), Undecided::Stale { age, bound });
        }
        assert!(next.decider.ready().is_ok());
    }
    hub.clock.advance(4 * SECOND);
    let next = started(&hub, &folder).await;
    for permission in [READ, WRITE] {
        let refused = next.decide(&ask(&good, "own", permission)).unwrap_err();
        assert!(matches!(refused, Undecided::Stale { .. }), "{refused:?}");
    }
    assert!(next.decider.ready().is_err());
    // With the store it is fresh again, by what is newer alone.
    hub.feed.commit(vec![revoke(8)]);
    hub.feed.away(false);
    next.fresh().await;
    assert_eq!(
        next.reason(&ask(&good, "own", READ)),
        Some(Reason::TokenRevoked)
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_reboot_nothing_is_answered_before_a_confirm() {
    let folder = tempfile::tempdir().unwrap();
    let hub = ended(&folder).await;
    hub.clock.reboot();
    let next = started(&hub, &folder).await;
    let good = token("ada", 8, Role::Write);
    for permission in [READ, WRITE] {
        let refused = next.decide(&ask(&good, "own", permission)).unwrap_err();
        assert_eq!(refused, Undecided::NotYet);
    }
    hub.feed.away(false);
    next.fresh().await;
    assert!(next.allows(&ask(&good, "own", WRITE)));
}

/// A token ends by the store's time, whatever the wall clock says, before a restart and after.
#[tokio::test(start_paused = true)]
async fn no_jump_of_the_wall_clock_changes_a_decision() {
    let folder = tempfile::tempdir().unwrap();
    let hub = ended(&folder).await;
    let good = token("ada", 8, Role::Write);
    let before = hub.decide(&ask(&good, "own", READ)).unwrap();
    for minutes in [10, 0] {
        let jumped = (START + minutes * 60 - 300) * 1000;
        hub.clock.set_unix(UnixMillis(jumped));
        let same = hub.decide(&ask(&good, "own", READ)).unwrap();
        assert_eq!((same.time, same.age), (before.time, before.age));
        let next = started(&hub, &folder).await;
        let same = next.decide(&ask(&good, "own", READ)).unwrap();
        assert_eq!((same.time, same.age), (before.time, before.age));
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_is_saved_soon_and_at_each_interval_and_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::followed(Guards::ALL).await;
    let saved = snapshots(&hub, &folder);
    let stop = CancellationToken::new();
    let ending = stop.clone();
    let kept = Arc::clone(&saved);
    let keeper = tokio::spawn(async move { kept.keep(ending).await });
    let holds = |revision: u64| {
        let (path, saved, clock) = (saved.file.path(), Arc::clone(&saved), hub.clock.clone());
        within(async move {
            let go = AtomicBool::new(false);
            let held = || {
                let restored = saved.file.load(&*clock, &go).ok()??;
                Some(restored.cursor().revision.0)
            };
            while !path.exists() || held() != Some(revision) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    let first = hub.decider.replica.cursor().revision.0;
    holds(first).await;
    hub.commit(vec![revoke(8)]).await;
    holds(first + 1).await;
    hub.commit(vec![revoke(9)]).await;
    stop.cancel();
    within(keeper).await.unwrap();
    holds(first + 2).await;
    // A view that nothing has changed since is not written again.
    let age = hub.decider.replica.age();
    let again = saved.now();
    assert!(age.is_some() && again.is_some());
    let same = saved.save(again, false, &CancellationToken::new()).await;
    assert_eq!(same.unwrap(), again);
}
