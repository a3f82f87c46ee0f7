//! A generated hub is one that an issuer takes, whole, and a verifier follows; and the same stands in
//! a store that it was written into.

use std::process::Command;

use serde_json::Value;
use tokenward_tests::house::{Feed, House, Store, level, program, run, tls};

const SCALE: &str = "0.0002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_hub_is_imported_whole() {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let verifier = house.verifier(Feed::Grpc(&issuer)).await;
    let file = house.path("hub.jsonl").display().to_string();
    let mut write = Command::new(program("tokenward-hub"));
    write.args(["write", "--scale", SCALE, &file]);
    let written = run(house.kept(), &mut write);
    assert_eq!(written.code, Some(0), "{}", written.err);
    let lines = std::fs::read_to_string(&file).unwrap().lines().count();
    assert!(lines > 10_000, "{lines}");

    let credential = house.path("hub.credential").display().to_string();
    let at = tls::url(&issuer.address);
    let shared = ["--json", "--issuer", &at, "--credential-file", &credential];
    let imported = house.tokenward(&[&shared[..], &["directory", "import", &file]].concat());
    assert_eq!(imported.code, Some(0), "{}", imported.err);
    let told: Value = serde_json::from_str(&imported.out).unwrap();
    assert_eq!(told["operations"].as_u64(), Some(lines as u64), "{told}");
    let revision = told["revision"]
        .as_str()
        .unwrap()
        .rsplit('.')
        .next()
        .unwrap();
    let line = format!("tokenward_verifier_revision {revision}");
    level("the verifier has followed", async || {
        let (_, metrics) = tokenward_tests::house::http::get(&verifier.admin, "/metrics").unwrap();
        let found = metrics.lines().any(|told| told == line);
        found.then_some(()).ok_or_else(|| line.clone())
    })
    .await;
}

#[test]
fn a_generated_hub_fills_a_store() {
    let house = House::new(Store::Embedded);
    let store = format!("embedded:{}", house.path("filled.redb").display());
    let hub = |args: &[&str]| {
        let mut command = Command::new(program("tokenward-hub"));
        let ended = run(house.kept(), command.args(args));
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.out
    };
    let filled = hub(&["store", "--scale", SCALE, "--store", &store]);
    let records = filled.split(' ').next().unwrap();
    let started = hub(&["start", "--store", &store]);
    assert!(started.contains(&format!("| {records} |")), "{started}");
    let measured = hub(&["measure", "--scale", SCALE]);
    assert!(measured.contains(&format!("| {records} |")), "{measured}");
}
