//! Tests of the time since which a view is fresh.

use super::*;
use crate::testing::faults::Point;

#[tokio::test(start_paused = true)]
async fn nothing_is_fresh_before_a_confirm_that_began_after_the_scan() {
    let world = World::new();
    let ada = world.feed.commit(vec![put("ada")]);
    world.feed.close(Point::PieceAnswered);
    world.feed.close(Point::ConfirmAnswered);
    world.follow(Guards::ALL);
    within(world.feed.held(Point::PieceAnswered)).await;
    world.clock.advance(3 * SECOND);
    let after_the_scan = world.clock.boot();
    world.feed.open(Point::PieceAnswered);
    within(world.feed.held(Point::ConfirmAnswered)).await;
    world.clock.advance(SECOND);
    assert!(world.freshness().is_none());
    assert_eq!(world.replica.age(), None);
    assert!(!world.knows("ada"));
    world.feed.open(Point::ConfirmAnswered);
    world.reached(ada).await;
    assert!(world.knows("ada"));
    assert!(world.as_of().unwrap() >= after_the_scan);
}

#[tokio::test(start_paused = true)]
async fn a_view_is_fresh_as_of_the_sending_and_a_late_answer_is_old() {
    let world = World::fresh(Guards::ALL).await;
    world.clock.advance(SECOND);
    world.feed.close(Point::ConfirmAsked);
    within(world.feed.held(Point::ConfirmAsked)).await;
    let sent = world.clock.boot();
    world.clock.advance(2 * SECOND);
    let answered = world.clock.unix();
    world.feed.close(Point::ConfirmAnswered);
    world.feed.open(Point::ConfirmAsked);
    within(world.feed.held(Point::ConfirmAnswered)).await;
    world.clock.advance(3 * SECOND);
    world.feed.close(Point::ConfirmAsked);
    world.feed.open(Point::ConfirmAnswered);
    within(world.feed.held(Point::ConfirmAsked)).await;
    let freshness = world.freshness().unwrap();
    assert_eq!(freshness.as_of, sent);
    assert_eq!(freshness.store_time, answered);
    assert_eq!(world.replica.age(), Some(5 * SECOND));
    // The view's time is never behind the store's time.
    let now = world.clock.boot();
    assert!(freshness.time(now) >= world.clock.unix());
}

#[tokio::test(start_paused = true)]
async fn a_confirm_counts_once_its_head_is_applied() {
    let world = World::fresh(Guards::ALL).await;
    world.feed.close(Point::LogAnswered);
    let bob = world.feed.commit(vec![put("bob")]);
    within(world.feed.held(Point::LogAnswered)).await;
    let before = world.as_of();
    world.clock.advance(SECOND);
    world.confirms(3).await;
    assert_eq!(world.as_of(), before);
    assert!(!world.knows("bob"));
    let now = world.clock.boot();
    // No further confirm is sent, so the earlier answer must count now.
    world.feed.close(Point::ConfirmAsked);
    within(world.feed.held(Point::ConfirmAsked)).await;
    world.feed.open(Point::LogAnswered);
    world.reached(bob).await;
    world.fresh_as_of(now).await;
    assert_eq!(world.as_of(), Some(now));
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_a_view_is_fresh_that_lacks_what_was_acknowledged() {
    let guards = Guards {
        applied_head: false,
        ..Guards::ALL
    };
    let world = World::fresh(guards).await;
    world.feed.close(Point::LogAnswered);
    world.feed.commit(vec![revoke(7)]);
    world.clock.advance(SECOND);
    world.fresh_as_of(world.clock.boot()).await;
    assert!(!world.is_revoked(7));
}

#[tokio::test(start_paused = true)]
async fn freshness_moves_on_in_a_view_that_is_behind_for_good() {
    let world = World::fresh(Guards::ALL).await;
    world.feed.close(Point::LogAnswered);
    let mut behind = world.feed.commit(vec![put("bob")]);
    within(world.feed.held(Point::LogAnswered)).await;
    let mut before = world.as_of().unwrap();
    for number in 0..10 {
        world.clock.advance(SECOND);
        world.confirms(2).await;
        let ahead = world.feed.commit(vec![put(&format!("user{number}"))]);
        world.confirms(2).await;
        // The follower takes exactly one step of the log.
        world.feed.close(Point::LogAsked);
        world.feed.open(Point::LogAnswered);
        within(world.feed.held(Point::LogAsked)).await;
        world.feed.close(Point::LogAnswered);
        world.feed.open(Point::LogAsked);
        within(world.feed.held(Point::LogAnswered)).await;
        assert_eq!(world.replica.cursor(), behind);
        let now = world.as_of().unwrap();
        assert!(now > before, "round {number}");
        assert!(now <= world.clock.boot());
        (before, behind) = (now, ahead);
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_feed_is_away_the_view_grows_old_and_then_recovers() {
    let world = World::fresh(Guards::ALL).await;
    world.feed.away(true);
    let failures = *world.seen.failed.borrow();
    world.failed(failures + 10).await;
    let before = world.as_of();
    world.clock.advance(3600 * SECOND);
    world.failed(failures + 20).await;
    assert_eq!(world.as_of(), before);
    assert!(world.replica.age().unwrap() >= 3600 * SECOND);
    world.feed.away(false);
    world.fresh_as_of(world.clock.boot()).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_view_hears_of_a_revocation_without_being_asked() {
    let world = World::fresh(Guards::ALL).await;
    tokio::time::sleep(60 * SECOND).await;
    world.clock.advance(60 * SECOND);
    let revoked = world.feed.commit(vec![revoke(7)]);
    world.reached(revoked).await;
    assert!(world.is_revoked(7));
}

#[test]
fn freshness_never_goes_back() {
    let world = World::new();
    let at = |boot, unix| Freshness::new(BootTime(boot), UnixMillis(unix));
    let seen = || {
        let freshness = world.freshness().unwrap();
        (freshness.as_of.0, freshness.store_time.0)
    };
    world.replica.refresh(at(5, 50));
    world.replica.refresh(at(4, 99));
    world.replica.refresh(at(5, 99));
    assert_eq!(seen(), (5, 50));
    world.replica.refresh(at(6, 60));
    assert_eq!(seen(), (6, 60));
}

#[test]
fn a_view_whose_writer_died_half_way_is_no_view() {
    let world = World::new();
    let now = Freshness::new(world.clock.boot(), world.clock.unix());
    world.replica.refresh(now);
    assert!(world.replica.age().is_some());
    let replica = Arc::clone(&world.replica);
    let died = std::thread::spawn(move || {
        let _held = replica.write();
        panic!("half way");
    });
    assert!(died.join().is_err());
    assert!(world.replica.view().is_none());
    assert_eq!(world.replica.age(), None);
}
