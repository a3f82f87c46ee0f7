//! The benches: `tokenward-bench SECTION...` prints a table of figures.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use tokenward_common::process::tls::throwaway::Authority;
use tokenward_tests::bench::{
    Counting, Row, decide, hidden,
    realm::{Realm, StoreKind},
    state, system, tls, token,
};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: Counting = cap::Cap::new(mimalloc::MiMalloc, usize::MAX);

/// What the design's figures are measured with
#[derive(Parser, Debug)]
#[command(name = "tokenward-bench")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Measure, and print one row for each figure
    Run {
        #[arg(required = true)]
        sections: Vec<Section>,
        /// The store, for a section that needs one [default: both]
        #[arg(long)]
        store: Option<StoreKind>,
        #[arg(long, default_value_t = 500_000)]
        import_records: u64,
    },
    /// Run an issuer with a hub and tokens until SIGTERM, for `tests/bench`
    Stage {
        /// Where to write tokens, credential, and the address to follow
        folder: PathBuf,
        #[arg(long, default_value_t = 100_000)]
        records: u64,
        #[arg(long, default_value_t = 1000)]
        tokens: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Section {
    Hot,
    Uniform,
    Unseen,
    Hidden,
    Stall,
    Token,
    Handshakes,
    Revocations,
    Build,
    Import,
    Revoke,
    Lag,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Run {
            sections,
            store,
            import_records,
        } => {
            let stores = store.map_or(vec![StoreKind::Redis, StoreKind::Embedded], |one| vec![one]);
            let mut out = io::stdout();
            writeln!(out, "| what | bar | measured |\n|---|---|---|")?;
            for section in sections {
                for row in measure(section, &stores, import_records)? {
                    writeln!(out, "{row}")?;
                }
            }
            Ok(())
        }
        Command::Stage {
            folder,
            records,
            tokens,
        } => stage(&folder, records, tokens),
    }
}

fn measure(section: Section, stores: &[StoreKind], records: u64) -> Result<Vec<Row>> {
    let each = |run: &dyn Fn(StoreKind) -> Result<Vec<Row>>| {
        let rows: Result<Vec<_>> = stores.iter().map(|kind| run(*kind)).collect();
        anyhow::Ok(rows?.into_iter().flatten().collect())
    };
    match section {
        Section::Hot => decide::hot(&ALLOCATOR),
        Section::Uniform => decide::uniform(),
        Section::Unseen => decide::unseen(),
        Section::Hidden => hidden::hidden(),
        Section::Stall => decide::stall(),
        Section::Token => token::token(),
        Section::Handshakes => tls::handshakes(),
        Section::Revocations => state::revocations(),
        Section::Build => state::build(&ALLOCATOR),
        Section::Import => each(&|kind| system::import(kind, records)),
        Section::Revoke => each(&|kind| system::revoke(kind, &[1, 16, 64])),
        Section::Lag => each(&|kind| system::lag(kind, 10, 400)),
    }
}

fn stage(folder: &std::path::Path, records: u64, tokens: u64) -> Result<()> {
    let realm = Realm::start(StoreKind::Embedded, folder)?;
    let secrets = system::stage(&realm, records, tokens)?;
    fs::write(folder.join("tokens"), secrets.join("\n"))?;
    realm.follower_file()?;
    let authority = Authority::new("a bench")?;
    fs::write(folder.join("ca.pem"), authority.pem())?;
    let issued = authority.issue(&["127.0.0.1"], Duration::from_secs(60 * 24 * 3600))?;
    issued.write(&folder.join("server.pem"), &folder.join("server.key"))?;
    // This file is written last: a script that waits for it finds the others complete.
    let follow = format!("{}\n{}\n", realm.address, realm.keys_url);
    fs::write(folder.join("follow.part"), follow)?;
    fs::rename(folder.join("follow.part"), folder.join("follow"))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async { anyhow::Ok(signal(SignalKind::terminate())?.recv().await) })?;
    realm.end()
}
