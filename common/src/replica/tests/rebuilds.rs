//! Tests of when a view is built anew, what serves meanwhile, and which facts survive.

use super::*;
use crate::{
    id::{Fingerprint, Revision},
    state::Entry,
    testing::faults::Point,
};

#[tokio::test(start_paused = true)]
async fn the_old_view_serves_during_a_rebuild_and_only_grows_older() {
    let world = World::fresh(Guards::ALL).await;
    world.confirms(1).await;
    world.feed.close(Point::PieceAsked);
    world.feed.wipe();
    within(world.feed.held(Point::PieceAsked)).await;
    let before = world.as_of();
    world.clock.advance(4 * SECOND);
    assert!(world.knows("ada"));
    assert_eq!(world.as_of(), before);
    world.clock.advance(4 * SECOND);
    assert!(world.replica.age().unwrap() >= 8 * SECOND);
    world.feed.open(Point::PieceAsked);
    world.rebuilt(2).await;
    assert!(!world.knows("ada"));
    assert!(world.replica.age().unwrap() < SECOND);
}

async fn with_monotone_facts(guards: Guards) -> World {
    let world = World::fresh(guards).await;
    let _ = world.feed.take_serial();
    let mut changes = vec![
        revoke(7),
        withdraw("stolen"),
        org_revoked(7),
        departed(),
        // The account never existed, so its retirement removes nothing else of the state.
        Change::Retire(RecordKey::User(account("zoe"))),
    ];
    changes.extend(widths().map(Change::RaiseFloor));
    let last = world.feed.commit(changes);
    world.reached(last).await;
    world
}

fn departed() -> Change {
    Change::Put(Record::Departures(Departures {
        org: account("acme"),
        user: account("bob"),
        count: 2,
    }))
}

fn monotone_facts(world: &World) -> (bool, Serial, bool, bool) {
    let view = world.replica.view().unwrap();
    let holds = |fact: Change| view.state.records().any(|it| Change::Put(it) == fact);
    let retired = Change::Put(Record::Retired(RetiredId::Account(account("zoe"))));
    assert_eq!(holds(departed()), holds(retired));
    assert_eq!(holds(departed()), view.state.is_revoked(Serial(7)));
    (
        view.state.is_revoked(Serial(7)),
        lowest_floor(&view.state),
        view.state.is_withdrawn("stolen"),
        view.state
            .records()
            .any(|it| Change::Put(it) == org_revoked(7)),
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_monotone_outlives_a_rollback_and_a_wipe() {
    let world = with_monotone_facts(Guards::ALL).await;
    world.feed.roll_back(Revision(1));
    world.feed.commit(vec![put("bob")]);
    world.rebuilt(2).await;
    assert!(world.knows("bob"));
    assert_eq!(monotone_facts(&world), (true, Serial(1), true, true));
    // Facts that the view holds beyond the store cause no rebuild, however often both are compared.
    world.confirms(3).await;
    assert_eq!(*world.seen.rebuilt.borrow(), 2);
    world.feed.wipe();
    world.rebuilt(3).await;
    assert!(!world.knows("bob"));
    assert_eq!(monotone_facts(&world), (true, Serial(1), true, true));
    // The view still compares itself with the store and applies new entries.
    let eve = world.feed.commit(vec![put("eve")]);
    world.reached(eve).await;
    world.clock.advance(SECOND);
    world.fresh_as_of(world.clock.boot()).await;
    assert_eq!(*world.seen.rebuilt.borrow(), 3);
}

/// What the store lost is handed in, once for each loss, and nothing else is.
#[tokio::test(start_paused = true)]
async fn what_the_store_lost_is_handed_in() {
    let world = with_monotone_facts(Guards::ALL).await;
    world.confirms(2).await;
    let left = world.replica.cursor();
    world.feed.roll_back(Revision(1));
    world.feed.commit(vec![put("bob")]);
    world.rebuilt(2).await;
    world.confirms(3).await;
    let handed = world.feed.handed();
    let [piece] = handed.as_slice() else {
        panic!("{handed:?}");
    };
    assert_eq!((piece.left, piece.serial), (left, Serial(1)));
    assert!(piece.changes.iter().all(Change::only_takes_away));
    assert!(
        piece
            .changes
            .iter()
            .any(|it| matches!(it, Change::Revoke(_)))
    );
    // A store that only trimmed its log has lost nothing.
    world.feed.commit(piece.changes.clone());
    world.confirms(2).await;
    assert_eq!(world.feed.handed().len(), 1);
}

/// A store that lost a deletion holds a record that the view doesn't find any more, yet both count it.
#[tokio::test(start_paused = true)]
async fn a_deletion_that_the_store_lost_stays_done() {
    let world = World::fresh(Guards::ALL).await;
    let kept = world.feed.commit(vec![put("zoe")]);
    world.reached(kept).await;
    let key = RecordKey::User(account("zoe"));
    let gone = world.feed.commit(vec![Change::Retire(key)]);
    world.reached(gone).await;
    world.feed.roll_back(kept.revision);
    world.feed.commit(vec![put("bob")]);
    world.rebuilt(2).await;
    world.confirms(3).await;
    assert!(world.knows("bob") && !world.knows("zoe"));
    assert_eq!(*world.seen.rebuilt.borrow(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_a_rollback_forgets_a_revocation() {
    let guards = Guards {
        monotone: false,
        ..Guards::ALL
    };
    let world = with_monotone_facts(guards).await;
    world.feed.roll_back(Revision(1));
    world.feed.commit(vec![put("bob")]);
    world.rebuilt(2).await;
    assert_eq!(monotone_facts(&world), (false, Serial(0), false, false));
}

#[tokio::test(start_paused = true)]
async fn a_reader_behind_the_retained_log_starts_again() {
    let world = World::fresh(Guards::ALL).await;
    world.feed.close(Point::LogAsked);
    world.feed.close(Point::ConfirmAsked);
    let first = world.feed.commit(vec![put("bob")]);
    within(world.feed.held(Point::LogAsked)).await;
    world.reached(first).await;
    world.feed.commit(vec![put("eve")]);
    let last = world.feed.commit(vec![put("dan")]);
    world.feed.trim(last.revision);
    world.feed.open(Point::LogAsked);
    world.feed.open(Point::ConfirmAsked);
    world.rebuilt(2).await;
    assert!(world.knows("eve") && world.knows("dan"));
}

type Wrong = fn(&mut Entry);

/// The entries that no follower may apply.
const WRONG: [(&str, Wrong); 4] = [
    ("gap", |entry| entry.cursor.revision.0 += 1),
    ("fork", |entry| entry.predecessor = Fingerprint([9; 16])),
    ("other log", |entry| entry.cursor.log.0 = [9; 16]),
    ("another entry of the same revision", |entry| {
        entry.cursor.revision.0 -= 1;
        entry.cursor.fingerprint = Fingerprint([9; 16]);
    }),
];

#[tokio::test(start_paused = true)]
async fn an_entry_that_does_not_follow_is_not_applied() {
    for (what, wrong) in WRONG {
        let world = World::fresh(Guards::ALL).await;
        world.feed.rewrite(move |entry| {
            entry.changes.push(put("mallory"));
            wrong(entry);
        });
        world.feed.commit(vec![put("bob")]);
        world.rebuilt(2).await;
        assert!(world.knows("bob"), "{what}");
        assert!(!world.knows("mallory"), "{what}");
    }
}

/// Loses the tail, writes as many entries again, and makes the feed hide it.
async fn rewritten_behind_the_back(world: &World) -> Cursor {
    world.feed.blind(true);
    world.feed.roll_back(Revision(1));
    world
        .feed
        .commit(vec![revoke(8), floor("ada"), withdraw("stolen")]);
    world.feed.commit(vec![put("eve")])
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_another_history_is_applied_on_top() {
    let guards = Guards {
        fingerprints: false,
        ..Guards::ALL
    };
    let world = with_monotone_facts(guards).await;
    let last = rewritten_behind_the_back(&world).await;
    world.reached(last).await;
    world.clock.advance(SECOND);
    world.fresh_as_of(world.clock.boot()).await;
    // The view is fresh, yet it never saw the revocations of the new history.
    assert!(!world.is_revoked(8));
    assert_eq!(*world.seen.rebuilt.borrow(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_history_is_noticed_though_the_feed_does_not_say_so() {
    let world = with_monotone_facts(Guards::ALL).await;
    let last = rewritten_behind_the_back(&world).await;
    world.reached(last).await;
    world.rebuilt(2).await;
    assert!(world.is_revoked(8));
    assert_eq!(monotone_facts(&world), (true, Serial(1), true, true));
}

/// The tail was lost and written anew to the very same length.
#[tokio::test(start_paused = true)]
async fn a_head_of_the_same_revision_must_be_the_same_entry() {
    let world = with_monotone_facts(Guards::ALL).await;
    world.feed.blind(true);
    world.feed.close(Point::ConfirmAsked);
    within(world.feed.held(Point::ConfirmAsked)).await;
    world.clock.advance(SECOND);
    world.feed.roll_back(Revision(1));
    world
        .feed
        .commit(vec![revoke(8), floor("ada"), withdraw("stolen")]);
    let acknowledged = world.clock.boot();
    world.clock.advance(SECOND);
    world.feed.open(Point::ConfirmAsked);
    world.fresh_as_of(acknowledged).await;
    assert!(world.is_revoked(8));
    assert_eq!(*world.seen.rebuilt.borrow(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_view_that_counts_otherwise_than_the_head_is_not_refreshed() {
    let world = World::fresh(Guards::ALL).await;
    world.clock.advance(SECOND);
    world.feed.ghosts(1);
    let failures = *world.seen.failed.borrow();
    world.failed(failures + 5).await;
    assert!(world.replica.age().unwrap() >= SECOND);
    assert_eq!(*world.seen.rebuilt.borrow(), 1);
    world.feed.ghosts(0);
    world.rebuilt(2).await;
    world.fresh_as_of(world.clock.boot()).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_view_that_counts_otherwise_never_serves() {
    let world = World::new();
    world.feed.commit(vec![put("ada")]);
    world.feed.ghosts(1);
    world.follow(Guards::ALL);
    world.failed(5).await;
    assert!(world.freshness().is_none());
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_a_wrong_view_is_fresh() {
    let guards = Guards {
        counts: false,
        ..Guards::ALL
    };
    let world = World::new();
    world.feed.commit(vec![put("ada")]);
    world.feed.ghosts(1);
    world.follow(guards);
    world.rebuilt(1).await;
    assert!(world.freshness().is_some());
}

/// A store that loses every cursor at once must not get requests for snapshots without a pause.
#[tokio::test(start_paused = true)]
async fn rebuilds_that_do_not_last_are_paused() {
    let world = World::fresh(Guards::ALL).await;
    let began = tokio::time::Instant::now();
    for round in 2..22 {
        world.feed.wipe();
        world.rebuilt(round).await;
    }
    assert!(began.elapsed() > 10 * SECOND, "{:?}", began.elapsed());
}
