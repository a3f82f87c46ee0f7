//! Minting, repeating, revoking; and minting against a floor that rises meanwhile.

use std::time::Duration;

use tokenward_common::{
    clock::{UnixMillis, UnixTime},
    id::{AccountId, RequestId, Serial, TokenId},
    state::record::{Change, FloorTarget},
    store::{Commit, CommitClass, Feed, Store},
    token::{EntityKind, Role, Scope, Scopes},
};
use tokenward_issuer::{
    error::Problem,
    tokens::{NewToken, Update, wire::AccountRef},
};
use tokenward_proto::v1::{self as pb, operation::Operation as Op};

use crate::house::{House, NOW, new_token, org, user};

async fn house_of_ada() -> (House, crate::house::Issuer) {
    let house = House::new();
    let issuer = house.issuer().await;
    house
        .write(&issuer, vec![user("u1", "ada"), org("o1", "acme")])
        .await
        .unwrap();
    (house, issuer)
}

fn later(by: Duration) -> UnixMillis {
    NOW.plus(by)
}

#[tokio::test]
async fn serials_count_up_and_names_are_unique_among_the_live() {
    let (house, issuer) = house_of_ada().await;
    let call = house.call("", &());
    let first = issuer
        .tokens
        .create(&call, new_token("ada", "laptop"))
        .await
        .unwrap();
    assert_eq!(first.token.serials(), [Serial(first.token.id.0)]);
    let secret = first.secret.unwrap();
    assert!(secret.starts_with("tw_eyJ") && secret.ends_with(&first.token.last_four));

    let again = house.call("", &1_u32);
    let refused = issuer
        .tokens
        .create(&again, new_token("ada", "laptop"))
        .await
        .err();
    assert!(matches!(refused, Some(Problem::Exists(..))), "{refused:?}");

    let revoke = house.call("", &2_u32);
    issuer.tokens.revoke(&revoke, first.token.id).await.unwrap();
    let second = issuer
        .tokens
        .create(&house.call("", &3_u32), new_token("ada", "laptop"))
        .await
        .unwrap();
    assert!(second.token.id > first.token.id);
}

#[tokio::test]
async fn an_expired_token_gives_its_name_away() {
    let (house, issuer) = house_of_ada().await;
    let short = NewToken {
        expires_at: Some(UnixTime(NOW.seconds().0 + 60)),
        ..new_token("ada", "ci")
    };
    issuer
        .tokens
        .create(&house.call("", &()), short)
        .await
        .unwrap();
    let after = house.call_at("", &(), later(Duration::from_secs(61)));
    issuer
        .tokens
        .create(&after, new_token("ada", "ci"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_repeat_within_ten_minutes_gives_the_same_secret_and_later_none() {
    let (house, issuer) = house_of_ada().await;
    let body = 7_u32;
    let create = |request| {
        let tokens = issuer.tokens.clone();
        async move {
            tokens
                .create(&request, new_token("ada", "laptop"))
                .await
                .unwrap()
        }
    };
    let first = create(house.call("req", &body)).await;
    let head = house.store.head().await.unwrap();
    let soon = create(house.call_at("req", &body, later(Duration::from_secs(600)))).await;
    assert_eq!(soon.secret, first.secret);
    assert_eq!(soon.token, first.token);
    assert_eq!(soon.cursor, first.cursor);
    let late = create(house.call_at("req", &body, later(Duration::from_secs(601)))).await;
    assert_eq!(late.secret, None);
    assert_eq!(late.token, first.token);
    // Nothing was minted by the repeats.
    assert_eq!(house.store.head().await.unwrap().serial, head.serial);
}

#[tokio::test]
async fn the_same_request_at_once_mints_once() {
    let (house, issuer) = house_of_ada().await;
    let other = house.issuer().await;
    let body = 7_u32;
    let (one, two) = (house.call("req", &body), house.call("req", &body));
    let (first, second) = tokio::join!(
        issuer.tokens.create(&one, new_token("ada", "laptop")),
        other.tokens.create(&two, new_token("ada", "laptop")),
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.token, second.token);
    assert_eq!(first.secret, second.secret);
}

#[tokio::test]
async fn a_floor_that_rises_under_a_mint_leaves_no_refused_token() {
    let (house, issuer) = house_of_ada().await;
    let target = FloorTarget::Owner(tokenward_common::id::AccountId::parse("u1").unwrap());
    for round in 0..20_u8 {
        let raise = house.store.commit(Commit {
            request: RequestId([round; 16]),
            response: Vec::new(),
            class: CommitClass::Takeaway,
            changes: vec![Change::RaiseFloor(target.clone())],
            private: Vec::new(),
            expect: Vec::new(),
        });
        let call = house.call("", &u32::from(round));
        let name = format!("t{round}");
        let (raised, minted) =
            tokio::join!(raise, issuer.tokens.create(&call, new_token("ada", &name)));
        let (raised, minted) = (raised.unwrap(), minted.unwrap());
        if minted.cursor.revision < raised.cursor.revision {
            // Minted before the floor: refused, and rightly so.
            continue;
        }
        let reached = issuer
            .tokens
            .replica
            .reached(raised.cursor.log, raised.cursor.revision);
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .unwrap();
        let floor = issuer.tokens.replica.view().unwrap().state.floor(&target);
        assert!(minted.token.serial > floor, "{} {floor}", minted.token.id);
    }
}

#[tokio::test]
async fn a_deleted_owner_gets_no_token_and_the_old_ones_stay_refused() {
    let (house, issuer) = house_of_ada().await;
    let old = issuer
        .tokens
        .create(&house.call("", &()), new_token("ada", "old"))
        .await
        .unwrap();
    house
        .write(&issuer, vec![Op::DeleteUser("u1".into())])
        .await
        .unwrap();
    let refused = issuer
        .tokens
        .create(&house.call("", &1_u32), new_token("ada", "new"))
        .await
        .err();
    assert!(matches!(refused, Some(Problem::NotFound(_))), "{refused:?}");
    // The same id again: a hub's mistake, or its feed's put that came late.
    let refused = house.write(&issuer, vec![user("u1", "ada")]).await.err();
    let says = "operations[0].put_user.id: was deleted";
    let text = refused.map(|it| it.to_string()).unwrap_or_default();
    assert!(text.starts_with(says), "{text}");
    // By the id the old ones are listed, as ended; the name is nobody's.
    let listed = async |owner: AccountRef, ended| {
        let now = UnixTime(1);
        issuer.tokens.list(&owner, None, 10, ended, now).await
    };
    let id = || AccountRef::Id(AccountId::parse("u1").unwrap());
    let (shown, next) = listed(id(), true).await.unwrap();
    let [only] = shown.as_slice() else {
        panic!("{} tokens", shown.len());
    };
    assert!(only.token.id == old.token.id && only.revoked && next.is_none());
    assert!(listed(id(), false).await.unwrap().0.is_empty());
    let nobody = AccountRef::Id(AccountId::parse("u9").unwrap());
    for unknown in [AccountRef::Name("ada".into()), nobody] {
        let refused = listed(unknown, true).await.err();
        assert!(matches!(refused, Some(Problem::NotFound(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn revoking_twice_keeps_the_first_time_and_bad_ids_are_told() {
    let (house, issuer) = house_of_ada().await;
    let token = issuer
        .tokens
        .create(&house.call("", &()), new_token("ada", "x"))
        .await
        .unwrap();
    let id = token.token.id;
    let (first, _) = issuer
        .tokens
        .revoke(&house.call("", &1_u32), id)
        .await
        .unwrap();
    let again = house.call_at("", &2_u32, later(Duration::from_secs(60)));
    let (second, _) = issuer.tokens.revoke(&again, id).await.unwrap();
    assert_eq!(first.revoked, second.revoked);
    let missing = issuer
        .tokens
        .revoke(&house.call("", &3_u32), TokenId(999))
        .await
        .err();
    assert_eq!(
        missing,
        Some(Problem::NotFound("there is no token 999".into()))
    );
    assert_eq!(house.store.head().await.unwrap().counts.revoked, 1);
}

#[tokio::test]
async fn scopes_must_be_on_what_there_is() {
    let (house, issuer) = house_of_ada().await;
    let scoped = |kind, id: &str| NewToken {
        role: Role::FineGrained,
        scopes: Some(Scopes {
            scoped: vec![Scope {
                kind,
                id: id.into(),
                permissions: vec!["repo.write".into()],
                patterns: Vec::new(),
            }],
            ..Scopes::default()
        }),
        ..new_token("ada", "scoped")
    };
    let rows = [
        (EntityKind::User, "u2", "must be the owner's own id"),
        (EntityKind::Org, "u1", "there is no org of this id"),
        (EntityKind::Model, "m1", "there is no model of this id"),
        (
            EntityKind::Endpoint,
            "e1",
            "there is no endpoint of this id",
        ),
        (
            EntityKind::ResourceGroup,
            "g1",
            "there is no resource group of this id",
        ),
    ];
    for (kind, id, rule) in rows {
        let call = house.call("", &());
        let problem = issuer
            .tokens
            .create(&call, scoped(kind, id))
            .await
            .err()
            .unwrap();
        assert_eq!(
            problem.to_string(),
            format!("scopes.scoped[0].entity_id: {rule}")
        );
    }
    let call = house.call("", &());
    issuer
        .tokens
        .create(&call, scoped(EntityKind::Org, "o1"))
        .await
        .unwrap();
}

/// An org's own account does what its scopes say, and nothing by being somebody.
#[tokio::test]
async fn a_service_accounts_tokens_are_fine_grained() {
    let (house, issuer) = house_of_ada().await;
    let bot = Op::PutUser(pb::User {
        id: "bot".into(),
        name: "bot".into(),
        service_account_of: "o1".into(),
        ..pb::User::default()
    });
    house.write(&issuer, vec![bot]).await.unwrap();
    let call = || house.call("", &());
    let from_role = |role| NewToken {
        role,
        scopes: (role == Role::FineGrained).then(Scopes::default),
        ..new_token("bot", "t")
    };
    let refused = "role: must be fine-grained: the owner is a service account";
    for role in [Role::Read, Role::Write] {
        let minted = issuer.tokens.create(&call(), from_role(role)).await;
        assert_eq!(minted.err().unwrap().to_string(), refused);
    }
    let minted = issuer
        .tokens
        .create(&call(), from_role(Role::FineGrained))
        .await
        .unwrap();
    let other = Update {
        name: None,
        role: Some(Role::Write),
        scopes: None,
    };
    let id = minted.token.id;
    let updated = issuer.tokens.update(&call(), id, other).await;
    assert_eq!(updated.err().unwrap().to_string(), refused);
}

#[tokio::test]
async fn lists_are_paged_oldest_first() {
    let (house, issuer) = house_of_ada().await;
    for number in 0..7_u32 {
        let name = format!("t{number}");
        issuer
            .tokens
            .create(&house.call("", &number), new_token("ada", &name))
            .await
            .unwrap();
    }
    issuer
        .tokens
        .revoke(&house.call("", &99_u32), TokenId(2))
        .await
        .unwrap();
    let owner = AccountRef::Name("ADA".into());
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let (tokens, next) = issuer
            .tokens
            .list(&owner, after, 3, false, NOW.seconds())
            .await
            .unwrap();
        assert!(tokens.len() <= 3);
        seen.extend(tokens.into_iter().map(|token| token.token.id.0));
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, [1, 3, 4, 5, 6, 7]);
    let (all, _) = issuer
        .tokens
        .list(&owner, None, 100, true, NOW.seconds())
        .await
        .unwrap();
    assert_eq!(all.len(), 7);
}
