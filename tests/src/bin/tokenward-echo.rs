//! The baseline: bare tonic with messages of the same sizes as `Check`, and nothing behind it.
//!
//! It doesn't use the verifier's own data plane, on purpose: a change there must not move the baseline.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
};

use clap::Parser;
use tokenward_proto::{
    envoy::service::auth::v3::authorization_server::AuthorizationServer,
    v1::verifier_service_server::VerifierServiceServer,
};
use tokenward_tests::bench::echo::{Echo, EnvoyEcho};
use tokio::{runtime, sync::mpsc};
use tokio_stream::{StreamExt as _, wrappers::UnboundedReceiverStream};
use tonic::{service::Routes, transport::Server};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bare tonic that answers every Check, batch, stream and question of Envoy's the same
#[derive(Parser, Debug, Clone)]
#[command(name = "tokenward-echo")]
struct Args {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Bytes in an answer; the least is 4
    #[arg(long, default_value_t = 22, value_parser = clap::value_parser!(u16).range(4..=127))]
    reply_bytes: u16,
    /// Bytes in an answer to Envoy
    #[arg(long, default_value_t = 480)]
    envoy_reply_bytes: u16,
    /// Number of `current_thread` runtimes [default: one per core]
    #[arg(long)]
    workers: Option<usize>,
    /// Use one multi-threaded runtime, as `#[tokio::main]` makes it
    #[arg(long, conflicts_with = "workers")]
    default_runtime: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let echo = Echo::new(args.reply_bytes);
    let routes = Routes::new(VerifierServiceServer::new(echo)).add_service(
        AuthorizationServer::new(EnvoyEcho::new(args.envoy_reply_bytes)),
    );
    let listener = TcpListener::bind(args.listen)?;
    listener.set_nonblocking(true)?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    if args.default_runtime {
        default_runtime(listener, routes)
    } else {
        runtime_per_core(listener, routes, args.workers)
    }
}

fn default_runtime(listener: TcpListener, routes: Routes) -> anyhow::Result<()> {
    runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let incoming = tonic::transport::server::TcpIncoming::from(
                tokio::net::TcpListener::from_std(listener)?,
            )
            .with_nodelay(Some(true));
            Ok(Server::builder()
                .add_routes(routes)
                .serve_with_incoming_shutdown(incoming, told_to_end())
                .await?)
        })
}

/// Gives each connection to the next runtime in turn.
fn runtime_per_core(
    listener: TcpListener,
    routes: Routes,
    workers: Option<usize>,
) -> anyhow::Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut workers_of = Vec::new();
    for _ in 0..workers.unwrap_or(cores).max(1) {
        let (hand_over, sockets) = mpsc::unbounded_channel::<std::net::TcpStream>();
        let routes = routes.clone();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::spawn(move || {
            let incoming =
                UnboundedReceiverStream::new(sockets).map(tokio::net::TcpStream::from_std);
            runtime.block_on(
                Server::builder()
                    .add_routes(routes)
                    .serve_with_incoming(incoming),
            )
        });
        workers_of.push(hand_over);
    }
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let accept = async {
                for to in workers_of.iter().cycle() {
                    let (socket, _) = listener.accept().await?;
                    socket.set_nodelay(true)?;
                    to.send(socket.into_std()?)?;
                }
                Ok(())
            };
            tokio::select! {
                result = accept => result,
                () = told_to_end() => Ok(()),
            }
        })
}

/// Waits for SIGTERM: valgrind writes its counts when the process ends by itself.
async fn told_to_end() {
    if let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        term.recv().await;
    }
}
