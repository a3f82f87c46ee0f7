//! A verifier that has no key for a token, or none at all: it says so, and never that the token is bad;
//! and what nobody may show twice is refused at every entrance.

mod entrances;
mod flood;

use tokenward_proto::v1::{Question, Role, question};
use tokenward_tests::house::{Feed, House, Issuer, KeySet, Store, Verifier, hub::Corner, level};
use tonic::Code;

use crate::keys::with_kid;
use entrances::{DOORS, Entrances, PASSED_THE_GUARD};

/// With every door. Its keys are the test's.
struct Stage {
    verifier: Verifier,
    keys: KeySet,
    corner: Corner,
    issuer: Issuer,
    house: House,
}

impl Stage {
    async fn new(tag: &str, poll: &str) -> Self {
        let house = House::new(Store::Embedded);
        let issuer = house.issuer().await;
        let corner = Corner::new(tag);
        issuer.write(corner.operations()).await;
        let keys = house.key_set();
        let any = house.any_port();
        let operators = house.path("credentials.json").display().to_string();
        let mut args = DOORS.to_vec();
        args[3] = &any;
        args.extend(["--http-listen", &any, "--jwks-poll", poll]);
        args.extend(["--operators", &operators]);
        args.extend(["--whoami-limit", "0", "--whoami-refusals", "0"]);
        let verifier = house.verifier_by(Feed::Grpc(&issuer), &keys, &args);
        Self {
            verifier,
            keys,
            corner,
            issuer,
            house,
        }
    }

    fn entrances(&self) -> Entrances<'_> {
        Entrances {
            verifier: &self.verifier,
            house: &self.house,
            corner: &self.corner,
        }
    }

    /// Its view is fresh: what needs no key is answered.
    async fn follows(&self) {
        let mut asked = self.corner.read("", "open");
        asked.permission = "repo.metadata.read".into();
        asked.caller = Some(tokenward_proto::v1::check_request::Caller::Anonymous(
            tokenward_proto::v1::Anonymous {},
        ));
        self.verifier.until(&asked, "ALLOW").await;
    }

    async fn all_is_well(&self, token: &str, operator: &str) {
        let entrances = self.entrances();
        for (entrance, told) in entrances.grpc(token).await {
            assert_eq!(told, "ALLOW", "{entrance}");
        }
        for (door, status) in entrances.doors(&[&format!("Bearer {token}")]).await {
            let passed = if door == "guard" {
                PASSED_THE_GUARD
            } else {
                200
            };
            assert_eq!(status, passed, "{door}");
        }
        let (status, told) = entrances.introspected(token, &[operator]);
        assert!(status == 200 && told.contains(r#""active":true"#), "{told}");
        entrances.explained(token, &[operator]).await.unwrap();
    }
}

/// A question of a batch, of another caller than the batch's.
fn of(stage: &Stage, token: Option<&str>) -> Question {
    let asked = stage.corner.read("", "secret");
    Question {
        caller: token.map(|token| question::Caller::Token(token.into())),
        resource: asked.resource,
        permission: asked.permission,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_key_is_told_to_try_again_and_no_more() {
    let stage = Stage::new("nokey", "1h").await;
    let ada = stage.corner.user_id("ada");
    let token = stage.issuer.mint(&ada, "t", Role::Read).await.secret;
    let operator = format!("Bearer {}", stage.house.credential("hub"));
    let bearer = format!("Bearer {token}");
    let entrances = stage.entrances();
    stage.follows().await;
    for (entrance, told) in entrances.grpc(&token).await {
        assert_eq!(told, "UNAVAILABLE", "{entrance}");
    }
    for (door, status) in entrances.doors(&[&bearer]).await {
        assert_eq!(status, 503, "{door}");
    }
    let (status, told) = entrances.introspected(&token, &[&operator]);
    assert_eq!(status, 503, "{told}");
    assert_eq!(stage.verifier.ready(), Some(503));

    stage.keys.serve(Some(stage.issuer.jwks()));
    stage.verifier.serving().await;
    let read = stage.corner.read(&token, "secret");
    stage.verifier.until(&read, "ALLOW").await;
    stage.all_is_well(&token, &operator).await;

    // One among many: its key set is away, so nothing can settle it.
    stage.keys.serve(None);
    let new = with_kid(&token, "k2");
    let asked = vec![
        of(&stage, Some(&new)),
        of(&stage, None),
        of(&stage, Some("x")),
    ];
    let batch = entrances.batch(&token, asked).await.unwrap();
    let told: Vec<_> = batch
        .answers
        .iter()
        .map(|it| it.verdict().as_str_name())
        .collect();
    assert_eq!(
        told,
        ["VERDICT_UNSPECIFIED", "VERDICT_ALLOW", "VERDICT_DENY"]
    );
    let error = batch.answers[0].error.as_ref().unwrap();
    assert_eq!(Code::from(error.code), Code::Unavailable);
    assert_eq!(batch.answers[0].reason, 0);
    assert!(batch.answers[1].error.is_none() && !batch.revision.is_empty());
    let status = entrances.batch(&new, vec![of(&stage, None)]).await;
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
    let asked = [&new, &token, &new].map(|it| stage.corner.read(it, "secret"));
    let told = entrances.stream(asked.to_vec()).await;
    assert_eq!(told, ["UNAVAILABLE", "ALLOW", "UNAVAILABLE"]);

    shown_twice(&stage, &token, &operator).await;
}

/// Whichever of two another reader would take: neither is.
async fn shown_twice(stage: &Stage, token: &str, operator: &str) {
    let entrances = stage.entrances();
    let bearer = format!("Bearer {token}");
    let basic = "Basic eDp5";
    for shown in [[&*bearer, &*bearer], [&*bearer, basic], [basic, &*bearer]] {
        for (door, status) in entrances.doors(&shown).await {
            // A proxy refuses what the server behind it could read in two ways.
            let refused = if door == "guard" { 400 } else { 401 };
            assert_eq!(status, refused, "{door}");
        }
    }
    for shown in [[operator, operator], [operator, basic], [basic, operator]] {
        let (status, told) = entrances.introspected(token, &shown);
        assert!(status == 401 && told.contains("more than once"), "{told}");
        let refused = entrances.explained(token, &shown).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains("more than once"), "{refused:?}");
    }
    // The same credentials, once.
    stage.all_is_well(token, operator).await;
}

/// Strangers at two verifiers, since one tells of them once a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_operator_is_told_of_with_its_address() {
    let stage = Stage::new("stranger", "1h").await;
    let any = stage.house.any_port();
    let operators = stage.house.path("credentials.json").display().to_string();
    let args = ["--http-listen", &any, "--operators", &operators];
    let feed = Feed::Grpc(&stage.issuer);
    let other = stage.house.verifier_by(feed, &stage.keys, &args);
    let stranger = format!("Bearer twc_{}", "0".repeat(64));
    let (status, _) = stage.entrances().introspected("x", &[&stranger]);
    assert_eq!(status, 401);
    let entrances = Entrances {
        verifier: &other,
        ..stage.entrances()
    };
    let refused = entrances.explained("x", &[&stranger]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    for verifier in [&stage.verifier, &other] {
        let told = verifier.program.event("an unknown credential was shown");
        let peer = told["peer"].as_str().unwrap();
        assert!(peer.parse::<std::net::SocketAddr>().is_ok(), "{peer}");
    }
}

/// No token of it was shown, and the next poll is an hour away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_hurries_the_key_set_and_a_foreign_cache_is_not_used() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let keys = house.key_set();
    let cache = house.path("cache.json");
    let jwks = issuer.jwks();
    let of_other = jwks.replace(&log_of(&jwks), &"0".repeat(32));
    assert_ne!(of_other, jwks);
    std::fs::write(&cache, &of_other).unwrap();
    let path = cache.display().to_string();
    let args = ["--jwks-poll", "1h", "--jwks-cache", &path];
    let verifier = house.verifier_by(Feed::Grpc(&issuer), &keys, &args);
    let told = verifier
        .program
        .event(&format!("--jwks-cache {path} is not used"));
    assert_eq!(told["problem"], "it is of another realm's log");
    assert_eq!(verifier.ready(), Some(503));
    assert_eq!(std::fs::read_to_string(&cache).unwrap(), of_other);

    keys.serve(Some(jwks.clone()));
    verifier.serving().await;
    level("the good set is kept", async || {
        let kept = std::fs::read_to_string(&cache).unwrap();
        kept.contains(&log_of(&jwks)).then_some(()).ok_or(kept)
    })
    .await;
    let asked = keys.asked();
    verifier.program.signal("-HUP");
    level("the key set is asked for", async || {
        (keys.asked() > asked)
            .then_some(())
            .ok_or_else(|| "no".into())
    })
    .await;
}

/// As a key set says it.
fn log_of(jwks: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(jwks).unwrap();
    let log = document.as_object().unwrap().iter();
    let mut log = log.filter(|(name, _)| name.contains("log"));
    log.next().unwrap().1.as_str().unwrap().to_owned()
}
