//! Verifiers agree, whenever they were started and whatever they follow.

use tokenward_proto::v1::{CheckRequest, CheckResponse, CreateTokenRequest, Role, Scopes};
use tokenward_tests::house::{
    Feed, House, Store, Verifier,
    hub::{Corner, READ, WRITE, question},
    word,
};

use crate::site::Site;

/// Every caller, on every thing, by every permission.
async fn questions(site: &Site, corner: &Corner) -> (Vec<CheckRequest>, String) {
    let issuer = site.issuer();
    let mut callers = vec![
        String::new(),
        "tw_not.a.token".into(),
        "hello".into(),
        // Genuine in its shape, of another realm.
        another_realms_token().await,
    ];
    for (owner, role) in [
        ("ada", Role::Read),
        ("ada", Role::Write),
        ("grace", Role::Write),
        ("linus", Role::Read),
        ("mary", Role::Read),
    ] {
        let name = role.as_str_name();
        let token = issuer.mint(&corner.user_id(owner), name, role).await;
        callers.push(token.secret);
    }
    let scoped = corner.fine_grained("ada", "scoped", Some("secret"));
    callers.push(issuer.mint_as(scoped).await.secret);
    let unscoped = corner.fine_grained("linus", "unscoped", None);
    callers.push(issuer.mint_as(unscoped.clone()).await.secret);
    let let_in = CreateTokenRequest {
        name: "let in".into(),
        scopes: Some(Scopes {
            can_read_gated_repos: true,
            ..Scopes::default()
        }),
        ..unscoped
    };
    callers.push(issuer.mint_as(let_in).await.secret);
    let revoked = issuer
        .mint(&corner.user_id("ada"), "gone", Role::Read)
        .await;
    let revision = site.other().revoke(&revoked.id).await;
    let tampered = revoked.secret.replace('a', "b");
    callers.extend([revoked.secret, tampered]);

    let things = [
        corner.by_name("open"),
        corner.by_name("secret"),
        corner.by_id("secret"),
        corner.by_name("gated"),
        corner.by_name("missing"),
        corner.notes(),
        corner.account("ada"),
        corner.account("acme"),
    ];
    let mut all = Vec::new();
    for caller in &callers {
        for thing in &things {
            all.extend([READ, WRITE].map(|permission| question(caller, thing.clone(), permission)));
        }
    }
    (all, revision)
}

async fn another_realms_token() -> String {
    let house = House::new(Store::Embedded);
    let issuer = house.issuer().await;
    let corner = Corner::new("x");
    issuer.write(corner.operations()).await;
    let token = issuer.mint(&corner.user_id("ada"), "t", Role::Write).await;
    token.secret
}

/// All that is answered but the view's age.
async fn answers(
    verifier: &Verifier,
    questions: &[CheckRequest],
    revision: &str,
) -> Vec<CheckResponse> {
    let mut answers = Vec::new();
    for question in questions {
        let mut answer = verifier.at(question, revision).await;
        answer.age = None;
        answers.push(answer);
    }
    answers
}

fn assert_alike(
    name: &str,
    questions: &[CheckRequest],
    one: &[CheckResponse],
    other: &[CheckResponse],
) {
    for ((question, one), other) in questions.iter().zip(one).zip(other) {
        let asked = (&question.resource, &question.permission);
        assert_eq!(one, other, "{name}: {asked:?}");
    }
}

async fn agree(mut site: Site) {
    let corner = site.corner("a").await;
    let (questions, revision) = questions(&site, &corner).await;
    let first = answers(&site.verifiers[0], &questions, &revision).await;
    let mut words: Vec<_> = first.iter().cloned().map(|it| word(&Ok(it))).collect();
    words.sort();
    words.dedup();
    // The questions tell verifiers apart only if many answers are among theirs.
    for expected in [
        "ALLOW",
        "NOT_FOUND",
        "TOKEN_REVOKED",
        "GATE_PENDING",
        "TOKEN_SCOPE",
    ] {
        assert!(
            words.iter().any(|word| word == expected),
            "{expected}: {words:?}"
        );
    }
    for verifier in &site.verifiers[1..] {
        let other = answers(verifier, &questions, &revision).await;
        assert_alike(&verifier.name, &questions, &first, &other);
    }
    let late = site.house.verifier(Feed::Grpc(site.other())).await;
    let other = answers(&late, &questions, &revision).await;
    assert_alike("started late", &questions, &first, &other);
    for verifier in &mut site.verifiers {
        verifier.program.kill();
        verifier.restart().await;
        let other = answers(verifier, &questions, &revision).await;
        assert_alike("restarted", &questions, &first, &other);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_embedded_store() {
    agree(Site::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis() {
    agree(Site::redis().await).await;
}
