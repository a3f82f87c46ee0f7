//! The first refusal is the reason. Everything is wrong at first, and is corrected one thing after the
//! other, in the order that the text of `decide` gives.

use std::collections::BTreeSet;

use tokenward_common::{
    id::{LogId, Revision},
    testing::faults::Point,
};

use super::*;

fn with_min(token: &str, log: LogId, revision: u64) -> Question<'_> {
    Question {
        min_revision: Some(RevisionToken {
            log,
            revision: Revision(revision),
        }),
        ..ask(token, "nothing", READ)
    }
}

/// The caller may have heard of the new log before this verifier has read it.
#[tokio::test(start_paused = true)]
async fn a_revision_of_a_log_that_is_being_read_is_ahead() {
    let hub = Hub::followed(Guards::ALL).await;
    let foreign = with_min("rubbish", LogId([9; 16]), 1);
    let refused = hub.decide(&foreign).unwrap_err();
    assert_eq!(refused, Undecided::ForeignRevision);
    hub.feed.close(Point::PieceAsked);
    hub.feed.wipe();
    hub.feed.held(Point::PieceAsked).await;
    assert_eq!(hub.decide(&foreign).unwrap_err(), Undecided::Changing);
    hub.feed.open(Point::PieceAsked);
    let read = async {
        while hub.decider.replica.is_outdated() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .unwrap();
    let refused = hub.decide(&foreign).unwrap_err();
    assert_eq!(refused, Undecided::ForeignRevision);
}

#[tokio::test(start_paused = true)]
async fn the_view_comes_before_the_revision_and_that_before_the_token() {
    let hub = Hub::new(Guards::ALL);
    let foreign = with_min("rubbish", LogId([9; 16]), 1);
    assert_eq!(hub.decide(&foreign).unwrap_err(), Undecided::NotYet);
    hub.follow();
    hub.fresh().await;
    hub.feed.away(true);
    hub.clock.advance(BOUNDS.read + SECOND);
    let stale = hub.decide(&foreign).unwrap_err();
    assert!(matches!(stale, Undecided::Stale { .. }), "{stale:?}");
    hub.feed.away(false);
    hub.fresh().await;
    let refused = hub.decide(&foreign).unwrap_err();
    assert_eq!(refused, Undecided::ForeignRevision);
    let at = hub.decider.replica.cursor();
    let ahead = with_min("rubbish", at.log, at.revision.0 + 1);
    let refused = hub.decide(&ahead).unwrap_err();
    assert_eq!(refused, Undecided::Behind { at: at.revision.0 });
    let reached = with_min("rubbish", at.log, at.revision.0);
    assert_eq!(hub.reason(&reached), Some(Reason::TokenMalformed));
}

/// Changes a character in the middle of the signature.
fn tampered(token: &str) -> String {
    let (rest, end) = token.split_at(token.len() - 40);
    let other = if end.starts_with('A') { "B" } else { "A" };
    format!("{rest}{other}{}", &end[1..])
}

#[tokio::test(start_paused = true)]
async fn the_token_comes_before_its_owner_and_that_before_the_resource() {
    let hub = Hub::followed(Guards::ALL).await;
    hub.decider.keys.store(Arc::new(key_set(&[&KEY, &OTHER])));
    hub.commit(vec![
        revoke(7),
        withdraw("k1"),
        floor("ada"),
        user("ada", true),
    ])
    .await;
    hub.clock.advance(SECOND);
    hub.fresh().await;
    let unknown = SigningKey::from_seed(kid("k9"), &[9; 32]).unwrap();
    let sign_by =
        |key: &SigningKey, claims: &Claims| sign(claims, &Prefix::default(), key).unwrap();
    let elsewhere = Claims {
        aud: "elsewhere".into(),
        exp: Some(UnixTime(START)),
        ..claims("nobody", 7, Role::Write)
    };
    let expired = Claims {
        exp: Some(UnixTime(START)),
        ..claims("nobody", 7, Role::Write)
    };
    let rows = [
        ("rubbish".to_owned(), Reason::TokenMalformed),
        (
            tampered(&sign_by(&unknown, &elsewhere)),
            Reason::TokenKeyUnknown,
        ),
        (tampered(&sign_by(&KEY, &elsewhere)), Reason::TokenSignature),
        (sign_by(&KEY, &elsewhere), Reason::TokenClaims),
        (sign_by(&KEY, &expired), Reason::TokenExpired),
        (token("nobody", 7, Role::Write), Reason::TokenKeyWithdrawn),
        (
            sign_by(&OTHER, &claims("nobody", 7, Role::Write)),
            Reason::TokenRevoked,
        ),
        (
            sign_by(&OTHER, &claims("nobody", 8, Role::Write)),
            Reason::OwnerUnknown,
        ),
        (
            sign_by(&OTHER, &claims("ada", 100, Role::Write)),
            Reason::TokenRevoked,
        ),
        (
            sign_by(&OTHER, &claims("acme", 101, Role::Write)),
            Reason::OwnerUnknown,
        ),
        (
            sign_by(&OTHER, &claims("ada", 101, Role::Write)),
            Reason::OwnerDisabled,
        ),
        (
            sign_by(&OTHER, &claims("bob", 101, Role::Write)),
            Reason::NotFound,
        ),
    ];
    for (token, reason) in rows {
        // The second time the token may be remembered, which makes no difference.
        for _ in 0..2 {
            assert_eq!(hub.reason(&ask(&token, "nothing", READ)), Some(reason));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_reason_of_the_resource_is_reached_in_its_order() {
    let hub = Hub::followed(Guards::ALL).await;
    let public = |id: &str, owner: &str| Repo {
        visibility: Visibility::Public,
        disabled: true,
        ..model(id, owner)
    };
    let gated = Repo {
        gate: GateMode::Manual,
        org_members_gated: true,
        ..public("gated", "acme")
    };
    hub.commit(vec![
        repo(public("own", "ada")),
        repo(public("theirs", "bob")),
        repo(gated.clone()),
    ])
    .await;
    let [read, write, fine] =
        [Role::Read, Role::Write, Role::FineGrained].map(|role| token("ada", 7, role));
    let mut reached = BTreeSet::new();
    let mut expect = |question: Question<'_>, reason: Option<Reason>| {
        assert_eq!(hub.reason(&question), reason);
        reached.extend(reason.map(|reason| reason as i32));
    };
    expect(ask(&fine, "nothing", WRITE), Some(Reason::NotFound));
    // The owner's right is checked first, then the token's ceiling, then the resource's own state.
    expect(ask(&read, "theirs", WRITE), Some(Reason::OwnerRole));
    expect(ask(&read, "own", WRITE), Some(Reason::TokenRole));
    expect(ask(&fine, "own", WRITE), Some(Reason::TokenScope));
    expect(ask(&write, "own", WRITE), Some(Reason::ResourceDisabled));
    expect(ask(&fine, "gated", READ), Some(Reason::TokenGatedFlag));
    let anonymous = Question {
        caller: Caller::Anonymous,
        ..ask("", "gated", READ)
    };
    expect(anonymous, Some(Reason::LoginRequired));
    expect(ask(&read, "gated", READ), Some(Reason::GateNotRequested));
    for (state, reason) in [
        (GrantState::Pending, Reason::GatePending),
        (GrantState::Rejected, Reason::GateRejected),
        (GrantState::Accepted, Reason::ResourceDisabled),
    ] {
        hub.commit(vec![grant(state)]).await;
        expect(ask(&read, "gated", READ), Some(reason));
    }
    let open = Repo {
        disabled: false,
        ..gated
    };
    hub.commit(vec![repo(open)]).await;
    expect(ask(&read, "gated", READ), None);
    // With the reasons of the test above these are all, except an org's policies, which aren't built
    // yet.
    reached.extend(1..=9);
    let all = (1..70).filter(|number| Reason::try_from(*number).is_ok());
    assert!(reached.into_iter().eq(all));
}

/// The answer is the same whichever repo the decoy work reads; here every repo is the caller's own.
#[tokio::test(start_paused = true)]
async fn what_has_no_name_is_not_found_whoever_asks() {
    let hub = Hub::followed(Guards::ALL).await;
    let mut changes = vec![user("ada", false)];
    for id in ["llm", "gated"] {
        changes.push(Change::Delete(RecordKey::Repo(RepoId::parse(id).unwrap())));
    }
    hub.commit(changes).await;
    let ada = token("ada", 7, Role::Write);
    assert!(hub.allows(&ask(&ada, "own", READ)));
    for number in 0..50 {
        let name = format!("nothing-{number}");
        let by_name = Resource::RepoName {
            kind: RepoKind::Model,
            owner: "ada",
            name: &name,
        };
        for resource in [by_name, model_id(&name)] {
            for caller in [Caller::Token(&ada), Caller::Anonymous] {
                for permission in [READ, WRITE, Permission::RepoMetadataRead] {
                    let question = Question {
                        caller,
                        resource,
                        ..ask(&ada, "", permission)
                    };
                    let decision = hub.decide(&question).unwrap();
                    let facts = hub
                        .decider
                        .facts(caller, Asker::somebody(&hub.metrics.worker(0)));
                    let batched = hub
                        .decider
                        .decide_all(&[(question, &facts)], hub.clock.boot())
                        .unwrap()
                        .remove(0)
                        .unwrap();
                    for verdict in [decision.verdict, batched.verdict] {
                        assert_eq!(verdict.unwrap_err().reason, Reason::NotFound);
                    }
                }
            }
        }
    }
}
