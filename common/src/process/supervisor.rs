//! The parts of a program that work beside what it serves: followers, readers of files, health, the
//! admin endpoint. What is served rests on them, so they end after it.
//!
//! Decides: in which order a program ends. Must not know what its parts do.

use std::{path::PathBuf, sync::Arc};

use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    admin::{self, Readiness},
    admission::{Admission, Files},
    credentials::LiveCredentials,
    health::Health,
    listen::Listener,
    shutdown::Shutdown,
    trace::{TraceConfig, Traces},
    watched::watched,
};

/// A part without which nothing may go on has died.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Died(String);

pub struct Supervisor {
    shutdown: Shutdown,
    stop: CancellationToken,
    traces: Traces,
}

impl Supervisor {
    /// On the runtime that the parts are to run on.
    pub fn start(
        program: &'static str,
        traces: Option<&TraceConfig>,
        shutdown: &Shutdown,
    ) -> Result<Self, String> {
        Ok(Self {
            shutdown: shutdown.clone(),
            stop: CancellationToken::new(),
            traces: Traces::start(program, traces)?,
        })
    }

    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Cancelled when the parts are to end.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a part. If it panics, or ends too soon, the program ends.
    pub fn run<F>(&self, name: &'static str, part: F) -> JoinHandle<()>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        watched(name, &self.shutdown, part)
    }

    /// Reads the file of these credentials again and again; `flag` names it.
    pub fn follow_credentials(
        &self,
        name: &'static str,
        known: &Arc<LiveCredentials>,
        file: PathBuf,
        flag: &'static str,
    ) {
        let hurry = self.shutdown.hangups();
        let follow = Arc::clone(known).follow(file, flag, hurry, self.stop());
        self.run(name, follow);
    }

    pub fn follow_health(&self, health: Health, readiness: Readiness) {
        let follow = health.follow(readiness, self.shutdown.clone());
        self.run("the watch on health", follow);
    }

    /// `/livez`, `/readyz` and `/metrics`, with what every program measures beside its own.
    pub fn serve_admin(
        &self,
        listener: Listener,
        files: Files,
        mut registry: Registry,
        readiness: Readiness,
    ) {
        registry.register_collector(Box::new(readiness.clone()));
        let admission = Admission::new(files.admin(), None);
        let router = admin::router(readiness, Arc::new(registry));
        let serve = admin::serve(listener, admission, router, self.shutdown.clone());
        self.run("the admin endpoint", serve);
    }

    /// Until what is served has ended, and then the parts are told to end; or until a part has died:
    /// then there is no drain.
    pub async fn ended<T>(&self, served: impl Future<Output = T>) -> Result<T, Died> {
        tokio::select! {
            ended = served => {
                self.stop.cancel();
                Ok(ended)
            }
            died = self.shutdown.died() => Err(Died(died)),
        }
    }

    /// Sends the last traces.
    pub async fn flush(&self) {
        self.traces.clone().end().await;
    }
}
