//! The thread that accepts connections. It gives each to the worker with the fewest, and must not know
//! what is served.
//!
//! SO_REUSEPORT is not used because it hashes: the few long-lived connections of proxies would be
//! spread unevenly.

use std::{io, sync::Arc, thread};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, select_all},
    stream::FuturesUnordered,
};
use tokenward_common::process::{
    Listener, Shutdown,
    admission::{Accepting, Admitted, BREATH, Stream, is_of_one_connection, shake_hands},
};
use tokio::sync::mpsc;

use super::{
    connection::{Accepted, Connections, ListenerKind},
    end::{End, EndReport},
};

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
    listener: Accepting,
}

/// A connection that may go to its worker.
struct Begun {
    door: ListenerKind,
    stream: Stream,
    admitted: Admitted,
}

/// The connections that have a place and still shake hands. There are as many as places at most.
type Shaking = FuturesUnordered<BoxFuture<'static, Option<Begun>>>;

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
            .map(|(number, (door, listener))| {
                Ok(Bound {
                    door,
                    number,
                    listener: Accepting::new(listener)?,
                })
            })
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

impl Acceptor {
    /// Accepts connections until an error that ends the data plane.
    ///
    /// Handshakes are done here, on this thread, so that their signatures delay no answer of a worker.
    async fn accept(&mut self, bound: &[Bound]) -> Result<(), WorkerGone> {
        let mut shaking = Shaking::new();
        loop {
            let accepts = bound.iter().map(|at| {
                Box::pin(async move { at.listener.accept().await.map(|accepted| (at, accepted)) })
            });
            // A verifier has few listeners, so the futures are simply made anew. Those that are dropped
            // half-polled lose no socket: tokio's `accept` is cancel safe, and awaits nothing after it.
            let accepted = tokio::select! {
                (accepted, ..) = select_all(accepts) => accepted,
                Some(begun) = shaking.next() => {
                    begun.map_or(Ok(()), |begun| self.hand_over(begun))?;
                    continue;
                }
            };
            match accepted {
                Ok((at, (socket, origin))) => {
                    let Some(admitted) = self.connections.admit(at.number, origin) else {
                        continue;
                    };
                    let door = at.door;
                    match at.listener.tls().cloned() {
                        None => self.hand_over(Begun {
                            door,
                            stream: Stream::Plain(socket),
                            admitted,
                        })?,
                        Some(tls) => shaking.push(Box::pin(async move {
                            let stream = shake_hands(tls, socket, door.alpn(), &admitted).await?;
                            Some(Begun {
                                door,
                                stream,
                                admitted,
                            })
                        })),
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn hand_over(&mut self, begun: Begun) -> Result<(), WorkerGone> {
        // A socket that can't leave this reactor is dropped, as one that broke.
        let Ok(stream) = begun.stream.park() else {
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
                    stream,
                    door: begun.door,
                    admitted: begun.admitted,
                    counted,
                };
                to.send(accepted).ok()
            })
            // A dead worker has the fewest connections and would attract every new one.
            .ok_or(WorkerGone(worker))
    }
}
