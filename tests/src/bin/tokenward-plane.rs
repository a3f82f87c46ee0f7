//! The verifier's data plane with nothing behind it. It shows what threads, limits, health and reflection
//! cost compared with the bare echo, before any decision.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::Parser;
use tokenward_common::process::{
    DrainTimes, ListenAddress, Shutdown, health::Health, listen::Protection,
};
use tokenward_proto::v1::verifier_service_server::VerifierServiceServer;
use tokenward_tests::bench::echo::Echo;
use tokenward_verifier::serve::{DataPlane, Limits, SERVICES, verifier_routes};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The verifier's data plane with an echo for a verifier
#[derive(Parser, Debug)]
#[command(name = "tokenward-plane")]
struct Args {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: ListenAddress,
    /// Bytes in an answer; the least is 4
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u16).range(4..=127))]
    reply_bytes: u16,
    /// Number of workers [default: one per core]
    #[arg(long)]
    workers: Option<usize>,
}

const DRAIN: DrainTimes = DrainTimes {
    delay: Duration::ZERO,
    limit: Duration::from_secs(5),
};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    args.listen
        .permitted(Protection::None)
        .map_err(anyhow::Error::msg)?;
    let echo = Echo::new(args.reply_bytes);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let shutdown = Shutdown::start(DRAIN);
            shutdown.on_signals()?;
            let health = Health::new(&SERVICES).await;
            let limits = Limits::DEFAULT;
            let echo = VerifierServiceServer::new(echo);
            let routes = verifier_routes(echo, &health, &limits.bounds())?;
            let workers = args.workers.unwrap_or(cores);
            let mut plane = DataPlane::start(
                vec![args.listen.bind()?],
                workers,
                limits,
                &shutdown,
                |_| Ok(routes.clone()),
            )?;
            health.set(true).await;
            for address in plane.addresses() {
                writeln!(io::stdout(), "{address}")?;
            }
            plane.ended().await?;
            Ok(())
        })
}
