//! The floors of a whole realm and of a whole org: what they take, what they spare, and what becomes of a
//! value that is being made while one rises. Each race is shown with its guard off first, where there is one:
//! what the commit expects.

use tokenward_common::{
    id::{AccountId, Serial},
    state::record::FloorTarget,
    store::Feed as _,
};
use tokenward_issuer::{
    error::{ErrorReason, Problem},
    tokens::{Decision, Order, Tokens, wire::AccountRef},
};

use crate::{
    held::Guard,
    race::{Race, id, on_the_orgs},
};

const ACME: &str = "o1";

fn acme() -> AccountRef {
    AccountRef::Name("acme".into())
}

fn targets() -> [FloorTarget; 2] {
    [
        FloorTarget::Realm,
        FloorTarget::Org(AccountId::parse(ACME).unwrap()),
    ]
}

async fn raise(race: &Race, by: &Tokens, target: &FloorTarget) -> Result<(), Problem> {
    let call = race.call();
    match target {
        FloorTarget::Realm => by.revoke_realm(&call, "a test").await,
        _ => by.revoke_in_org(&call, &acme(), "a test").await,
    }
    .map(drop)
}

/// The floor as the newest view has it.
async fn floor(race: &Race, target: &FloorTarget) -> Serial {
    let head = race.house.store.head().await.unwrap().cursor;
    race.two.replica.reached(head.log, head.revision).await;
    race.two.replica.view().unwrap().state.floor(target)
}

#[tokio::test]
async fn a_floor_while_a_mint_is_held() {
    let race = Race::new().await;
    for (round, target) in targets().iter().enumerate() {
        for (guard, lives) in [(Guard::Off, false), (Guard::On, true)] {
            let call = race.call();
            let mint = race
                .one
                .create(&call, on_the_orgs(&format!("t{round}{lives}")));
            let floor_rises = raise(&race, &race.two, target);
            let (minted, raised) = race.held.0.race(guard, mint, floor_rises).await;
            raised.unwrap();
            // Unguarded, a secret is handed out that is refused from its first moment.
            let serial = minted.unwrap().token.serial;
            assert_eq!(serial > floor(&race, target).await, lives, "{target:?}");
        }
    }
}

#[tokio::test]
async fn a_mint_while_a_floor_is_held() {
    let race = Race::new().await;
    for (round, target) in targets().iter().enumerate() {
        // The floor expects nothing of tokens: it is taken from the counter as it is written.
        let call = race.call();
        let mint = race.two.create(&call, on_the_orgs(&format!("t{round}")));
        let floor_rises = raise(&race, &race.one, target);
        let (raised, minted) = race.held.0.race(Guard::On, floor_rises, mint).await;
        raised.unwrap();
        let serial = minted.unwrap().token.serial;
        assert!(serial <= floor(&race, target).await, "{target:?}");
    }
}

/// A rotation helps a token in an org, and helps nobody in a realm.
#[tokio::test]
async fn a_floor_while_a_rotation_is_held() {
    let race = Race::new().await;
    for (round, target) in targets().iter().enumerate() {
        for guard in [Guard::Off, Guard::On] {
            let on = guard == Guard::On;
            let call = race.call();
            let token = race
                .two
                .create(&call, on_the_orgs(&format!("t{round}{on}")));
            let token = token.await.unwrap();
            let rotation = race.rotate(&race.one, id(&token));
            let floor_rises = raise(&race, &race.two, target);
            let (rotated, raised) = race.held.0.race(guard, rotation, floor_rises).await;
            raised.unwrap();
            let floor = floor(&race, target).await;
            match (rotated, target) {
                (Ok(new), _) if !on => assert!(new.token.serial <= floor),
                (Ok(new), FloorTarget::Org(_)) => assert!(new.token.serial > floor),
                (Err(Problem::Precondition(ErrorReason::TokenRevoked, _)), FloorTarget::Realm) => {}
                (other, _) => panic!("{target:?} {on}: {:?}", other.map(|it| it.token.serial)),
            }
        }
    }
}

/// A repeat of the request, late, takes nothing that was made since.
#[tokio::test]
async fn a_repeat_raises_no_floor_again() {
    let race = Race::new().await;
    for (round, target) in targets().iter().enumerate() {
        let body = u32::try_from(round).unwrap();
        let again = async || {
            let call = race.house.call(&format!("again{round}"), &body);
            match target {
                FloorTarget::Realm => race.two.revoke_realm(&call, "a test").await,
                _ => race.two.revoke_in_org(&call, &acme(), "a test").await,
            }
        };
        let first = again().await.unwrap();
        let name = format!("t{round}");
        let later = race.two.create(&race.call(), on_the_orgs(&name)).await;
        assert_eq!(again().await.unwrap(), first);
        assert!(later.unwrap().token.serial > floor(&race, target).await);
    }
}

/// An org can't approve a value that its floor refuses; a rotated one it can, and approvals stay through it.
#[tokio::test]
async fn an_approval_below_the_orgs_floor_is_refused() {
    let race = Race::new().await;
    let [_, target] = targets();
    let token = race.two.create(&race.call(), on_the_orgs("t")).await;
    let token = id(&token.unwrap());
    let decide = async |by: &Tokens, decision| {
        let org = &acme();
        let order = Order {
            org,
            token,
            decision,
            found: false,
        };
        by.decide(&race.call(), order).await.map(|(shown, _)| shown)
    };
    let approved = decide(&race.two, Decision::Approve).await.unwrap();
    assert_eq!(approved.state, Some(Decision::Approve.state()));
    // A floor that rises while an approval is held comes first.
    let approval = decide(&race.one, Decision::Approve);
    let floor_rises = raise(&race, &race.two, &target);
    let (refused, raised) = race.held.0.race(Guard::On, approval, floor_rises).await;
    raised.unwrap();
    let is_refused = |answer: Result<_, Problem>| {
        let answer = answer.err();
        let wanted = matches!(
            answer,
            Some(Problem::Precondition(ErrorReason::TokenRevoked, _))
        );
        assert!(wanted, "{answer:?}");
    };
    is_refused(refused.map(drop));
    is_refused(decide(&race.two, Decision::Approve).await.map(drop));
    // It is shown as what it is, and may be revoked for ever.
    let denied = decide(&race.two, Decision::Deny).await.unwrap();
    assert_eq!(denied.state, Some(Decision::Revoke.state()));
    race.rotate(&race.two, token).await.unwrap();
    let approved = decide(&race.two, Decision::Approve).await.unwrap();
    assert_eq!(approved.state, Some(Decision::Approve.state()));
}
