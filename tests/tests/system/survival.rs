//! Issuers and stores that are killed lose nothing that was acknowledged.

use std::collections::HashSet;

use tokenward_proto::v1::Role;
use tokenward_tests::house::{Feed, House, Redis};

use crate::site::{Site, on_both_stores};

on_both_stores!(a_killed_issuer_loses_nothing);

async fn a_killed_issuer_loses_nothing(mut site: Site) {
    let corner = site.corner("s1").await;
    let ada = corner.user_id("ada");
    let kept = site.issuer().mint(&ada, "kept", Role::Read).await;
    let revoked = site.issuer().mint(&ada, "revoked", Role::Read).await;
    let keys = site.issuer().jwks();
    let mut revision = site.issuer().revoke(&revoked.id).await;
    let mut serials = HashSet::from([kept.id.clone(), revoked.id.clone()]);
    for round in 0..3 {
        for issuer in &mut site.issuers {
            issuer.program.kill();
            issuer.restart().await;
            assert_eq!(issuer.jwks(), keys);
        }
        let (kept, revoked) = (
            corner.read(&kept.secret, "secret"),
            corner.read(&revoked.secret, "secret"),
        );
        site.all(&kept, &revision, "ALLOW").await;
        site.all(&revoked, &revision, "TOKEN_REVOKED").await;
        let states: Vec<_> = site.issuer().tokens(&ada).await;
        let states: Vec<_> = states.iter().map(|it| it.state().as_str_name()).collect();
        assert_eq!(states[..2], ["TOKEN_STATE_ACTIVE", "TOKEN_STATE_REVOKED"]);

        let new = site
            .other()
            .mint(&ada, &format!("new {round}"), Role::Read)
            .await;
        assert!(serials.insert(new.id.clone()), "{} came twice", new.id);
        let after = |id: &str| id.parse::<u64>().unwrap();
        assert!(serials.iter().all(|id| after(id) <= after(&new.id)));
        // Judged by those who followed through the outage.
        site.all(&corner.read(&new.secret, "secret"), &new.revision, "ALLOW")
            .await;
        revision = site.issuer().revoke(&new.id).await;
        site.all(
            &corner.read(&new.secret, "secret"),
            &revision,
            "TOKEN_REVOKED",
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_loses_nothing() {
    let mut redis = Redis::start();
    let mut site = Site::on_redis(House::on(&redis), &[]).await;
    let corner = site.corner("s2").await;
    let ada = corner.user_id("ada");
    let kept = site.issuer().mint(&ada, "kept", Role::Read).await;
    for round in 0..3 {
        let mut revoked = Vec::new();
        let mut revision = String::new();
        for number in 0..5 {
            let name = format!("t {round} {number}");
            let token = site.issuer().mint(&ada, &name, Role::Read).await;
            revision = site.other().revoke(&token.id).await;
            revoked.push(token);
        }
        redis.kill();
        redis.restart();
        for issuer in &site.issuers {
            issuer.serving().await;
        }
        for verifier in &site.verifiers {
            verifier.serving().await;
        }
        let late = site.house.verifier(Feed::Redis).await;
        site.verifiers.push(late);
        for token in &revoked {
            let question = corner.read(&token.secret, "secret");
            site.all(&question, &revision, "TOKEN_REVOKED").await;
        }
        site.all(&corner.read(&kept.secret, "secret"), &revision, "ALLOW")
            .await;
        // Work goes on where it stopped.
        let name = format!("after {round}");
        let token = site.other().mint(&ada, &name, Role::Read).await;
        let question = corner.read(&token.secret, "secret");
        site.all(&question, &token.revision, "ALLOW").await;
        let revision = site.issuer().revoke(&token.id).await;
        site.all(&question, &revision, "TOKEN_REVOKED").await;
        site.verifiers.pop();
    }
}
