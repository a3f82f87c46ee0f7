//! A fact that was true once is judged again each time.

use tokenward_common::id::{LogId, Revision};

use super::*;

/// Applies the change after a token was allowed and remembered.
async fn remembered(change: Vec<Change>) -> Option<Reason> {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::Write);
    for _ in 0..3 {
        assert_eq!(hub.reason(&ask(&token, "own", READ)), None);
    }
    assert_eq!(hub.decider.memo.len(), 1);
    hub.commit(change).await;
    hub.reason(&ask(&token, "own", READ))
}

#[tokio::test(start_paused = true)]
async fn a_remembered_token_is_refused_by_whatever_happened_since() {
    let realm = Change::RaiseFloor(FloorTarget::Realm);
    let gone = Change::Delete(RecordKey::User(account("ada")));
    for (change, reason) in [
        (revoke(7), Reason::TokenRevoked),
        (floor("ada"), Reason::TokenRevoked),
        (realm, Reason::TokenRevoked),
        (withdraw("k1"), Reason::TokenKeyWithdrawn),
        (user("ada", true), Reason::OwnerDisabled),
        (gone, Reason::OwnerUnknown),
    ] {
        assert_eq!(
            remembered(vec![change.clone()]).await,
            Some(reason),
            "{change:?}"
        );
    }
    let elsewhere = Change::RaiseFloor(FloorTarget::Org(account("acme")));
    for other in [
        elsewhere,
        revoke(8),
        floor("bob"),
        withdraw("k2"),
        user("bob", true),
    ] {
        assert_eq!(remembered(vec![other]).await, None);
    }
}

/// An org's floor closes what the org owns and does not publish to each value of before, and nothing else.
#[tokio::test(start_paused = true)]
async fn an_orgs_floor_is_the_orgs_alone() {
    let hub = Hub::followed(Guards::ALL).await;
    let old = token("ada", 7, Role::Write);
    let rotated = mint(&Claims {
        tid: TokenId(7),
        ..claims("ada", 8, Role::Write)
    });
    assert_eq!(hub.reason(&ask(&old, "llm", READ)), None);
    let floor = |org: &str| {
        Change::Put(Record::Floor(Floor {
            target: FloorTarget::Org(account(org)),
            serial: Serial(7),
        }))
    };
    hub.commit(vec![floor("other")]).await;
    assert_eq!(hub.reason(&ask(&old, "llm", READ)), None);
    hub.commit(vec![floor("acme")]).await;
    assert_eq!(
        hub.reason(&ask(&old, "llm", READ)),
        Some(Reason::OrgRevoked)
    );
    assert_eq!(hub.reason(&ask(&old, "own", READ)), None);
    assert_eq!(hub.reason(&ask(&rotated, "llm", READ)), None);
}

#[tokio::test(start_paused = true)]
async fn rights_are_those_of_now() {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::Write);
    assert_eq!(hub.reason(&ask(&token, "llm", WRITE)), None);
    hub.commit(vec![member(OrgRole::Read)]).await;
    assert_eq!(
        hub.reason(&ask(&token, "llm", WRITE)),
        Some(Reason::OwnerRole)
    );
    hub.commit(vec![Change::Delete(RecordKey::Member {
        org: account("acme"),
        user: account("ada"),
    })])
    .await;
    assert_eq!(
        hub.reason(&ask(&token, "llm", READ)),
        Some(Reason::NotFound)
    );
}

#[tokio::test(start_paused = true)]
async fn expiry_is_by_the_stores_time_and_what_elapsed_since() {
    let hub = Hub::followed(Guards::ALL).await;
    let mortal = mint(&Claims {
        exp: Some(UnixTime(START + 3)),
        ..claims("ada", 7, Role::Write)
    });
    // Without the feed, the store's time is known only by the time that has passed.
    hub.feed.away(true);
    assert_eq!(hub.reason(&ask(&mortal, "own", READ)), None);
    hub.clock.advance(Duration::from_millis(2999));
    assert_eq!(hub.reason(&ask(&mortal, "own", READ)), None);
    // The token ends at the second itself, though the view is fresh enough for everything else.
    hub.clock.advance(Duration::from_millis(1));
    assert_eq!(
        hub.reason(&ask(&mortal, "own", READ)),
        Some(Reason::TokenExpired)
    );
    let forever = token("ada", 8, Role::Write);
    assert_eq!(hub.reason(&ask(&forever, "own", READ)), None);
}

#[test]
fn the_machines_wall_clock_has_no_say() {
    let hub = Hub::new(Guards::ALL);
    let decide = |store: u64| {
        let mut state = State::new(tokenward_common::id::LogId([1; 16]));
        state
            .load(Record::User(User {
                id: account("ada"),
                name: name("ada"),
                disabled: false,
                service_account_of: None,
                display: Box::default(),
            }))
            .unwrap();
        let now = hub.clock.boot();
        let view = View {
            state,
            freshness: Some(tokenward_common::replica::Freshness::new(
                now,
                UnixMillis(store * 1000),
            )),
        };
        let mortal = mint(&Claims {
            exp: Some(UnixTime(START + 1000)),
            ..claims("ada", 7, Role::Write)
        });
        let question = ask(&mortal, "nothing", READ);
        let facts = hub
            .decider
            .facts(question.caller, Asker::somebody(&hub.metrics.worker(0)));
        let decider = &hub.decider;
        let moment = decider.moment_of(&question, &view, now, &mut NoTrace);
        let decision = decider
            .judge(&question, &facts, &moment.unwrap(), &mut NoTrace)
            .unwrap();
        decision.verdict.unwrap_err().reason
    };
    // This machine's clock stays at START meanwhile.
    assert_eq!(decide(START + 999), Reason::NotFound);
    assert_eq!(decide(START + 1000), Reason::TokenExpired);
    assert_eq!(decide(START - 5000), Reason::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_left_the_set_takes_its_remembered_tokens_along() {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::Write);
    assert_eq!(hub.reason(&ask(&token, "own", READ)), None);
    hub.decider.keys.store(Arc::new(key_set(&[&OTHER])));
    assert_eq!(
        hub.reason(&ask(&token, "own", READ)),
        Some(Reason::TokenKeyUnknown)
    );
}

#[tokio::test(start_paused = true)]
async fn min_revision() {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::Write);
    let at = hub.decider.replica.cursor();
    let least = |log: LogId, revision: u64| Question {
        min_revision: Some(RevisionToken {
            log,
            revision: Revision(revision),
        }),
        ..ask(&token, "own", READ)
    };
    assert!(hub.allows(&least(at.log, at.revision.0)));
    assert!(hub.allows(&least(at.log, 0)));
    assert_eq!(
        hub.decide(&least(at.log, at.revision.0 + 1)).unwrap_err(),
        Undecided::Behind { at: at.revision.0 }
    );
    for revision in [0, u64::MAX] {
        let refused = hub.decide(&least(LogId([9; 16]), revision)).unwrap_err();
        assert_eq!(refused, Undecided::ForeignRevision);
    }
}

#[tokio::test(start_paused = true)]
async fn each_class_has_its_bound_and_a_question_may_only_shorten_it() {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::Write);
    hub.feed.away(true);
    let asked = |permission, most: Option<Duration>| Question {
        max_staleness: most,
        ..ask(&token, "own", permission)
    };
    let second = Some(SECOND);
    let hour = Some(3600 * SECOND);
    let zero = Some(Duration::ZERO);
    let rows = [
        (Duration::from_millis(1000), [true, true, true, true, false]),
        (
            Duration::from_millis(1001),
            [true, true, false, true, false],
        ),
        (
            Duration::from_millis(2000),
            [true, true, false, true, false],
        ),
        (
            Duration::from_millis(2001),
            [true, false, false, true, false],
        ),
        (
            Duration::from_millis(5000),
            [true, false, false, true, false],
        ),
        (Duration::from_millis(5001), [false; 5]),
    ];
    let start = hub.clock.boot();
    let first = hub.decide(&ask(&token, "own", READ)).unwrap().age;
    assert_eq!(first, Duration::ZERO);
    for (age, expected) in rows {
        let elapsed = hub.clock.boot().since(start);
        hub.clock.advance(age - elapsed);
        let got = [
            hub.allows(&asked(READ, None)),
            hub.allows(&asked(WRITE, None)),
            hub.allows(&asked(READ, second)),
            hub.allows(&asked(READ, hour)),
            hub.allows(&asked(READ, zero)),
        ];
        assert_eq!(got, expected, "{age:?}");
    }
    let refused = hub.decide(&asked(WRITE, hour)).unwrap_err();
    assert!(matches!(refused, Undecided::Stale { bound, .. } if bound == BOUNDS.write));
}

#[tokio::test(start_paused = true)]
async fn anonymous_and_the_principal() {
    let hub = Hub::followed(Guards::ALL).await;
    let open = Repo {
        visibility: Visibility::Public,
        ..model("open", "bob")
    };
    hub.commit(vec![repo(open)]).await;
    let anonymous = |id| Question {
        caller: Caller::Anonymous,
        ..ask("", id, READ)
    };
    let decision = hub.decide(&anonymous("open")).unwrap();
    assert!(decision.verdict.is_ok() && decision.principal.is_none());
    assert_eq!(hub.reason(&anonymous("own")), Some(Reason::NotFound));
    // A bad token doesn't make its caller anonymous.
    for bad in ["", "rubbish", "tw_"] {
        let decision = hub.decide(&ask(bad, "open", READ)).unwrap();
        assert_eq!(decision.verdict.unwrap_err().reason, Reason::TokenMalformed);
        assert!(decision.principal.is_none());
    }
    let token = token("ada", 7, Role::Write);
    let refused = hub.decide(&ask(&token, "nothing", READ)).unwrap();
    assert!(refused.verdict.is_err());
    assert_eq!(&*refused.principal.unwrap().owner, "ada");
    hub.commit(vec![revoke(7)]).await;
    let revoked = hub.decide(&ask(&token, "open", READ)).unwrap();
    assert_eq!(revoked.verdict.unwrap_err().reason, Reason::TokenRevoked);
    assert!(revoked.principal.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_hidden_is_told_as_what_is_missing() {
    let hub = Hub::followed(Guards::ALL).await;
    hub.commit(vec![repo(model("secret", "bob"))]).await;
    let [write, fine] = [Role::Write, Role::FineGrained].map(|role| token("ada", 7, role));
    for token in [&write, &fine] {
        for permission in [READ, WRITE] {
            let told = |id| {
                let decision = hub.decide(&ask(token, id, permission)).unwrap();
                let principal = decision.principal.map(|principal| principal.tid);
                (
                    decision.verdict.unwrap_err(),
                    decision.cursor,
                    decision.age,
                    principal,
                )
            };
            assert_eq!(told("secret"), told("missing"));
        }
    }
    let nobody = |id| {
        let question = Question {
            caller: Caller::Anonymous,
            ..ask("", id, WRITE)
        };
        hub.decide(&question).unwrap().verdict.unwrap_err()
    };
    assert_eq!(nobody("secret"), nobody("missing"));
}

#[tokio::test(start_paused = true)]
async fn a_scope_reaches_what_it_names() {
    let hub = Hub::followed(Guards::ALL).await;
    let scoped = mint(&Claims {
        scopes: Some(Scopes {
            scoped: vec![Scope {
                kind: EntityKind::Model,
                id: "llm".into(),
                permissions: vec!["repo.content.read".into()],
                patterns: Vec::new(),
            }],
            ..Scopes::default()
        }),
        ..claims("ada", 7, Role::FineGrained)
    });
    assert_eq!(hub.reason(&ask(&scoped, "llm", READ)), None);
    assert_eq!(
        hub.reason(&ask(&scoped, "llm", WRITE)),
        Some(Reason::TokenScope)
    );
    assert_eq!(
        hub.reason(&ask(&scoped, "own", READ)),
        Some(Reason::NotFound)
    );
}

/// The state is rebuilt with its rows in another order, so another user has the owner's old place.
#[tokio::test(start_paused = true)]
async fn no_token_is_anothers_after_a_rebuild() {
    let hub = Hub::followed(Guards::ALL).await;
    let token = token("ada", 7, Role::Write);
    let of = |owner: &str| repo(model(&format!("of-{owner}"), owner));
    hub.commit(vec![of("ada"), of("bob")]).await;
    let allowed = || ["of-ada", "of-bob"].map(|id| hub.allows(&ask(&token, id, READ)));
    assert_eq!(allowed(), [true, false]);
    hub.feed.wipe();
    let owners = ["eve", "bob", "ada"];
    hub.commit(owners.map(|owner| user(owner, false)).to_vec())
        .await;
    hub.commit(vec![of("ada"), of("bob"), of("eve")]).await;
    assert_eq!(allowed(), [true, false]);
    assert!(!hub.allows(&ask(&token, "of-eve", READ)));
    // The owner is deleted and others are created. The token has no owner until the account is there
    // again.
    let gone = RecordKey::User(account("ada"));
    hub.commit(vec![Change::Delete(gone), user("zoe", false), of("zoe")])
        .await;
    assert_eq!(allowed(), [false, false]);
    assert_eq!(
        hub.reason(&ask(&token, "of-zoe", READ)),
        Some(Reason::OwnerUnknown)
    );
    hub.commit(vec![user("ada", false)]).await;
    assert_eq!(allowed(), [true, false]);
}
