//! Tokens made, changed, rotated, forecast and decoded by command.

use serde_json::Value;
use tokenward_proto::v1::Role;
use tokenward_tests::house::{House, Store};

use super::{Desk, file, parse};

/// Made, changed, given a new value with and without an overlap, forecast.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_changed_and_rotated() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c1").await;
    let ada = corner.of("ada");
    let scope = format!("model:{}=repo.content.read", corner.of("m-secret"));
    let first = desk.file("first");
    let made = desk.json(&[
        "token",
        "create",
        "--owner",
        &ada,
        "--name",
        "ci",
        "--role",
        "fineGrained",
        "--scope",
        &scope,
        "--expires",
        "10d",
        "--secret-file",
        &first,
    ]);
    let id = made["token"]["id"].as_str().unwrap();
    assert_eq!(made["warnings"], Value::Null);
    let old = desk.secret("first");
    desk.is(&corner, &old, &made["revision"], "ALLOW").await;

    let update = |words: &[&str]| {
        let words = [&["token", "update", id, "--wait"], words].concat();
        desk.json(&words)
    };
    let renamed = update(&["--name", "ci-2"]);
    assert_eq!(renamed["token"]["name"], "ci-2");
    assert_eq!(renamed["receipt"]["complete"], true, "{renamed}");
    assert_eq!(renamed["receipt"]["applied"], 2);
    desk.is(&corner, &old, &renamed["revision"], "ALLOW").await;
    let bare = update(&["--clear-scopes"]);
    assert_eq!(bare["token"]["scopes"]["scoped"], Value::Array(Vec::new()));
    assert_eq!(bare["token"]["name"], "ci-2");
    // What it may not see is not there.
    desk.is(&corner, &old, &bare["revision"], "NOT_FOUND").await;
    // A name that isn't known is kept, and warned of.
    let org = format!("org:{}=resourceGroup.write,repo.wirte", corner.of("o-acme"));
    let warned = desk.run("hub", &["token", "update", id, "--scope", &org]);
    assert_eq!(warned.code, Some(0), "{}", warned.err);
    assert!(warned.out.contains("=resourceGroup.write,repo.wirte"));
    let told = "warning: scopes.scoped[0].permissions: repo.wirte is no permission that is known, \
                and grants nothing; did you mean repo.write?";
    assert_eq!(warned.err.trim_end(), told);
    let told = desk.json(&["token", "update", id, "--scope", &org]);
    assert_eq!(told["warnings"].as_array().map(Vec::len), Some(1));
    update(&["--scope", &scope]);
    desk.refused("hub", 2, &["token", "update", id]);
    desk.refused(
        "hub",
        2,
        &["token", "update", id, "--role", "read", "--clear-scopes"],
    );
    desk.refused("revoker", 4, &["token", "update", id, "--name", "x"]);

    // Both values are good; the card says until when.
    let second = desk.file("second");
    let rotate = ["token", "rotate", id, "--overlap", "1h", "--secret-file"];
    let rotated = desk.json(&[&rotate[..], &[&second]].concat());
    assert_eq!(rotated["token"]["id"], id);
    assert_eq!(rotated["secret"], Value::Null);
    let new = desk.secret("second");
    assert_ne!(old, new);
    for secret in [&old, &new] {
        desk.is(&corner, secret, &rotated["revision"], "ALLOW")
            .await;
    }
    let card = desk.text(&["token", "show", id]);
    assert!(card.contains("\nrotated   20"), "{card}");
    assert!(
        card.contains("overlap   the old value is good until"),
        "{card}"
    );
    // A file that exists is left alone, and nothing is rotated.
    desk.refused("hub", 6, &[&rotate[..], &[&second]].concat());
    assert_eq!(desk.secret("second"), new);

    // At once; shown once; the same request gives the same secret.
    let rotate = ["token", "rotate", id, "--request-id", "r1"];
    let rotated = desk.json(&rotate);
    let last = rotated["secret"].as_str().unwrap();
    desk.house().kept().secret(last);
    desk.is(&corner, &new, &rotated["revision"], "TOKEN_REVOKED")
        .await;
    desk.is(&corner, last, &rotated["revision"], "ALLOW").await;
    assert_eq!(desk.json(&rotate)["secret"], last);
    // So is one that was still in an overlap.
    desk.is(&corner, &old, &rotated["revision"], "TOKEN_REVOKED")
        .await;
    // A leaked value that is dead already takes nothing from the live one.
    let revoked = desk.json(&["token", "revoke", "--value-file", &first]);
    desk.is(&corner, last, &revoked["revision"], "ALLOW").await;
    let longer = desk.run("hub", &["token", "rotate", id, "--overlap", "8d"]);
    assert_eq!(longer.code, Some(2), "{}", longer.err);
    assert!(longer.err.contains("at most 7d"), "{}", longer.err);
    desk.refused("hub", 3, &["token", "rotate", "4711"]);
    let list = desk.text(&["token", "list", "--owner", &ada]);
    let named = format!("\n    {scope} ({}/secret)\n", corner.of("acme"));
    assert!(list.contains(&named), "{list}");
    assert!(
        list.lines().all(|line| line.chars().count() <= 80),
        "{list}"
    );
    assert!(
        list.contains("\n    rotated 20") && list.contains("ci-2"),
        "{list}"
    );

    let expiring = |words: &[&str]| {
        let listed = desk.json(&[&["token", "expiring"], words].concat());
        let ids = listed.as_array().unwrap().iter();
        ids.filter(|it| it["id"] == id).count()
    };
    assert_eq!(expiring(&[]), 1);
    assert_eq!(expiring(&["--within", "11d", "--owner", &ada]), 1);
    assert_eq!(expiring(&["--within", "9d"]), 0);
    assert_eq!(expiring(&["--owner", &corner.of("grace")]), 0);
    let forecast = desk.text(&["token", "expiring", "--owner", &ada]);
    assert!(forecast.starts_with("EXPIRES "), "{forecast}");
    desk.refused("hub", 3, &["token", "expiring", "--owner", "nobody"]);
}

/// Offline, and never the string itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_decoded() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c4").await;
    let issuer = desk.site.issuer();
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Read).await;
    std::fs::write(desk.file("token"), &token.secret).unwrap();
    let decode = |token: &str, more: &[&str]| {
        let token = desk.file(token);
        let args = [&["token", "decode", "--token-file", &token], more].concat();
        let ended = desk.house().tokenward(&args);
        let said = format!("{}{}", ended.out, ended.err);
        desk.house().kept().said("what decode prints", said);
        ended
    };
    let url = format!("http://{}/.well-known/jwks.json", issuer.http);
    let saved = desk.file("jwks.json");
    let plain = decode("token", &[]);
    assert_eq!(plain.code, Some(0), "{}", plain.err);
    for line in [
        format!("owner     {}\n", corner.user_id("ada")),
        format!("token     {}\n", token.id),
        "role      read\n".into(),
        "expires   never\n".into(),
        "key       k1\n".into(),
        "signature: not verified\n".into(),
    ] {
        assert!(plain.out.contains(&line), "{line}: {}", plain.out);
    }
    for source in [&url, &saved] {
        let verified = decode("token", &["--jwks", source]);
        assert_eq!(verified.code, Some(0), "{}", verified.err);
        assert!(
            verified.out.contains("signature: verified by key k1\n"),
            "{}",
            verified.out
        );
    }
    // One character of the signature is another.
    let mut tampered = token.secret.clone();
    let at = tampered.len() - 40;
    let other = if &tampered[at..=at] == "A" { "B" } else { "A" };
    tampered.replace_range(at..=at, other);
    std::fs::write(desk.file("tampered"), &tampered).unwrap();
    desk.house().kept().secret(&tampered);
    let ended = decode("tampered", &["--jwks", &url]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.out.contains("signature: NOT genuine: the signature"),
        "{}",
        ended.out
    );
    let told = parse(&decode("tampered", &["--jwks", &saved, "--json"]).out);
    assert_eq!(told["verified"], false);
    assert_eq!(told["token_id"], token.id.as_str());
    // A realm's keys make no other realm's tokens.
    let stranger = House::new(Store::Embedded);
    let _other = stranger.issuer().await;
    let foreign = file(&stranger, "jwks.json");
    let ended = decode("token", &["--jwks", &foreign]);
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);

    std::fs::write(desk.file("none"), "tw_nonsense").unwrap();
    assert_eq!(decode("none", &[]).code, Some(2));
    for (jwks, code) in [
        ("http://10.0.0.1/jwks.json", 2),
        ("https://ada:secret@127.0.0.1/jwks.json", 2),
        (&desk.file("k1.pem"), 2),
        (&desk.file("nowhere"), 2),
        (&format!("http://{}/nowhere", issuer.http), 5),
    ] {
        let ended = decode("token", &["--jwks", jwks]);
        assert_eq!(ended.code, Some(code), "{jwks}: {}", ended.err);
        assert!(ended.err.contains("--jwks: "), "{}", ended.err);
    }
}
