//! Keys, the trail, explanations: what operators ask for by command.

use std::process::{Command, Stdio};

use serde_json::Value;
use tokenward_proto::v1::Role;
use tokenward_tests::house::{Program, level, program, word};

use super::{Desk, parse};

/// From one key to the next by the command alone, and the old one withdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_by_command() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c5").await;
    let ada = corner.user_id("ada");
    let issuer = desk.site.issuer();
    let old = issuer.mint(&ada, "old", Role::Read).await;
    let ring = desk.file("ring.json");
    let listed = async |wanted: &str| {
        level("the issuer has the ring", async || {
            let keys = desk.json(&["keys", "list"]);
            let states = keys.as_array().unwrap().iter().map(|key| {
                let text = |name: &str| key[name].as_str().unwrap().to_owned();
                format!("{}={}", text("key_id"), text("state"))
            });
            let states = states.collect::<Vec<_>>().join(" ");
            (states == wanted).then_some(()).ok_or(states)
        })
        .await;
    };
    listed("k1=active").await;
    let rotate =
        |words: &[&str]| desk.json(&[&["keys", "rotate", "--ring", &ring], words].concat());
    let key = desk.file("k2.pem");
    let told = rotate(&["--out", &key, "--kid", "k2"]);
    assert_eq!(told["keys"][1]["state"], "published", "{told}");
    assert_eq!(told["jwk"]["kid"], "k2", "{told}");
    listed("k1=active k2=published").await;
    for verifier in &desk.site.verifiers {
        level("the verifier has the new key", async || {
            let lines = verifier.program.log();
            let has = |line: &String| line.contains("signing keys changed") && line.contains("k2");
            let found = lines.iter().any(has);
            found.then_some(()).ok_or_else(|| "not yet".to_owned())
        })
        .await;
    }
    let told = rotate(&["--activate", "k2"]);
    assert!(told["warning"].as_str().unwrap().contains("only"), "{told}");
    listed("k1=retired k2=active").await;
    let new = issuer.mint(&ada, "new", Role::Read).await;
    for (token, key) in [(&old, "k1"), (&new, "k2")] {
        let shown = desk.json(&["token", "show", &token.id]);
        assert_eq!(shown["key_id"], key);
        let question = corner.read(&token.secret, "secret");
        desk.site.all(&question, &new.revision, "ALLOW").await;
    }
    let told = desk.refused(
        "hub",
        6,
        &["keys", "rotate", "--ring", &ring, "--activate", "k1"],
    );
    assert!(told["message"].as_str().unwrap().contains("retired"));

    desk.refused("hub", 2, &["keys", "withdraw", "k1"]);
    listed("k1=retired k2=active").await;
    desk.refused("minter", 4, &["keys", "withdraw", "k1", "--yes"]);
    let told = desk.text(&["keys", "withdraw", "k1", "--yes", "--wait"]);
    for verifier in &desk.site.verifiers {
        let is = async |secret| word(&verifier.check(&corner.read(secret, "secret")).await);
        assert_eq!(is(&old.secret).await, "TOKEN_KEY_WITHDRAWN");
        assert_eq!(is(&new.secret).await, "ALLOW");
    }
    assert!(told.contains("refused by 2 of 2 verifiers"), "{told}");
    listed("k1=withdrawn k2=active").await;
    let table = desk.text(&["keys", "list"]);
    assert!(table.starts_with("KEY  STATE      PUBLIC\n"), "{table}");
}

/// Who did what, as it was and as it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_is_printed_and_followed() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c6").await;
    let issuer = desk.site.issuer();
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    issuer.revoke(&token.id).await;
    let lines = desk.text(&["audit", "--json"]);
    let events: Vec<Value> = lines.lines().map(parse).collect();
    let methods: Vec<_> = events.iter().map(|it| it["method"].as_str()).collect();
    assert!(
        methods.ends_with(&[
            Some("TokenService/CreateToken"),
            Some("TokenService/RevokeToken")
        ]),
        "{methods:?}"
    );
    let last = events.last().unwrap();
    assert_eq!(last["caller"], "hub");
    assert_eq!(last["token_id"], token.id.as_str());
    let table = desk.text(&["audit", "--since", "1h"]);
    assert!(table.starts_with("TIME  "), "{table}");
    // An event may take more than one line; each begins with its time.
    let begun = table.lines().filter(|line| line.starts_with("20"));
    assert_eq!(begun.count(), events.len(), "{table}");
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    assert_eq!(desk.text(&["audit", "--since", "2100-01-01"]), "");
    desk.refused("minter", 4, &["audit"]);

    // One owner's, one token's, one method's; each that is given must fit.
    let grace = issuer.mint(&corner.user_id("grace"), "t", Role::Read).await;
    let picked = |words: &[&str]| -> Vec<(String, String)> {
        let lines = desk.text(&[&["audit", "--json"], words].concat());
        let events = lines.lines().map(parse);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = |it: Value| (text(&it["token_id"]), text(&it["method"]));
        events.map(of).collect()
    };
    let [made, revoked] = ["CreateToken", "RevokeToken"].map(|it| format!("TokenService/{it}"));
    let [first, other] = [&token.id, &grace.id].map(Clone::clone);
    let (ada, ada_id) = (corner.of("ada"), corner.user_id("ada"));
    let both = [(first.clone(), made.clone()), (first.clone(), revoked)];
    assert_eq!(picked(&["--owner", &ada]), both);
    assert_eq!(picked(&["--owner-id", &ada_id]), both);
    assert_eq!(picked(&["--token-id", &first]), both);
    let all_made = [(first.clone(), made.clone()), (other.clone(), made.clone())];
    assert_eq!(picked(&["--method", "CreateToken"]), all_made);
    assert_eq!(picked(&["--method", &made]), all_made);
    let mine = ["--method", &made, "--owner", &ada];
    assert_eq!(picked(&mine), [(first.clone(), made.clone())]);
    assert!(picked(&["--token-id", &first, "--owner-id", "nobody"]).is_empty());
    assert!(picked(&["--method", "Create"]).is_empty());
    desk.refused("hub", 3, &["audit", "--owner", "nobody"]);
    desk.refused("hub", 2, &["audit", "--token-id", "x"]);
    desk.refused("hub", 2, &["audit", "--method", "a/b/c"]);
    let count = events.len() + 1;

    let out = desk.file("trail");
    let mut command = Command::new(program("tokenward"));
    command
        .args(["audit", "--follow", "--json", "--since", "1h"])
        .args(desk.whereto("hub"))
        .stdout(Stdio::from(std::fs::File::create(&out).unwrap()));
    let mut follower = Program::start(desk.house().kept(), "audit", command);
    let followed = async |count: usize| {
        level("the trail is followed", async || {
            let text = std::fs::read_to_string(&out).unwrap();
            match text.lines().count() {
                is if is == count => Ok(text),
                other => Err(format!("{other} of {count}")),
            }
        })
        .await
    };
    followed(count).await;
    let later = issuer.mint(&corner.user_id("ada"), "t2", Role::Read).await;
    let text = followed(count + 1).await;
    let last = parse(text.lines().last().unwrap());
    assert_eq!(last["token_id"], later.id.as_str());
    // Ctrl-C is how it ends.
    follower.signal("-INT");
    assert_eq!(follower.ended().await.code(), Some(0));
}

/// To operators that the verifier knows, and to nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_explained() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c7").await;
    let ada = corner.of("ada");
    let secret_file = desk.file("soon");
    let made = desk.json(&[
        "token",
        "create",
        "--owner",
        &ada,
        "--name",
        "soon",
        "--role",
        "read",
        "--expires",
        "1d",
        "--secret-file",
        &secret_file,
    ]);
    let secret = desk.secret("soon");
    desk.is(&corner, &secret, &made["revision"], "ALLOW").await;
    let model = format!("model:{}/secret", corner.of("acme"));
    let check = |permission: &'static str| {
        [
            "check",
            "--explain",
            "--token-file",
            &secret_file,
            "--permission",
            permission,
            &model,
        ]
    };
    let allowed = desk.json(&check("repo.content.read"));
    assert_eq!(allowed["allowed"], true);
    let steps = allowed["explanation"].as_array().unwrap();
    let named = |name: &str| steps.iter().any(|step| step["name"] == name);
    assert!(named("token") && named("revocation"), "{allowed}");
    assert!(allowed["warning"].is_string(), "{allowed}");
    assert!(allowed["principal"]["expire_time"].is_string(), "{allowed}");
    let denied = desk.run("hub", &check("repo.write"));
    assert_eq!(denied.code, Some(1), "{}", denied.err);
    assert!(denied.out.starts_with("DENY "), "{}", denied.out);
    assert!(denied.out.contains("STEP "), "{}", denied.out);
    assert!(denied.out.contains("\nwarning   "), "{}", denied.out);
    let last = denied.out.trim_end().lines().last().unwrap();
    assert!(last.contains(" -> "), "{last}");

    let told = desk.refused("feeder", 4, &check("repo.content.read"));
    let next = told["next"].as_str().unwrap();
    assert!(next.contains("--operators"), "{told}");
    // The plain question is answered without a word of it.
    let plain = [
        &check("repo.content.read")[..1],
        &check("repo.content.read")[2..],
    ]
    .concat();
    assert_eq!(desk.json(&plain)["explanation"], Value::Null);
}
