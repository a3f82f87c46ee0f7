//! The data plane: one OS thread per worker, each a `current_thread` runtime, behind one acceptor.
//!
//! Decides: which thread serves a connection, what a connection may cost, how serving ends. Must
//! not know what is asked and answered: it is handed the routes.
//!
//! Why not one multi-threaded runtime: it wakes the connection after every single answer, so that
//! each is a write of its own; half of the throughput (measured, 11.3 against 5.0 us a call).

mod acceptor;
mod connection;
mod framing;
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
pub use framing::Ambiguous;
pub use http::{HttpBody, HttpService};
pub use limits::Limits;
pub use routes::{Calls, Named, SERVICES, Served, verifier_and_envoy_routes, verifier_routes};
pub(crate) use tokenward_common::process::admission::Unread;

/// Listeners that speak HTTP/1.1, and what answers there: made once for each worker, with its number,
/// before anything is accepted.
pub struct HttpDoor<'a> {
    pub listeners: Vec<Listener>,
    pub make: &'a dyn Fn(usize) -> HttpService,
}

/// A running data plane. Dropping this doesn't end it; [`Shutdown`] does.
#[derive(Debug)]
pub struct DataPlane {
    addresses: Vec<ListenAddress>,
    http_addresses: Vec<Vec<ListenAddress>>,
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
        Self::start_with_http(
            listeners,
            Vec::new(),
            workers,
            limits,
            shutdown,
            make_routes,
        )
    }

    /// The same, with listeners that speak HTTP/1.1 besides.
    pub fn start_with_http<S: Calls>(
        listeners: Vec<Listener>,
        http: Vec<HttpDoor<'_>>,
        workers: usize,
        limits: Limits,
        shutdown: &Shutdown,
        make_routes: impl Fn(usize) -> io::Result<S>,
    ) -> io::Result<Self> {
        let bound = |of: &[Listener]| of.iter().map(Listener::address).collect();
        let addresses: io::Result<_> = bound(&listeners);
        let addresses = addresses?;
        let mut doors: Vec<_> = listeners.into_iter().map(|it| (Door::Grpc, it)).collect();
        let (mut http_addresses, mut makes) = (Vec::new(), Vec::new());
        for (number, HttpDoor { listeners, make }) in http.into_iter().enumerate() {
            let addresses: io::Result<_> = bound(&listeners);
            http_addresses.push(addresses?);
            makes.push(make);
            doors.extend(listeners.into_iter().map(|it| (Door::Http(number), it)));
        }
        let workers = workers.max(1);
        // A guard opens another file for each connection: to the server behind it.
        let files = |door: &Door| if *door == Door::Grpc { 1 } else { 2 };
        let parts = doors.iter().map(|(door, _)| files(door)).sum();
        let admissions = doors.iter().map(|_| limits.admission(parts)).collect();
        let connections = Arc::new(Connections::new(workers).at(admissions));
        let (ended, ends) = mpsc::unbounded_channel();
        let mut hand_overs = Vec::with_capacity(workers);
        for number in 0..workers {
            let (hand_over, accepted) = mpsc::unbounded_channel();
            hand_overs.push(hand_over);
            worker::spawn(
                number,
                accepted,
                make_routes(number)?,
                makes.iter().map(|make| make(number)).collect(),
                limits,
                shutdown.clone(),
                ended.clone(),
            )?;
        }
        acceptor::spawn(
            doors,
            hand_overs,
            connections.clone(),
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

    /// The same of an HTTP door, by its place among them.
    pub fn http_addresses(&self, door: usize) -> &[ListenAddress] {
        self.http_addresses.get(door).map_or(&[], Vec::as_slice)
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
