//! Two calls on one token, or on one owner's, at the same time: one is held between its planning and
//! its writing while the other runs whole. Each is shown with its guard off first, where there is
//! one: what the commit expects.

use tokenward_common::{
    id::{Serial, TokenId},
    state::key::Key,
    store::Feed as _,
};
use tokenward_issuer::{
    error::Problem,
    tokens::{Minted, Rotation, Update},
};

use crate::{
    held::Guard,
    race::{Race, fine_grained, id, on_the_orgs, renamed, rescoped},
};

#[tokio::test]
async fn a_revocation_while_a_rotation_is_held() {
    let race = Race::new().await;
    for (guard, alive) in [(Guard::Off, 1), (Guard::On, 0)] {
        let token = race.mint(&format!("t{alive}")).await;
        let rotation = race.rotate(&race.one, id(&token));
        let revocation = race.revoke(&race.two, id(&token));
        let (rotated, revoked) = race.held.0.race(guard, rotation, revocation).await;
        revoked.unwrap();
        // Unguarded, the rotation would have given a revoked token a new life.
        let mut values = token.token.serials();
        values.extend(rotated.iter().flat_map(|new| new.token.serials()));
        assert_eq!(race.live(values).await.len(), alive);
        assert_eq!(rotated.is_err(), guard == Guard::On, "{:?}", rotated.err());
    }
}

#[tokio::test]
async fn a_rotation_while_a_revocation_is_held() {
    let race = Race::new().await;
    for (guard, alive) in [(Guard::Off, 1), (Guard::On, 0)] {
        let token = race.mint(&format!("t{alive}")).await;
        let revocation = race.revoke(&race.one, id(&token));
        let rotation = race.rotate(&race.two, id(&token));
        let (revoked, rotated) = race.held.0.race(guard, revocation, rotation).await;
        let rotated = rotated.unwrap();
        revoked.unwrap();
        // Unguarded, the new value would have outlived the revocation of its token.
        let mut values = token.token.serials();
        values.extend(rotated.token.serials());
        assert_eq!(race.live(values).await.len(), alive);
    }
}

#[tokio::test]
async fn an_update_while_a_rotation_is_held() {
    let race = Race::new().await;
    for (guard, models) in [(Guard::Off, "m1"), (Guard::On, "m2")] {
        let token = race.mint(models).await;
        let rotation = race.rotate(&race.one, id(&token));
        let update = race.update(&race.two, id(&token), rescoped());
        let (rotated, updated) = race.held.0.race(guard, rotation, update).await;
        updated.unwrap();
        // Unguarded, what was taken from the token came back with its new value.
        let rotated = rotated.unwrap();
        assert_eq!(race.in_force(id(&token)).await.1, [models]);
        assert_eq!(race.live(token.token.serials()).await, Vec::<Serial>::new());
        assert_eq!(race.live(rotated.token.serials()).await.len(), 1);
    }
}

/// A record of before a rotation, beside a view of after it, whose bit is of the value that the record
/// names: nothing is dead that has a new value.
#[tokio::test]
async fn a_record_that_a_rotation_overtakes_is_read_again() {
    let race = Race::new().await;
    let overtaken = async |token: TokenId| {
        race.rotate(&race.two, token).await.unwrap();
        let head = race.house.store.head().await.unwrap().cursor;
        race.one.replica.reached(head.log, head.revision).await;
    };
    let key = |token: &Minted| Key::token(id(token));
    let token = race.mint("updated").await;
    let update = race.update(&race.one, id(&token), rescoped());
    let whole = overtaken(id(&token));
    let (updated, ()) = race.held.0.race_reading(key(&token), update, whole).await;
    updated.unwrap();
    assert_eq!(race.in_force(id(&token)).await.1, ["m2"]);

    let token = race.mint("rotated").await;
    let rotation = race.rotate(&race.one, id(&token));
    let whole = overtaken(id(&token));
    let (rotated, ()) = race.held.0.race_reading(key(&token), rotation, whole).await;
    assert_eq!(race.live(rotated.unwrap().token.serials()).await.len(), 1);

    let token = race.mint("shown").await;
    let show = race.one.show(id(&token));
    let whole = overtaken(id(&token));
    let (shown, ()) = race.held.0.race_reading(key(&token), show, whole).await;
    assert!(!shown.unwrap().revoked);

    // Its name is a live token's.
    let token = race.mint("taken").await;
    let call = race.call();
    let other = race.one.create(&call, fine_grained("taken"));
    let whole = overtaken(id(&token));
    let (other, ()) = race.held.0.race_reading(key(&token), other, whole).await;
    assert!(
        matches!(other, Err(Problem::Exists(..))),
        "{:?}",
        other.map(|it| it.token.name.clone())
    );
}

#[tokio::test]
async fn a_longest_lifetime_while_a_rotation_is_held() {
    let race = Race::new().await;
    for (guard, name) in [(Guard::Off, "a"), (Guard::On, "b")] {
        race.longest(None).await;
        let endless = race.two.create(&race.call(), on_the_orgs(name)).await;
        let rotation = race.rotate(&race.one, id(&endless.unwrap()));
        let (rotated, ()) = race
            .held
            .0
            .race(guard, rotation, race.longest(Some(90)))
            .await;
        // Unguarded, a new value without an end got past the org's rule.
        assert_eq!(rotated.is_ok(), guard == Guard::Off, "{:?}", rotated.err());
    }
}

#[tokio::test]
async fn a_rotation_while_an_update_is_held() {
    let race = Race::new().await;
    for guard in [Guard::Off, Guard::On] {
        let name = if guard == Guard::On { "on" } else { "off" };
        let token = race.mint(name).await;
        let update = race.update(&race.one, id(&token), rescoped());
        let rotation = race.rotate(&race.two, id(&token));
        let (updated, rotated) = race.held.0.race(guard, update, rotation).await;
        updated.unwrap();
        let new = Some(rotated.unwrap().token.serial);
        assert_eq!(race.in_force(id(&token)).await.1, ["m2"]);
        assert_eq!(race.live(new).await.len(), 1);
        // Unguarded, the token's record forgets the new value: a revocation would miss it.
        race.revoke(&race.two, id(&token)).await.unwrap();
        let missed = usize::from(guard == Guard::Off);
        assert_eq!(race.live(new).await.len(), missed);
    }
}

#[tokio::test]
async fn a_floor_while_a_mint_is_held() {
    let race = Race::new().await;
    for (guard, alive) in [(Guard::Off, 0), (Guard::On, 1)] {
        let call = race.call();
        let mint = race.one.create(&call, fine_grained(&format!("t{alive}")));
        let (minted, revoked) = race
            .held
            .0
            .race(guard, mint, race.revoke_all(&race.two))
            .await;
        revoked.unwrap();
        // Unguarded, a secret is handed out that is refused from its first moment.
        let minted = minted.unwrap();
        assert_eq!(race.live(minted.token.serials()).await.len(), alive);
    }
}

#[tokio::test]
async fn a_mint_while_a_floor_is_held() {
    let race = Race::new().await;
    // The floor expects nothing: it is taken from the counter as it is written.
    let floor = race.revoke_all(&race.one);
    let call = race.call();
    let mint = race.two.create(&call, fine_grained("t"));
    let (revoked, minted) = race.held.0.race(Guard::On, floor, mint).await;
    revoked.unwrap();
    assert_eq!(
        race.live(minted.unwrap().token.serials()).await,
        Vec::<Serial>::new()
    );
}

#[tokio::test]
async fn a_rotation_while_a_floor_is_held_and_the_reverse() {
    let race = Race::new().await;
    let token = race.mint("one").await;
    let floor = race.revoke_all(&race.one);
    let (revoked, rotated) = race
        .held
        .0
        .race(Guard::On, floor, race.rotate(&race.two, id(&token)))
        .await;
    revoked.unwrap();
    rotated.unwrap();
    assert_eq!(race.all_live().await, Vec::<Serial>::new());

    for (guard, alive) in [(Guard::Off, 1), (Guard::On, 0)] {
        let token = race.mint(&format!("t{alive}")).await;
        let rotation = race.rotate(&race.one, id(&token));
        let (rotated, revoked) = race
            .held
            .0
            .race(guard, rotation, race.revoke_all(&race.two))
            .await;
        revoked.unwrap();
        // Its serial was taken before the floor, so even unguarded it is dead; guarded, no dead
        // value is handed out.
        assert_eq!(race.all_live().await, Vec::<Serial>::new());
        assert_eq!(rotated.is_ok(), alive == 1);
    }
}

/// The same request, sent again because its answer is late, meets its own first commit.
#[tokio::test]
async fn a_repeat_while_the_first_is_held() {
    let race = Race::new().await;
    let token = race.mint("t").await;
    let again = || race.house.call("again", &7_u32);
    let (first, second) = (again(), again());
    let rotation = Rotation::default();
    let (first, second) = race
        .held
        .0
        .race(
            Guard::On,
            race.one.rotate(&first, id(&token), rotation),
            race.two.rotate(&second, id(&token), rotation),
        )
        .await;
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.secret, second.secret);
    assert_eq!(first.token, second.token);
    let mut values = token.token.serials();
    values.extend(first.token.serials());
    values.dedup();
    assert_eq!(race.live(values).await, second.token.serials());

    let minted = || race.house.call("mint-again", &8_u32);
    let (first, second) = (minted(), minted());
    let (first, second) = race
        .held
        .0
        .race(
            Guard::On,
            race.one.create(&first, fine_grained("new")),
            race.two.create(&second, fine_grained("new")),
        )
        .await;
    assert_eq!(first.unwrap().secret, second.unwrap().secret);

    let updated = || race.house.call("update-again", &9_u32);
    let (first, second) = (updated(), updated());
    let (first, second) = race
        .held
        .0
        .race(
            Guard::On,
            race.one.update(&first, id(&token), renamed()),
            race.two.update(&second, id(&token), renamed()),
        )
        .await;
    assert_eq!(first.unwrap().1, second.unwrap().1);

    // Another request under the same id is told so, and changes nothing.
    let (first, other) = (
        race.house.call("one-id", &1_u32),
        race.house.call("one-id", &2_u32),
    );
    let (first, other) = race
        .held
        .0
        .race(
            Guard::On,
            race.one.update(&first, id(&token), rescoped()),
            race.two.update(
                &other,
                id(&token),
                Update {
                    name: Some("other".into()),
                    ..renamed()
                },
            ),
        )
        .await;
    other.unwrap();
    assert!(
        matches!(first, Err(Problem::Exists(..))),
        "{:?}",
        first.err()
    );
    assert_eq!(
        race.in_force(id(&token)).await,
        ("other".into(), vec!["m1".into()])
    );
}

#[tokio::test]
async fn two_issuers_change_one_token() {
    let race = Race::new().await;
    for (guard, name) in [(Guard::Off, "off"), (Guard::On, "renamed")] {
        let token = race.mint(name).await;
        if guard == Guard::On {
            race.update(
                &race.two,
                id(&token),
                Update {
                    name: Some("before".into()),
                    ..renamed()
                },
            )
            .await
            .unwrap();
        }
        let one = race.update(&race.one, id(&token), rescoped());
        let two = race.update(&race.two, id(&token), renamed());
        let (one, two) = race.held.0.race(guard, one, two).await;
        one.unwrap();
        two.unwrap();
        // Unguarded, one of the two changes is undone by the other.
        assert_eq!(
            race.in_force(id(&token)).await,
            (name.into(), vec!["m2".into()])
        );
        race.revoke(&race.two, id(&token)).await.unwrap();
    }
    // Two rotations: each value was handed out alone, and one is left.
    let token = race.mint("twice").await;
    let (one, two) = race
        .held
        .0
        .race(
            Guard::On,
            race.rotate(&race.one, id(&token)),
            race.rotate(&race.two, id(&token)),
        )
        .await;
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(race.live(two.token.serials()).await, Vec::<Serial>::new());
    assert_eq!(race.live(one.token.serials()).await.len(), 1);
}
