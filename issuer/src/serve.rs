//! The gRPC listener: decides what a connection may cost, and how serving ends. It is given the routes, and
//! must not know what they request and answer.

use std::time::Duration;

use anyhow::Result;
use tokenward_common::process::{
    Listener, Shutdown,
    admission::{Admission, IDLE, Patience, Protocol, incoming},
};
use tonic::{service::Routes, transport::Server};
use tracing::warn;

use crate::{live_calls::LiveCallsLayer, traced::TraceLayer};

/// How many calls one connection may have in flight. A back end puts all of its callers on one connection,
/// and a commit takes milliseconds. Each call costs some KiB whether or not its caller is known.
const STREAMS: u32 = 256;
/// How many cancelled calls a connection may have pending. A caller whose own callers time out together
/// cancels all its calls in flight; h2's limit of 20 would end its connection.
const RESET_STREAMS: usize = 1024;
const MAX_HEADERS: u32 = 16 * 1024;
/// HTTP/2 allows no smaller frame size; large frames of an import would delay a revocation.
const FRAME: u32 = 16 * 1024;
/// How many unread bytes of a stream may be in flight, enough for an import's batches to keep flowing. A
/// stranger's bodies stay unread, so the connection's window limits what one of its connections can hold
/// here.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// A peer that vanished is found within the sum of these two durations.
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves the routes, with each of tonic's limits set on purpose; message sizes are set per service. These
/// stay off: `timeout` (it covers the head only and answers CANCELLED), `concurrency_limit` and `load_shed`
/// (the commit queue is bounded), `max_connection_age` (it would cut followers and imports), HTTP/1.
pub(crate) async fn serve(
    listener: Listener,
    admission: Admission,
    routes: Routes,
    layer: (TraceLayer, LiveCallsLayer),
    shutdown: Shutdown,
) -> Result<()> {
    let server = Server::builder()
        .layer(layer)
        .accept_http1(false)
        .max_concurrent_streams(STREAMS)
        .http2_max_pending_accept_reset_streams(Some(RESET_STREAMS))
        .http2_max_local_error_reset_streams(Some(RESET_STREAMS))
        .http2_max_header_list_size(MAX_HEADERS)
        .max_frame_size(FRAME)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_adaptive_window(Some(false))
        .add_routes(routes);
    let stopping = shutdown.clone();
    let signal = async move { stopping.stopping().await };
    // An export may wait while its reader works through it.
    let protocol = Protocol::Http2(Patience {
        untaken: IDLE,
        ..Patience::DEFAULT
    });
    let incoming = incoming(listener, admission, protocol)?;
    tokio::select! {
        served = server.serve_with_incoming_shutdown(incoming, signal) => Ok(served?),
        () = shutdown.over() => {
            warn!("the drain's limit is reached: closing what is unfinished");
            Ok(())
        }
    }
}
