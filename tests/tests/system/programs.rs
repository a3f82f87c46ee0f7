//! The programs themselves: settings, health, reflection, metrics, logs, the end.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;
use tokenward_proto::v1::Role;
use tokenward_tests::house::{
    Ended, Feed, House, Issuer, Store, Verifier, http, hub::Corner, level, program, run,
};
use tonic::transport::Channel;

use crate::{log, scrape::lint, site::Site};

fn ended(house: &House, mut command: Command) -> Ended {
    run(house.kept(), &mut command)
}

#[test]
fn all_mistakes_in_the_settings_are_told_at_once() {
    let house = House::new(Store::Embedded);
    let mut issuer = Command::new(program("tokenward-issuer"));
    issuer.env("TOKENWARD_STORE", "mysql://root:hunter2hunter2hunter2@db");
    issuer.args([
        "--listen=0.0.0.0:1",
        "--http-listen=10.0.0.1:1",
        "--admin-listen=[::]:1",
        "--realm=a b",
        "--issuer=ftp://x",
        "--token-prefix=no dash",
        "--credentials=/none",
        "--drain-delay=3s",
        "--drain-limit=2s",
        "--log-entries=1",
    ]);
    let ended_issuer = ended(&house, issuer);
    assert_eq!(ended_issuer.code, Some(2), "{}", ended_issuer.err);
    for flag in [
        "--listen: ",
        "--http-listen: ",
        "--admin-listen: ",
        "--store: ",
        "--realm: ",
        "--issuer: ",
        "--token-prefix: ",
        "--signing-key, --key-ring: ",
        "--drain-limit: ",
        "--log-entries: ",
    ] {
        assert!(
            ended_issuer.err.contains(flag),
            "{flag}: {}",
            ended_issuer.err
        );
    }
    assert!(!ended_issuer.err.contains("hunter2"));

    let mut verifier = Command::new(program("tokenward-verifier"));
    verifier.env("TOKENWARD_FEED", "mysql://root:hunter2hunter2hunter2@db");
    verifier.args([
        "--listen=0.0.0.0:1",
        "--admin-listen=nowhere",
        "--http-listen=10.0.0.1:1",
        "--routes=/none",
        "--realm=a b",
        "--jwks=http://keys.example/jwks",
        "--token-prefix=no dash",
        "--bound-read=10ms",
        "--workers=0",
        "--memo-capacity=1",
        "--drain-limit=1s",
        "--log=info,x=loud",
    ]);
    let ended_verifier = ended(&house, verifier);
    assert_eq!(ended_verifier.code, Some(2), "{}", ended_verifier.err);
    for flag in [
        "--listen",
        "--admin-listen",
        "--http-listen",
        "--routes",
        "--feed",
        "--realm",
        "--issuer",
        "--jwks",
        "--token-prefix",
        "--bound-read",
        "--workers",
        "--memo-capacity",
        "--drain-limit",
        "--log",
    ] {
        assert!(
            ended_verifier.err.contains(flag),
            "{flag}: {}",
            ended_verifier.err
        );
    }
    assert!(!ended_verifier.err.contains("hunter2"));
}

#[test]
fn an_empty_store_is_refused_and_a_realm_is_made_once_on_purpose() {
    for store in [Store::Embedded, Store::Redis] {
        let house = House::new(store);
        let start = |more: &[&str]| {
            let any = house.any_port();
            let mut issuer = Issuer::command(&house);
            for flag in ["--listen", "--http-listen", "--admin-listen"] {
                issuer.args([flag, &any]);
            }
            issuer.args(more);
            ended(&house, issuer)
        };
        for (more, code) in [(&[][..], 1), (&["--create-realm"], 2), (&[], 1)] {
            let refused = start(more);
            assert_eq!(refused.code, Some(code), "{store:?}: {}", refused.err);
            let told = refused.err.contains("tokenward realm create");
            assert!(told, "{store:?}: {}", refused.err);
        }
        let made = house.make_realm();
        assert_eq!(made.code, Some(0), "{store:?}: {}", made.err);
        let again = house.make_realm();
        assert_eq!(again.code, Some(6), "{store:?}: {}", again.err);
    }
}

#[test]
fn plain_text_stays_on_this_machine() {
    let house = House::new(Store::Embedded);
    let mut issuer = Issuer::command(&house);
    issuer.args(["--listen", "0.0.0.0:0"]);
    let mut verifier = Verifier::command(&house, "http://127.0.0.1:9", "/none");
    verifier.args(["--listen", "0.0.0.0:0"]);
    for command in [issuer, verifier] {
        let ended = ended(&house, command);
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert!(ended.err.contains("--plaintext"), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_issuers_on_one_file_is_one_too_many() {
    let house = House::new(Store::Embedded);
    let _first = house.issuer().await;
    let any = house.any_port();
    let mut second = Issuer::command(&house);
    for flag in ["--listen", "--http-listen", "--admin-listen"] {
        second.args([flag, &any]);
    }
    let ended = ended(&house, second);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("--store embedded:"), "{}", ended.err);
}

/// SIGTERM, and what is under way is finished: followers' long polls, an open import.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_end_they_finish_and_end_well() {
    let mut site = Site::redis().await;
    let corner = site.corner("p1").await;
    let token = site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;

    // An import that has begun.
    let (batches, stream) = tokio::sync::mpsc::channel(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let batch = |batch, name: &str| tokenward_proto::v1::ImportRequest {
        batch,
        operations: vec![corner.no_member(name)],
    };
    batches.send(batch(1, "nobody")).await.unwrap();
    let mut operator = site.issuers[0].operator();
    let mut answers = operator
        .directory
        .import(stream)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().batch, 1);

    let issuer = &mut site.issuers[0];
    issuer.program.signal("-TERM");
    issuer.program.event("told to end: draining");
    batches.send(batch(2, "ada")).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!((answer.batch, answer.error.as_str()), (2, ""));
    drop(batches);
    assert!(answers.message().await.unwrap().is_none());
    drop((answers, operator));
    let status = issuer.program.ended().await;
    assert_eq!(status.code(), Some(0), "{status:?}");
    // What it acknowledged at the end counts.
    for verifier in &site.verifiers {
        verifier.at(&question, &answer.revision).await;
        verifier.until(&question, "NOT_FOUND").await;
    }

    for verifier in &mut site.verifiers {
        verifier.program.signal("-TERM");
        let status = verifier.program.ended().await;
        assert_eq!(status.code(), Some(0), "{}: {status:?}", verifier.name);
    }
    // The last one is followed by nobody; it takes SIGINT as well.
    let issuer = &mut site.issuers[1];
    issuer.program.signal("-INT");
    let status = issuer.program.ended().await;
    assert_eq!(status.code(), Some(0), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_is_seen_before_it_ends() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let args = ["--drain-delay", "2s"];
    let mut verifier = house.verifier_with(Feed::Grpc(&issuer), &args).await;
    let corner = Corner::new("p2");
    issuer.write(corner.operations()).await;
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    verifier.at(&question, &token.revision).await;
    verifier.program.signal("-TERM");
    // Not ready, and still serving.
    level("it isn't ready", async || {
        match (verifier.ready(), verifier.serves().await) {
            (Some(503), Err(state)) if state == "NOT_SERVING" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    verifier.until(&question, "ALLOW").await;
    assert_eq!(verifier.program.ended().await.code(), Some(0));
}

/// What `grpcurl list` shows.
macro_rules! services {
    ($version:ident, $channel:expr) => {{
        use pb::{
            server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        use tonic_reflection::pb::$version as pb;
        let request = pb::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let stream = tokio_stream::iter([request]);
        let answer = ServerReflectionClient::new($channel)
            .server_reflection_info(stream)
            .await
            .unwrap();
        let message = answer.into_inner().message().await.unwrap().unwrap();
        match message.message_response.unwrap() {
            MessageResponse::ListServicesResponse(list) => {
                list.service.into_iter().map(|it| it.name).collect()
            }
            other => panic!("{other:?}"),
        }
    }};
}

async fn listed(channel: Channel, expected: &[&str]) {
    let v1: BTreeSet<String> = services!(v1, channel.clone());
    let v1alpha: BTreeSet<String> = services!(v1alpha, channel);
    assert_eq!(v1, v1alpha);
    for service in expected {
        assert!(v1.contains(*service), "{service}: {v1:?}");
    }
    let others: Vec<_> = v1
        .iter()
        .filter(|it| !expected.contains(&it.as_str()))
        .collect();
    assert!(
        others.iter().all(|it| it.starts_with("grpc.reflection.")),
        "{others:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_find_services_metrics_and_logs() {
    let site = Site::embedded().await;
    let (issuer, verifier) = (site.issuer(), &site.verifiers[0]);
    listed(
        issuer.channel(),
        &[
            "tokenward.v1.TokenService",
            "tokenward.v1.DirectoryService",
            "tokenward.v1.KeyService",
            "tokenward.v1.AuditService",
            "tokenward.v1.OrgTokenService",
            "tokenward.internal.v1.FeedService",
            "grpc.health.v1.Health",
        ],
    )
    .await;
    let of_verifier = [
        "tokenward.v1.VerifierService",
        "envoy.service.auth.v3.Authorization",
        "grpc.health.v1.Health",
    ];
    listed(verifier.channel(), &of_verifier).await;

    let corner = site.corner("p3").await;
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    let question = corner.read(&token.secret, "secret");
    site.all(&question, &token.revision, "ALLOW").await;
    let revision = issuer.revoke(&token.id).await;
    site.all(&question, &revision, "TOKEN_REVOKED").await;

    let metrics = |address: &str| {
        let (status, body) = http::get(address, "/metrics").unwrap();
        assert_eq!(status, 200);
        lint(&body);
        body
    };
    let told = metrics(&issuer.admin);
    for line in [
        "tokenward_issuer_calls_total{method=\"CreateToken\",code=\"OK\"} 1",
        "# TYPE tokenward_issuer_view_rebuilds_total counter",
        "# TYPE tokenward_issuer_store_failures_total counter",
        "# TYPE tokenward_issuer_clock_offset_seconds gauge",
        "tokenward_issuer_commits_total{class=\"takeaway\",outcome=\"written\"} 1",
        "tokenward_issuer_commit_seconds_count ",
        "tokenward_issuer_revision ",
        "tokenward_issuer_view_age_seconds ",
        "tokenward_issuer_connections_refused_total 0",
        "tokenward_issuer_verifiers{state=\"silent\"} 0",
        "tokenward_issuer_build_info{version=",
        "tokenward_issuer_ready 1",
        "tokenward_issuer_signing_key_age_seconds{kid=",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let told = metrics(&verifier.admin);
    for line in [
        "tokenward_verifier_checks_total{verdict=\"allow\",reason=\"\"} 1",
        "tokenward_verifier_checks_total{verdict=\"deny\",reason=\"token_revoked\"} 1",
        "tokenward_verifier_checks_total{verdict=\"error\",reason=\"view_stale\"} 0",
        "tokenward_verifier_memo_hits_total ",
        "tokenward_verifier_memo_misses_total 1",
        "tokenward_verifier_memo_entries 1",
        "tokenward_verifier_resyncs_total 0",
        "tokenward_verifier_connections_refused_total 0",
        "tokenward_verifier_revision ",
        "tokenward_verifier_view_age_seconds ",
        "tokenward_verifier_apply_lag_seconds_count ",
        "tokenward_verifier_confirm_seconds_count ",
        "tokenward_verifier_feed_failures_total ",
        "tokenward_verifier_clock_offset_seconds ",
        "tokenward_verifier_connections{worker=\"1\"} ",
        "tokenward_verifier_build_info{version=",
        "tokenward_verifier_ready 1",
        "tokenward_verifier_bound_seconds{class=\"write\"} 5.0",
        "tokenward_verifier_check_seconds_bucket{le=\"+Inf\",door=\"grpc\"} ",
        "tokenward_verifier_check_seconds_count{door=\"envoy\"} 0",
        "process_cpu_seconds_total ",
        "process_open_fds ",
        "process_start_time_seconds ",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let mut lines = issuer.program.log();
    lines.extend(verifier.program.log());
    log::check(&lines);
    for address in [&issuer.admin, &verifier.admin] {
        assert_eq!(http::get(address, "/livez").unwrap(), (200, "ok\n".into()));
        assert_eq!(
            http::get(address, "/readyz").unwrap(),
            (200, "ready\n".into())
        );
        assert_eq!(http::get(address, "/other").unwrap().0, 404);
    }
    let keys: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    assert_eq!(keys["keys"][0]["kid"], "k1");
    assert_eq!(keys["keys"][0]["crv"], "Ed25519");
    assert!(keys["keys"][0].get("d").is_none(), "the private half");

    for program in [&issuer.program, &verifier.program] {
        let log = program.log();
        assert!(!log.is_empty());
        for line in log {
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            for field in ["timestamp", "level", "target", "message"] {
                assert!(event[field].is_string(), "{field}: {line}");
            }
        }
    }
}

/// A verifier whose issuer isn't there waits, not ready, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_with_nothing_to_follow_is_not_ready() {
    let house = House::new(Store::Embedded);
    let any = house.any_port();
    let nobody = any.replace(":0", ":9");
    let mut command = Verifier::command(&house, &format!("http://{nobody}"), "/none");
    command.args(["--listen", &any, "--admin-listen", &any]);
    let mut alone = tokenward_tests::house::Program::start(house.kept(), "alone", command);
    let serving = alone.event("serving");
    let admin = serving["admin"].as_str().unwrap();
    assert_eq!(http::get(admin, "/livez").unwrap().0, 200);
    let (status, why) = http::get(admin, "/readyz").unwrap();
    assert_eq!(status, 503);
    assert!(why.contains("no "), "{why}");
    alone.signal("-TERM");
    assert_eq!(alone.ended().await.code(), Some(0));
    // Not a thousand lines of it.
    assert!(alone.log().len() < 100, "{}", alone.log().len());
}
