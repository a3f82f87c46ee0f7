//! The thread that accepts connections. It gives each to the worker with the fewest, and must not know
//! what is served.
//!
//! SO_REUSEPORT is not used because it hashes: the few long-lived connections of proxies would be
//! spread unevenly.

use std::{io, sync::Arc, thread, time::Duration};

use tokenward_common::process::{Listener, Shutdown};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::mpsc,
};

use super::{
    connection::{Accepted, Connections, ListenerKind, Socket},
    end::{End, EndReport},
};

/// The pause after an error that isn't one connection's: no file descriptors or no memory left.
const BREATH: Duration = Duration::from_millis(20);

const NAME: &str = "tw-accept";

struct Acceptor {
    hand_overs: Vec<mpsc::UnboundedSender<Accepted>>,
    connections: Arc<Connections>,
    turn: usize,
}

struct Bound {
    door: ListenerKind,
    /// The listener's place among the listeners.
    number: usize,
    listener: Listening,
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Debug, thiserror::Error)]
#[error("worker {0} takes no connections")]
struct WorkerGone(usize);

pub(super) fn spawn(
    listeners: Vec<(ListenerKind, Listener)>,
    hand_overs: Vec<mpsc::UnboundedSender<Accepted>>,
    connections: Arc<Connections>,
    shutdown: Shutdown,
    ended: mpsc::UnboundedSender<End>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bound = {
        let _entered = runtime.enter();
        listeners
            .into_iter()
            .enumerate()
            .map(|(number, (door, listener))| Bound::from_std(number, door, listener))
            .collect::<io::Result<Vec<_>>>()?
    };
    let mut acceptor = Acceptor {
        hand_overs,
        connections,
        turn: 0,
    };
    let mut report = EndReport::new(NAME.into(), ended);
    thread::Builder::new().name(NAME.into()).spawn(move || {
        let result = runtime.block_on(async {
            tokio::select! {
                result = acceptor.accept(&bound) => result,
                () = shutdown.stopping() => Ok(()),
            }
        });
        // This closes the listeners first, then ends the workers' supply, so that every accepted
        // connection is served.
        drop((bound, acceptor));
        report.set(result.map_err(|e| e.to_string()));
    })?;
    Ok(())
}

impl Bound {
    fn from_std(number: usize, door: ListenerKind, listener: Listener) -> io::Result<Self> {
        let listener = match listener {
            Listener::Tcp(listener) => Listening::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener) => Listening::Unix(UnixListener::from_std(listener)?),
        };
        Ok(Self {
            door,
            number,
            listener,
        })
    }

    /// Accepts a socket and takes it off this thread's reactor.
    async fn accept(&self) -> io::Result<(&Self, Socket)> {
        let socket = match &self.listener {
            Listening::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // tonic leaves this option to the code that accepts. An answer is one write and must
                // not be delayed.
                stream.set_nodelay(true)?;
                Socket::Tcp(stream.into_std()?)
            }
            Listening::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Socket::Unix(stream.into_std()?)
            }
        };
        Ok((self, socket))
    }
}

impl Acceptor {
    /// Accepts connections until an error that ends the data plane.
    async fn accept(&mut self, bound: &[Bound]) -> Result<(), WorkerGone> {
        loop {
            let accepts = bound.iter().map(|listener| Box::pin(listener.accept()));
            // With few listeners, making the futures anew costs less than keeping them.
            match futures_util::future::select_all(accepts).await.0 {
                Ok((at, socket)) => self.hand_over(at, socket)?,
                Err(e) if is_of_one_connection(&e) => {}
                Err(e) => {
                    tracing::warn!(error = %e, "can't accept");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn hand_over(&mut self, at: &Bound, socket: Socket) -> Result<(), WorkerGone> {
        let Some(admitted) = self.connections.admit(at.number, socket.origin()) else {
            return Ok(());
        };
        let worker = self.connections.least_loaded(self.turn);
        self.turn = self.turn.wrapping_add(1);
        // The connection is counted before the hand-over, or a burst would all go to one worker.
        let counted = self.connections.count(worker);
        self.hand_overs
            .get(worker)
            .and_then(|to| {
                let accepted = Accepted {
                    socket,
                    door: at.door,
                    admitted,
                    counted,
                };
                to.send(accepted).ok()
            })
            // A dead worker has the fewest connections and would attract every new one.
            .ok_or(WorkerGone(worker))
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | ConnectionRefused | InvalidInput | NotConnected
    )
}
