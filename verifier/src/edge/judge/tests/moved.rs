//! Tests old names and names in another case: which callers are redirected, and that nobody is let through
//! by them.

use std::time::Duration;

use tokenward_common::{
    id::{AccountId, Name, RepoId},
    state::record::{OldName, Org, RecordKey, Redirect, Repo, RepoKind},
};

use super::*;
use crate::{
    decide::{Question, Resource},
    edge::routes::Place,
};

const SECOND: Duration = Duration::from_secs(1);

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn named(text: &str, repo: Repo) -> Change {
    Change::Put(Record::Repo(Repo {
        name: name(text),
        ..repo
    }))
}

fn old_name(of: &str) -> Redirect {
    Redirect::Repo {
        kind: RepoKind::Model,
        owner: AccountId::parse("acme").unwrap(),
        name: name(of),
        to: RepoId::parse(of).unwrap(),
    }
}

fn leads_on(of: &str) -> Change {
    Change::Put(Record::Redirect(old_name(of)))
}

fn location(judgement: &Judgement) -> Option<&str> {
    match &judgement.outcome {
        Outcome::Moved(location) => Some(location),
        _ => None,
    }
}

/// Returns a hub in which `llm` is now called `big`, and is private.
async fn renamed() -> Hub {
    let hub = hub().await;
    let changes = vec![named("big", model("llm", "acme")), leads_on("llm")];
    hub.commit(changes).await;
    hub
}

#[tokio::test(start_paused = true)]
async fn an_old_name_leads_on_who_may_see_what_had_it() {
    let hub = renamed().await;
    let judge = judge(&hub);
    let ada = bearer(token("ada", 7, Role::Read));
    for (row, expected) in [
        (
            "GET /acme/llm/resolve/main/x?a=%20",
            "/acme/big/resolve/main/x?a=%20",
        ),
        ("GET /ACME/LLM/resolve/main/x", "/acme/big/resolve/main/x"),
        (
            "GET /acme/llm.git/info/refs?service=git-upload-pack",
            "/acme/big.git/info/refs?service=git-upload-pack",
        ),
        // If the caller may not do this at the new name, it learns so there.
        (
            "POST /api/models/acme/llm/commit/main",
            "/api/models/acme/big/commit/main",
        ),
    ] {
        assert_eq!(location(&ask(&judge, row, &ada)), Some(expected), "{row}");
    }
    hub.commit(vec![revoke(9)]).await;
    let revoked = bearer(token("ada", 9, Role::Read));
    let bob = bearer(token("bob", 8, Role::Write));
    for row in [
        "GET /acme/llm/resolve/main/x",
        "POST /acme/llm/git-receive-pack",
    ] {
        for credential in [
            &bob,
            &Credential::Anonymous,
            &revoked,
            &Credential::Malformed,
        ] {
            let hidden = put(&ask(&judge, row, credential));
            let missing = put(&ask(&judge, &row.replace("llm", "nil"), credential));
            assert_eq!(hidden, missing, "{row} {credential:?}");
        }
    }
    // A check of the name itself does not change.
    let text = token("ada", 7, Role::Read);
    let question = Question {
        caller: Caller::Token(&text),
        resource: Resource::RepoName {
            kind: RepoKind::Model,
            owner: "acme",
            name: "llm",
        },
        permission: tokenward_common::access::Permission::RepoMetadataRead,
        min_revision: None,
        max_staleness: None,
        present_name: false,
    };
    let now = hub.decider.replica.clock().boot();
    let decision = hub
        .decider
        .decide(&question, now, Asker::somebody(&judge.counts))
        .unwrap();
    assert_eq!(decision.verdict.unwrap_err().reason, Reason::NotFound);
}

/// The name is metadata, whose bound may be shorter than that of the write that was requested.
#[tokio::test(start_paused = true)]
async fn no_name_is_told_from_a_view_that_is_too_old_for_a_read() {
    let mut hub = renamed().await;
    let decider = Arc::get_mut(&mut hub.decider).unwrap();
    decider.bounds.read = SECOND;
    decider.bounds.write = 60 * SECOND;
    let judge = judge(&hub);
    let ada = bearer(token("ada", 7, Role::Write));
    let row = "POST /api/models/acme/llm/commit/main";
    let present = "/api/models/acme/big/commit/main";
    assert_eq!(location(&ask(&judge, row, &ada)), Some(present));
    hub.clock.advance(2 * SECOND);
    let old = put(&ask(&judge, row, &ada));
    let missing = put(&ask(&judge, &row.replace("llm", "nil"), &ada));
    assert_eq!(old, missing);
}

#[tokio::test(start_paused = true)]
async fn what_has_the_name_now_has_it_alone() {
    let hub = renamed().await;
    let judge = judge(&hub);
    let row = "GET /acme/llm/resolve/main/x";
    let ada = bearer(token("ada", 7, Role::Read));
    // The repo that had the name is open to all. The one that has it now is not, and the redirect was left
    // behind.
    let public = Repo {
        visibility: Visibility::Public,
        ..model("llm", "acme")
    };
    hub.commit(vec![
        named("big", public),
        named("llm", model("second", "acme")),
    ])
    .await;
    assert_eq!(put(&ask(&judge, row, &ada)).status, 200);
    let bob = bearer(token("bob", 8, Role::Write));
    for credential in [bob, Credential::Anonymous] {
        let hidden = put(&ask(&judge, row, &credential));
        let missing = put(&ask(&judge, "GET /acme/nil/resolve/main/x", &credential));
        assert_eq!(hidden, missing);
    }
}

#[tokio::test(start_paused = true)]
async fn what_leads_nowhere_is_not_there() {
    let hub = renamed().await;
    let judge = judge(&hub);
    let ada = bearer(token("ada", 7, Role::Read));
    let asked = || put(&ask(&judge, "GET /acme/llm/resolve/main/x", &ada));
    assert_eq!(asked().status, 307);
    let gone = RepoId::parse("llm").unwrap();
    hub.commit(vec![Change::Delete(RecordKey::Repo(gone))])
        .await;
    let missing = put(&ask(&judge, "GET /acme/nil/resolve/main/x", &ada));
    assert_eq!(asked(), missing);
    hub.commit(vec![named("big", model("llm", "acme"))]).await;
    assert_eq!(asked().status, 307);
    let old: OldName = old_name("llm").old_name();
    hub.commit(vec![Change::Delete(RecordKey::Redirect(old))])
        .await;
    assert_eq!(asked(), missing);
}

#[tokio::test(start_paused = true)]
async fn an_owners_old_name_leads_on_and_so_does_another_case() {
    let hub = renamed().await;
    let judge = judge(&hub);
    let ada = bearer(token("ada", 7, Role::Write));
    let bob = bearer(token("bob", 8, Role::Write));
    let acme = AccountId::parse("acme").unwrap();
    let org = Record::Org(Org {
        id: acme.clone(),
        name: name("Initech"),
        display: Box::default(),
    });
    let moved = Record::Redirect(Redirect::Account {
        name: name("acme"),
        to: acme,
    });
    hub.commit(vec![Change::Put(org), Change::Put(moved)]).await;
    for (row, expected) in [
        (
            "GET /acme/llm/resolve/main/x",
            "/Initech/big/resolve/main/x",
        ),
        (
            "GET /acme/big/resolve/main/x",
            "/Initech/big/resolve/main/x",
        ),
        (
            "GET /initech/llm/resolve/main/x",
            "/Initech/big/resolve/main/x",
        ),
        (
            "GET /initech/BIG/resolve/main/x",
            "/Initech/big/resolve/main/x",
        ),
        (
            "POST /Initech/Big/git-receive-pack",
            "/Initech/big/git-receive-pack",
        ),
    ] {
        assert_eq!(location(&ask(&judge, row, &ada)), Some(expected), "{row}");
        let status = put(&ask(&judge, row, &bob)).status;
        assert_eq!(status, 404, "{row}");
    }
    assert_eq!(
        put(&ask(&judge, "GET /Initech/big/resolve/main/x", &ada)).status,
        200
    );
    // The repo is public, so everybody may learn its name.
    let open = ask(
        &judge,
        "GET /INITECH/open/resolve/main/x",
        &Credential::Anonymous,
    );
    assert_eq!(location(&open), Some("/Initech/open/resolve/main/x"));
}

/// Clients see the hub under a prefix, while the hub's own table knows none.
#[tokio::test(start_paused = true)]
async fn a_hub_under_a_path_is_asked_and_sent_on_under_it() {
    let hub = renamed().await;
    let mut place = Place::default();
    place.under("/hub").unwrap();
    let table = Table::hub().unwrap().placed(place);
    let judge = Judge {
        table: Arc::new(table),
        ..judge(&hub)
    };
    let ada = bearer(token("ada", 7, Role::Read));
    let bob = bearer(token("bob", 8, Role::Read));
    let old = "GET /hub/acme/llm/resolve/main/x?a=%20";
    let new = "/hub/acme/big/resolve/main/x?a=%20";
    assert_eq!(location(&ask(&judge, old, &ada)), Some(new));
    assert_eq!(put(&ask(&judge, old, &bob)).status, 404);
    for (target, status) in [
        (new, 200),
        ("/acme/big/resolve/main/x", 403),
        ("/hubs/acme/big/resolve/main/x", 403),
        ("/HUB/acme/big/resolve/main/x", 403),
        ("/%68ub/acme/big/resolve/main/x", 403),
        ("/hub/../acme/big/resolve/main/x", 400),
        ("/hub//acme/big/resolve/main/x", 400),
        ("/x/../hub/acme/big/resolve/main/x", 403),
        ("/hub", 403),
    ] {
        let row = format!("GET {target}");
        assert_eq!(put(&ask(&judge, &row, &ada)).status, status, "{target}");
    }
}
