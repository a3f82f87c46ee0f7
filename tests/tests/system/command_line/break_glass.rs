//! What an operator does in a hurry, by command: one line each, and its receipt.

use serde_json::Value;
use tokenward_proto::v1::Role;
use tokenward_tests::house::word;

use super::Desk;

/// From the narrowest to the widest, so that each takes what the one before left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_one_command_with_a_receipt() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c11").await;
    let issuer = desk.site.issuer();
    let ada = corner.user_id("ada");
    let one = issuer.mint(&ada, "one", Role::Read).await;
    let read = corner.read(&one.secret, "secret");
    let everywhere = async |wanted: &str| {
        for verifier in &desk.site.verifiers {
            let answer = verifier.check(&read).await;
            assert_eq!(word(&answer), wanted, "{}: {answer:?}", verifier.name);
        }
    };
    desk.site.all(&read, &one.revision, "ALLOW").await;

    let user = format!("user:{}", corner.of("ada"));
    let set = |value| ["directory", "put", &user, "--set", value, "--wait"].map(str::to_owned);
    let put = |value| {
        let words = set(value);
        desk.text(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let told = put("disabled=true");
    everywhere("OWNER_DISABLED").await;
    assert!(
        told.contains("\nknown to 2 of 2 verifiers, slowest "),
        "{told}"
    );
    put("disabled=false");
    everywhere("ALLOW").await;

    // Nothing without a confirmation, and none for who may not.
    let acme = corner.of("acme");
    let org = ["org-token", "revoke", "--all", "--org", &acme];
    let org = [&org[..], &["--reason", "INC-8", "--wait"]].concat();
    let told = desk.refused("hub", 2, &org);
    assert!(told["message"].as_str().unwrap().contains(&acme), "{told}");
    let org = [&org[..], &["--yes"]].concat();
    desk.refused("minter", 4, &org);
    everywhere("ALLOW").await;
    let told = desk.json(&org);
    everywhere("ORG_REVOKED").await;
    assert_eq!(told["receipt"]["applied"], 2, "{told}");
    let list = [
        "org-token",
        "list",
        "--org",
        &acme,
        "--owner",
        &corner.of("ada"),
    ];
    assert_eq!(desk.json(&list), Value::Array(Vec::new()));
    let listed = desk.json(&[&list[..], &["--all"]].concat());
    assert_eq!(listed[0]["org_state"], "revoked");
    assert_eq!(listed[0]["state"], "active");
    std::fs::write(desk.file("one"), &one.secret).unwrap();
    let told = desk.json(&["whoami", "--token-file", &desk.file("one")]);
    assert_eq!(told["orgs"][0]["restrictions"][0], "token-revoked");

    let realm = desk.house().realm().to_owned();
    let all = [
        "token", "revoke", "--all", "--reason", "INC-7", "--wait", "--realm",
    ];
    let named = |name| [&all[..], &[name]].concat();
    let told = desk.refused("hub", 2, &named(&realm));
    assert!(told["message"].as_str().unwrap().contains(&realm), "{told}");
    let why = ["token", "revoke", "--all", "--realm", &realm, "--yes"];
    let told = desk.run("hub", &why);
    assert_eq!(told.code, Some(2), "{}", told.err);
    assert!(told.err.contains("--reason"), "{}", told.err);
    let another = [&named("another")[..], &["--yes"]].concat();
    let told = desk.refused("hub", 2, &another);
    assert!(
        told["message"].as_str().unwrap().contains("realm: "),
        "{told}"
    );
    let yes = [&named(&realm)[..], &["--yes"]].concat();
    desk.refused("revoker", 4, &yes);
    everywhere("ORG_REVOKED").await;
    let told = desk.text(&yes);
    everywhere("TOKEN_REVOKED").await;
    assert!(
        told.contains("\nrefused by 2 of 2 verifiers, slowest "),
        "{told}"
    );
    let trail = desk.text(&["audit", "--method", "RevokeAllTokens"]);
    assert!(trail.contains("because: INC-7"), "{trail}");
    // And on: with a new token everything is as before.
    let new = issuer.mint(&ada, "one", Role::Read).await;
    let read = corner.read(&new.secret, "secret");
    desk.site.all(&read, &new.revision, "ALLOW").await;
}
