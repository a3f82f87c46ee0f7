//! A name goes to another account while a call that was given the name is held: what the call does, it
//! does to the account that has the name. Each is shown with its guard off first, as in `races`.

use tokenward_common::{id::AccountId, state::record::FloorTarget, store::Feed as _};
use tokenward_issuer::{
    error::Problem,
    tokens::{Decision, Order, wire::AccountRef},
};

use crate::{
    held::Guard,
    house::{NOW, new_token, org, user},
    race::{Race, fine_grained, id},
};

fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

fn named(name: &str) -> AccountRef {
    AccountRef::Name(name.into())
}

/// Which of these has a floor, as a verifier that knows everything sees it.
async fn floors(race: &Race, ids: &[&'static str]) -> Vec<&'static str> {
    let head = race.house.store.head().await.unwrap().cursor;
    race.two.replica.reached(head.log, head.revision).await;
    let view = race.two.replica.view().unwrap();
    let raised = |id: &&&str| view.state.floor(&FloorTarget::Owner(account(id))).0 > 0;
    ids.iter().filter(raised).copied().collect()
}

#[tokio::test]
async fn a_name_that_moves_while_all_tokens_of_its_owner_are_revoked() {
    for (guard, revoked) in [(Guard::Off, "u1"), (Guard::On, "u2")] {
        let race = Race::new().await;
        race.mint("t").await;
        let call = race.call();
        let ada = named("Ada");
        let revocation = race.one.revoke_all(&call, &ada);
        let moved = async {
            race.write(vec![user("u1", "grace")]).await;
            race.write(vec![user("u2", "ada")]).await;
            let call = race.call();
            race.two.create(&call, new_token("ada", "t")).await.unwrap();
        };
        let (result, ()) = race.held.0.race(guard, revocation, moved).await;
        result.unwrap();
        // Unguarded, the wrong user lost their tokens and the right one kept theirs.
        assert_eq!(floors(&race, &["u1", "u2"]).await, [revoked]);
    }
}

/// Nobody has the name any more: nobody's tokens are revoked, and the caller is told.
#[tokio::test]
async fn a_name_that_is_gone_while_all_tokens_of_its_owner_are_revoked() {
    let race = Race::new().await;
    race.mint("t").await;
    let call = race.call();
    let ada = named("ada");
    let revocation = race.one.revoke_all(&call, &ada);
    let gone = race.write(vec![user("u1", "grace")]);
    let (result, ()) = race.held.0.race(Guard::On, revocation, gone).await;
    assert!(matches!(result, Err(Problem::NotFound(_))), "{result:?}");
    assert!(floors(&race, &["u1"]).await.is_empty());

    // By id it expects nothing of names.
    let call = race.call();
    let by_id = AccountRef::Id(account("u1"));
    let revocation = race.one.revoke_all(&call, &by_id);
    let renamed = race.write(vec![user("u1", "ada")]);
    let (result, ()) = race.held.0.race(Guard::On, revocation, renamed).await;
    result.unwrap();
    assert_eq!(floors(&race, &["u1"]).await, ["u1"]);
}

#[tokio::test]
async fn a_name_that_moves_while_a_mint_is_held() {
    for (guard, owner) in [(Guard::Off, "u1"), (Guard::On, "u2")] {
        let race = Race::new().await;
        let call = race.call();
        let mint = race.one.create(&call, new_token("ada", "t"));
        let moved = async {
            race.write(vec![user("u1", "grace")]).await;
            race.write(vec![user("u2", "ada")]).await;
        };
        let (minted, ()) = race.held.0.race(guard, mint, moved).await;
        assert_eq!(minted.unwrap().token.owner.as_str(), owner);
        let listed = async |name: &str| {
            let listed = race
                .one
                .list(&named(name), None, 10, true, NOW.seconds())
                .await;
            listed.unwrap().0.len()
        };
        assert_eq!(listed("ada").await, usize::from(owner == "u2"));
        assert_eq!(listed("grace").await, usize::from(owner == "u1"));
    }
}

#[tokio::test]
async fn an_orgs_name_that_moves_while_its_decision_is_held() {
    for decision in [Decision::Deny, Decision::Revoke] {
        for (guard, decided) in [(Guard::Off, "o1"), (Guard::On, "o2")] {
            let race = Race::new().await;
            let minted = race
                .two
                .create(&race.call(), fine_grained("t"))
                .await
                .unwrap();
            let call = race.call();
            let acme = named("acme");
            let order = Order {
                org: &acme,
                token: id(&minted),
                decision,
                found: true,
            };
            let decision = race.one.decide(&call, order);
            let moved = async {
                race.write(vec![org("o1", "initech")]).await;
                race.write(vec![org("o2", "acme")]).await;
            };
            let (result, ()) = race.held.0.race(guard, decision, moved).await;
            result.unwrap();
            // Caught up by what the call itself showed.
            let view = race.one.replica.view().unwrap();
            let state = &view.state;
            let has = |org: &&&str| {
                let org = state.account_by_id(org).unwrap();
                state.org_token_view(org, id(&minted)).is_some()
            };
            let having: Vec<&str> = ["o1", "o2"].iter().filter(has).copied().collect();
            assert_eq!(having, [decided]);
        }
    }
}
