//! Tests how mutations are written: what is tried again, for how long, and what is waited for.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokenward_common::store::Expect;

use super::*;
use crate::commit::{Answer, Effort, Plan, Writes, commit};

/// Plans a new user, with this expectation.
fn plan(id: &str, expect: Option<Expect>) -> Plan<&'static str> {
    let writes = Writes {
        changes: vec![user(id)],
        private: Vec::new(),
        expect: expect.into_iter().collect(),
    };
    Plan::new(CommitClass::Ordinary, writes, Vec::new(), "new")
}

/// An expectation that never holds, because this user exists already.
fn never() -> Option<Expect> {
    let ada = Key::from_record_key(&RecordKey::User(account("ada")));
    Some(Expect::Absent(ada))
}

fn named_request() -> Request {
    Request {
        text: "r-1".into(),
        id: RequestId([7; 16]),
        ..request()
    }
}

#[tokio::test]
async fn a_revocation_meets_conflicts_without_waiting_for_the_own_view() {
    let issuer = Issuer::new();
    issuer.commit(vec![user("ada")]).await;
    // The view is not followed, so a call that waited for it would be refused.
    let (request, tries) = (request(), AtomicUsize::new(0));
    let twice = || async {
        let conflicts = tries.fetch_add(1, SeqCst) < 2;
        Ok(Some(plan("bob", conflicts.then(never).flatten())))
    };
    let (store, effort) = (issuer.store.as_ref(), Effort::Revocation);
    let done = commit(store, &issuer.replica, &request, effort, twice).await;
    assert!(matches!(done, Ok((_, Answer::New("new")))));
    assert_eq!(tries.into_inner(), 3);
}

#[tokio::test]
async fn tries_are_bounded() {
    let issuer = Issuer::new();
    issuer.commit(vec![user("ada")]).await;
    let stop = issuer.follow();
    for (effort, most) in [(Effort::Ordinary, 8), (Effort::Revocation, 100)] {
        let (request, tries) = (request(), AtomicUsize::new(0));
        for overtaken in [false, true] {
            let always = || async {
                tries.fetch_add(1, SeqCst);
                Ok((!overtaken).then(|| plan("bob", never())))
            };
            let store = issuer.store.as_ref();
            let done = commit(store, &issuer.replica, &request, effort, always).await;
            assert!(matches!(done, Err(Problem::Contended)));
        }
        assert_eq!(tries.into_inner(), 2 * most);
    }
    stop.cancel();
}

/// A request that is sent again while its answer is late conflicts with what its first call wrote.
#[tokio::test]
async fn a_refusal_by_the_requests_own_first_call_is_its_answer() {
    let issuer = Issuer::new();
    let request = named_request();
    let (store, effort) = (issuer.store.as_ref(), Effort::Revocation);
    let first = || async { Ok(Some(plan("bob", None))) };
    let meanwhile = || async {
        let done = commit(store, &issuer.replica, &request, effort, first).await;
        assert!(matches!(done, Ok((_, Answer::New("new")))));
        Err::<Option<Plan<()>>, _>(Problem::NotFound("the name is taken".into()))
    };
    let done = commit(store, &issuer.replica, &request, effort, meanwhile).await;
    assert!(matches!(done, Ok((_, Answer::First(_)))));
    // Any other request is refused as it was planned.
    let other = super::request();
    let refused = || async { Err::<Option<Plan<()>>, _>(Problem::NotFound("no".into())) };
    let done = commit(store, &issuer.replica, &other, effort, refused).await;
    assert!(matches!(done, Err(Problem::NotFound(_))));
}

#[tokio::test]
async fn a_repeat_is_not_planned() {
    let issuer = Issuer::new();
    let request = named_request();
    let (store, effort) = (issuer.store.as_ref(), Effort::Ordinary);
    let planned = AtomicUsize::new(0);
    let mut cursors = Vec::new();
    for _ in 0..2 {
        let counted = || async {
            planned.fetch_add(1, SeqCst);
            Ok(Some(plan("bob", None)))
        };
        let done = commit(store, &issuer.replica, &request, effort, counted).await;
        cursors.push(done.ok().map(|(cursor, _)| cursor));
    }
    assert_eq!(planned.into_inner(), 1);
    assert!(cursors[0].is_some() && cursors[0] == cursors[1]);
}

/// The look-up before a plan would cost each revocation another call of the store.
#[tokio::test]
async fn a_repeat_of_a_revocation_is_recognized_by_its_commit() {
    let issuer = Issuer::new();
    let request = named_request();
    let (store, effort) = (issuer.store.as_ref(), Effort::Revocation);
    let planned = AtomicUsize::new(0);
    let mut cursors = Vec::new();
    for first in [true, false] {
        let counted = || async {
            planned.fetch_add(1, SeqCst);
            Ok(Some(plan("bob", None)))
        };
        let done = commit(store, &issuer.replica, &request, effort, counted).await;
        let (cursor, answer) = done.ok().unwrap();
        assert_eq!(matches!(answer, Answer::New(_)), first);
        cursors.push(cursor);
    }
    assert_eq!(planned.into_inner(), 2);
    assert_eq!(cursors[0], cursors[1]);
    assert_eq!(issuer.store.head().await.unwrap().cursor, cursors[0]);
}
