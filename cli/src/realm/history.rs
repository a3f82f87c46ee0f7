//! `tokenward realm histories` lists what a store lost and when, and `tokenward realm vouch` goes on where no
//! issuer is left that remembers. Both are for a realm in Redis: the file of an embedded store has one process,
//! which loses nothing while it runs.

use std::time::Duration;

use serde_json::json;
use tokenward_common::{
    id::AccountId,
    process::{Secret, settings::Mistakes},
    store::{
        History,
        redis::{OpenError, OpenOptions, RedisArgs, RedisPlace, RedisStore},
    },
};
use tokenward_issuer::config::{StoreChoice, is_managed, parse_store};

use crate::{
    exit::{Exit, Failure},
    global::Global,
    output::Output,
    table, when,
};

/// Other issuers have this long to vouch, after an operator vouched for those that are gone.
const OTHERS: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) const VOUCH: &str = "\
Use it only if /readyz of every issuer says `unvouched` and stays so: after a failover of Redis, while
all issuers were restarted, no issuer is left that knows what was acknowledged last. This command takes
the present primary as it is. What that primary lacks is lost: tokens that were revoked in the last
moments before may be accepted again. If you still have the old primary, bring it back instead.

An issuer that still remembers is never passed over: it must vouch itself, or be stopped first.";

#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// Name the realm.
    #[arg(long, env = "TOKENWARD_REALM", hide_env_values = true)]
    realm: String,
    /// Name the realm's Redis as the issuer's --store does: redis://host:port,
    /// redis+sentinel://host,host,host/name or redis+cluster://host,host/ (over TLS rediss…). A URL
    /// with a password belongs in the environment, not on the command line.
    #[arg(long, env = "TOKENWARD_STORE", hide_env_values = true)]
    store: Secret,
    #[command(flatten)]
    redis: RedisArgs,
    /// Accept a Redis whose settings let it evict or forget data, as the issuers do.
    #[arg(long, env = "TOKENWARD_ALLOW_VOLATILE", hide_env_values = true)]
    allow_volatile: bool,
    /// Say who vouches that the Redis keeps what it acknowledged, as the issuers do: `checked` means
    /// its own settings, which are read; `managed` means you, where a managed service hides them.
    #[arg(
        long,
        env = "TOKENWARD_STORE_DURABILITY",
        hide_env_values = true,
        default_value = "checked",
        value_name = "checked|managed"
    )]
    store_durability: String,
}

impl Where {
    fn find(&self, global: &Global) -> Result<(Box<RedisPlace>, OpenOptions), Failure> {
        AccountId::parse(&self.realm).map_err(|rule| Failure::usage(format!("--realm: {rule}")))?;
        let mut m = Mistakes::default();
        let store = parse_store(&self.store, &self.redis, global.plaintext, &mut m);
        let managed = m.take("--store-durability", is_managed(&self.store_durability));
        let (store, managed) = m
            .or_built(store.zip(managed))
            .map_err(|mistakes| Failure::usage(mistakes.to_string()))?;
        let StoreChoice::Redis { place, nodes } = store else {
            return Err(Failure::usage(
                "--store: only a realm in Redis has histories: an embedded store has one process",
            ));
        };
        let options = OpenOptions {
            allow_volatile: self.allow_volatile,
            managed,
            data_nodes: nodes,
            ..OpenOptions::default()
        };
        Ok((place, options))
    }
}

pub(super) async fn list(at: &Where, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (place, options) = at.find(global)?;
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

pub(super) async fn vouch(at: &Where, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let (place, options) = at.find(global)?;
    let store = RedisStore::open(&*place, &at.realm, options).await;
    let store = store.map_err(failure)?;
    let began = std::time::Instant::now();
    let vouched = loop {
        let told = store.take_as_it_is().await;
        match told {
            Ok(true) => break Ok(()),
            _ if began.elapsed() < OTHERS => tokio::time::sleep(PAUSE).await,
            Ok(false) => {
                let text = "an issuer that is running has not vouched: read its /readyz";
                break Err(Failure::new(Exit::Conflict, text));
            }
            Err(error) => break Err(Failure::new(Exit::Unavailable, error.to_string())),
        }
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
