//! The `tokenward-verifier` program. It reads the settings, starts the parts and runs until the drain
//! ends.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokenward_common::{
    clock::SystemClock,
    process::{Shutdown, program, tls::Connector},
    store::{
        Feed,
        grpc::{Credential, GrpcFeed},
        guards::Guards,
        redis::RedisFeed,
    },
};
use tokenward_verifier::{
    config::{Args, Config, FeedSource, Host},
    run,
};
use tonic::transport::Endpoint;

/// How long a connection to the issuer may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let build = |args| Config::build(args, &Host::this());
    program::main(|args: &Args| &args.log, build, serve)
}

fn serve(config: &Config) -> Result<()> {
    // This one thread runs the follower, the keys and the admin endpoint. The data plane starts its own
    // threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::from_signals(config.drain)?;
        let tls = config.tls.read()?;
        let feed: Arc<dyn Feed> = match &config.feed {
            FeedSource::Redis { place, nodes } => {
                let feed = RedisFeed::of_nodes(&**place, &config.realm, *nodes, Guards::ALL);
                Arc::new(feed.context("--feed")?)
            }
            FeedSource::Grpc { issuer, credential } => {
                let (endpoint, connector) = Connector::endpoint(issuer, tls.peers.clone(), CONNECT);
                let credential = match credential {
                    Some(credential) => Credential::bearer(credential.expose())?,
                    None => Credential::none(),
                };
                let connect = |endpoint: Endpoint| endpoint.connect_with_connector_lazy(connector);
                Arc::new(GrpcFeed::connected(endpoint, credential, connect))
            }
        };
        let clock = Arc::new(SystemClock);
        let mut running = run::start(config, feed, &tls, Guards::ALL, clock, &shutdown).await?;
        running.ended().await
    })
}
