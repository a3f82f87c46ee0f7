//! The `tokenward-verifier` program: settings, parts, run, drain.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use tokenward_common::{
    clock::SystemClock,
    process::{Shutdown, secret_url::no_passwords},
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
    if let Err(rule) = no_passwords(std::env::args_os()) {
        return tokenward_common::process::usage_error(&rule);
    }
    let config = match Config::build(Args::parse(), &Host::this()) {
        Ok(config) => config,
        Err(mistakes) => return tokenward_common::process::usage_error(&mistakes),
    };
    tokenward_common::process::exit_code(serve(&config))
}

fn serve(config: &Config) -> Result<()> {
    config.log.install().map_err(|problem| anyhow!(problem))?;
    // Following, keys, admin: one thread of its own. The data plane brings its threads along.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::start(config.drain);
        shutdown.on_signals()?;
        shutdown.on_hangup()?;
        let feed: Arc<dyn Feed> = match &config.feed {
            FeedSource::Redis(url) => {
                Arc::new(RedisFeed::new(url.expose(), &config.realm).context("--feed")?)
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
