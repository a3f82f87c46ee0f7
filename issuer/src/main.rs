//! The `tokenward-issuer` program: settings, store, run, drain.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Result, anyhow};
use clap::Parser;
use tokenward_common::{
    clock::SystemClock,
    process::{Shutdown, secret_url::no_passwords},
};
use tokenward_issuer::{
    config::{Args, Config},
    run,
    stores::open,
};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Err(rule) = no_passwords(std::env::args_os()) {
        return tokenward_common::process::usage_error(&rule);
    }
    let args = Args::parse();
    let log = args.log.clone();
    let config = match args.check() {
        Ok(config) => config,
        Err(mistakes) => return tokenward_common::process::usage_error(&mistakes.join("\n")),
    };
    if let Err(problem) = log.install() {
        return tokenward_common::process::usage_error(&format!("--log: {problem}"));
    }
    tokenward_common::process::exit_code(serve(&config))
}

fn serve(config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::start(config.drain);
        shutdown.on_signals()?;
        shutdown.on_hangup()?;
        let clock = Arc::new(SystemClock);
        let store = open(config, clock.clone()).await.map_err(|e| anyhow!(e))?;
        let running = run::start(config, store.store(), clock, &shutdown).await?;
        running.ended().await?;
        store.close().await;
        Ok(())
    })
}
