//! Random histories of everything that is in the log: a verifier that followed them live, one that
//! started late, one that lost its place half way, and the naive model agree on every question.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "all of this is tests, which clippy.toml exempts only inside test functions"
)]

#[path = "../../common/tests/laws/bugs.rs"]
#[allow(dead_code, reason = "the laws' own test uses all of it")]
mod bugs;
#[path = "../../common/tests/laws/history.rs"]
#[allow(dead_code, reason = "the laws' own test uses all of it")]
mod history;
#[path = "../../common/tests/laws/naive.rs"]
#[allow(dead_code, reason = "the laws' own test uses all of it")]
mod naive;
#[path = "../../common/tests/laws/naive_access.rs"]
#[allow(dead_code, reason = "the laws' own test uses all of it")]
mod naive_access;
#[path = "../../common/tests/laws/naive_scopes.rs"]
mod naive_scopes;
#[path = "histories/naive_tokens.rs"]
mod naive_tokens;
#[path = "../../common/tests/laws/naive_vocabulary.rs"]
mod naive_vocabulary;
#[path = "../../common/tests/laws/random_tokens.rs"]
#[allow(dead_code, reason = "the laws' own test uses all of it")]
mod random_tokens;

#[path = "histories/follower.rs"]
mod follower;
#[path = "histories/questions.rs"]
mod questions;

use std::time::Duration;

use proptest::{
    collection::vec,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use tokenward_common::{
    clock::{Clock, ManualClock, UnixMillis},
    id::Serial,
    state::{Entry, record::Change},
    testing::faults::FaultyFeed,
};

use crate::{
    bugs::Bug,
    follower::Follower,
    history::world,
    naive::Naive,
    naive_access::Token,
    questions::{Asked, Questions},
    random_tokens::fine_grained,
};

const HISTORIES: usize = 24;
/// Questions to the live verifier after each entry, and to each of the three at the end.
const SAMPLE: usize = 150;
const SAMPLE_AT_THE_END: usize = 4000;
/// The store's time at the start in seconds: among the ends that amendments and claims have.
const START: u64 = 2;

/// A history as it is committed, and the model beside it.
struct World {
    clock: std::sync::Arc<ManualClock>,
    feed: std::sync::Arc<FaultyFeed>,
    naive: Naive,
    serial: u64,
    bug: Option<Bug>,
}

impl World {
    fn new(bug: Option<Bug>) -> Self {
        let clock = std::sync::Arc::new(ManualClock::new(UnixMillis(START * 1000)));
        let feed = FaultyFeed::new(clock.clone());
        Self {
            clock,
            feed,
            naive: Naive::default(),
            serial: 0,
            bug,
        }
    }

    fn commit(&mut self, entry: &Entry) {
        while self.serial < entry.serial.0 {
            self.serial = self.feed.take_serial().0;
        }
        for change in &entry.changes {
            self.naive.apply(change, Serial(self.serial), self.bug);
        }
        self.feed.commit(entry.changes.clone());
        self.clock.advance(Duration::from_millis(250));
    }

    /// The first disagreement of a verifier and the model, in words.
    fn wrong<'a>(
        &self,
        follower: &Follower,
        asked: impl Iterator<Item = Asked<'a>>,
    ) -> Option<String> {
        let now = self.clock.unix().seconds().0;
        for question in asked {
            let expected = question.naive(&self.naive, now, self.bug);
            let answer = follower.answer(&question, &self.naive);
            if answer != expected {
                return Some(format!(
                    "{}: {question:?}: expected {expected:?}, got {answer:?}",
                    follower.name
                ));
            }
        }
        None
    }
}

/// Runs one history; the first disagreement, in words.
async fn run(entries: &[Entry], fine: &[Token], bug: Option<Bug>) -> Option<String> {
    let mut world = World::new(bug);
    let questions = Questions::new(fine);
    let live = Follower::start("live", &world.feed, &world.clock);
    let lost = Follower::start("lost its place", &world.feed, &world.clock);
    let middle = entries.len() / 2;
    for (number, entry) in entries.iter().enumerate() {
        world.commit(entry);
        live.fresh().await;
        let sample = questions.sample(number, SAMPLE);
        if let Some(wrong) = world.wrong(&live, sample) {
            return Some(format!("after entry {number}: {wrong}"));
        }
        // Its place is no longer on the log: it begins anew from a snapshot.
        if number == middle {
            lost.fresh().await;
            lost.stop().await;
        }
    }
    world.feed.trim(live.revision());
    lost.go_on();
    let late = Follower::start("late", &world.feed, &world.clock);
    for follower in [&live, &late, &lost] {
        follower.fresh().await;
        let sample = questions.sample(entries.len(), SAMPLE_AT_THE_END);
        if let Some(wrong) = world.wrong(follower, sample) {
            return Some(wrong);
        }
    }
    assert!(lost.began_anew(), "the log was trimmed past its place");
    None
}

fn histories() -> impl Iterator<Item = (Vec<Entry>, Vec<Token>)> {
    let mut runner = TestRunner::deterministic();
    let strategy = (world(), vec(fine_grained(), 4..10));
    std::iter::repeat_with(move || strategy.new_tree(&mut runner).unwrap().current())
}

#[tokio::test(start_paused = true)]
async fn live_late_and_lost_verifiers_agree_with_the_model() {
    for (number, (entries, fine)) in histories().take(HISTORIES).enumerate() {
        let wrong = run(&entries, &fine, None).await;
        assert_eq!(wrong, None, "history {number}");
    }
}

/// The comparison is able to fail: rules of the fold, of the token's life and of access, broken in the
/// model. The laws of `common` break each rule there is.
#[tokio::test(start_paused = true)]
async fn a_broken_rule_is_noticed() {
    for bug in [
        Bug::LaterRevocationsReplace,
        Bug::FloorsAreLowered,
        Bug::FirstAmendmentStays,
        Bug::ReadTokenMayWrite,
        Bug::StrangerSeesPrivate,
    ] {
        let mut found = false;
        for (entries, fine) in histories().take(20 * HISTORIES) {
            found = found || run(&entries, &fine, Some(bug)).await.is_some();
            if found {
                break;
            }
        }
        assert!(found, "{bug:?}");
    }
}

/// What the histories hold: without these the test says little.
#[test]
fn the_histories_hold_changes_of_tokens_and_of_the_directory() {
    let all: Vec<Change> = histories()
        .take(HISTORIES)
        .flat_map(|(entries, _)| entries)
        .flat_map(|entry| entry.changes)
        .collect();
    let count = |what: fn(&Change) -> bool| all.iter().filter(|it| what(it)).count();
    for (least, count) in [
        (20, count(|it| matches!(it, Change::Revoke(_)))),
        (20, count(|it| matches!(it, Change::RaiseFloor(_)))),
        (40, count(|it| matches!(it, Change::Delete(_)))),
        (400, count(|it| matches!(it, Change::Put(_)))),
    ] {
        assert!(count >= least, "{count} of {least}");
    }
}
