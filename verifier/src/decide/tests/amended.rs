//! What amends a token is in force at once, whatever its string says and the memo remembers.

use tokenward_common::state::record::{Amendment, Settings};

use super::*;

fn amend(owner: &str, role: Role, scopes: Option<Scopes>, ends: &[(u64, u64)]) -> Change {
    Change::Put(Record::Amendment(Amendment {
        token: TokenId(7),
        owner: account(owner),
        settings: Settings {
            name: "laptop".into(),
            role,
            scopes,
        },
        expiries: ends
            .iter()
            .map(|(serial, at)| (Serial(*serial), UnixTime(*at)))
            .collect(),
    }))
}

fn scoped(permission: &str) -> Option<Scopes> {
    Some(Scopes {
        scoped: vec![Scope {
            kind: EntityKind::Model,
            id: "llm".into(),
            permissions: vec![permission.into()],
            patterns: Vec::new(),
        }],
        ..Scopes::default()
    })
}

#[tokio::test(start_paused = true)]
async fn settings_in_force_replace_those_of_the_string() {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::FineGrained);
    let read = ask(&token, "llm", READ);
    let write = ask(&token, "llm", WRITE);
    assert_eq!(hub.reason(&read), Some(Reason::NotFound));
    // Each follows the last with the memo warm: what was compiled before must not count.
    let steps = [
        (scoped("repo.content.read"), None, Some(Reason::TokenScope)),
        (scoped("repo.write"), None, None),
        (
            scoped("no.such"),
            Some(Reason::NotFound),
            Some(Reason::NotFound),
        ),
        (scoped("repo.write"), None, None),
        (scoped("repo.content.read"), None, Some(Reason::TokenScope)),
    ];
    for (scopes, reads, writes) in steps {
        hub.commit(vec![amend("ada", Role::FineGrained, scopes.clone(), &[])])
            .await;
        for _ in 0..2 {
            assert_eq!(hub.reason(&read), reads, "{scopes:?}");
            assert_eq!(hub.reason(&write), writes, "{scopes:?}");
        }
    }
    hub.commit(vec![amend("ada", Role::Write, None, &[])]).await;
    assert_eq!(hub.reason(&ask(&token, "own", WRITE)), None);
    hub.commit(vec![amend("ada", Role::Read, None, &[])]).await;
    assert_eq!(
        hub.reason(&ask(&token, "own", WRITE)),
        Some(Reason::TokenRole)
    );
    let gone = Change::Delete(RecordKey::Amendment(TokenId(7)));
    hub.commit(vec![gone]).await;
    assert_eq!(hub.reason(&read), Some(Reason::NotFound));
    assert_eq!(hub.decider.memo.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_tokens_are_left_alone() {
    let hub = Hub::followed(Guards::ALL).await;
    let other = token("ada", 8, Role::Write);
    hub.commit(vec![amend("ada", Role::Read, None, &[(8, START)])])
        .await;
    assert_eq!(hub.reason(&ask(&other, "own", WRITE)), None);
    // A later value of the amended token is amended too.
    let later = mint(&Claims {
        tid: TokenId(7),
        ..claims("ada", 9, Role::Write)
    });
    assert_eq!(
        hub.reason(&ask(&later, "own", WRITE)),
        Some(Reason::TokenRole)
    );
}

#[tokio::test(start_paused = true)]
async fn another_owners_settings_refuse() {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::Write);
    hub.commit(vec![amend("bob", Role::Write, None, &[])]).await;
    assert_eq!(
        hub.reason(&ask(&token, "own", READ)),
        Some(Reason::TokenClaims)
    );
}

/// A value's end is refused at and after its second by the store's time, also when nothing more is
/// heard of the store: no timer ends it, and no issuer.
#[tokio::test(start_paused = true)]
async fn a_replaced_value_ends_by_itself() {
    let hub = Hub::followed(Guards::ALL).await;
    let old = token("ada", 7, Role::Write);
    let new = mint(&Claims {
        tid: TokenId(7),
        ..claims("ada", 9, Role::Write)
    });
    hub.commit(vec![amend("ada", Role::Write, None, &[(7, START + 4)])])
        .await;
    hub.feed.away(true);
    let left = 4000 - (hub.clock.unix().0 - START * 1000);
    hub.clock.advance(Duration::from_millis(left - 1));
    let decision = hub.decide(&ask(&old, "own", READ)).unwrap();
    assert_eq!(decision.verdict, Ok(()));
    assert_eq!(decision.ends, Some(UnixTime(START + 4)));
    hub.clock.advance(Duration::from_millis(1));
    assert_eq!(
        hub.reason(&ask(&old, "own", READ)),
        Some(Reason::TokenExpired)
    );
    assert_eq!(hub.reason(&ask(&new, "own", READ)), None);
}

/// An end in the state brings the claims' own forward and never back.
#[tokio::test(start_paused = true)]
async fn no_value_outlives_its_claims() {
    let hub = Hub::followed(Guards::ALL).await;
    let mortal = mint(&Claims {
        exp: Some(UnixTime(START + 2)),
        ..claims("ada", 7, Role::Write)
    });
    hub.commit(vec![amend("ada", Role::Write, None, &[(7, START + 1000)])])
        .await;
    let question = ask(&mortal, "own", READ);
    assert_eq!(
        hub.decide(&question).unwrap().ends,
        Some(UnixTime(START + 2))
    );
    hub.clock.advance(2 * SECOND);
    hub.fresh().await;
    assert_eq!(hub.reason(&question), Some(Reason::TokenExpired));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_judged_as_its_questions_one_by_one() {
    let hub = Hub::followed(Guards::ALL).await;
    let (token, dead) = (token("ada", 7, Role::Write), token("ada", 8, Role::Write));
    hub.commit(vec![revoke(8)]).await;
    let counts = hub.metrics.worker(0);
    let all = |token| {
        [
            ("own", READ),
            ("own", WRITE),
            ("llm", READ),
            ("nothing", READ),
        ]
        .map(|(id, permission)| ask(token, id, permission))
    };
    let questions: Vec<_> = all(&token)
        .into_iter()
        .map(|question| (false, question))
        .chain(all(&dead).into_iter().map(|question| (true, question)))
        .collect();
    let shared = Some(Caller::Token(&token));
    let batch = hub
        .decider
        .decide_all(shared, &questions, hub.clock.boot(), &counts)
        .unwrap();
    let reasons: Vec<_> = batch
        .iter()
        .map(|decision| decision.verdict.as_ref().err().map(|denial| denial.reason))
        .collect();
    let singly: Vec<_> = questions
        .iter()
        .map(|(_, question)| hub.reason(question))
        .collect();
    assert_eq!(reasons, singly);
    assert!(reasons.contains(&None) && reasons.contains(&Some(Reason::TokenRevoked)));
    // One that can't be judged, and none is.
    hub.feed.away(true);
    hub.clock.advance(BOUNDS.write + SECOND);
    let undecided = hub
        .decider
        .decide_all(shared, &questions, hub.clock.boot(), &counts);
    assert!(matches!(undecided, Err(Undecided::Stale { .. })));
    assert_eq!(hub.reason(&ask(&token, "own", READ)), None);
}
