//! An org's admins at the command line: what reaches the org, approved, denied, revoked; and what the
//! tokens' holders are told.

use serde_json::{Value, json};
use tokenward_proto::v1::{OrgPolicy, Role, TokenPolicy, operation::Operation as Op};
use tokenward_tests::house::{
    hub::{Corner, op},
    word,
};

use super::Desk;

/// `(id, state in the org)` of those that are listed.
fn listed(tokens: &Value) -> Vec<(String, Value)> {
    let tokens = tokens.as_array().unwrap().iter();
    tokens
        .map(|it| {
            (
                it["id"].as_str().unwrap().to_owned(),
                it["org_state"].clone(),
            )
        })
        .collect()
}

async fn ask_for_approval(desk: &Desk, corner: &Corner) {
    let policy = Op::PutOrgPolicy(OrgPolicy {
        org_id: corner.of("o-acme"),
        policy: TokenPolicy::AdminApproval.into(),
        ..OrgPolicy::default()
    });
    desk.site.issuer().write(vec![op(policy)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_org_decides_on_tokens() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c7").await;
    ask_for_approval(&desk, &corner).await;
    let acme = corner.of("acme");
    let of_acme = ["--org", acme.as_str()];
    let with = |words: &[&'static str]| [words, &of_acme].concat();
    let issuer = desk.site.issuer();
    let fine = corner.fine_grained("ada", "fine", Some("secret"));
    let token = issuer.mint_as(fine).await;
    let question = corner.read(&token.secret, "secret");
    let everywhere = async |wanted: &str| {
        for verifier in &desk.site.verifiers {
            let answer = verifier.check(&question).await;
            assert_eq!(word(&answer), wanted, "{}: {answer:?}", verifier.name);
        }
    };
    desk.site
        .all(&question, &token.revision, "ORG_APPROVAL_PENDING")
        .await;
    let tokens = desk.json(&with(&["org-token", "list"]));
    assert_eq!(listed(&tokens), [(token.id.clone(), json!("pending"))]);
    let table = desk.text(&with(&["org-token", "list"]));
    assert!(table.contains("  fine  fineGrained  pending  "), "{table}");
    assert!(!table.contains(&token.secret[10..]), "{table}");

    // Each decision is known to every verifier when the command ends.
    for (verb, state, wanted) in [
        ("approve", "approved", "ALLOW"),
        ("deny", "denied", "ORG_DENIED"),
        ("approve", "approved", "ALLOW"),
    ] {
        let told = desk.json(&[&["org-token", verb, &token.id, "--wait"], &of_acme[..]].concat());
        assert_eq!(told["token"]["org_state"], state);
        assert_eq!(told["receipt"]["applied"], 2);
        everywhere(wanted).await;
    }

    // For ever, after a confirmation, and not by who calls with that very token.
    let revoke = [&["org-token", "revoke", &token.id], &of_acme[..]].concat();
    desk.refused("hub", 2, &revoke);
    let yes = [&revoke[..], &["--yes", "--wait"]].concat();
    let own = [&yes[..], &["--calling-token", &token.id]].concat();
    let told = desk.refused("hub", 6, &own);
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("calling_token_id: is the very token"),
        "{told}"
    );
    everywhere("ALLOW").await;
    let told = desk.text(&[&yes[..], &["--calling-token", "999999"]].concat());
    everywhere("ORG_REVOKED").await;
    assert!(told.contains("\nknown to 2 of 2 verifiers"), "{told}");
    let told = desk.refused(
        "hub",
        6,
        &[&["org-token", "approve", &token.id], &of_acme[..]].concat(),
    );
    assert!(
        told["message"].as_str().unwrap().contains("final"),
        "{told}"
    );
    assert_eq!(listed(&desk.json(&with(&["org-token", "list"]))), []);
    let all = desk.json(&with(&["org-token", "list", "--all"]));
    assert_eq!(listed(&all), [(token.id.clone(), json!("revoked"))]);
    // The holder sees why, and that the token is good for all else.
    std::fs::write(desk.file("fine"), &token.secret).unwrap();
    let told = desk.json(&["whoami", "--token-file", &desk.file("fine")]);
    assert_eq!(told["orgs"][0]["restrictions"], json!(["token-revoked"]));
    assert_eq!(told["token"]["role"], "fineGrained");

    desk.refused("minter", 4, &with(&["org-token", "list"]));
    desk.refused("hub", 3, &["org-token", "list", "--org", "nobody"]);
    desk.refused("hub", 3, &with(&["org-token", "approve", "999999"]));
}

/// A read or write token reaches all that its owner does: it can't be approved, but revoked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_members_classic_token_is_kept_out() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c8").await;
    let (acme, ada) = (corner.of("acme"), corner.of("ada"));
    let issuer = desk.site.issuer();
    let one = issuer.mint(&corner.user_id("ada"), "one", Role::Read).await;
    let two = issuer
        .mint(&corner.user_id("ada"), "two", Role::Write)
        .await;
    let list = ["org-token", "list", "--org", &acme];
    assert_eq!(listed(&desk.json(&list)), []);
    let of_ada = desk.json(&[&list[..], &["--owner", &ada]].concat());
    let ids = [(one.id.clone(), Value::Null), (two.id.clone(), Value::Null)];
    assert_eq!(listed(&of_ada), ids);
    desk.refused("hub", 6, &["org-token", "approve", &one.id, "--org", &acme]);
    let mut revision = one.revision.clone();
    std::fs::write(desk.file("found"), &two.secret).unwrap();
    let found = desk.file("found");
    for which in [&[one.id.as_str()][..], &["--value-file", &found]] {
        let words = [&["org-token", "revoke", "--org", &acme, "--yes"], which].concat();
        let told = desk.json(&words);
        revision = told["revision"].as_str().unwrap().to_owned();
    }
    for token in [&one, &two] {
        let ask = |name: &str| corner.read(&token.secret, name);
        desk.site
            .all(&ask("secret"), &revision, "ORG_REVOKED")
            .await;
        desk.site.all(&ask("open"), &revision, "ALLOW").await;
    }
    // A string that is no token of ours is said to be none, and is not repeated.
    std::fs::write(&found, "hf_eyJnonsense.Nonsense.Nonsense").unwrap();
    let told = desk.refused(
        "hub",
        3,
        &[
            "org-token",
            "revoke",
            "--value-file",
            &found,
            "--org",
            &acme,
            "--yes",
        ],
    );
    assert!(!told.to_string().contains("onsense"), "{told}");
}

/// Whose a token is, for people and for programs; a refused one has its reason and exit code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_am_i_is_told_by_command() {
    let desk = Desk::new().await;
    let corner = desk.site.corner("c9").await;
    let issuer = desk.site.issuer();
    let token = issuer
        .mint(&corner.user_id("ada"), "laptop", Role::Read)
        .await;
    desk.site
        .all(
            &corner.read(&token.secret, "open"),
            &token.revision,
            "ALLOW",
        )
        .await;
    std::fs::write(desk.file("t"), &token.secret).unwrap();
    let file = desk.file("t");
    let told = desk.text(&["whoami", "--token-file", &file]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].ends_with(&format!("{} ({})", corner.of("ada"), corner.user_id("ada"))));
    assert_eq!(lines[1], format!("token     {} laptop", token.id));
    assert!(
        told.contains(&format!("{}  read  -       -", corner.of("acme"))),
        "{told}"
    );
    let revision = issuer.revoke(&token.id).await;
    // Before it has arrived, a least revision is answered with UNAVAILABLE.
    let read = corner.read(&token.secret, "open");
    desk.site.all(&read, &revision, "TOKEN_REVOKED").await;
    let ended = desk.run(
        "hub",
        &["whoami", "--token-file", &file, "--min-revision", &revision],
    );
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.out.starts_with("DENY token_revoked: "),
        "{}",
        ended.out
    );
}
