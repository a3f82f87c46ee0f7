//! These cases test what a confirm leaves behind: receipts, and the hours in which tokens were last
//! seen.

use std::time::Duration;

use crate::{
    id::{Revision, TokenId},
    store::{MAX_USED, Receipt, Report, Store, Used},
    testing::conformance::{
        Backend,
        fixture::{done, put, revoke, start},
    },
};

fn verifier(name: &str) -> Report {
    Report {
        bound: Some(Duration::from_millis(5000)),
        ..Report::from(name)
    }
}

async fn receipt(store: &dyn Store, name: &str) -> Option<Receipt> {
    let all = store.receipts().await.unwrap();
    all.into_iter().find(|receipt| receipt.follower == name)
}

/// The receipts hold each follower's last confirm, by name. Each confirm changes the mark, and a
/// confirm that is lost advances nothing.
pub async fn receipts_tell_who_applied_what<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    assert_eq!(store.receipts().await.unwrap(), []);
    let start = start(&*feed).await;
    let at = done(&*store, put(1, "ada")).await;
    feed.confirm(&verifier("edge-1"), &start).await.unwrap();
    feed.confirm(&verifier("edge-2"), &at).await.unwrap();
    feed.confirm(&"issuer-1".into(), &at).await.unwrap();
    let first = receipt(&*store, "edge-1").await.unwrap();
    assert_eq!((first.log, first.applied), (start.log, Revision(0)));
    assert_eq!(first.bound, Some(Duration::from_secs(5)));
    let second = receipt(&*store, "edge-2").await.unwrap();
    assert_eq!((second.log, second.applied), (at.log, at.revision));
    let issuer = receipt(&*store, "issuer-1").await.unwrap();
    assert_eq!(issuer.bound, None);

    // In some stores marks change with time, so this repeats until the mark is another.
    let mut again = first.clone();
    while again.mark == first.mark {
        feed.confirm(&verifier("edge-1"), &at).await.unwrap();
        again = receipt(&*store, "edge-1").await.unwrap();
    }
    assert_eq!(again.applied, at.revision);
    let beyond = crate::id::Cursor {
        revision: Revision(at.revision.0 + 10),
        ..at
    };
    feed.confirm(&verifier("edge-1"), &beyond)
        .await
        .unwrap_err();
    let lost = receipt(&*store, "edge-1").await.unwrap();
    assert_eq!(lost.applied, at.revision);
    assert_eq!(store.receipts().await.unwrap().len(), 3);
}

/// Nobody waits for a follower after its goodbye; one that comes back is waited for again.
pub async fn a_goodbye_takes_the_bound_back<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    for round in 0..3 {
        feed.confirm(&verifier("edge-1"), &start).await.unwrap();
        let here = receipt(&*store, "edge-1").await.unwrap();
        assert_eq!(here.bound, verifier("edge-1").bound, "{round}");
        feed.confirm(&"edge-1".into(), &start).await.unwrap();
        let gone = receipt(&*store, "edge-1").await;
        assert_eq!(gone.and_then(|it| it.bound), None, "{round}");
    }
}

/// Only this makes a receipt worth waiting for: a caller that reads the receipts after a commit was
/// acknowledged sees every follower whose confirm returned an older head.
pub async fn an_older_head_is_never_told_unseen<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    let mut older = 0;
    for round in 0..200 {
        let name = format!("edge-{round}");
        let report = verifier(&name);
        let known_before = receipt(&*store, &name).await;
        assert_eq!(known_before, None);
        let (confirmed, seen) = tokio::join!(feed.confirm(&report, &start), async {
            let committed = done(&*store, revoke([round + 1])).await;
            (committed, receipt(&*store, &name).await)
        });
        let (committed, seen) = seen;
        if confirmed.unwrap().head.cursor.revision < committed.revision {
            older += 1;
            let seen = seen.unwrap_or_else(|| panic!("round {round}: told unseen"));
            assert!(seen.applied < committed.revision);
        }
    }
    // Without such a confirm this case shows nothing.
    assert!(older > 0, "no confirm came before its commit");
}

/// A follower that may still answer isn't forgotten with the process that received its confirm.
pub async fn followers_survive_a_kill<B: Backend>() {
    let mut backend = B::fresh().await;
    let start = start(&*backend.feed()).await;
    backend
        .feed()
        .confirm(&verifier("edge-1"), &start)
        .await
        .unwrap();
    backend.kill().await;
    let found = receipt(&*backend.store(), "edge-1").await.unwrap();
    assert_eq!(found.bound, Some(Duration::from_secs(5)));
    assert_eq!(found.applied, Revision(0));
}

/// The hours are kept by token; an hour never goes back; a token that was never minted is not kept.
pub async fn used_hours_are_kept<B: Backend>() {
    let backend = B::fresh().await;
    let (store, feed) = (backend.store(), backend.feed());
    let start = start(&*feed).await;
    let mut last = 0;
    for _ in 0..MAX_USED + 10 {
        last = store.take_serial().await.unwrap().0;
    }
    let last = TokenId(last);
    let used = |token, hour| Used { token, hour };
    let tell = async |used: Vec<Used>| {
        let report = Report {
            used,
            ..verifier("edge-1")
        };
        feed.confirm(&report, &start).await.unwrap();
    };
    let one = TokenId(1);
    let never = TokenId(1 << 40);
    tell(vec![used(one, 480_000), used(never, 480_000)]).await;
    tell(vec![used(one, 479_999), used(last, 480_001)]).await;
    // A later commit is written after the hours that were reported before it.
    done(&*store, put(1, "ada")).await;
    let asked = [last, TokenId(2), one, never];
    assert_eq!(
        store.last_used(&asked).await.unwrap(),
        [Some(480_001), None, Some(480_000), None]
    );
    tell((1..=last.0).map(|id| used(TokenId(id), 480_002)).collect()).await;
    done(&*store, put(1, "bob")).await;
    let all: Vec<TokenId> = (1..=last.0).map(TokenId).collect();
    let hours = store.last_used(&all).await.unwrap();
    let told = hours.iter().filter(|hour| **hour == Some(480_002)).count();
    assert_eq!(told, MAX_USED, "one confirm tells of so many and no more");
    assert_eq!(store.last_used(&[]).await.unwrap(), []);
}
