//! A verifier that is cut off answers until its bound, then refuses to answer, and recovers; no
//! token is allowed more than the bound after its revocation was acknowledged.

use std::time::Duration;

use tokenward_common::{
    clock::{BootTime, Clock, SystemClock},
    status::{ErrorReason, reason_of, retry_of},
};
use tokenward_proto::v1::{CheckRequest, Role};
use tokenward_tests::house::{
    Feed, House, Issuer, LIMIT, Redis, Store, Verifier, hub::Corner, level, word,
};

use crate::{log, site::Site};

const BOUND: Duration = Duration::from_secs(2);
const ARGS: [&str; 8] = [
    "--bound-read",
    "2s",
    "--bound-write",
    "2s",
    "--bound-infer",
    "2s",
    "--confirm-interval",
    "100ms",
];

/// Asks until the answer is an error; whatever is answered before must be the one that is right.
async fn ages_out(verifier: &Verifier, question: &CheckRequest, right: &[&str]) -> Duration {
    let began = SystemClock.boot();
    loop {
        let asked = SystemClock.boot().since(began);
        let answer = verifier.check(question).await;
        match word(&answer).as_str() {
            "UNAVAILABLE" => return asked,
            is if right.contains(&is) => {}
            other => panic!("the {}: {other}", verifier.name),
        }
        assert!(asked < LIMIT, "the {} still answers", verifier.name);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn red(verifier: &Verifier) {
    let what = format!("the {} isn't ready", verifier.name);
    level(&what, async || {
        match (verifier.serves().await, verifier.ready()) {
            (Err(state), Some(503)) if state == "NOT_SERVING" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

async fn green(verifier: &Verifier) {
    let what = format!("the {} is ready again", verifier.name);
    level(&what, async || {
        match (verifier.serves().await, verifier.ready()) {
            (Ok(()), Some(200)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// From the signal on, every verifier answers for at least most of the bound, then not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_ends_in_no_answer_and_thaws() {
    let redis = Redis::start();
    let site = Site::on_redis(House::on(&redis), &ARGS).await;
    let corner = site.corner("f1").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let gone = site.issuer().mint(&ada, "gone", Role::Read).await;
    let revision = site.issuer().revoke(&gone.id).await;
    let live = corner.read(&token.secret, "secret");
    let dead = corner.read(&gone.secret, "secret");
    site.all(&live, &revision, "ALLOW").await;
    site.all(&dead, &revision, "TOKEN_REVOKED").await;

    redis.signal("-STOP");
    let [one, two, three] = &site.verifiers[..] else {
        panic!("three verifiers")
    };
    let (a, b, c, ..) = tokio::join!(
        ages_out(one, &live, &["ALLOW"]),
        ages_out(two, &live, &["ALLOW"]),
        ages_out(three, &live, &["ALLOW"]),
        ages_out(one, &dead, &["TOKEN_REVOKED"]),
        ages_out(three, &dead, &["TOKEN_REVOKED"]),
    );
    for lasted in [a, b, c] {
        // A view is at most a confirm's interval old when nothing is wrong.
        assert!(lasted > BOUND / 2, "refused after {lasted:?}");
        assert!(
            lasted < BOUND + Duration::from_secs(1),
            "answered after {lasted:?}"
        );
    }
    for verifier in &site.verifiers {
        red(verifier).await;
        let status = verifier.check(&live).await.unwrap_err();
        assert!(status.message().contains("bound"), "{status:?}");
        assert_eq!(reason_of(&status), ErrorReason::ViewStale.as_str());
        assert_eq!(retry_of(&status), Some(Duration::from_secs(1)));
    }
    redis.signal("-CONT");
    for verifier in &site.verifiers {
        green(verifier).await;
        verifier.until(&live, "ALLOW").await;
        verifier.until(&dead, "TOKEN_REVOKED").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_redis_ends_in_no_answer_and_comes_back() {
    let mut redis = Redis::start();
    let site = Site::on_redis(House::on(&redis), &ARGS).await;
    let corner = site.corner("f2").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let gone = site.issuer().mint(&ada, "gone", Role::Read).await;
    let revision = site.issuer().revoke(&gone.id).await;
    let live = corner.read(&token.secret, "secret");
    site.all(&live, &revision, "ALLOW").await;
    redis.kill();
    for verifier in &site.verifiers {
        ages_out(verifier, &live, &["ALLOW"]).await;
        red(verifier).await;
    }
    redis.restart();
    for verifier in &site.verifiers {
        green(verifier).await;
        // Every attempt failed alike meanwhile.
        log::check(&verifier.program.log());
        verifier.until(&live, "ALLOW").await;
        let dead = corner.read(&gone.secret, "secret");
        verifier.until(&dead, "TOKEN_REVOKED").await;
    }
}

/// The issuer is dead, and the verifier starts again: it has its own disk alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_that_starts_with_nothing_up_serves_what_its_bounds_allow() {
    let house = House::new(Store::Embedded);
    let mut issuer = house.issuer().await;
    let folder = house.path("kept");
    let args = [
        "--bound-read",
        "10m",
        "--bound-write",
        "1s",
        "--confirm-interval",
        "100ms",
        "--jwks-poll",
        "100ms",
        "--snapshot-dir",
        folder.to_str().unwrap(),
    ];
    let mut verifier = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let corner = Corner::new("k1");
    issuer.write(corner.operations()).await;
    let grace = corner.user_id("grace");
    let token = issuer.mint(&grace, "t", Role::Write).await;
    let gone = issuer.mint(&grace, "gone", Role::Write).await;
    let revision = issuer.revoke(&gone.id).await;
    let reads = corner.read(&token.secret, "secret");
    let writes = corner.write(&token.secret, "secret");
    let dead = corner.read(&gone.secret, "secret");
    for (question, wanted) in [
        (&reads, "ALLOW"),
        (&writes, "ALLOW"),
        (&dead, "TOKEN_REVOKED"),
    ] {
        let answer = Ok(verifier.at(question, &revision).await);
        assert_eq!(word(&answer), wanted, "{answer:?}");
    }
    level("the keys are kept", async || {
        let kept = folder.join("keys.json").exists();
        kept.then_some(()).ok_or_else(|| "not yet".into())
    })
    .await;
    verifier.program.signal("-TERM");
    assert!(verifier.program.ended().await.success());
    issuer.program.kill();

    verifier.restart().await;
    verifier.until(&writes, "UNAVAILABLE").await;
    let answer = verifier.check(&reads).await.unwrap();
    assert_eq!(word(&Ok(answer.clone())), "ALLOW");
    assert_eq!(
        (answer.revision, answer.bound.unwrap().seconds),
        (revision, 600)
    );
    assert!(answer.age.unwrap().seconds >= 1);
    assert_eq!(word(&verifier.check(&dead).await), "TOKEN_REVOKED");
    assert_eq!(verifier.ready(), Some(200));

    issuer.restart().await;
    verifier.until(&writes, "ALLOW").await;
    let revision = issuer.revoke(&token.id).await;
    let answer = Ok(verifier.at(&reads, &revision).await);
    assert_eq!(word(&answer), "TOKEN_REVOKED");
}

/// The bound counts from the acknowledgement, and a Check counts from its beginning.
async fn never_past_the_bound(verifier: &Verifier, question: &CheckRequest, revoked: BootTime) {
    loop {
        let asked = SystemClock.boot();
        let answer = word(&verifier.check(question).await);
        let after = asked.since(revoked);
        assert!(
            answer != "ALLOW" || after <= BOUND,
            "the {} allowed {after:?} after the revocation",
            verifier.name
        );
        if after > BOUND * 2 {
            assert_ne!(answer, "ALLOW");
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An issuer that hangs takes along only those who follow it, and those only to their bound.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_cut_off_from_a_revocation_allows_it_no_longer_than_the_bound() {
    let redis = Redis::start();
    let site = Site::on_redis(House::on(&redis), &ARGS).await;
    let corner = site.corner("f3").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;

    let followed: &Issuer = site.other();
    followed.program.signal("-STOP");
    site.issuer().revoke(&token.id).await;
    let revoked = SystemClock.boot();
    let [one, two, cut_off] = &site.verifiers[..] else {
        panic!("three verifiers")
    };
    tokio::join!(
        never_past_the_bound(one, &question, revoked),
        never_past_the_bound(two, &question, revoked),
        never_past_the_bound(cut_off, &question, revoked),
    );
    assert_eq!(word(&one.check(&question).await), "TOKEN_REVOKED");
    assert_eq!(word(&cut_off.check(&question).await), "UNAVAILABLE");
    red(cut_off).await;
    followed.program.signal("-CONT");
    cut_off.until(&question, "TOKEN_REVOKED").await;
    green(cut_off).await;
}
