//! The data plane: one OS thread per worker, each a `current_thread` runtime, behind one acceptor.
//!
//! Decides: which thread serves a connection, what a connection may cost, how serving ends. Must
//! not know what is asked and answered: it is handed the routes.
//!
//! Why not one multi-threaded runtime: it wakes the connection after every single answer, so that
//! each is a write of its own; half of the throughput (measured, 11.3 against 5.0 us a call).

mod acceptor;
mod connection;
mod health;
mod http;
mod limits;
mod routes;
mod worker;

#[cfg(test)]
mod tests;

use std::{io, sync::Arc};

use tokenward_common::process::{ListenAddress, Listener, Shutdown};
use tokio::sync::mpsc;

use connection::Door;
pub use connection::{Connections, Peer};
pub use health::Health;
pub use http::{HttpService, no_http};
pub use limits::Limits;
pub use routes::{
    Calls, RoutesError, Served, Verifier, verifier_and_envoy_routes, verifier_routes,
};

/// A running data plane. Dropping this doesn't end it; [`Shutdown`] does.
#[derive(Debug)]
pub struct DataPlane {
    addresses: Vec<ListenAddress>,
    http_addresses: Vec<ListenAddress>,
    connections: Arc<Connections>,
    ends: mpsc::UnboundedReceiver<End>,
    running: usize,
}

/// How one thread ended.
#[derive(Debug)]
struct End {
    thread: String,
    result: Result<(), String>,
}

/// A thread of the data plane ended before it was told to. The rest can't make up for it: the
/// process must end.
#[derive(Debug, thiserror::Error)]
#[error("{thread} ended: {why}")]
pub struct ThreadDied {
    thread: String,
    why: String,
}

impl DataPlane {
    /// Serves at once. `make_routes` is called once for each worker, with its number, before
    /// anything is accepted.
    pub fn start<S: Calls>(
        listeners: Vec<Listener>,
        workers: usize,
        limits: Limits,
        shutdown: &Shutdown,
        make_routes: impl Fn(usize) -> io::Result<S>,
    ) -> io::Result<Self> {
        let http = (Vec::new(), |_: usize| no_http());
        Self::start_with_http(listeners, http, workers, limits, shutdown, make_routes)
    }

    /// The same, with listeners that speak HTTP/1.1 besides, and what answers there, made like the
    /// routes.
    pub fn start_with_http<S: Calls>(
        listeners: Vec<Listener>,
        (http_listeners, make_http): (Vec<Listener>, impl Fn(usize) -> HttpService),
        workers: usize,
        limits: Limits,
        shutdown: &Shutdown,
        make_routes: impl Fn(usize) -> io::Result<S>,
    ) -> io::Result<Self> {
        let addresses = |of: &[Listener]| of.iter().map(Listener::address).collect();
        let bound: io::Result<_> = addresses(&listeners);
        let http_bound: io::Result<_> = addresses(&http_listeners);
        let (addresses, http_addresses) = (bound?, http_bound?);
        let http = http_listeners.into_iter().map(|it| (Door::Http, it));
        let listeners = listeners.into_iter().map(|it| (Door::Grpc, it));
        let listeners = listeners.chain(http).collect();
        let workers = workers.max(1);
        let connections = Arc::new(Connections::new(workers));
        let (ended, ends) = mpsc::unbounded_channel();
        let mut hand_overs = Vec::with_capacity(workers);
        for number in 0..workers {
            let (hand_over, accepted) = mpsc::unbounded_channel();
            hand_overs.push(hand_over);
            worker::spawn(
                number,
                accepted,
                make_routes(number)?,
                make_http(number),
                limits,
                shutdown.clone(),
                ended.clone(),
            )?;
        }
        acceptor::spawn(
            listeners,
            hand_overs,
            connections.clone(),
            limits,
            shutdown.clone(),
            ended,
        )?;
        Ok(Self {
            addresses,
            http_addresses,
            connections,
            ends,
            running: workers + 1,
        })
    }

    /// As bound, in the order of the listeners.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The same of those that speak HTTP/1.1.
    pub fn http_addresses(&self) -> &[ListenAddress] {
        &self.http_addresses
    }

    pub fn connections(&self) -> Arc<Connections> {
        self.connections.clone()
    }

    /// Resolves when the drain is done, or at once when a thread dies. On any runtime.
    pub async fn ended(&mut self) -> Result<(), ThreadDied> {
        while self.running > 0 {
            let Some(End { thread, result }) = self.ends.recv().await else {
                break;
            };
            self.running -= 1;
            result.map_err(|why| ThreadDied { thread, why })?;
        }
        Ok(())
    }
}

/// Reports a thread's end, and a panic as one.
#[derive(Debug)]
struct EndReport {
    thread: String,
    result: Result<(), String>,
    to: mpsc::UnboundedSender<End>,
}

impl EndReport {
    fn new(thread: String, to: mpsc::UnboundedSender<End>) -> Self {
        Self {
            thread,
            result: Err("it panicked".into()),
            to,
        }
    }

    fn set(&mut self, result: Result<(), String>) {
        self.result = result;
    }
}

impl Drop for EndReport {
    fn drop(&mut self) {
        let end = End {
            thread: std::mem::take(&mut self.thread),
            result: std::mem::replace(&mut self.result, Ok(())),
        };
        // Nobody waits any more: nobody to tell.
        let _ = self.to.send(end);
    }
}
