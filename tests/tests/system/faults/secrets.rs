//! Passwords and certificates that are changed while everybody works.

use std::process::Command;

use tokenward_tests::house::{House, Kept, Redis, Servers, Store, http, level, run, tls};

use super::Stage;

/// The ids of the connections of a user of Redis.
fn connections(redis: &Redis, user: &str) -> Vec<String> {
    let user = format!(" user={user} ");
    let told = redis.ask(&["client", "list"]);
    let own = told.lines().filter(|line| line.contains(&user));
    own.filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_password_of_redis_is_changed() {
    let redis = Redis::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    let rule = |rule: &str| assert_eq!(redis.ask(&["acl", "setuser", "programs", rule]), "OK");
    for right in ["on", ">the-old-password", "~*", "&*", "+@all"] {
        rule(right);
    }
    std::fs::write(&file, "the-old-password\n").unwrap();
    let url = redis.url_without_password();
    let house = House::on_servers(Servers {
        store: url.clone(),
        feed: url,
        realm: String::new(),
        settings: vec![
            ("TOKENWARD_REDIS_USER", "programs".into()),
            ("TOKENWARD_REDIS_PASSWORD_FILE", file.display().to_string()),
        ],
    });
    for password in ["the-old-password", "the-new-password"] {
        house.kept().secret(password);
    }
    let stage = Stage::on(house).await;
    let old = connections(&redis, "programs");
    rule(">the-new-password");
    let new = dir.path().join("new");
    std::fs::write(&new, "the-new-password\n").unwrap();
    std::fs::rename(&new, &file).unwrap();
    level("the programs connect by the new password", async || {
        let now = connections(&redis, "programs");
        let more = now.iter().filter(|id| !old.contains(id)).count();
        match more >= 4 && old.iter().any(|id| !now.contains(id)) {
            true => Ok(()),
            false => Err(format!("{old:?}, now {now:?}")),
        }
    })
    .await;
    rule("<the-old-password");
    stage.load.goes_on().await;
    // Whoever connects from now on does so by the new one.
    redis.ask(&["client", "kill", "user", "programs"]);
    stage.load.goes_on().await;
    stage.end().await;
}

/// Runs the test below in a run that speaks TLS on every port.
#[test]
fn certificates_are_changed() {
    let test = "faults::secrets::certificates_are_changed_in_a_run_with_tls";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("TOKENWARD_TEST_TLS", "1");
    let ended = run(
        &Kept::default(),
        command.args(["--exact", test, "--ignored", "--nocapture"]),
    );
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.out, ended.err);
    assert!(ended.out.contains("1 passed"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a run with TLS: `certificates_are_changed` is one"]
async fn certificates_are_changed_in_a_run_with_tls() {
    assert!(tls::is_on());
    let mut stage = Stage::on(House::new(Store::Redis)).await;
    let ends = |admin: &str, program: &str| {
        let name = format!("tokenward_{program}_tls_certificate_expiry_timestamp_seconds ");
        let (_, metrics) = http::get(admin, "/metrics").expect("metrics");
        let value = metrics.lines().find_map(|it| it.strip_prefix(&name));
        value.expect("a time").to_owned()
    };
    let all = |stage: &Stage| -> Vec<String> {
        let issuers = stage.site.issuers.iter();
        let verifiers = stage.site.verifiers.iter();
        let issuers = issuers.map(|it| ends(&it.admin, "issuer"));
        issuers
            .chain(verifiers.map(|it| ends(&it.admin, "verifier")))
            .collect()
    };
    for _ in 0..2 {
        let before = all(&stage);
        tls::renew();
        level("every program has the new certificate", async || {
            let now = all(&stage);
            match now.iter().zip(&before).all(|(now, before)| now != before) {
                true => Ok(()),
                false => Err(format!("{before:?}, now {now:?}")),
            }
        })
        .await;
        stage.load.goes_on().await;
    }
    // Whoever connects anew sees the new one alone.
    stage.site.issuers[1].program.kill();
    stage.site.issuers[1].restart().await;
    stage.load.goes_on().await;
    stage.end().await;
}
