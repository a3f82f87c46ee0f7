//! Tests of the slow fill that finishes after a revocation. The fill is held at each of its waits in
//! turn, and a takeaway is acknowledged meanwhile. No view that claims a later freshness may lack the
//! takeaway.

use super::*;
use crate::state::record::RecordKey;

/// The number of points at which a first snapshot, what follows it and a part of the tail are held.
const STEPS: u64 = 48;

struct Taken {
    acknowledged: BootTime,
    cursor: Cursor,
}

/// Revokes a token and deletes an account.
fn take_away(world: &World) -> Taken {
    let cursor = world.feed.commit(vec![
        revoke(7),
        Change::Delete(RecordKey::User(account("bob"))),
    ]);
    // A confirm that begins at the very moment of the acknowledgement may see either state.
    world.clock.advance(Duration::from_millis(1));
    Taken {
        acknowledged: world.clock.boot(),
        cursor,
    }
}

fn check(world: &World, taken: &Taken) {
    let view = world.replica.view().unwrap();
    let fresh = view.freshness.map(|freshness| freshness.as_of);
    if fresh.is_some_and(|as_of| as_of >= taken.acknowledged) {
        assert!(view.state.is_revoked(Serial(7)));
        assert!(view.state.account_by_id("bob").is_none());
    }
}

async fn settled(world: &World, taken: &Taken) {
    within(async {
        while world.as_of().is_none_or(|as_of| as_of < taken.acknowledged) {
            check(world, taken);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    check(world, taken);
    world.reached(taken.cursor).await;
}

async fn held_at(world: &World, step: u64) -> Taken {
    within(world.feed.held_anywhere()).await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    let taken = take_away(world);
    check(world, &taken);
    assert!(world.feed.steps() > step);
    world.feed.open_step();
    taken
}

#[tokio::test(start_paused = true)]
async fn a_first_snapshot_never_puts_back_what_was_taken_meanwhile() {
    for step in 0..STEPS {
        let world = World::new();
        world.feed.commit(vec![put("ada"), put("bob")]);
        world.feed.close_step(step);
        world.follow(Guards::ALL);
        let taken = held_at(&world, step).await;
        settled(&world, &taken).await;
        assert!(world.knows("ada"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_never_puts_back_what_was_taken_meanwhile() {
    for step in 0..STEPS {
        let world = World::new();
        world.feed.commit(vec![put("ada"), put("bob")]);
        let kept = world.feed.commit(vec![put("eve")]);
        world.feed.commit(vec![put("lost")]);
        world.follow(Guards::ALL);
        world.rebuilt(1).await;
        world.feed.roll_back(kept.revision);
        world.feed.close_step(world.feed.steps() + step);
        world.feed.commit(vec![put("found")]);
        let taken = held_at(&world, step).await;
        settled(&world, &taken).await;
        within(async {
            while !world.knows("found") {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        check(&world, &taken);
    }
}
