//! How many durable commits and imported records a second the embedded store takes on this
//! machine's disk, beside what a bare append and sync takes: judge by the ratio, not by the rate of a
//! busy disk. `cargo run --profile dist -p tokenward-common --features embedded --example
//! store_rates [folder]`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench: it prints, and measures by the machine's clock"
)]

use std::{
    error::Error,
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokenward_common::{
    clock::SystemClock,
    id::{AccountId, Name, RequestId, Serial},
    state::record::{Change, Member, OrgRole, Record, User},
    store::{Commit, CommitClass, Feed, Store, embedded::EmbeddedStore},
};

const SPAN: Duration = Duration::from_secs(2);

static NEXT: AtomicU64 = AtomicU64::new(1);

fn commit(class: CommitClass, changes: Vec<Change>) -> Commit {
    let mut request = RequestId::default();
    let number = u128::from(NEXT.fetch_add(1, Relaxed));
    // Spread, as random ids are.
    request.0 = number
        .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        .to_be_bytes();
    Commit {
        request,
        response: vec![0; 16],
        class,
        changes,
        private: Vec::new(),
        expect: Vec::new(),
    }
}

/// Hubs' ids begin with the time of their making, so an import in order appends; spread ids are
/// the worst that can come.
fn account(number: u64, spread: bool) -> Result<AccountId, Box<dyn Error + Send + Sync>> {
    let id = if spread {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    } else {
        number
    };
    Ok(AccountId::parse(&format!("{id:016x}00000000"))?)
}

async fn revocations(store: &Arc<EmbeddedStore>, in_flight: usize) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    let callers: Vec<_> = (0..in_flight)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut done = 0u32;
                while begun.elapsed() < SPAN {
                    let serial = Serial(NEXT.load(Relaxed) % 1_000_000 + 1);
                    let revoke = vec![Change::Revoke(vec![serial])];
                    store.commit(commit(CommitClass::Takeaway, revoke)).await?;
                    done += 1;
                }
                Ok::<_, tokenward_common::store::CommitError>(done)
            })
        })
        .collect();
    let mut done = 0;
    for caller in callers {
        done += caller.await??;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

async fn import(
    store: &Arc<EmbeddedStore>,
    in_flight: u64,
    spread: bool,
) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    let callers: Vec<_> = (0..in_flight)
        .map(|caller| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut done = 0u32;
                while begun.elapsed() < SPAN {
                    let base = (NEXT.load(Relaxed) * in_flight + caller) * 256;
                    let changes = (0..256)
                        .map(|i| {
                            let id = account(base + i, spread)?;
                            Ok(Change::Put(if i % 2 == 0 {
                                Record::User(User {
                                    name: Name::parse(&format!("user-{}", base + i))?,
                                    id,
                                    disabled: false,
                                    service_account_of: None,
                                    display: Box::default(),
                                })
                            } else {
                                Record::Member(Member {
                                    org: account(i % 4, spread)?,
                                    user: id,
                                    role: OrgRole::Read,
                                })
                            }))
                        })
                        .collect::<Result<_, Box<dyn Error + Send + Sync>>>()?;
                    store.commit(commit(CommitClass::Import, changes)).await?;
                    done += 256;
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(done)
            })
        })
        .collect();
    let mut done = 0;
    for caller in callers {
        done += caller.await?.map_err(|e| e.to_string())?;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

fn bare(folder: &Path) -> Result<f64, Box<dyn Error>> {
    let mut file = File::create(folder.join("bare"))?;
    let begun = Instant::now();
    let mut done = 0u32;
    while begun.elapsed() < SPAN {
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Not the system's temporary folder: that may be memory.
    let within = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let folder = tempfile::tempdir_in(within)?;
    println!(
        "bare append and sync of 4 KiB: {:.0}/s",
        bare(folder.path())?
    );
    let path = folder.path().join("realm.redb");
    let store = EmbeddedStore::open(&path, true, Arc::new(SystemClock))?;
    for in_flight in [1, 16, 64, 256] {
        let rate = revocations(&store, in_flight).await?;
        println!("revocations, {in_flight} in flight: {rate:.0}/s");
    }
    for (in_flight, spread) in [(1, false), (4, false), (16, false), (4, true)] {
        let rate = import(&store, in_flight, spread).await?;
        let ids = if spread { "spread" } else { "ordered" };
        println!("import, {in_flight} in flight of 256, {ids} ids: {rate:.0} records/s");
    }
    println!("{:?}", store.head().await?.counts);
    store.close().await;
    Ok(())
}
