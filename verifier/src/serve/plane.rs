//! The data plane as a whole: it is started and waited for here. It must not know what the routes
//! answer.

use std::{io, sync::Arc};

use tokenward_common::process::{ListenAddress, Listener, Shutdown};
use tokio::sync::mpsc;

use super::{
    Calls, Connections, HttpService, Limits, acceptor, connection::ListenerKind, end::End, worker,
};

/// Listeners that speak HTTP/1.1, and the service that answers there. `make` is called once for each
/// worker, with its number, before anything is accepted.
pub struct HttpDoor<'a> {
    pub listeners: Vec<Listener>,
    pub make: &'a dyn Fn(usize) -> HttpService,
}

/// A running data plane. Dropping it doesn't end it; [`Shutdown`] does.
#[derive(Debug)]
pub struct DataPlane {
    pub(super) addresses: Vec<ListenAddress>,
    pub(super) http_addresses: Vec<Vec<ListenAddress>>,
    pub(super) connections: Arc<Connections>,
    pub(super) ends: mpsc::UnboundedReceiver<End>,
    pub(super) running: usize,
}

/// A thread of the data plane ended early. The others can't replace it, so the process must end.
#[derive(Debug, thiserror::Error)]
#[error("{thread} ended: {why}")]
pub struct ThreadDied {
    thread: String,
    why: String,
}

impl DataPlane {
    /// Starts to serve at once. `make_routes` is called once for each worker, with its number, before
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

    /// Starts to serve at once like [`Self::start`], with listeners that speak HTTP/1.1 besides.
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
        let mut doors: Vec<_> = listeners
            .into_iter()
            .map(|it| (ListenerKind::Grpc, it))
            .collect();
        let (mut http_addresses, mut makes) = (Vec::new(), Vec::new());
        for (number, HttpDoor { listeners, make }) in http.into_iter().enumerate() {
            let addresses: io::Result<_> = bound(&listeners);
            http_addresses.push(addresses?);
            makes.push(make);
            doors.extend(
                listeners
                    .into_iter()
                    .map(|it| (ListenerKind::Http(number), it)),
            );
        }
        let workers = workers.max(1);
        // A guard opens another file for each connection, to the server behind it.
        let files = |door: &ListenerKind| if *door == ListenerKind::Grpc { 1 } else { 2 };
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

    /// The addresses of the gRPC listeners as bound, in the listeners' order.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The addresses of one HTTP door as bound; `door` is its place among the HTTP doors.
    pub fn http_addresses(&self, door: usize) -> &[ListenAddress] {
        self.http_addresses.get(door).map_or(&[], Vec::as_slice)
    }

    pub fn connections(&self) -> Arc<Connections> {
        self.connections.clone()
    }

    /// Resolves when the drain is done, or at once when a thread dies. It runs on any runtime.
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
