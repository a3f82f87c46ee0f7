//! The `tokenward-verifier` program. It reads the settings, starts the parts and runs until the drain
//! ends.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use tokenward_common::{
    clock::SystemClock,
    process::{Shutdown, program},
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
        let shutdown = Shutdown::of_process(config.drain)?;
        let feed: Arc<dyn Feed> = match &config.feed {
            FeedSource::Redis { place, nodes } => {
                let feed = RedisFeed::of_nodes(&**place, &config.realm, *nodes, Guards::ALL);
                Arc::new(feed.context("--feed")?)
            }
            FeedSource::Grpc { issuer, credential } => {
                let endpoint = Endpoint::from(issuer.clone());
                let credential = Credential::bearer(credential.expose())?;
                Arc::new(GrpcFeed::new(endpoint, credential))
            }
        };
        let clock = Arc::new(SystemClock);
        let mut running = run::start(config, feed, Guards::ALL, clock, &shutdown).await?;
        running.ended().await
    })
}
