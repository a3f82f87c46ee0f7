//! Programs that die or stop: an issuer, a verifier, a Redis that is alone.

use tokenward_tests::house::{House, Redis, Store};

use super::Stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_is_killed_and_starts_on_its_files() {
    let mut redis = Redis::start();
    let stage = Stage::on(House::on(&redis)).await;
    for _ in 0..2 {
        redis.kill();
        redis.restart();
        stage.load.goes_on().await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_issuer_is_killed_and_starts_again() {
    let mut stage = Stage::on(House::new(Store::Redis)).await;
    for number in [0, 1] {
        stage.site.issuers[number].program.kill();
        stage.site.issuers[number].restart().await;
        stage.load.goes_on().await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_verifier_is_killed_and_starts_again() {
    let mut stage = Stage::on(House::new(Store::Redis)).await;
    for verifier in &mut stage.site.verifiers {
        verifier.program.kill();
        verifier.restart().await;
        stage.load.goes_on().await;
    }
    stage.end().await;
}

/// Checks that wait at a stopped verifier are answered when it goes on, and then its view is too old.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_verifier_is_stopped_for_longer_than_the_bound() {
    let stage = Stage::on(House::new(Store::Redis)).await;
    for verifier in &stage.site.verifiers[1..] {
        verifier.program.signal("-STOP");
        stage.load.outlasts_the_bound().await;
        verifier.program.signal("-CONT");
        stage.load.goes_on().await;
    }
    stage.end().await;
}

/// Calls that wait at a stopped issuer are repeated at the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_issuer_is_stopped_for_longer_than_the_bound() {
    let stage = Stage::on(House::new(Store::Redis)).await;
    let issuer = &stage.site.issuers[1];
    issuer.program.signal("-STOP");
    stage.load.outlasts_the_bound().await;
    issuer.program.signal("-CONT");
    stage.load.goes_on().await;
    stage.end().await;
}
