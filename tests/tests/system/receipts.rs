//! What is said to be refused by all is refused by all: at that very moment, whatever became of the
//! verifiers meanwhile.

use tokenward_proto::v1::{ReceiptState, Role};
use tokenward_tests::house::{Feed, House, Store, word};

use crate::site::Site;

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

async fn embedded() -> Site {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let one = house.verifier_with(Feed::Grpc(&issuer), &ARGS).await;
    let two = house.verifier_with(Feed::Grpc(&issuer), &ARGS).await;
    Site {
        issuers: vec![issuer],
        verifiers: vec![one, two],
        house,
    }
}

async fn redis() -> Site {
    Site::on_redis(House::new(Store::Redis), &ARGS).await
}

/// Without being told how new its view must be: the receipt says that it is.
async fn refused_by_all(site: &Site, corner_tag: &str) {
    let corner = site.corner(corner_tag).await;
    let ada = corner.user_id("ada");
    let count = u32::try_from(site.verifiers.len()).unwrap();
    for round in 0..10 {
        let token = site
            .issuer()
            .mint(&ada, &format!("t{round}"), Role::Read)
            .await;
        let question = corner.read(&token.secret, "secret");
        site.all(&question, &token.revision, "ALLOW").await;
        let (_, receipt) = site.other().operator().revoke_and_wait(&token.id).await;
        for verifier in &site.verifiers {
            let answer = verifier.check(&question).await;
            assert_eq!(
                word(&answer),
                "TOKEN_REVOKED",
                "{}: {receipt:?}",
                verifier.name
            );
        }
        assert!(receipt.complete, "{receipt:?}");
        assert_eq!(
            (receipt.applied, receipt.pending),
            (count, 0),
            "{receipt:?}"
        );
        assert!(receipt.slowest.is_some());
    }
    // Of any revision, by any issuer.
    let revision = site.issuer().write(corner.operations()).await;
    let receipt = site.other().operator().applied(&revision).await;
    assert!(receipt.complete && receipt.applied == count, "{receipt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_by_all_on_redis() {
    refused_by_all(&redis().await, "w1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_by_all_embedded() {
    refused_by_all(&embedded().await, "w1").await;
}

/// One verifier is frozen, one killed: the wait ends once they can't answer any more, and when the
/// frozen one thaws it answers nothing until it knows.
async fn some_fall_silent(mut site: Site) {
    let corner = site.corner("w2").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let all = u32::try_from(site.verifiers.len()).unwrap();

    site.verifiers[0].program.signal("-STOP");
    let (_, receipt) = site.issuer().operator().revoke_and_wait(&token.id).await;
    // The bound is over by now: this moment is what the receipt speaks of.
    site.verifiers[0].program.signal("-CONT");
    let answer = site.verifiers[0].check(&question).await;
    let is = word(&answer);
    assert!(
        ["UNAVAILABLE", "TOKEN_REVOKED"].contains(&is.as_str()),
        "{is}"
    );
    assert!(receipt.complete, "{receipt:?}");
    assert_eq!(
        (receipt.applied, receipt.silent),
        (all - 1, 1),
        "{receipt:?}"
    );
    let silent = receipt
        .verifiers
        .iter()
        .filter(|one| one.state() == ReceiptState::Silent);
    assert_eq!(silent.count(), 1);

    // Back, it counts again.
    site.soon(&question, "TOKEN_REVOKED").await;
    let token = site.issuer().mint(&ada, "t2", Role::Read).await;
    let (_, receipt) = site.issuer().operator().revoke_and_wait(&token.id).await;
    assert_eq!((receipt.applied, receipt.silent), (all, 0), "{receipt:?}");

    // Killed, and started anew: another one; the old is waited for, then forgotten.
    site.verifiers[0].program.kill();
    site.verifiers[0].restart().await;
    let token = site.issuer().mint(&ada, "t3", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let (_, receipt) = site.issuer().operator().revoke_and_wait(&token.id).await;
    for verifier in &site.verifiers {
        assert_eq!(word(&verifier.check(&question).await), "TOKEN_REVOKED");
    }
    assert!(receipt.complete && receipt.applied == all, "{receipt:?}");
}

/// One verifier drains: it answers nothing any more and says so, and nobody waits for its silence.
async fn one_says_goodbye(mut site: Site) {
    let corner = site.corner("w4").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let mut gone = site.verifiers.remove(0);
    gone.program.signal("-TERM");
    assert!(gone.program.ended().await.success());
    let all = u32::try_from(site.verifiers.len()).unwrap();
    let (_, receipt) = site.issuer().operator().revoke_and_wait(&token.id).await;
    assert!(receipt.complete, "{receipt:?}");
    assert_eq!((receipt.applied, receipt.silent), (all, 0), "{receipt:?}");
    site.soon(&question, "TOKEN_REVOKED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_says_goodbye_on_redis() {
    one_says_goodbye(redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_says_goodbye_embedded() {
    one_says_goodbye(embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_fall_silent_on_redis() {
    some_fall_silent(redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_fall_silent_embedded() {
    some_fall_silent(embedded().await).await;
}

/// An issuer that was restarted has heard of nobody yet, and says nothing that it doesn't know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_issuer_forgets_nobody() {
    let mut site = embedded().await;
    let corner = site.corner("w3").await;
    let ada = corner.user_id("ada");
    let token = site.issuer().mint(&ada, "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    // It still answers by what it knew, and asks nobody.
    site.verifiers[0].program.signal("-STOP");
    site.issuers[0].program.kill();
    site.issuers[0].restart().await;
    let (_, receipt) = site.issuer().operator().revoke_and_wait(&token.id).await;
    site.verifiers[0].program.signal("-CONT");
    let is = word(&site.verifiers[0].check(&question).await);
    assert!(
        ["UNAVAILABLE", "TOKEN_REVOKED"].contains(&is.as_str()),
        "{is}"
    );
    assert_eq!((receipt.applied, receipt.silent), (1, 1), "{receipt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_never_everybody() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let corner = tokenward_tests::house::hub::Corner::new("w4");
    issuer.write(corner.operations()).await;
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    let (_, receipt) = issuer.operator().revoke_and_wait(&token.id).await;
    assert!(!receipt.complete);
    assert_eq!((receipt.applied, receipt.verifiers.len()), (0, 0));
    // All of them frozen: they can't answer, and nobody has said that he refuses.
    let verifier = house.verifier_with(Feed::Grpc(&issuer), &ARGS).await;
    verifier.program.signal("-STOP");
    let token = issuer.mint(&corner.user_id("ada"), "t2", Role::Read).await;
    let (_, receipt) = issuer.operator().revoke_and_wait(&token.id).await;
    verifier.program.signal("-CONT");
    assert!(!receipt.complete, "{receipt:?}");
    assert_eq!((receipt.applied, receipt.silent), (0, 1), "{receipt:?}");
    // What isn't on the log is not waited for.
    for revision in ["", "x", "00000000000000000000000000000000.1"] {
        let request = tokenward_proto::v1::WaitAppliedRequest {
            revision: revision.into(),
            timeout: None,
        };
        let refused = issuer.operator().tokens.wait_applied(request).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}
