//! Issuers and stores that are killed lose nothing that was acknowledged.

use std::collections::HashSet;

use tokenward_proto::v1::{CheckRequest, CreateTokenRequest, Role, WriteRequest};
use tokenward_tests::house::{Feed, House, Minted, Redis, http, hub::Corner, level};
use tonic::Code;

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

/// Ready means able: an issuer whose store is away, or was wiped or made anew under it, says so, on
/// its probe and in its metrics, and is ready again when it can write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_cant_write_is_not_ready() {
    let mut redis = Redis::start();
    let site = Site::on_redis(House::on(&redis), &[]).await;
    let told = async |site: &Site, status: u16, why: &str| {
        let admin = site.issuer().admin.clone();
        level("its probe", async || {
            let (is, said) = http::get(&admin, "/readyz").ok_or("nobody answers")?;
            if is == status && said.starts_with(why) {
                return Ok(());
            }
            Err(said)
        })
        .await;
        let metrics = http::get(&admin, "/metrics").unwrap().1;
        let line = format!("tokenward_issuer_unable{{reason=\"{why}\"}} 1");
        assert!(status == 200 || metrics.contains(&line), "{metrics}");
    };
    told(&site, 200, "ready").await;
    redis.kill();
    told(&site, 503, "unreachable").await;
    redis.restart();
    told(&site, 200, "ready").await;
    redis.ask(&["flushall"]);
    told(&site, 503, "gone").await;
    // Another issuer makes the realm anew, and goes on.
    site.house.make_realm();
    let again = site.house.issuer().await;
    told(&site, 503, "other_log").await;
    let (status, _) = http::get(&again.admin, "/readyz").unwrap();
    assert_eq!(status, 200);
    let corner = Corner::new("s3");
    let refused = site
        .issuer()
        .operator()
        .write(WriteRequest {
            request_id: "once".into(),
            operations: corner.operations(),
        })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("made anew"), "{refused}");
    assert!(!refused.message().contains("repeat"), "{refused}");
}

/// Two issuers, and a Redis that goes back to before their last acknowledgements: they open a new history and
/// bring back what was lost. Meanwhile no view is fresh by what the store lacks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_rolled_back_gets_back_what_it_lost() {
    let mut redis = Redis::start();
    let site = Site::on_redis(House::on(&redis), &[]).await;
    let corner = site.corner("s4").await;
    let (ada, grace) = (corner.user_id("ada"), corner.user_id("grace"));
    let kept = site.issuer().mint(&ada, "kept", Role::Read).await;
    let member = site.issuer().mint(&grace, "member", Role::Read).await;
    site.all(
        &corner.read(&member.secret, "secret"),
        &member.revision,
        "ALLOW",
    )
    .await;
    redis.keep();
    // One takeaway that only grows, one that doesn't, by either issuer, and a mint.
    let old = site.issuer().revoke(&kept.id).await;
    site.other().write(vec![corner.no_member("grace")]).await;
    let minted = site.other().mint(&ada, "minted", Role::Read).await;
    redis.roll_back();
    let newer = level("a mint in the new history", async || {
        let request = CreateTokenRequest {
            owner_id: ada.clone(),
            name: "newer".into(),
            role: Role::Read.into(),
            request_id: "newer".into(),
            ..CreateTokenRequest::default()
        };
        let made = site.other().operator().create(request).await;
        made.map_err(|refused| refused.message().to_owned())
    })
    .await;
    let newest = corner.read(&newer.secret, "secret");
    for verifier in &site.verifiers {
        verifier.comes_to(&newest, &newer.revision).await;
    }
    for (token, word) in [
        (&kept, "TOKEN_REVOKED"),
        (&member, "NOT_FOUND"),
        (&minted, "ALLOW"),
    ] {
        let question = corner.read(&token.secret, "secret");
        site.all(&question, &newer.revision, word).await;
    }
    let listed: Vec<_> = site.issuer().tokens(&ada).await;
    assert!(
        listed.iter().any(|token| token.id == minted.id),
        "{listed:?}"
    );
    let id = newer.token.unwrap().id;
    let number = |id: &str| id.parse::<u64>().unwrap();
    assert!(number(&id) > number(&minted.id) + (1 << 19));
    // Revisions name their log, and the old one is no more.
    assert_ne!(old.split('-').next(), newer.revision.split('-').next());
    let revision = site.issuer().revoke(&id).await;
    site.all(&newest, &revision, "TOKEN_REVOKED").await;
}

/// An older state is put back while no issuer runs, so that none remembers what was lost. The verifiers do: they
/// hand it in, and a verifier that is started afterwards refuses it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_verifiers_know_is_handed_in() {
    let mut redis = Redis::start();
    let mut site = Site::on_redis(House::on(&redis), &[]).await;
    let lost = Lost::prepare(&site).await;
    redis.keep();
    let heard = lost.take_away(&site).await;
    for issuer in &mut site.issuers {
        issuer.program.kill();
    }
    redis.roll_back();
    for issuer in &mut site.issuers {
        issuer.restart().await;
    }
    lost.comes_back(&site, Feed::Redis, heard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_verifiers_know_is_handed_in_to_a_file() {
    let mut site = Site::embedded().await;
    let lost = Lost::prepare(&site).await;
    let file = site
        .house
        .store()
        .trim_start_matches("embedded:")
        .to_owned();
    let kept = format!("{file}.kept");
    let issuer = &mut site.issuers[0];
    issuer.program.kill();
    std::fs::copy(&file, &kept).unwrap();
    issuer.restart().await;
    let heard = lost.take_away(&site).await;
    let issuer = &mut site.issuers[0];
    issuer.program.kill();
    std::fs::copy(&kept, &file).unwrap();
    issuer.restart().await;
    lost.comes_back(&site, Feed::Grpc(site.issuer()), heard)
        .await;
}

/// What is taken away, lost with the store, and known to verifiers alone.
struct Lost {
    corner: Corner,
    single: Minted,
    all: Minted,
}

impl Lost {
    async fn prepare(site: &Site) -> Self {
        let corner = site.corner("s5").await;
        let (ada, grace) = (corner.user_id("ada"), corner.user_id("grace"));
        let single = site.issuer().mint(&ada, "single", Role::Read).await;
        let all = site.issuer().mint(&grace, "all", Role::Read).await;
        let lost = Self {
            corner,
            single,
            all,
        };
        for question in lost.questions() {
            site.all(&question, &lost.all.revision, "ALLOW").await;
        }
        lost
    }

    fn questions(&self) -> [CheckRequest; 2] {
        [&self.single, &self.all].map(|token| self.corner.read(&token.secret, "secret"))
    }

    /// Revokes one token by its bit and one by its owner's floor, and returns the last serial.
    async fn take_away(&self, site: &Site) -> u64 {
        let ada = self.corner.user_id("ada");
        let later = site.other().mint(&ada, "later", Role::Read).await;
        site.issuer().revoke(&self.single.id).await;
        let grace = self.corner.user_id("grace");
        let revision = site.other().operator().revoke_all_of(&grace).await;
        for question in self.questions() {
            site.all(&question, &revision, "TOKEN_REVOKED").await;
        }
        later.id.parse().unwrap()
    }

    /// A verifier that never heard of it comes to refuse it, and no serial is given out again.
    async fn comes_back(&self, site: &Site, feed: Feed<'_>, heard: u64) {
        let late = site.house.verifier(feed).await;
        for question in self.questions() {
            late.until(&question, "TOKEN_REVOKED").await;
        }
        let ada = self.corner.user_id("ada");
        let new = site.issuer().mint(&ada, "new", Role::Read).await;
        assert!(new.id.parse::<u64>().unwrap() > heard + (1 << 19));
        let question = self.corner.read(&new.secret, "secret");
        site.all(&question, &new.revision, "ALLOW").await;
    }
}
