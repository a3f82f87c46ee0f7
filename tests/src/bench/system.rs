//! Measures what a caller of an issuer sees through gRPC; every write is on disk before it is answered.
//! Issuer, store, followers and the caller share this machine.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream};
use tokenward_common::{
    access::Permission,
    clock::SystemClock,
    id::RevisionToken,
    replica::{Follow, Replica},
    state::record::RepoKind,
    store::guards::Guards,
    token::{MemoHasher, VerifyKeys},
};
use tokenward_proto::v1::RevokeTokenRequest;
use tokenward_verifier::{
    config::Bounds,
    decide::{Caller, Decider, Question, Resource},
    keys::TrustedKeys,
    memo::Memo,
    metrics::Metrics,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::{
    Row,
    batches::batches,
    hub::{self, Hub},
    now, quantile,
    realm::{Realm, StoreKind},
    since,
};

const LONGEST_START: Duration = Duration::from_secs(60);

fn named(kind: StoreKind) -> &'static str {
    match kind {
        StoreKind::Redis => "Redis",
        StoreKind::Embedded => "embedded",
    }
}

fn caller() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// Imports the hub. Returns the last batch's revision, and the time of the whole import.
async fn import_hub(realm: &Realm, hub: Hub) -> Result<(String, Duration)> {
    let made = batches(hub).collect::<Result<Vec<_>>>()?;
    let wanted = made.len();
    let start = now();
    let mut directory = realm.directory().await?;
    let mut answers = directory.import(stream::iter(made)).await?.into_inner();
    let (mut answered, mut last) = (0, String::new());
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        ensure!(answer.error.is_empty(), "{}", answer.error);
        last = answer.revision;
        answered += 1;
    }
    ensure!(
        answered == wanted,
        "{answered} of {wanted} batches answered"
    );
    Ok((last, since(start)))
}

/// Measures an import into an empty realm in records per second, and a verifier's cold start on it.
pub fn import(kind: StoreKind, records: u64) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(".")?;
    let realm = Realm::start(kind, folder.path())?;
    let hub = Hub::of(records);
    let millions = hub.records() as f64 / 1e6;
    let (rate, busy, cold, cold_busy) = caller()?.block_on(async {
        let used = realm.cpu();
        let (revision, took) = import_hub(&realm, hub).await?;
        let busy = (realm.cpu() - used) / millions;
        let (mut cold, mut cold_busy) = (f64::MAX, f64::MAX);
        for _ in 0..3 {
            let (took, used) = cold_start(&realm, &revision).await?;
            cold = cold.min(took.as_secs_f64());
            cold_busy = cold_busy.min(used);
        }
        let rate = hub.records() as f64 / took.as_secs_f64();
        anyhow::Ok((rate, busy, cold / millions, cold_busy / millions))
    })?;
    realm.end()?;
    let store = named(kind);
    Ok(vec![
        Row::new(
            format!("import, {store}, {} records", hub.records()),
            "100 k/s",
            format!(
                "{:.0} k/s ({busy:.1} us of CPU a record, caller and store included)",
                rate / 1000.0
            ),
        ),
        Row::new(
            format!("cold start of a follower, {store}, a million records"),
            "1.5 s",
            format!("{cold:.2} s ({cold_busy:.2} s of CPU, store included)"),
        ),
    ])
}

/// Starts a follower without state. Returns the time to a fresh view, and the seconds of CPU that it took.
async fn cold_start(realm: &Realm, revision: &str) -> Result<(Duration, f64)> {
    let used = realm.cpu();
    let follower = Follower::start(realm, "cold")?;
    let token = RevisionToken::parse(revision).context("a revision")?;
    let start = now();
    let arrived = follower.replica.reached(token.log, token.revision);
    tokio::time::timeout(LONGEST_START, arrived).await?;
    // The CPU time of the follower's thread counts only while the thread is alive.
    Ok((since(start), realm.cpu() - used))
}

/// A view that follows on a thread of its own.
struct Follower {
    replica: Arc<Replica>,
    stop: CancellationToken,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Follower {
    fn start(realm: &Realm, name: &str) -> Result<Self> {
        let runtime = caller()?;
        let (follower, follow) = Self::new(realm, name)?;
        let stop = follower.stop.clone();
        thread::spawn(move || runtime.block_on(follow.run(stop)));
        Ok(follower)
    }

    fn new(realm: &Realm, name: &str) -> Result<(Self, Follow)> {
        let replica = Arc::new(Replica::new(Arc::new(SystemClock)));
        let follow = Follow {
            feed: realm.feed()?,
            replica: Arc::clone(&replica),
            name: name.into(),
            bound: None,
            usage: Arc::default(),
            confirm_interval: Duration::from_millis(500),
            guards: Guards::ALL,
            observer: Arc::new(()),
        };
        let stop = CancellationToken::new();
        Ok((Self { replica, stop }, follow))
    }
}

/// Measures durable revocations through gRPC: the time of one, and the number in a second.
pub fn revoke(kind: StoreKind, in_flight: &[usize]) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(".")?;
    let realm = Realm::start(kind, folder.path())?;
    let hub = Hub::of(10_000);
    let store = named(kind);
    let mut rows = Vec::new();
    caller()?.block_on(async {
        import_hub(&realm, hub).await?;
        for &in_flight in in_flight {
            let count = (in_flight * 700).clamp(1000, 30_000);
            let users = (0..count as u64).map(|number| number % hub.users);
            let start = now();
            let minted = realm.mint(users, 64).await?;
            let minting = count as f64 / since(start).as_secs_f64();
            // There is one connection for each caller, at most four, which is realistic.
            let mut clients = Vec::new();
            for _ in 0..in_flight.min(4) {
                clients.push(realm.tokens().await?);
            }
            let (start, used) = (now(), realm.cpu());
            let mut took: Vec<Duration> = stream::iter(minted.into_iter().enumerate())
                .map(|(index, (_, token_id))| {
                    let client = clients.get(index % clients.len()).cloned();
                    async move {
                        let sent = now();
                        let request = RevokeTokenRequest {
                            token_id,
                            ..RevokeTokenRequest::default()
                        };
                        client.context("a client")?.revoke_token(request).await?;
                        anyhow::Ok(since(sent))
                    }
                })
                .buffer_unordered(in_flight)
                .collect::<Vec<_>>()
                .await
                .into_iter()
                .collect::<Result<_>>()?;
            let rate = count as f64 / since(start).as_secs_f64();
            let busy = (realm.cpu() - used) * 1e6 / count as f64;
            took.sort_unstable();
            let (p50, p99) = (quantile(&took, 0.5), quantile(&took, 0.99));
            let bar = match (kind, in_flight) {
                (_, 1) => "p50 1 ms",
                (StoreKind::Redis, 16) => "8 k/s",
                (StoreKind::Redis, 64) => "15 k/s",
                (StoreKind::Embedded, 16) => "20 k/s",
                _ => "",
            };
            rows.push(Row::new(
                format!("revoke acknowledged, {store}, {in_flight} in flight"),
                bar,
                format!(
                    "{:.1} k/s, p50 {p50:.2?}, p99 {p99:.2?} ({busy:.0} us of CPU each)",
                    rate / 1000.0
                ),
            ));
            rows.push(Row::new(
                format!("(mint through gRPC, {store}, 64 in flight)"),
                "",
                format!("{:.1} k/s", minting / 1000.0),
            ));
        }
        anyhow::Ok(())
    })?;
    realm.end()?;
    Ok(rows)
}

/// Builds the inside of a verifier on a real feed.
fn decider(replica: &Arc<Replica>, keys: &VerifyKeys) -> Result<Decider> {
    let bound = Duration::from_secs(5);
    Ok(Decider {
        replica: Arc::clone(replica),
        keys: TrustedKeys::fixed(keys.clone()),
        memo: Memo::new(MemoHasher::random()?, 1 << 16)?,
        expected: hub::expected()?,
        bounds: Bounds {
            read: bound,
            write: bound,
            infer: bound,
        },
        guards: Guards::ALL,
    })
}

/// Measures the time from the acknowledgement until the last follower denies.
pub fn lag(kind: StoreKind, followers: usize, count: usize) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(".")?;
    let realm = Realm::start(kind, folder.path())?;
    let hub = Hub::of(10_000);
    // All followers share one thread: on two cores, more threads would only compete.
    let (made, running) = mpsc::channel();
    let follows = (0..followers)
        .map(|number| Follower::new(&realm, &format!("follower-{number}")))
        .collect::<Result<Vec<_>>>()?;
    let (views, follows): (Vec<_>, Vec<_>) = follows.into_iter().unzip();
    let stops: Vec<_> = views.iter().map(|view| view.stop.clone()).collect();
    let runtime = caller()?;
    let deciders = views
        .iter()
        .map(|view| decider(&view.replica, &realm.keys).map(Arc::new))
        .collect::<Result<Vec<_>>>()?;
    let watched = deciders.clone();
    // Receives a token and the revision of its revocation, and reports the time when the last follower
    // denied.
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<(String, RevisionToken)>();
    thread::spawn(move || {
        runtime.block_on(async move {
            for (follow, stop) in follows.into_iter().zip(stops) {
                tokio::spawn(follow.run(stop));
            }
            let counts = Metrics::new(1).worker(0);
            while let Some((token, revoked)) = told.recv().await {
                for decider in &watched {
                    decider.replica.reached(revoked.log, revoked.revision).await;
                    if allows(decider, &token, &counts) {
                        return;
                    }
                }
                if made.send(now()).is_err() {
                    return;
                }
            }
        });
    });
    let counts = Metrics::new(1).worker(0);
    let mut took = caller()?.block_on(async {
        import_hub(&realm, hub).await?;
        // These users are members of the first org.
        let users = (0..count as u64).map(|number| number % 20 * hub.orgs % hub.users);
        let minted = realm.mint(users, 16).await?;
        let mut client = realm.tokens().await?;
        let mut took = Vec::new();
        for (secret, token_id) in minted {
            let waiting = now();
            while !deciders
                .iter()
                .all(|decider| allows(decider, &secret, &counts))
            {
                ensure!(since(waiting) < LONGEST_START, "never allowed");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let request = RevokeTokenRequest {
                token_id,
                ..RevokeTokenRequest::default()
            };
            let revision = client.revoke_token(request).await?.into_inner().revision;
            let acknowledged = now();
            let revision = RevisionToken::parse(&revision).context("a revision")?;
            tell.send((secret, revision))?;
            let denied = running.recv().context("allowed after it was applied")?;
            took.push(denied.since(acknowledged));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        anyhow::Ok(took)
    })?;
    drop(views);
    realm.end()?;
    took.sort_unstable();
    let (p50, p99) = (quantile(&took, 0.5), quantile(&took, 0.99));
    Ok(vec![Row::new(
        format!(
            "revoke acknowledged → all of {followers} followers deny, {}",
            named(kind)
        ),
        "p50 1 ms, p99 5 ms",
        format!(
            "p50 {p50:.2?}, p99 {p99:.2?}, most {:.2?}",
            quantile(&took, 1.0)
        ),
    )])
}

fn allows(decider: &Decider, token: &str, counts: &tokenward_verifier::metrics::Counts) -> bool {
    let question = Question {
        caller: Caller::Token(token),
        resource: Resource::RepoName {
            kind: RepoKind::Model,
            owner: "org-0",
            name: "model-0",
        },
        permission: Permission::RepoContentRead,
        min_revision: None,
        max_staleness: None,
        present_name: false,
    };
    decider
        .decide(
            &question,
            now(),
            tokenward_verifier::strangers::Asker::somebody(counts),
        )
        .is_ok_and(|decision| decision.verdict.is_ok())
}

/// Prepares the bench of the real verifier: a realm with a hub of this size and this many tokens, all of
/// which may read the model `org-0/model-0`.
pub fn stage(realm: &Realm, records: u64, tokens: u64) -> Result<Vec<String>> {
    let hub = Hub::of(records);
    caller()?.block_on(async {
        import_hub(realm, hub).await?;
        let users =
            (0..tokens).map(|number| number * hub.orgs % (hub.users - hub.users % hub.orgs));
        let minted = realm.mint(users, 64).await?;
        Ok(minted.into_iter().map(|(secret, _)| secret).collect())
    })
}
