//! Made-up key ids by the hundred: the key set is asked for seldom, and whoever has a good token
//! notices nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokenward_proto::v1::Role;
use tokenward_tests::house::word;
use tokio::time::Instant;

use super::{Stage, with_kid};

const CALLERS: usize = 4;
/// Of each caller.
const KIDS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_keys_cause_few_fetches_and_cost_good_callers_nothing() {
    let stage = Stage::new("flood", "1h").await;
    stage.keys.serve(Some(stage.issuer.jwks()));
    stage.verifier.serving().await;
    let ada = stage.corner.user_id("ada");
    let good = stage.issuer.mint(&ada, "t", Role::Read).await.secret;
    let read = stage.corner.read(&good, "secret");
    stage.verifier.until(&read, "ALLOW").await;

    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (began, before) = (Instant::now(), stage.keys.asked());
    let strangers = async {
        let strangers = (0..CALLERS).map(|number| stranger(&stage, &good, number));
        futures_util::future::join_all(strangers).await;
        over.store(true, SeqCst);
    };
    // One over gRPC, and one through the doors.
    let checks = async {
        while !over.load(SeqCst) {
            assert_eq!(word(&stage.verifier.check(&read).await), "ALLOW");
            answered.fetch_add(1, SeqCst);
        }
    };
    let doors = async {
        let bearer = format!("Bearer {good}");
        while !over.load(SeqCst) {
            for (door, status) in stage.entrances().doors(&[&bearer]).await {
                assert!(matches!(status, 200 | 502), "{door}: {status}");
            }
            answered.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(strangers, checks, doors);
    let fetches = stage.keys.asked() - before;
    // At most one a second, and one.
    let most = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!((1..=most).contains(&fetches), "{fetches} of {most}");
    assert!(answered.load(SeqCst) > 10);
}

/// Each key id once, and the last one until a fetch has settled it.
async fn stranger(stage: &Stage, good: &str, number: usize) {
    let asked = |kid: usize| {
        let made_up = with_kid(good, &format!("made-up-{number}-{kid}"));
        stage.corner.read(&made_up, "secret")
    };
    for kid in 0..KIDS {
        let told = word(&stage.verifier.check(&asked(kid)).await);
        assert!(
            ["UNAVAILABLE", "TOKEN_KEY_UNKNOWN"].contains(&&*told),
            "{told}"
        );
    }
    stage
        .verifier
        .until(&asked(KIDS - 1), "TOKEN_KEY_UNKNOWN")
        .await;
}
