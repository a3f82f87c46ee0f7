//! This file decides in which order a program ends. It runs the parts that work beside what the program
//! serves: followers, readers of files, health, the admin endpoint. What is served depends on them, so
//! they end after it.
//!
//! It must not know what the parts do.

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
    tls::Tls,
    trace::{TraceConfig, Traces},
    watched::watched,
};

/// A part has died without which the program must not go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Died(String);

pub struct Supervisor {
    shutdown: Shutdown,
    stop: CancellationToken,
    traces: Traces,
    tls: Tls,
}

impl Supervisor {
    /// Starts on the runtime on which the parts will run.
    pub fn start(
        program: &'static str,
        traces: Option<&TraceConfig>,
        tls: &Tls,
        shutdown: &Shutdown,
    ) -> Result<Self, String> {
        let started = Self {
            shutdown: shutdown.clone(),
            stop: CancellationToken::new(),
            traces: Traces::start(program, traces, &tls.peers)?,
            tls: tls.clone(),
        };
        let (hurry, stop) = (shutdown.hangups(), started.stop());
        let peers = Arc::clone(&tls.peers).follow(hurry, stop);
        started.run("the reader of the --peer files", peers);
        if let Some(server) = &tls.server {
            let (hurry, stop) = (shutdown.hangups(), started.stop());
            let server = Arc::clone(server).follow(hurry, stop);
            started.run("the reader of the --tls files", server);
        }
        Ok(started)
    }

    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Returns the token that is cancelled when the parts must end.
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

    /// Reads the file of these credentials repeatedly. `flag` is the setting that names the file.
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

    /// Serves `/livez`, `/readyz` and `/metrics`, with the metrics of every program beside its own.
    pub fn serve_admin(
        &self,
        listener: Listener,
        files: Files,
        mut registry: Registry,
        readiness: Readiness,
    ) {
        registry.register_collector(Box::new(readiness.clone()));
        self.tls.peers.register(&mut registry);
        if let Some(server) = &self.tls.server {
            server.register(&mut registry);
        }
        let listener = listener.with_tls(self.tls.admin.as_ref());
        let admission = Admission::new(files.admin(), None);
        let router = admin::router(readiness, Arc::new(registry));
        let serve = admin::serve(listener, admission, router, self.shutdown.clone());
        self.run("the admin endpoint", serve);
    }

    /// Waits until what is served has ended, and then ends the parts. If a part dies first, it returns
    /// at once, without a drain.
    pub async fn ended<T>(&self, served: impl Future<Output = T>) -> Result<T, Died> {
        let ended = tokio::select! {
            ended = served => Ok(ended),
            died = self.shutdown.died() => Err(Died(died)),
        };
        self.stop.cancel();
        ended
    }

    /// Sends the last traces.
    pub async fn flush(&self) {
        self.traces.clone().end().await;
    }
}
