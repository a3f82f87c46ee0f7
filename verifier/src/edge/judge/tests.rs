//! Tests requests through the table, before a real decision with really minted tokens.

mod moved;

use tokenward_common::{
    state::record::{Change, GateMode, Record, Visibility},
    store::guards::Guards,
    token::{MemoHasher, Prefix, Role, SigningKey, sign},
};
use tokenward_proto::v1::Reason;

use super::*;
use crate::{
    decide::{
        Denial,
        tests::{Hub, claims, kid, model, revoke, token},
    },
    edge::{
        answer::{Answer, answer},
        routes::{Body, Request},
    },
    keys::TrustedKeys,
    memo::Memo,
};

fn judge(hub: &Hub) -> Judge {
    Judge {
        decider: Arc::clone(&hub.decider),
        table: Arc::new(Table::hub().unwrap_or_else(|mistakes| panic!("{mistakes:?}"))),
        counts: hub.metrics.worker(0),
        usage: Arc::default(),
    }
}

async fn hub() -> Hub {
    let hub = Hub::followed(Guards::ALL).await;
    let public = tokenward_common::state::record::Repo {
        visibility: Visibility::Public,
        gate: GateMode::None,
        ..model("open", "acme")
    };
    hub.commit(vec![Change::Put(Record::Repo(public))]).await;
    hub
}

fn ask(judge: &Judge, row: &str, credential: &Credential<'_>) -> Judgement {
    ask_with(judge, row, Body::Absent, &[], credential)
}

fn ask_with(
    judge: &Judge,
    row: &str,
    body: Body<'_>,
    bill_to: &[&[u8]],
    credential: &Credential<'_>,
) -> Judgement {
    let (method, target) = row.split_once(' ').unwrap();
    let request = Request {
        method,
        target,
        body,
        bill_to,
    };
    let now = judge.decider.replica.clock().boot();
    let routed = judge.table.route(request).complete(Body::Absent);
    judge.judge(&routed, &Shown::from(credential.clone()), now)
}

fn put(judgement: &Judgement) -> Answer {
    answer(judgement, "", "r1")
}

fn bearer(text: String) -> Credential<'static> {
    Credential::Token(text.into())
}

#[tokio::test(start_paused = true)]
async fn each_caller_gets_what_the_decision_says() {
    let hub = hub().await;
    let judge = judge(&hub);
    let nobody = || Credential::Anonymous;
    let reads = || bearer(token("ada", 7, Role::Read));
    let writes = || bearer(token("ada", 8, Role::Write));
    let bob = || bearer(token("bob", 9, Role::Write));
    let rows = [
        ("GET /acme/open/resolve/main/x", nobody(), 200),
        ("GET /acme/llm/resolve/main/x", nobody(), 401),
        ("GET /acme/none/resolve/main/x", nobody(), 401),
        ("GET /acme/llm/resolve/main/x", reads(), 200),
        ("GET /ACME/LLM/resolve/main/x", reads(), 307),
        ("GET /acme/llm/resolve/main/x", bob(), 404),
        ("GET /acme/none/resolve/main/x", bob(), 404),
        ("GET /datasets/acme/llm/resolve/main/x", reads(), 404),
        ("GET /api/models/acme/gated", nobody(), 200),
        ("GET /acme/gated/resolve/main/x", nobody(), 401),
        ("GET /acme/gated/resolve/main/x", bob(), 403),
        ("POST /api/models/acme/llm/commit/main", reads(), 403),
        ("POST /api/models/acme/llm/commit/main", writes(), 200),
        ("POST /api/models/acme/open/commit/main", bob(), 403),
        (
            "POST /api/models/acme/open/commit/main?create_pr=1",
            bob(),
            200,
        ),
        (
            "POST /api/models/acme/open/commit/main?create_pr=1",
            nobody(),
            401,
        ),
        (
            "POST /api/models/acme/gated/commit/main?create_pr=1",
            bob(),
            403,
        ),
        ("POST /acme/open.git/git-receive-pack", nobody(), 401),
        ("POST /acme/open.git/git-upload-pack", nobody(), 200),
        ("GET /api/whoami-v2", nobody(), 401),
        ("GET /api/whoami-v2", reads(), 200),
        ("GET /api/models", nobody(), 200),
        ("GET /api/models", reads(), 200),
        ("GET /api/settings/webhooks", nobody(), 401),
        ("GET /api/settings/webhooks", reads(), 200),
        ("POST /api/settings/webhooks", reads(), 403),
        ("POST /v1/chat/completions", nobody(), 401),
        ("POST /v1/chat/completions", reads(), 200),
        ("GET /acme/llm/nonsense", writes(), 403),
        ("POST /api/credentials/revoke", nobody(), 200),
    ];
    for (row, credential, status) in rows {
        let judgement = ask(&judge, row, &credential);
        assert_eq!(put(&judgement).status, status, "{row} {credential:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_not_good_is_refused_everywhere() {
    let hub = hub().await;
    hub.commit(vec![revoke(8)]).await;
    let judge = judge(&hub);
    let bad = [
        Credential::Malformed,
        bearer("tw_nonsense".into()),
        bearer(token("ada", 8, Role::Write)),
        bearer(format!("{}x", token("ada", 7, Role::Write))),
    ];
    let hub = "GET /acme/open/resolve/main/x";
    let (chat, first) = ("POST /v1/chat/completions", |row| {
        put(&ask(&judge, row, &bad[0]))
    });
    for credential in &bad {
        for row in [
            "GET /acme/open/resolve/main/x",
            "GET /acme/none/resolve/main/x",
            "GET /api/models",
            "GET /api/whoami-v2",
            "GET /api/settings/webhooks",
            chat,
        ] {
            let judgement = ask(&judge, row, credential);
            assert!(judgement.principal.is_none());
            // Each kind of client gets its own form, and the answers of one kind are all alike.
            let first = first(if row == chat { chat } else { hub });
            let answer = put(&judgement);
            assert_eq!(answer.status, 401, "{row} {credential:?}");
            assert_eq!(
                (&answer.headers, &answer.body),
                (&first.headers, &first.body),
                "{row}"
            );
        }
    }
    let first = first(hub);
    let told = first
        .headers
        .iter()
        .find(|(name, _)| *name == "x-error-message");
    assert_eq!(
        told.unwrap().1,
        "Invalid credentials in Authorization header"
    );
}

#[tokio::test(start_paused = true)]
async fn the_hidden_and_the_missing_are_the_same_bytes() {
    let hub = hub().await;
    let judge = judge(&hub);
    let bob = bearer(token("bob", 9, Role::Write));
    for credential in [Credential::Anonymous, bob] {
        for (of, path) in [
            ("GET", "resolve/main/x"),
            ("GET", "info/refs?service=git-upload-pack"),
            ("POST", "git-receive-pack"),
        ] {
            let hidden = put(&ask(&judge, &format!("{of} /acme/llm/{path}"), &credential));
            let missing = put(&ask(
                &judge,
                &format!("{of} /acme/none/{path}"),
                &credential,
            ));
            let nowhere = put(&ask(
                &judge,
                &format!("{of} /nobody/none/{path}"),
                &credential,
            ));
            assert_eq!(hidden, missing, "{path}");
            assert_eq!(hidden, nowhere, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_is_taken_must_be_allowed() {
    let hub = hub().await;
    let judge = judge(&hub);
    let ada = bearer(token("ada", 7, Role::Write));
    let moved = |body: &str| {
        let body = Body::Whole(body.as_bytes());
        put(&ask_with(&judge, "POST /api/repos/move", body, &[], &ada)).status
    };
    assert_eq!(moved(r#"{"fromRepo":"ada/own","toRepo":"acme/own"}"#), 200);
    assert_eq!(moved(r#"{"fromRepo":"ada/own","toRepo":"bob/own"}"#), 403);
    assert_eq!(moved(r#"{"fromRepo":"bob/own","toRepo":"ada/own"}"#), 404);
    let call = |row: &str| put(&ask(&judge, row, &ada)).status;
    assert_eq!(call("POST /hf-inference/models/acme/llm"), 200);
    assert_eq!(call("POST /hf-inference/models/bob/llm"), 404);
}

#[tokio::test(start_paused = true)]
async fn a_bill_goes_where_the_caller_may_send_it() {
    let hub = hub().await;
    let judge = judge(&hub);
    let bill = |bill_to: &[&[u8]], owner| {
        let credential = bearer(token(owner, 7, Role::Read));
        ask_with(
            &judge,
            "POST /v1/chat/completions",
            Body::Absent,
            bill_to,
            &credential,
        )
    };
    let org = bill(&[b"acme"], "ada");
    assert_eq!(org.principal.as_ref().unwrap().org.as_deref(), Some("acme"));
    assert_eq!(put(&org).status, 200);
    let foreign = bill(&[b"acme"], "bob");
    assert_eq!(put(&foreign).status, 403);
    assert!(put(&foreign).body.contains("on behalf of org acme"));
    let own = tokenward_common::token::Claims {
        scopes: Some(tokenward_common::token::Scopes::default()),
        ..crate::decide::tests::claims("ada", 6, Role::FineGrained)
    };
    let scopeless = bearer(crate::decide::tests::mint(&own));
    let refused = ask(&judge, "POST /v1/chat/completions", &scopeless);
    assert!(
        put(&refused).body.contains("on behalf of user ada"),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_view_too_old_answers_503_and_never_allows() {
    let hub = hub().await;
    let judge = judge(&hub);
    hub.feed.away(true);
    hub.clock.advance(std::time::Duration::from_secs(60));
    let ada = bearer(token("ada", 7, Role::Write));
    for row in [
        "GET /acme/open/resolve/main/x",
        "GET /api/whoami-v2",
        "POST /api/models/acme/llm/commit/main",
    ] {
        for credential in [&ada, &Credential::Malformed] {
            let judgement = ask(&judge, row, credential);
            assert_eq!(put(&judgement).status, 503, "{row}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_principal_is_who_the_token_is_and_its_use_is_noted() {
    let hub = hub().await;
    let judge = judge(&hub);
    let ada = bearer(token("ada", 7, Role::Read));
    for row in ["GET /acme/llm/resolve/main/x", "GET /api/whoami-v2"] {
        let principal = ask(&judge, row, &ada).principal.unwrap();
        assert_eq!(
            (&*principal.subject, principal.token.0),
            ("ada", 7),
            "{row}"
        );
        assert_eq!(principal.role, Role::Read);
    }
    assert_eq!(judge.usage.take().len(), 1);
    // The owner of a refused token is known too, but is reported to nobody.
    let refused = ask(&judge, "POST /acme/llm/git-receive-pack", &ada);
    assert!(
        refused.principal.is_some()
            && put(&refused)
                .headers
                .iter()
                .all(|(name, _)| { *name != crate::edge::principal::SUBJECT })
    );
    assert!(matches!(
        refused.outcome,
        Outcome::Denied {
            denial: Denial {
                reason: Reason::TokenRole,
                ..
            },
            ..
        }
    ));
}

/// Anybody can invent a key's name. While such a key may still be found, a caller that shows one is a
/// stranger.
#[tokio::test]
async fn a_key_that_is_not_known_makes_nobody_known() {
    let hub = hub().await;
    let keys = TrustedKeys::default();
    let ours = Decider {
        replica: Arc::clone(&hub.decider.replica),
        keys,
        memo: Memo::new(MemoHasher::random().unwrap(), 16).unwrap(),
        expected: hub.decider.expected.clone(),
        bounds: hub.decider.bounds,
        guards: Guards::ALL,
    };
    let judge = Judge {
        decider: Arc::new(ours),
        ..judge(&hub)
    };
    let now = judge.decider.replica.clock().boot();
    let stranger = |credential: &Credential<'static>| {
        let shown = Shown::from(credential.clone());
        judge.stranger(&shown, Dialect::Hub, now)
    };
    let ada = bearer(token("ada", 7, Role::Read));
    let told = stranger(&ada).unwrap();
    assert!(matches!(told.outcome, Outcome::Undecided(_)));
    judge.decider.keys.store(hub.decider.keys.load().clone());
    assert!(stranger(&ada).is_none());
    let unknown = SigningKey::from_seed(kid("k9"), &[9; 32]).unwrap();
    let made_up = sign(&claims("ada", 7, Role::Read), &Prefix::default(), &unknown).unwrap();
    let told = stranger(&bearer(made_up)).unwrap();
    assert!(matches!(told.outcome, Outcome::Undecided(_)));
    assert!(stranger(&Credential::Anonymous).is_some());
    assert!(stranger(&bearer("tw_none".into())).is_some());
}
