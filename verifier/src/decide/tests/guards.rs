//! With each guard off, a token is allowed after its revocation was acknowledged. With the guard on, it
//! isn't.

use tokenward_common::{id::Revision, testing::faults::Point};

use super::*;

const SERIAL: u64 = 7;

fn hot() -> String {
    token("ada", SERIAL, Role::Write)
}

/// Takes the feed away, revokes the token and lets the bound pass.
async fn cut_off(guards: Guards) -> Hub {
    let hub = Hub::followed(guards).await;
    hub.feed.away(true);
    hub.feed.commit(vec![revoke(SERIAL)]);
    hub.clock.advance(BOUNDS.read + Duration::from_millis(1));
    hub
}

#[tokio::test(start_paused = true)]
async fn freshness() {
    let token = hot();
    let off = Guards {
        freshness: false,
        ..Guards::ALL
    };
    assert!(cut_off(off).await.allows(&ask(&token, "own", READ)));
    let hub = cut_off(Guards::ALL).await;
    let refused = hub.decide(&ask(&token, "own", READ)).unwrap_err();
    assert!(matches!(refused, Undecided::Stale { .. }), "{refused:?}");
    assert!(hub.decider.ready().is_err());
    hub.feed.away(false);
    hub.fresh().await;
    assert_eq!(
        hub.reason(&ask(&token, "own", READ)),
        Some(Reason::TokenRevoked)
    );
}

/// Makes the log slow but not the confirms.
async fn slow_log(guards: Guards) -> Hub {
    let hub = Hub::followed(guards).await;
    hub.feed.close(Point::LogAnswered);
    hub.feed.commit(vec![revoke(SERIAL)]);
    within(hub.feed.held(Point::LogAnswered)).await;
    for _ in 0..3 {
        hub.clock.advance(BOUNDS.read);
        // This is longer than the time between two confirms.
        tokio::time::sleep(5 * SECOND).await;
    }
    hub
}

#[tokio::test(start_paused = true)]
async fn applied_head() {
    let token = hot();
    let off = Guards {
        applied_head: false,
        ..Guards::ALL
    };
    assert!(slow_log(off).await.allows(&ask(&token, "own", READ)));
    let hub = slow_log(Guards::ALL).await;
    assert!(!hub.allows(&ask(&token, "own", READ)));
    hub.feed.open(Point::LogAnswered);
    hub.fresh().await;
    assert_eq!(
        hub.reason(&ask(&token, "own", READ)),
        Some(Reason::TokenRevoked)
    );
}

/// Loses the log's tail and writes it anew. The revocation is in the part that was already applied, and
/// the feed doesn't report the change.
async fn rewritten(guards: Guards) -> Hub {
    let hub = Hub::followed(guards).await;
    hub.commit(vec![revoke(1)]).await;
    hub.feed.blind(true);
    hub.feed.roll_back(Revision(1));
    hub.feed.commit(vec![revoke(SERIAL)]);
    let last = hub.feed.commit(vec![user("eve", false)]);
    within(hub.decider.replica.reached(last.log, last.revision)).await;
    hub.clock.advance(SECOND);
    hub.fresh().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn fingerprints() {
    let token = hot();
    let off = Guards {
        fingerprints: false,
        ..Guards::ALL
    };
    assert!(rewritten(off).await.allows(&ask(&token, "own", READ)));
    let hub = rewritten(Guards::ALL).await;
    assert_eq!(
        hub.reason(&ask(&token, "own", READ)),
        Some(Reason::TokenRevoked)
    );
}

/// Delivers an entry with its number and its fingerprint, but without its changes.
async fn hollow(guards: Guards) -> Hub {
    let hub = Hub::followed(guards).await;
    hub.feed.rewrite(|entry| entry.changes.clear());
    let last = hub.feed.commit(vec![revoke(SERIAL)]);
    within(hub.decider.replica.reached(last.log, last.revision)).await;
    hub.clock.advance(SECOND);
    hub.fresh().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn counts() {
    let token = hot();
    let off = Guards {
        counts: false,
        ..Guards::ALL
    };
    assert!(hollow(off).await.allows(&ask(&token, "own", READ)));
    let hub = hollow(Guards::ALL).await;
    assert_eq!(
        hub.reason(&ask(&token, "own", READ)),
        Some(Reason::TokenRevoked)
    );
}

/// Restores the store to before the revocation.
async fn restored(guards: Guards) -> Hub {
    let hub = Hub::followed(guards).await;
    hub.commit(vec![revoke(SERIAL)]).await;
    hub.feed.roll_back(Revision(1));
    hub.commit(vec![user("eve", false)]).await;
    within(async {
        let knows = || {
            let view = hub.decider.replica.view().unwrap();
            view.state.account_by_id("eve").is_some()
        };
        while !knows() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    hub.clock.advance(SECOND);
    hub.fresh().await;
    hub
}

#[tokio::test(start_paused = true)]
async fn monotone() {
    let token = hot();
    let off = Guards {
        monotone: false,
        ..Guards::ALL
    };
    assert!(restored(off).await.allows(&ask(&token, "own", READ)));
    let hub = restored(Guards::ALL).await;
    assert_eq!(
        hub.reason(&ask(&token, "own", READ)),
        Some(Reason::TokenRevoked)
    );
}

/// A guard that the programs could leave out would be no guard. Only these files name the guards, and
/// no setting changes one.
#[test]
fn the_programs_pass_all_guards_and_nothing_can_change_it() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut naming = Vec::new();
    let mut folders: Vec<_> = ["common", "issuer", "verifier", "cli", "tests"]
        .map(|package| root.join(package).join("src"))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            let is_test = name.contains("tests");
            let text = text.replace("-> Guards {", "");
            if text.contains("Guards {") && !is_test {
                assert!(
                    name.ends_with("store/guards.rs"),
                    "{name} makes guards of its own"
                );
            }
            if text.contains("Guards::ALL") && !is_test {
                naming.push(name);
            }
        }
    }
    naming.sort();
    assert_eq!(
        naming,
        [
            "cli/src/dev/parts.rs",
            "common/src/store/guards.rs",
            "common/src/store/redis/args.rs",
            "common/src/store/redis/durable.rs",
            "common/src/store/redis/feed.rs",
            "common/src/store/redis/options.rs",
            "issuer/src/run.rs",
            "verifier/src/main.rs"
        ]
    );
}
