//! An explained decision equals the plain one, and its last step is the one that decided.

use tokenward_common::{
    access::Steps,
    state::record::{Amendment, Settings},
};

use super::{model::Chance, *};

fn explained(hub: &Hub, question: &Question<'_>) -> (Decision, Vec<(&'static str, String)>) {
    let mut steps = Steps::default();
    let counts = hub.metrics.worker(0);
    let decision = hub
        .decider
        .decide_traced(
            question,
            hub.clock.boot(),
            Asker::somebody(&counts),
            &mut steps,
        )
        .unwrap();
    (decision, steps.0)
}

/// The steps at which a decision with this reason may end.
fn deciding_steps(reason: Option<Reason>) -> &'static [&'static str] {
    match reason {
        None => &["disabled", "ceiling"],
        Some(Reason::TokenExpired) => &["token", "amendment"],
        Some(Reason::TokenRevoked) => &["revocation", "floor"],
        Some(Reason::TokenKeyWithdrawn) => &["key"],
        Some(Reason::OwnerUnknown | Reason::OwnerDisabled) => &["owner"],
        Some(Reason::TokenClaims) => &["token", "amendment"],
        Some(Reason::NotFound) => &["resource", "visibility"],
        Some(Reason::LoginRequired) => &["login"],
        Some(Reason::OwnerRole) => &["rights"],
        Some(Reason::TokenRole | Reason::TokenScope | Reason::TokenGatedFlag) => &["ceiling"],
        Some(Reason::GateNotRequested | Reason::GatePending | Reason::GateRejected) => &["gate"],
        Some(Reason::ResourceDisabled) => &["disabled"],
        Some(_) => &["token"],
    }
}

fn something(chance: &mut Chance) -> Change {
    let serial = 1 + chance.below(12);
    let owner = ["ada", "bob"][chance.below(2) as usize];
    let role = [OrgRole::Read, OrgRole::Contributor, OrgRole::Write][chance.below(3) as usize];
    let granted = [
        GrantState::Accepted,
        GrantState::Pending,
        GrantState::Rejected,
    ][chance.below(3) as usize];
    match chance.below(9) {
        0 => revoke(serial),
        1 => user(owner, chance.below(3) == 0),
        2 => member(role),
        3 => grant(granted),
        4 => repo(Repo {
            disabled: chance.below(2) == 0,
            ..model("own", owner)
        }),
        5 => Change::Delete(RecordKey::Amendment(TokenId(serial))),
        6 => Change::Delete(RecordKey::Member {
            org: account("acme"),
            user: account("ada"),
        }),
        _ => Change::Put(Record::Amendment(Amendment {
            token: TokenId(serial),
            owner: account(owner),
            settings: Settings {
                name: "edited".into(),
                role: [Role::Read, Role::Write][chance.below(2) as usize],
                scopes: None,
            },
            expiries: Vec::new(),
        })),
    }
}

#[tokio::test(start_paused = true)]
async fn explained_is_plain() {
    let mut chance = Chance(5);
    let hub = Hub::followed(Guards::ALL).await;
    let tokens: Vec<_> = (1..=12)
        .map(|serial| {
            let roles = [Role::Read, Role::Write, Role::FineGrained];
            mint(&Claims {
                exp: (serial % 4 == 0).then_some(UnixTime(START + serial)),
                ..claims(
                    ["ada", "bob"][serial as usize % 2],
                    serial,
                    roles[serial as usize % 3],
                )
            })
        })
        .chain([
            "rubbish".into(),
            sign(&claims("ada", 13, Role::Write), &Prefix::default(), &OTHER).unwrap(),
        ])
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..150 {
        hub.commit(vec![something(&mut chance)]).await;
        for _ in 0..20 {
            let text = &tokens[chance.below(tokens.len() as u64) as usize];
            let caller = match chance.below(6) {
                0 => Caller::Anonymous,
                _ => Caller::Token(text),
            };
            let repos = ["own", "llm", "gated", "missing"];
            let resource = match chance.below(6) {
                0 => Resource::AccountId("acme"),
                1 => Resource::AccountName("ada"),
                _ => model_id(repos[chance.below(4) as usize]),
            };
            let question = Question {
                caller,
                resource,
                ..ask(text, "own", [READ, WRITE][chance.below(2) as usize])
            };
            let plain = hub.decide(&question).unwrap();
            let (decision, steps) = explained(&hub, &question);
            assert_eq!(decision.verdict, plain.verdict);
            assert_eq!(
                (decision.cursor, decision.age, decision.ends),
                (plain.cursor, plain.age, plain.ends)
            );
            let reason = plain.verdict.err().map(|denial| denial.reason);
            let last = steps.last().unwrap().0;
            assert!(
                deciding_steps(reason).contains(&last),
                "{reason:?} {steps:?}"
            );
            let told = format!("{steps:?}");
            let signature = text.rsplit('.').next().unwrap();
            assert!(!told.contains(signature), "{told}");
            seen.insert(reason.map(|reason| reason as i32));
        }
    }
    assert!(seen.len() >= 10, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_described_by_what_it_says() {
    let hub = Hub::followed(Guards::ALL).await;
    let foreign = sign(&claims("ada", 7, Role::Write), &Prefix::default(), &OTHER).unwrap();
    let (decision, steps) = explained(&hub, &ask(&foreign, "own", READ));
    assert_eq!(
        decision.verdict.unwrap_err().reason,
        Reason::TokenKeyUnknown
    );
    let (name, record) = steps.last().unwrap();
    assert_eq!(*name, "token");
    assert!(
        record.contains("key k2") && record.contains("value 7"),
        "{record}"
    );
    let mortal = mint(&Claims {
        exp: Some(UnixTime(START - 50)),
        ..claims("ada", 8, Role::Write)
    });
    let (_, steps) = explained(&hub, &ask(&mortal, "own", READ));
    let (_, record) = steps.last().unwrap();
    assert!(record.contains("2027-01-15T07:59:10Z"), "{record}");
}
