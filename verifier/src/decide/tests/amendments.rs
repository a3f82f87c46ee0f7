//! An amendment changes ceiling and end at once, and back again, whatever was remembered.

use tokenward_common::{
    access::Ceiling,
    state::record::{Amendment, Settings},
};

use super::*;

const SERIAL: u64 = 7;

fn settings(role: Role) -> Settings {
    Settings {
        name: "edited".into(),
        role,
        scopes: (role == Role::FineGrained).then(Scopes::default),
    }
}

fn scoped(id: &str, permission: &str) -> Settings {
    Settings {
        scopes: Some(Scopes {
            scoped: vec![Scope {
                kind: EntityKind::Model,
                id: id.into(),
                permissions: vec![permission.into()],
                patterns: Vec::new(),
            }],
            ..Scopes::default()
        }),
        ..settings(Role::FineGrained)
    }
}

fn of(owner: &str, settings: Settings, ends: &[(u64, u64)]) -> Change {
    let pair = |&(serial, end): &(u64, u64)| (Serial(serial), UnixTime(end));
    Change::Put(Record::Amendment(Amendment {
        token: TokenId(SERIAL),
        owner: account(owner),
        settings,
        expiries: ends.iter().map(pair).collect(),
    }))
}

fn amend(settings: Settings) -> Change {
    of("ada", settings, &[])
}

fn gone() -> Change {
    Change::Delete(RecordKey::Amendment(TokenId(SERIAL)))
}

/// Settings that no version writes: scopes of a role that has none.
fn unreadable() -> Settings {
    Settings {
        scopes: Some(Scopes::default()),
        ..settings(Role::Write)
    }
}

#[tokio::test(start_paused = true)]
async fn narrower_wider_and_gone() {
    let hub = Hub::followed(Guards::ALL).await;
    let hot = token("ada", SERIAL, Role::Write);
    let other = token("ada", 8, Role::Write);
    let reasons = || [READ, WRITE].map(|permission| hub.reason(&ask(&hot, "own", permission)));
    assert_eq!(reasons(), [None, None]);
    for (change, expected) in [
        (amend(settings(Role::Read)), [None, Some(Reason::TokenRole)]),
        (
            amend(scoped("own", "repo.content.read")),
            [None, Some(Reason::TokenScope)],
        ),
        (
            amend(scoped("llm", "repo.write")),
            [Some(Reason::NotFound); 2],
        ),
        (amend(scoped("own", "repo.write")), [None, None]),
        (
            amend(settings(Role::FineGrained)),
            [Some(Reason::NotFound); 2],
        ),
        (gone(), [None, None]),
        (amend(settings(Role::Read)), [None, Some(Reason::TokenRole)]),
        (amend(settings(Role::Write)), [None, None]),
    ] {
        hub.commit(vec![change.clone()]).await;
        // The settings are compiled the first time and remembered the second.
        for _ in 0..2 {
            assert_eq!(reasons(), expected, "{change:?}");
        }
        assert_eq!(hub.reason(&ask(&other, "own", WRITE)), None);
    }
    // A wider amendment gives what the claims never had.
    let narrow = token("ada", SERIAL, Role::Read);
    assert_eq!(hub.reason(&ask(&narrow, "own", WRITE)), None);
    hub.commit(vec![gone()]).await;
    assert_eq!(
        hub.reason(&ask(&narrow, "own", WRITE)),
        Some(Reason::TokenRole)
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_never_replaced_by_the_claims() {
    let hub = Hub::followed(Guards::ALL).await;
    let hot = token("ada", SERIAL, Role::Write);
    // The memo is warm: the last readable settings allowed everything.
    hub.commit(vec![amend(settings(Role::Write))]).await;
    assert_eq!(hub.reason(&ask(&hot, "own", WRITE)), None);
    hub.commit(vec![amend(unreadable())]).await;
    for _ in 0..2 {
        assert_eq!(
            hub.reason(&ask(&hot, "own", READ)),
            Some(Reason::TokenClaims)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn another_owner_than_the_amendments_is_refused() {
    let hub = Hub::followed(Guards::ALL).await;
    let hot = token("ada", SERIAL, Role::Write);
    for (owner, expected) in [
        ("bob", Some(Reason::TokenClaims)),
        // This owner is no account at all.
        ("nobody", Some(Reason::TokenClaims)),
        ("ada", None),
    ] {
        hub.commit(vec![of(owner, settings(Role::Write), &[])])
            .await;
        let decision = hub.decide(&ask(&hot, "own", READ)).unwrap();
        assert_eq!(decision.principal.is_some(), expected.is_none());
        assert_eq!(decision.verdict.err().map(|d| d.reason), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_only_brought_forward_and_by_value() {
    let hub = Hub::followed(Guards::ALL).await;
    let of_value = |serial, exp: Option<u64>| {
        mint(&Claims {
            tid: TokenId(SERIAL),
            exp: exp.map(UnixTime),
            ..claims("ada", serial, Role::Write)
        })
    };
    let [old, new] = [SERIAL, 9].map(|serial| of_value(serial, None));
    let mortal = of_value(SERIAL, Some(START + 5));
    let ends = [(SERIAL, START + 3)];
    hub.commit(vec![of("ada", settings(Role::Write), &ends)])
        .await;
    let decided = |token: &str| hub.decide(&ask(token, "own", READ)).unwrap();
    let reason = |token: &str| decided(token).verdict.err().map(|denial| denial.reason);
    let end = Some(UnixTime(START + 3));
    assert_eq!(
        [&old, &mortal, &new].map(|token| decided(token).ends),
        [end, end, None]
    );
    let start = hub.clock.unix().0;
    let to = |second: u64, less: u64| {
        let elapsed = hub.clock.unix().0 - start;
        let wanted = (START + second) * 1000 - less - start;
        hub.clock.advance(Duration::from_millis(wanted - elapsed));
    };
    to(3, 1);
    hub.fresh().await;
    assert_eq!([&old, &mortal, &new].map(|token| reason(token)), [None; 3]);
    to(3, 0);
    hub.fresh().await;
    let expired = Some(Reason::TokenExpired);
    assert_eq!(
        [&old, &mortal, &new].map(|token| reason(token)),
        [expired, expired, None]
    );
    // A claimed end has another message than the end by a rotation.
    let told = |token: &str| decided(token).verdict.unwrap_err().message;
    for token in [&old, &mortal] {
        assert!(
            told(token).ends_with("; use the new value"),
            "{}",
            told(token)
        );
    }
    // The end is never later than the claimed one, and an amendment that was replaced no longer counts.
    hub.commit(vec![of(
        "ada",
        settings(Role::Write),
        &[(SERIAL, START + 100)],
    )])
    .await;
    assert_eq!([&old, &mortal].map(|token| reason(token)), [None; 2]);
    assert_eq!(decided(&mortal).ends, Some(UnixTime(START + 5)));
    to(5, 0);
    hub.fresh().await;
    assert_eq!([&old, &mortal].map(|token| reason(token)), [None, expired]);
    assert!(told(&mortal).starts_with("the token has expired"));
}

/// An entry for other bytes is never used. It would be, if it were found for these bytes.
#[tokio::test(start_paused = true)]
async fn what_is_remembered_counts_only_beside_the_same_bytes() {
    let hub = Hub::followed(Guards::ALL).await;
    let hot = token("ada", SERIAL, Role::Write);
    let question = ask(&hot, "own", WRITE);
    hub.commit(vec![amend(settings(Role::Write))]).await;
    assert_eq!(hub.reason(&question), None);
    hub.commit(vec![amend(settings(Role::Read))]).await;
    let genuine = match hub
        .decider
        .facts(question.caller, Asker::somebody(&hub.metrics.worker(0)))
    {
        Facts::Genuine(genuine) => genuine,
        _ => panic!("not genuine"),
    };
    let bytes_in_force = || {
        let view = hub.decider.replica.view().unwrap();
        view.state
            .amendment(TokenId(SERIAL))
            .unwrap()
            .settings
            .to_vec()
    };
    let wide = || Ceiling::from_role(Role::Write);
    genuine.plant(b"other bytes", wide());
    assert_eq!(hub.reason(&question), Some(Reason::TokenRole));
    // Without the comparison of bytes, this would have been the answer.
    genuine.plant(&bytes_in_force(), wide());
    assert_eq!(hub.reason(&question), None);
}

/// Compares the claims, or the last amendment, with a model that knows nothing else.
#[tokio::test(start_paused = true)]
async fn random_amendments_against_a_naive_model() {
    let mut chance = model::Chance(11);
    let hub = Hub::followed(Guards::ALL).await;
    let hot = token("ada", SERIAL, Role::Write);
    // A row has an owner, settings, whether the model allows read and write, and an end.
    type Row = (&'static str, fn() -> Settings, [bool; 2]);
    let rows: [Row; 6] = [
        ("ada", || settings(Role::Write), [true, true]),
        ("ada", || settings(Role::Read), [true, false]),
        ("ada", || scoped("own", "repo.content.read"), [true, false]),
        ("ada", || scoped("llm", "repo.write"), [false, false]),
        ("ada", unreadable, [false, false]),
        ("bob", || settings(Role::Write), [false, false]),
    ];
    let (mut allowed, mut refused) = (0, 0);
    for _ in 0..300 {
        let (may, end) = if chance.below(4) == 0 {
            hub.commit(vec![gone()]).await;
            ([true, true], u64::MAX)
        } else {
            let (owner, settings, allows) = rows[chance.below(6) as usize];
            let now = hub.clock.unix().seconds().0;
            let ends = (chance.below(2) == 0).then(|| now + chance.below(4));
            let pairs: Vec<_> = ends.iter().map(|end| (SERIAL, *end)).collect();
            hub.commit(vec![of(owner, settings(), &pairs)]).await;
            (allows, ends.unwrap_or(u64::MAX))
        };
        hub.clock.advance(Duration::from_millis(chance.below(1500)));
        hub.fresh().await;
        let alive = hub.clock.unix().seconds().0 < end;
        let got = [READ, WRITE].map(|permission| hub.allows(&ask(&hot, "own", permission)));
        assert_eq!(got, may.map(|may| may && alive));
        allowed += usize::from(got[0]);
        refused += usize::from(!got[0]);
    }
    assert!(allowed > 50 && refused > 50, "{allowed} {refused}");
}
