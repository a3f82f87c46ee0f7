//! Rates of the store in Redis: `cargo run --profile dist --example redis_rates -- URL [revoke N]
//! [import] [snapshot]`, on a server of its own (the realm `rates` is made there). Prints; asserts
//! nothing.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokenward_common::{
    clock::{BootTime, Clock, SystemClock},
    id::{AccountId, RepoId, RequestId, Serial},
    state::record::{Change, GateGrant, GrantState, Record},
    store::{
        Commit, CommitClass, Feed, SnapshotPart, Store,
        redis::{OpenOptions, RedisStore},
    },
};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn commit(number: u64, class: CommitClass, changes: Vec<Change>) -> Commit {
    let mut request = [0; 16];
    for (to, from) in request.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    Commit {
        request: RequestId(request),
        response: Vec::new(),
        class,
        changes,
        private: Vec::new(),
        expect: Vec::new(),
    }
}

fn grant(number: u64) -> Outcome<Change> {
    // Ids as a hub's are: 24 hexadecimal digits.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Ok(Change::Put(Record::GateGrant(GateGrant {
        repo: RepoId::parse(&format!("{:08x}{:016x}", 7, number % 5000))?,
        user: AccountId::parse(&format!("{:08x}{spread:016x}", 8))?,
        state: GrantState::Accepted,
    })))
}

fn since(start: BootTime) -> f64 {
    SystemClock.boot().since(start).as_secs_f64()
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = sorted.len().saturating_sub(1) * percent / 100;
    sorted.get(at).copied().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "it is what it is for")]
fn say(text: &str) {
    println!("{text}");
}

async fn revocations(store: &Arc<RedisStore>, in_flight: usize) -> Outcome {
    let total = (in_flight as u64 * 1500).clamp(5_000, 60_000);
    let first = 1_000_000 * in_flight as u64;
    let start = SystemClock.boot();
    let mut acks: Vec<Duration> = stream::iter(first..first + total)
        .map(|number| {
            let store = store.clone();
            async move {
                let sent = SystemClock.boot();
                let revoke = vec![Change::Revoke(vec![Serial(number)])];
                let done = store
                    .commit(commit(number, CommitClass::Takeaway, revoke))
                    .await;
                done.map(|_| SystemClock.boot().since(sent))
            }
        })
        .buffer_unordered(in_flight)
        .filter_map(|ack| async { ack.ok() })
        .collect()
        .await;
    let rate = acks.len() as f64 / since(start);
    acks.sort_unstable();
    say(&format!(
        "revoke, {in_flight} in flight: {rate:.0}/s, p50 {:?}, p99 {:?}, {} of {total} acknowledged",
        percentile(&acks, 50),
        percentile(&acks, 99),
        acks.len(),
    ));
    Ok(())
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    let url = std::env::args().nth(1).ok_or("usage: redis_rates URL")?;
    let options = OpenOptions {
        create: true,
        ..OpenOptions::default()
    };
    let store = Arc::new(RedisStore::open(&url, "rates", options).await?);
    let mut phases = std::env::args().skip(2);
    while let Some(phase) = phases.next() {
        match phase.as_str() {
            "revoke" => {
                let in_flight = phases.next().ok_or("revoke N")?.parse()?;
                revocations(&store, in_flight).await?;
            }
            "import" => import(&store).await?,
            "snapshot" => snapshot(&store).await?,
            _ => return Err("revoke N, import, snapshot".into()),
        }
    }
    Ok(())
}

async fn import(store: &Arc<RedisStore>) -> Outcome {
    let records = 1_000_000;
    let mut imports = Vec::new();
    for batch in 0..records / 250 {
        let changes: Outcome<Vec<_>> = (0..250).map(|n| grant(batch * 250 + n)).collect();
        imports.push(commit(1 << 40 | batch, CommitClass::Import, changes?));
    }
    let start = SystemClock.boot();
    let done = stream::iter(imports)
        .map(|import| store.commit(import))
        .buffer_unordered(16)
        .filter(|done| std::future::ready(done.is_ok()))
        .count()
        .await;
    let rate = done as f64 * 250.0 / since(start);
    say(&format!(
        "import, 250 grants a commit, 16 in flight: {rate:.0} records/s, {done} commits"
    ));
    Ok(())
}

async fn snapshot(store: &Arc<RedisStore>) -> Outcome {
    let start = SystemClock.boot();
    let mut read = 0;
    let mut snapshot = store.snapshot();
    while let Some(part) = snapshot.next().await {
        if let SnapshotPart::Records(records) = part? {
            read += records.len();
        }
    }
    say(&format!(
        "snapshot: {read} records, {:.0} records/s",
        read as f64 / since(start)
    ));
    Ok(())
}
