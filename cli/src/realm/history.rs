//! `tokenward realm histories` lists what a store lost and when, and `tokenward realm vouch` goes on where no
//! issuer is left that remembers. Both are for a realm in Redis: the file of an embedded store has one process,
//! which loses nothing while it runs.

use std::time::Duration;

use serde_json::json;
use tokenward_common::store::{
    History,
    redis::{OpenError, OpenOptions, RedisPlace, RedisStore},
};
use tokenward_issuer::config::StoreChoice;

use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    realm::Place,
    table, when,
};

/// Other issuers have ten seconds to vouch, after an operator vouched for those that are gone.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

pub(super) const HISTORIES: &str = "\
Examples:
  tokenward realm histories --realm hub --store redis://127.0.0.1:6379
  TOKENWARD_STORE=redis://127.0.0.1:6379 tokenward realm histories --realm hub --json

A history is opened when an issuer finds that the store lacks what it had acknowledged: the issuers bring
back what they remember. `lost revisions` and `lost serials` are what the store lacked then.";

pub(super) const VOUCH: &str = "\
Examples:
  tokenward realm vouch --realm hub --store redis+sentinel://s1,s2,s3/hub --store-nodes 3

Use it only if /readyz of every issuer says `unvouched` and stays so: after a failover of Redis, while
all issuers were restarted, no issuer is left that knows what was acknowledged last. This command takes
the present primary as it is. What that primary lacks is lost: tokens that were revoked in the last
moments before may be accepted again. If you still have the old primary, bring it back instead.

An issuer that still remembers is never passed over: it must vouch itself, or be stopped first.";

fn find(at: &Place, global: &Global) -> Result<(Box<RedisPlace>, OpenOptions), Failure> {
    let (store, options) = at.read(global)?;
    let StoreChoice::Redis { place, nodes } = store else {
        return Err(Failure::usage(
            "--store: only a realm in Redis has histories: an embedded store has one process",
        ));
    };
    let options = OpenOptions {
        data_nodes: nodes,
        ..options
    };
    Ok((place, options))
}

pub(super) async fn list(at: &Place, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (place, options) = find(at, global)?;
    let found = RedisStore::histories(&*place, &at.realm, options).await;
    let histories = found.map_err(failure)?;
    let mut rows = vec![
        [
            "opened",
            "after log",
            "lost revisions",
            "lost serials",
            "goes on after",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(histories.iter().map(row));
    let text = match histories.is_empty() {
        true => "no history was opened: no issuer ever missed what it had acknowledged".into(),
        false => table::columns(&rows).trim_end().to_owned(),
    };
    let all: Vec<_> = histories.iter().map(describe).collect();
    output.answer(&text, &json!({ "histories": all }))?;
    Ok(Exit::Ok)
}

fn row(history: &History) -> Vec<String> {
    let lost = |from: u64, to: u64| match to > from {
        true => format!("{}..{to}", from + 1),
        false => "none".to_owned(),
    };
    vec![
        when::at(history.opened.seconds()),
        history.parent.to_string(),
        lost(history.stood.0, history.heard.0),
        lost(history.serial_stood.0, history.serial_heard.0),
        format!("revision {}, serial {}", history.revision, history.serial.0),
    ]
}

fn describe(history: &History) -> serde_json::Value {
    json!({
        "opened": when::at(history.opened.seconds()),
        "parent_log": history.parent.to_string(),
        "store_revision": history.stood.0,
        "acknowledged_revision": history.heard.0,
        "store_serial": history.serial_stood.0,
        "acknowledged_serial": history.serial_heard.0,
        "revision": history.revision.0,
        "serial": history.serial.0,
    })
}

pub(super) async fn vouch(at: &Place, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (place, options) = find(at, global)?;
    let store = RedisStore::open(&*place, &at.realm, options).await;
    let store = store.map_err(failure)?;
    let mut vouched = store.take_as_it_is().await;
    for _ in 0..TRIES {
        if matches!(vouched, Ok(true)) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        vouched = store.take_as_it_is().await;
    }
    let vouched = match vouched {
        Ok(true) => Ok(()),
        Ok(false) => {
            let text = "an issuer that is running has not vouched: read its /readyz";
            Err(Failure::new(Exit::Conflict, text))
        }
        Err(error) => Err(Failure::new(Exit::Unavailable, error.to_string())),
    };
    store.close().await;
    vouched?;
    let text = format!("vouched for the primary of the realm {}", at.realm);
    output.answer(&text, &json!({ "realm": at.realm }))?;
    Ok(Exit::Ok)
}

fn failure(error: OpenError) -> Failure {
    let exit = match error {
        OpenError::NoRealm => Exit::NotFound,
        OpenError::Unavailable(_) => Exit::Unavailable,
        _ => Exit::Other,
    };
    Failure::new(exit, format!("--store: {error}"))
}
