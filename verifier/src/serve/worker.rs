//! One worker: a thread with its `current_thread` runtime. It serves its connections by tonic or hyper,
//! and must not know which connections it gets or why.

use std::{
    future::{pending, ready},
    io, thread,
};

use futures_util::StreamExt as _;
use tokenward_common::process::Shutdown;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{
    Calls, HttpService, Limits,
    connection::{Accepted, ListenerKind},
    end::{End, EndReport},
    http,
};

pub(super) fn spawn<S: Calls>(
    number: usize,
    accepted: mpsc::UnboundedReceiver<Accepted>,
    routes: S,
    http: Vec<HttpService>,
    limits: Limits,
    shutdown: Shutdown,
    ended: mpsc::UnboundedSender<End>,
) -> io::Result<()> {
    let name = format!("tw-data-{number}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut report = EndReport::new(name.clone(), ended);
    thread::Builder::new().name(name).spawn(move || {
        // Each connection of an HTTP door holds a sender until its end.
        let (unfinished, mut finished) = mpsc::channel::<()>(1);
        let stopping = shutdown.clone();
        let incoming = UnboundedReceiverStream::new(accepted).filter_map(move |accepted| {
            let door = accepted.door;
            let opened = accepted.open(&limits);
            ready(match (door, opened) {
                (ListenerKind::Http(number), Ok(connection)) => {
                    if let Some(service) = http.get(number).cloned() {
                        let unfinished = unfinished.clone();
                        let served = http::serve(connection, service, limits, stopping.clone());
                        tokio::spawn(async move {
                            served.await;
                            drop(unfinished);
                        });
                    }
                    None
                }
                (ListenerKind::Http(_), Err(_)) => None,
                (ListenerKind::Grpc, opened) => Some(opened),
            })
        });
        // The drain begins when the acceptor ends the supply, not by tonic's signal, which would drop
        // the sockets still in the channel. tonic drains only if it has a signal.
        let served = limits
            .server()
            .serve_with_incoming_shutdown(routes, incoming, pending());
        let stop = shutdown.clone();
        let result = runtime.block_on(async {
            // The end of the supply drops the first `unfinished`, and each connection's end drops its
            // own.
            let served = async {
                let result = served.await.map_err(|e| e.to_string());
                finished.recv().await;
                result
            };
            tokio::select! {
                result = served => result,
                () = stop.over() => Ok(()),
            }
        });
        // This ends every connection that is left, because open streams would hold a drain for ever.
        drop(runtime);
        report.set(match result {
            Ok(()) if !shutdown.is_stopping() => Err("its supply of connections ended".into()),
            other => other,
        });
    })?;
    Ok(())
}
