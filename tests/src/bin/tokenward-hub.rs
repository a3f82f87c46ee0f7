//! Makes a hub of any size: as a file to import, or as the state of a verifier, which is measured.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tokenward_common::{
    clock::{Clock as _, SystemClock},
    id::LogId,
    state::State,
    store::PAGE_SERIALS,
};
use tokenward_tests::{
    bench::Counting,
    generate::{Part, Shape, line, store},
};

#[global_allocator]
static ALLOCATOR: Counting = cap::Cap::new(mimalloc::MiMalloc, usize::MAX);

/// Makes a hub of any size with a realistic shape, the same each time
///
/// At scale 1 it is the design's: 13 M users, 0.4 M orgs, 3 M repos, 20 M memberships, 50 M gate
/// grants, 100 M tokens of which 10 M are revoked.
#[derive(Parser, Debug)]
#[command(name = "tokenward-hub")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Write it as JSON Lines for `tokenward directory import`
    Write {
        #[arg(long, default_value_t = 0.001, value_parser = scale)]
        scale: f64,
        /// - is standard output
        file: PathBuf,
    },
    /// Write it straight into an empty store, which it makes a realm of
    Store {
        #[arg(long, default_value_t = 0.001, value_parser = scale)]
        scale: f64,
        /// embedded:PATH or redis://host:port
        #[arg(long)]
        store: String,
        #[arg(long, default_value = "hub")]
        realm: String,
        /// Add the texts that who-am-I shows
        #[arg(long)]
        display: bool,
    },
    /// Start a follower on a store, and print how long and how much memory it takes
    Start {
        #[arg(long)]
        store: String,
        #[arg(long, default_value = "hub")]
        realm: String,
    },
    /// Build a verifier's state of it, at each scale, and print what it takes
    Measure {
        #[arg(long, value_delimiter = ',', default_values_t = [0.01, 0.1], value_parser = scale)]
        scale: Vec<f64>,
        /// Add the texts that who-am-I shows
        #[arg(long)]
        display: bool,
    },
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: Option<f64> = text.parse().ok();
    scale
        .filter(|scale| (0.000_1..=10.0).contains(scale))
        .ok_or_else(|| "must be a number from 0.0001 to 10".into())
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Write { scale, file } => write(&Shape::new(scale, true), &file),
        Command::Store {
            scale,
            store,
            realm,
            display,
        } => fill(&Shape::new(scale, display), &store, &realm),
        Command::Start { store, realm } => start(&store, &realm),
        Command::Measure { scale, display } => {
            let mut out = io::stdout();
            writeln!(
                out,
                "| scale | records | bytes in memory | bytes a record | build, per M records |"
            )?;
            writeln!(out, "|---|---|---|---|---|")?;
            for scale in scale {
                let shape = Shape::new(scale, display);
                writeln!(out, "{}", measure(scale, &shape)?)?;
            }
            Ok(())
        }
    }
}

fn write(shape: &Shape, file: &PathBuf) -> Result<()> {
    let out: Box<dyn io::Write> = if file.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(file).with_context(|| file.display().to_string())?)
    };
    let mut out = BufWriter::with_capacity(1 << 20, out);
    for part in Part::ALL {
        for record in shape.records(part) {
            writeln!(out, "{}", line(&record?)?)?;
        }
    }
    Ok(out.flush()?)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build()
}

fn fill(shape: &Shape, url: &str, realm: &str) -> Result<()> {
    let bar = ProgressBar::new(shape.total());
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} eta {eta}") {
        bar.set_style(style);
    }
    runtime()?.block_on(async {
        let store = store::open(url, realm, true).await?;
        store::fill(store.as_ref(), shape, |records| bar.inc(records)).await
    })?;
    bar.finish();
    writeln!(io::stdout(), "{} records", shape.total())?;
    Ok(())
}

fn start(url: &str, realm: &str) -> Result<()> {
    runtime()?.block_on(async {
        let store = store::open(url, realm, false).await?;
        let before = ALLOCATOR.allocated();
        let (took, replica) = store::start(store).await?;
        let view = replica.view().context("no view")?;
        let records: u64 = view.state.counts().kinds.iter().sum();
        let (held, peak) = (ALLOCATOR.allocated(), ALLOCATOR.max_allocated());
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        writeln!(
            io::stdout(),
            "| records | cold start | per M records | memory | peak over it |\n|---|---|---|---|---|\n\
             | {records} | {:.1} s | {:.2} s | {:.0} MiB | {:.0} MiB |",
            took.as_secs_f64(),
            took.as_secs_f64() * 1e6 / records as f64,
            mib(held.saturating_sub(before)),
            mib(peak.saturating_sub(held)),
        )?;
        Ok(())
    })
}

/// Builds the state as a verifier does when it starts: record by record, then the bitmap.
fn measure(scale: f64, shape: &Shape) -> Result<String> {
    let clock = SystemClock;
    let before = ALLOCATOR.allocated();
    let mut state = State::new(LogId([7; 16]));
    let mut parts = Vec::new();
    let mut took = Duration::ZERO;
    for part in Part::ALL {
        let held = ALLOCATOR.allocated();
        let mut chunk = Vec::with_capacity(10_000);
        let mut load = |chunk: &mut Vec<_>| -> Result<()> {
            let began = clock.boot();
            for record in chunk.drain(..) {
                state.load(record)?;
            }
            took += clock.boot().since(began);
            Ok(())
        };
        // The records are made first, so that only the loading is timed.
        for record in shape.records(part) {
            chunk.push(record?);
            if chunk.len() == chunk.capacity() {
                load(&mut chunk)?;
            }
        }
        load(&mut chunk)?;
        drop(chunk);
        let bytes = ALLOCATOR.allocated().saturating_sub(held);
        let each = bytes as f64 / shape.count(part) as f64;
        parts.push(format!("{part:?} {each:.1}"));
    }
    for page in 0..=shape.serials / PAGE_SERIALS {
        let bits = shape.revoked(page * PAGE_SERIALS, PAGE_SERIALS);
        state.load_page(page, &bits)?;
    }
    let bytes = ALLOCATOR.allocated().saturating_sub(before);
    let total = shape.total();
    let counted: u64 = state.counts().kinds.iter().sum();
    ensure!(counted == total, "{counted} records are there, not {total}");
    Ok(format!(
        "| {scale} | {total} | {:.3} GiB | {:.1} ({}) | {:.2} s |",
        bytes as f64 / f64::from(1 << 30),
        bytes as f64 / total as f64,
        parts.join(", "),
        took.as_secs_f64() * 1e6 / total as f64,
    ))
}
