//! The `tokenward-issuer` program reads its settings, opens the store, runs the issuer and drains it.

use std::{process::ExitCode, sync::Arc};

use anyhow::Result;
use tokenward_common::{
    clock::SystemClock,
    process::{Shutdown, program},
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
    program::main(|args: &Args| &args.log, Config::build, serve)
}

fn serve(config: &Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::from_signals(config.drain)?;
        let tls = config.tls.read()?;
        let clock = Arc::new(SystemClock);
        let store = open(config, clock.clone()).await?;
        let running = run::start(config, store.store(), &tls, clock, &shutdown).await?;
        running.ended().await?;
        store.close().await;
        Ok(())
    })
}
