//! The verifier's data plane with nothing behind it: what the threads, limits, health and
//! reflection cost beside the bare echo, before any decision.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::Parser;
use tokenward_common::process::{DrainTimes, ListenAddress, Shutdown};
use tokenward_proto::v1::{
    BatchCheckRequest, BatchCheckResponse, CheckRequest, CheckResponse, CheckStreamResponse,
    Verdict, verifier_service_server::VerifierService,
};
use tokenward_verifier::serve::{DataPlane, Health, Limits, verifier_routes};
use tonic::{Request, Response, Status, Streaming, async_trait};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The verifier's data plane with an echo for a verifier
#[derive(Parser, Debug)]
#[command(name = "tokenward-plane")]
struct Args {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: ListenAddress,
    /// Of an answer; the least is 4
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u16).range(4..=127))]
    reply_bytes: u16,
    /// Default: one per core
    #[arg(long)]
    workers: Option<usize>,
}

#[derive(Clone)]
struct Echo {
    answer: CheckResponse,
}

#[async_trait]
impl VerifierService for Echo {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.answer.clone()))
    }

    async fn batch_check(
        &self,
        _: Request<BatchCheckRequest>,
    ) -> Result<Response<BatchCheckResponse>, Status> {
        Err(Status::unimplemented("only Check"))
    }

    type CheckStreamStream = tokio_stream::Empty<Result<CheckStreamResponse, Status>>;

    async fn check_stream(
        &self,
        _: Request<Streaming<CheckRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        Err(Status::unimplemented("only Check"))
    }
}

const DRAIN: DrainTimes = DrainTimes {
    delay: Duration::ZERO,
    limit: Duration::from_secs(5),
};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    args.listen.permitted(false).map_err(anyhow::Error::msg)?;
    let filler = "r".repeat(usize::from(args.reply_bytes).saturating_sub(4));
    let answer = CheckResponse {
        verdict: Verdict::Allow.into(),
        revision: filler,
        ..Default::default()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let shutdown = Shutdown::start(DRAIN);
            shutdown.on_signals()?;
            let health = Health::new().await;
            let limits = Limits::DEFAULT;
            let routes = verifier_routes(Echo { answer }, &health, &limits)?;
            let workers = args.workers.unwrap_or(cores);
            let mut plane = DataPlane::start(
                vec![args.listen.bind()?],
                workers,
                limits,
                &shutdown,
                |_| routes.clone(),
            )?;
            health.set(true).await;
            for address in plane.addresses() {
                writeln!(io::stdout(), "{address}")?;
            }
            plane.ended().await?;
            Ok(())
        })
}
