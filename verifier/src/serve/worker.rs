//! One worker: a thread, its `current_thread` runtime, and tonic on the connections it is handed.

use std::{future::pending, io, thread};

use futures_util::StreamExt as _;
use tokenward_common::process::Shutdown;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;

use super::{End, EndReport, Limits, connection::Accepted};

pub(super) fn spawn(
    number: usize,
    accepted: mpsc::UnboundedReceiver<Accepted>,
    routes: Routes,
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
        let incoming = UnboundedReceiverStream::new(accepted)
            .map(move |accepted| accepted.open(limits.preface_deadline));
        // The drain begins when the acceptor ends the supply, not by tonic's signal, which would
        // drop the sockets still in the channel. The signal must be there for tonic to drain.
        let served = limits
            .server()
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, pending());
        let stop = shutdown.clone();
        let result = runtime.block_on(async {
            tokio::select! {
                result = served => result.map_err(|e| e.to_string()),
                () = stop.over() => Ok(()),
            }
        });
        // Ends every connection that is left: open streams hold a drain for ever.
        drop(runtime);
        report.set(match result {
            Ok(()) if !shutdown.is_stopping() => Err("its supply of connections ended".into()),
            other => other,
        });
    })?;
    Ok(())
}
