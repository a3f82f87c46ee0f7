//! A store that goes back to an older state, comes from a backup, has no more room, or moves.

use std::time::Duration;

use tokenward_tests::house::{House, Redis, Servers};

use super::{
    Stage,
    slots::{move_slot, slot_of_the_hub, two_nodes},
};

/// Within this time an issuer has read what the other one acknowledged.
const SEEN: Duration = Duration::from_millis(500);

/// The issuers remember what the store forgot, and bring it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_goes_back_to_an_older_state() {
    let mut redis = Redis::start();
    let mut stage = Stage::on(House::on(&redis)).await;
    for _ in 0..2 {
        redis.keep();
        stage.load.goes_on().await;
        redis.roll_back();
        stage.load.goes_on().await;
    }
    stage.begin_anew().await;
    stage.end().await;
}

/// The second time to before the history that was opened the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_goes_back_past_an_opened_history() {
    let mut redis = Redis::start();
    let mut stage = Stage::on(House::on(&redis)).await;
    redis.keep();
    for _ in 0..3 {
        stage.load.goes_on().await;
        redis.roll_back();
        stage.load.goes_on().await;
    }
    stage.begin_anew().await;
    stage.end().await;
}

/// Both know all that was acknowledged. Whichever of them opens the history, the other one goes on, or takes over
/// from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_issuer_is_killed_while_a_history_is_opened() {
    for (number, millis) in [(1, 100), (0, 400)] {
        let mut redis = Redis::start();
        let mut stage = Stage::on(House::on(&redis)).await;
        redis.keep();
        stage.load.goes_on().await;
        stage.load.outlasts_the_bound().await;
        stage.load.goes_on().await;
        let rested = stage.load.rest().await;
        tokio::time::sleep(SEEN).await;
        redis.roll_back();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        stage.site.issuers[number].program.kill();
        stage.site.issuers[number].restart().await;
        let late = &mut stage.site.verifiers[0];
        late.program.kill();
        late.restart().await;
        Stage::judge(&rested.end().await);
    }
}

/// The append-only file can't grow: Redis ends itself, as it may not answer without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_has_no_more_room_on_its_disk() {
    let mut redis = Redis::start();
    let mut stage = Stage::on(House::on(&redis)).await;
    redis.limit_files(64 * 1024);
    redis.ended();
    redis.restart();
    stage.load.goes_on().await;
    stage.begin_anew().await;
    stage.end().await;
}

/// What was acknowledged before a backup holds in the realm that is made from it, also at a verifier that never
/// saw the lost one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lost_realm_is_restored_from_a_backup() {
    let redis = Redis::start();
    let mut stage = Stage::on(House::on(&redis)).await;
    let house = stage.site.house.clone();
    let realm = async |words: [&str; 3]| {
        let (house, words) = (house.clone(), words.map(str::to_owned));
        let ended = tokio::task::spawn_blocking(move || {
            house.tokenward_realm(&words.each_ref().map(String::as_str))
        });
        let ended = ended.await.unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    };
    let file = stage.site.house.path("hub.backup").display().to_string();
    stage.load.outlasts_the_bound().await;
    stage.load.goes_on().await;
    let rested = stage.load.rest().await;
    realm(["backup", "--to", &file]).await;
    redis.ask(&["flushall"]);
    for issuer in &mut stage.site.issuers {
        issuer.program.kill();
    }
    realm(["restore", "--from", &file]).await;
    for issuer in &mut stage.site.issuers {
        issuer.restart().await;
    }
    let late = &mut stage.site.verifiers[0];
    late.program.kill();
    late.restart().await;
    Stage::judge(&rested.end().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_realm_s_slot_moves_to_another_node() {
    let (first, second) = two_nodes();
    let url = |user| {
        let port = first.port;
        format!("redis+cluster://{user}:{user}-secret@127.0.0.1:{port}")
    };
    let mut stage = Stage::on(House::on_servers(Servers {
        store: url("issuer"),
        feed: url("verifier"),
        realm: "hub".into(),
        settings: Vec::new(),
    }))
    .await;
    let slot = slot_of_the_hub(&first);
    for (from, to) in [(&first, &second), (&second, &first)] {
        move_slot(from, to, &slot, || {});
        stage.load.goes_on().await;
    }
    stage.begin_anew().await;
    stage.end().await;
}
