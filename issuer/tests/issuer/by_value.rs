//! Values that leaked: what is revoked, what is said of the rest, and what of it is in the trail.

use tokenward_common::{
    id::{AccountId, RequestId},
    state::key::Key,
    store::{AuditId, Commit, CommitClass, Feed as _, PrivateWrite, Store as _},
};
use tokenward_issuer::{
    caller::Caller,
    error::Problem,
    request::Request,
    tokens::{ByValue, ByValueDone, Minted, Tokens},
};

use crate::house::{House, Issuer, NOW, new_token, user};

struct Desk {
    house: House,
    issuer: Issuer,
}

impl Desk {
    async fn new() -> Self {
        let house = House::new();
        let issuer = house.issuer().await;
        house.write(&issuer, vec![user("u1", "ada")]).await.unwrap();
        Self { house, issuer }
    }

    async fn mint(&self, by: &Tokens, name: &str) -> Minted {
        let call = self.house.call("", &());
        by.create(&call, new_token("ada", name)).await.unwrap()
    }

    /// By a credential, or by nobody known.
    async fn send(&self, known: bool, values: &[String]) -> ByValueDone {
        let call = if known {
            self.house.call("", &())
        } else {
            let (caller, id) = (
                Caller::anyone(&tokenward_common::process::admission::Peer::UNIX),
                String::new(),
            );
            Request::new(caller, "Test/Leaks", id, &(), NOW).unwrap()
        };
        let budget = ByValue::default();
        let tokens = &self.issuer.tokens;
        let done = tokens.revoke_by_value(&call, values.to_vec(), &budget);
        let done = done.await.unwrap();
        let replica = &tokens.replica;
        replica.reached(done.cursor.log, done.cursor.revision).await;
        done
    }

    fn is_revoked(&self, minted: &Minted) -> bool {
        let view = self.issuer.tokens.replica.view().unwrap();
        view.state.is_revoked(minted.token.serial)
    }

    /// Each commit is one.
    async fn revision(&self) -> u64 {
        self.house.store.head().await.unwrap().cursor.revision.0
    }

    async fn trail(&self) -> usize {
        let trail = self.house.store.audit(AuditId::default(), 10_000).await;
        trail.unwrap().len()
    }
}

fn secret(minted: &Minted) -> String {
    minted.secret.clone().unwrap()
}

#[tokio::test]
async fn a_genuine_value_is_revoked_without_its_record() {
    let desk = Desk::new().await;
    for known in [true, false] {
        let minted = desk.mint(&desk.issuer.tokens, "t").await;
        let lost = Commit {
            request: RequestId([7 + u8::from(known); 16]),
            response: Vec::new(),
            class: CommitClass::Ordinary,
            changes: Vec::new(),
            private: vec![PrivateWrite::Delete(Key::token(minted.token.id))],
            expect: Vec::new(),
        };
        desk.house.store.commit(lost).await.unwrap();
        let name = Key::token_name(&AccountId::parse("u1").unwrap(), "t");
        assert!(!desk.is_revoked(&minted));
        let before = desk.trail().await;
        let done = desk.send(known, &[secret(&minted)]).await;
        assert!(desk.is_revoked(&minted));
        assert!(done.into_result().is_ok());
        assert_eq!(desk.trail().await, before + 1);
        let free = Commit {
            request: RequestId([17 + u8::from(known); 16]),
            response: Vec::new(),
            class: CommitClass::Ordinary,
            changes: Vec::new(),
            private: vec![PrivateWrite::Delete(name)],
            expect: Vec::new(),
        };
        desk.house.store.commit(free).await.unwrap();
    }
}

/// A store that lost its tail: values were made whose numbers it doesn't know.
#[tokio::test]
async fn a_number_that_was_never_given_out_is_told_and_takes_no_other() {
    let (desk, other) = (Desk::new().await, Desk::new().await);
    let elsewhere = Tokens {
        keys: desk.house.keys.clone(),
        ..other.issuer.tokens.clone()
    };
    let mut values = Vec::new();
    for name in ["a", "b", "c"] {
        values.push(secret(&other.mint(&elsewhere, name).await));
    }
    let mine = desk.mint(&desk.issuer.tokens, "mine").await;
    values.push(secret(&mine));
    values.swap(0, 3);
    for known in [false, true] {
        let done = desk.send(known, &values).await;
        // What could be done is.
        assert!(desk.is_revoked(&mine));
        let beyond = done.beyond.as_ref().map(|it| (it.index, it.kid.as_str()));
        assert_eq!(beyond, Some((1, "k1")));
        let told = done.into_result().unwrap_err();
        assert!(matches!(told, Problem::Precondition(..)), "{told}");
        assert!(!told.to_string().contains("eyJ"));
    }
    // Later ones, which get those numbers, are not concerned.
    for name in ["d", "e"] {
        let later = desk.mint(&desk.issuer.tokens, name).await;
        assert!(!desk.is_revoked(&later), "{name}");
    }
}

#[tokio::test]
async fn nobody_known_pushes_the_trail_out() {
    let desk = Desk::new().await;
    let minted = desk.mint(&desk.issuer.tokens, "t").await;
    let mut cut = secret(&minted);
    cut.pop();
    let nonsense = vec!["nonsense".to_owned(); 1000];
    let broken = vec![cut; 1000];
    let before = desk.trail().await;
    desk.send(false, &nonsense).await;
    desk.send(false, &broken).await;
    assert_eq!(desk.trail().await, before);
    // A token's revocation and the call's, once: whoever has one can't write more with it.
    let genuine = vec![secret(&minted); 1000];
    desk.send(false, &genuine).await;
    assert_eq!(desk.trail().await, before + 2);
    desk.send(false, &genuine).await;
    assert_eq!(desk.trail().await, before + 2);
    // A credential's call stands there whatever it held.
    desk.send(true, &nonsense).await;
    desk.send(true, &broken).await;
    desk.send(true, &genuine).await;
    assert_eq!(desk.trail().await, before + 5);
}

/// What has the form of a token and is none costs the store nothing; one that is costs one commit.
#[tokio::test]
async fn only_what_revokes_is_written() {
    let desk = Desk::new().await;
    let minted = desk.mint(&desk.issuer.tokens, "t").await;
    let genuine = secret(&minted);
    let shaped = |number: usize| ["tw_", "eyJa.b.c"].concat() + &number.to_string();
    let broken: Vec<String> = (0..1000).map(shaped).collect();
    let mut one = broken.clone();
    one[500] = genuine.clone();
    let before = desk.revision().await;
    desk.send(false, &broken).await;
    assert_eq!(desk.revision().await, before);
    // The call of a credential is in the trail: once, however much it held.
    desk.send(true, &broken).await;
    assert_eq!(desk.revision().await, before + 1);
    desk.send(false, &one).await;
    assert!(desk.is_revoked(&minted));
    assert_eq!(desk.revision().await, before + 2);
    // Again: one that proves what was written, and keeps nothing of its own in the trail.
    desk.send(false, &one).await;
    assert_eq!(desk.revision().await, before + 3);
    // Many that are revoked already: one for them all.
    let mut values = Vec::new();
    for number in 0..40 {
        let minted = desk.mint(&desk.issuer.tokens, &format!("m{number}")).await;
        values.push(secret(&minted));
    }
    let before = desk.revision().await;
    desk.send(false, &values).await;
    assert_eq!(desk.revision().await, before + 3);
    desk.send(false, &values).await;
    assert_eq!(desk.revision().await, before + 4);
}

/// A repeat by its request id is answered as the first time, and writes nothing.
#[tokio::test]
async fn a_call_with_hits_is_still_written_once() {
    let desk = Desk::new().await;
    let mut values = Vec::new();
    for number in 0..20 {
        let minted = desk.mint(&desk.issuer.tokens, &format!("m{number}")).await;
        values.push(secret(&minted));
    }
    let call = desk.house.call("r1", &());
    let (tokens, budget) = (&desk.issuer.tokens, ByValue::default());
    let first = tokens.revoke_by_value(&call, values.clone(), &budget);
    let first = first.await.unwrap().cursor;
    let (at, trail) = (desk.revision().await, desk.trail().await);
    let again = tokens.revoke_by_value(&call, values, &budget);
    assert_eq!(again.await.unwrap().cursor, first);
    assert_eq!((desk.revision().await, desk.trail().await), (at, trail));
}

#[tokio::test]
async fn tokens_are_found_in_what_is_sent_and_bounded() {
    let desk = Desk::new().await;
    for (at, known) in [true, false].into_iter().enumerate() {
        for (number, form) in ["\"@\"", "HF=@", "Bearer @,", "https://a:@@h/x", "@ @"]
            .iter()
            .enumerate()
        {
            let minted = desk
                .mint(&desk.issuer.tokens, &format!("t{at}-{number}"))
                .await;
            let secret = secret(&minted);
            let text = form
                .replacen('@', &secret, 1)
                .replace(" @", &format!(" {secret}"));
            desk.send(known, &[text]).await;
            assert!(desk.is_revoked(&minted), "{form}");
        }
    }
    let many = vec!["@ @".replace('@', &["tw_", "eyJa.b.c"].concat()); 501];
    let call = desk.house.call("", &());
    let tokens = &desk.issuer.tokens;
    let refused = tokens
        .revoke_by_value(&call, many, &ByValue::default())
        .await;
    assert!(matches!(refused.map(drop), Err(Problem::Invalid { .. })));
}
