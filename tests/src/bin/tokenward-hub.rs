//! A hub of any size: as a file to import, or as the state of a verifier, measured.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use tokenward_common::{
    clock::{Clock as _, SystemClock},
    id::LogId,
    state::State,
    store::PAGE_SERIALS,
};
use tokenward_tests::{
    bench::Counting,
    generate::{Part, Shape, line},
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
    /// Build a verifier's state of it, at each scale, and print what it takes
    Measure {
        #[arg(long, value_delimiter = ',', default_values_t = [0.01, 0.1], value_parser = scale)]
        scale: Vec<f64>,
        /// With the texts that who-am-I shows
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

/// As a verifier that starts: record by record, then the bitmap.
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
        // Made first, so that only the loading is timed.
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
