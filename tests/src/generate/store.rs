//! Writes a hub straight into a store, in the state in which an issuer's import would leave it, and starts
//! a follower on it.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, stream};
use tokenward_common::{
    clock::{Clock as _, SystemClock},
    id::RequestId,
    replica::{Follow, Replica},
    state::{
        key::Key,
        record::{Change, Record},
    },
    store::{
        Commit, CommitClass, CommitError, Feed, PrivateWrite, Store,
        embedded::EmbeddedStore,
        guards::Guards,
        redis::{OpenOptions, RedisStore},
    },
};
use tokio_util::sync::CancellationToken;

use super::{Part, Shape};

/// Records in one commit.
const BATCH: usize = 100;
/// Commits in flight at once.
const AT_ONCE: usize = 64;
/// Attempts for one commit.
const ATTEMPTS: usize = 20;
/// The longest time that one start may take.
const LONGEST_START: Duration = Duration::from_secs(3600);

/// Opens a store named `embedded:PATH` or `redis://…`.
pub async fn open(store: &str, realm: &str, create: bool) -> Result<Arc<dyn Store>> {
    if let Some(path) = store.strip_prefix("embedded:") {
        let clock = Arc::new(SystemClock);
        return Ok(EmbeddedStore::open(Path::new(path), create, clock)?);
    }
    if store.starts_with("redis://") {
        let options = OpenOptions {
            create,
            ..OpenOptions::default()
        };
        return Ok(Arc::new(RedisStore::open(store, realm, options).await?));
    }
    bail!("--store: must be embedded:PATH or redis://host:port")
}

/// Writes parents before their children. After each commit, `told` is called with its number of records.
pub async fn fill(store: &dyn Store, shape: &Shape, told: impl Fn(u64)) -> Result<()> {
    let mut number = 0_u128;
    for part in Part::ALL {
        let starts = (0..shape.count(part)).step_by(BATCH);
        let commits = starts.map(|start| {
            number += 1;
            commit(shape, part, start, number)
        });
        let mut done = stream::iter(commits)
            .map(|commit| async { settled(store, commit?).await })
            .buffer_unordered(AT_ONCE);
        while let Some(committed) = done.next().await {
            committed?;
            told(BATCH as u64);
        }
    }
    Ok(())
}

/// Commits, and repeats a commit whose answer was lost, for example on a slow disk. The repeat has the
/// same request id.
async fn settled(store: &dyn Store, commit: Commit) -> Result<()> {
    for _ in 0..ATTEMPTS {
        match store.commit(commit.clone()).await {
            Err(CommitError::Unknown(_)) => {}
            committed => return Ok(committed.map(drop)?),
        }
    }
    bail!("the store answered none of {ATTEMPTS} times")
}

fn commit(shape: &Shape, part: Part, start: u64, number: u128) -> Result<Commit> {
    let end = shape.count(part).min(start + BATCH as u64);
    let records: Vec<Record> = (start..end)
        .map(|at| shape.record(part, at))
        .collect::<Result<_>>()?;
    Ok(Commit {
        request: RequestId(number.to_be_bytes()),
        response: Vec::new(),
        class: CommitClass::Import,
        private: records.iter().filter_map(name_of).collect(),
        changes: records.into_iter().map(Change::Put).collect(),
        expect: Vec::new(),
    })
}

/// Returns the private record that maps a name to its holder's id. An issuer writes it beside the record.
fn name_of(record: &Record) -> Option<PrivateWrite> {
    let (key, holder) = match record {
        Record::User(user) => (Key::account_name(&user.name.folded()), user.id.as_str()),
        Record::Org(org) => (Key::account_name(&org.name.folded()), org.id.as_str()),
        Record::Repo(repo) => (
            Key::repo_name(repo.kind, &repo.owner, &repo.name.folded()),
            repo.id.as_str(),
        ),
        _ => return None,
    };
    Some(PrivateWrite::Put {
        key,
        value: holder.as_bytes().to_vec(),
    })
}

/// Starts a follower without state. Returns the time until its view may answer, and the view.
pub async fn start(store: Arc<dyn Store>) -> Result<(Duration, Arc<Replica>)> {
    let clock = Arc::new(SystemClock);
    let head = store.head().await?.cursor;
    let replica = Arc::new(Replica::new(Arc::clone(&clock) as _));
    let follow = Follow {
        feed: store as Arc<dyn Feed>,
        replica: Arc::clone(&replica),
        name: format!("hub-{}", std::process::id()),
        bound: None,
        usage: Arc::default(),
        confirm_interval: Duration::from_millis(500),
        guards: Guards::ALL,
        observer: Arc::new(()),
    };
    let stop = CancellationToken::new();
    let began = clock.boot();
    let following = tokio::spawn(follow.run(stop.clone()));
    let arrived = replica.reached(head.log, head.revision);
    tokio::time::timeout(LONGEST_START, arrived)
        .await
        .context("the follower doesn't arrive")?;
    let took = clock.boot().since(began);
    stop.cancel();
    following.await?;
    Ok((took, replica))
}
