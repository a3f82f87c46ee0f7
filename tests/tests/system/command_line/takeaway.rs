//! Revocations by command, and the receipts that it prints.

use std::process::Command;

use serde_json::Value;
use tokenward_proto::v1::Role;
use tokenward_tests::house::{House, Store, program, run, tls, word};

use super::{Desk, file, parse};

/// One, all of an owner's, and what leaked; with receipts that are true when they are printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_have_receipts() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c2").await;
    let issuer = desk.site.issuer();
    let (ada, id_of_ada) = (corner.of("ada"), corner.user_id("ada"));
    let refused_everywhere = async |secret: &str| {
        for verifier in &desk.site.verifiers {
            let answer = verifier.check(&corner.read(secret, "secret")).await;
            assert_eq!(word(&answer), "TOKEN_REVOKED", "{}", verifier.name);
        }
    };
    let one = issuer.mint(&id_of_ada, "one", Role::Read).await;
    desk.site
        .all(&corner.read(&one.secret, "secret"), &one.revision, "ALLOW")
        .await;
    let told = desk.text(&["token", "revoke", &one.id, "--wait"]);
    refused_everywhere(&one.secret).await;
    assert!(
        told.contains("\nrefused by 2 of 2 verifiers, slowest "),
        "{told}"
    );
    // Again is harmless; without --wait there is no receipt.
    let again = desk.json(&["token", "revoke", &one.id]);
    assert_eq!(again["receipt"], Value::Null);
    assert_eq!(again["token"]["state"], "revoked");
    let again = desk.json(&["token", "revoke", &one.id, "--wait", "30s"]);
    assert_eq!(again["receipt"]["verifiers"][1]["state"], "applied");

    // What leaked, and what is none of ours.
    let leaked = issuer.mint(&id_of_ada, "leaked", Role::Read).await;
    let safe = issuer.mint(&id_of_ada, "safe", Role::Read).await;
    let mut lines = format!("\n  HF_TOKEN=\"{}\",\r\n", leaked.secret);
    lines.push_str(&safe.secret[..safe.secret.len() - 1]);
    // A line that holds no token is refused by its number, before anything is sent.
    std::fs::write(desk.file("leaked"), format!("{lines}\nhf_nonsense")).unwrap();
    let values = ["token", "revoke", "--value-file", &desk.file("leaked")];
    let refused = desk.refused("hub", 2, &values).to_string();
    assert!(refused.contains("line 4: "), "{refused}");
    assert!(!refused.contains("nonsense"), "{refused}");
    std::fs::write(desk.file("leaked"), lines).unwrap();
    let told = desk.text(&[
        "token",
        "revoke",
        "--wait",
        "10s",
        "--value-file",
        &desk.file("leaked"),
    ]);
    refused_everywhere(&leaked.secret).await;
    assert!(told.contains("refused by 2 of 2 verifiers"), "{told}");
    assert!(told.starts_with("sent      2 tokens"), "{told}");
    // The answer is the same of nothing, from standard input too.
    std::fs::write(desk.file("nothing"), "hf_eyJa.b.c\n".repeat(2)).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"file=$1; shift; exec "$@" < "$file""#, "sh"])
        .arg(desk.file("nothing"))
        .arg(program("tokenward"))
        .args(["token", "revoke", "--value-file", "-"])
        .args(desk.whereto("revoker"));
    let nothing = run(desk.house().kept(), &mut command);
    assert_eq!(nothing.code, Some(0), "{}", nothing.err);
    let line = |text: &str| text.lines().next().map(str::to_owned);
    assert_eq!(line(&nothing.out), line(&told));
    std::fs::write(desk.file("many"), "hf_eyJa.b.c\n".repeat(1001)).unwrap();
    desk.refused(
        "hub",
        2,
        &["token", "revoke", "--value-file", &desk.file("many")],
    );
    desk.refused(
        "minter",
        4,
        &["token", "revoke", "--value-file", &desk.file("leaked")],
    );

    // Nothing without a confirmation.
    let all = ["token", "revoke", "--all", "--owner", &ada];
    let told = desk.refused("hub", 2, &all);
    assert!(told["next"].as_str().unwrap().contains("--yes"), "{told}");
    let question = corner.read(&safe.secret, "secret");
    assert_eq!(word(&desk.verifier().check(&question).await), "ALLOW");
    let told = desk.json(&[&all[..], &["--yes", "--wait"]].concat());
    assert_eq!(told["receipt"]["applied"], 2, "{told}");
    refused_everywhere(&safe.secret).await;
    let later = issuer.mint(&id_of_ada, "later", Role::Read).await;
    desk.site
        .all(
            &corner.read(&later.secret, "secret"),
            &later.revision,
            "ALLOW",
        )
        .await;
    let by_id = [
        "token",
        "revoke",
        "--all",
        "--owner-id",
        &id_of_ada,
        "--yes",
    ];
    let told = desk.json(&by_id);
    desk.is(&corner, &later.secret, &told["revision"], "TOKEN_REVOKED")
        .await;
}

/// A verifier that doesn't say anything is never counted in, and the exit code says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incomplete_receipt_is_no_success() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c3").await;
    let token = desk
        .site
        .issuer()
        .mint(&corner.user_id("ada"), "t", Role::Read)
        .await;
    desk.site.verifiers[1].program.signal("-STOP");
    let ended = desk.run("hub", &["token", "revoke", &token.id, "--wait", "500ms"]);
    let again = desk.run(
        "hub",
        &["token", "revoke", &token.id, "--wait", "100ms", "--json"],
    );
    desk.site.verifiers[1].program.signal("-CONT");
    assert_eq!(ended.code, Some(8), "{}{}", ended.out, ended.err);
    assert!(
        ended
            .out
            .contains("refused by 1 of 2 verifiers so far; 1 ("),
        "{}",
        ended.out
    );
    assert!(
        ended.out.contains("may still answer by an older view"),
        "{}",
        ended.out
    );
    assert!(ended.err.contains("done for good"), "{}", ended.err);
    assert_eq!(again.code, Some(8), "{}", again.err);
    assert_eq!(parse(&again.out)["receipt"]["pending"], 1, "{}", again.out);

    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    issuer.write(corner.operations()).await;
    let credential = file(&house, "hub.credential");
    let server = tls::url(&issuer.address);
    let withdraw = |more: &[&str]| {
        let args = ["keys", "withdraw", "unknown", "--yes", "--wait"];
        let server = ["--issuer", &server, "--credential-file", &credential];
        house.tokenward(&[&args[..], more, &server].concat())
    };
    let misspelt = withdraw(&[]);
    assert_eq!(misspelt.code, Some(3), "{}{}", misspelt.out, misspelt.err);
    assert!(misspelt.err.contains("its own are k1."), "{}", misspelt.err);
    assert!(misspelt.err.contains("--unknown"), "{}", misspelt.err);
    let ended = withdraw(&["--unknown"]);
    assert_eq!(ended.code, Some(8), "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("no verifier is known to this issuer"),
        "{}",
        ended.out
    );
}
