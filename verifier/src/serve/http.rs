//! Serves HTTP/1.1 on one connection, for the doors of proxies and plain clients. It must not know the
//! requests and answers: it is given a function.

use std::{cell::Cell, convert::Infallible, io, pin::pin, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokenward_common::process::{
    Shutdown,
    admission::{Answering, Unread},
};
use tonic::transport::server::Connected as _;

use super::{
    Limits,
    connection::Connection,
    framing::{Ambiguous, FramedConnection},
};

/// An answer's body, either complete or streamed from elsewhere.
pub type HttpBody = UnsyncBoxBody<Bytes, io::Error>;

/// A function that answers one request.
pub type HttpService =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<HttpBody>> + Send + Sync>;

/// Serves until the client goes, or until the drain has let it finish its requests.
pub(super) async fn serve(
    connection: Connection,
    service: HttpService,
    limits: Limits,
    shutdown: Shutdown,
) {
    let (peer, asked) = (connection.connect_info(), connection.asked());
    let draining = shutdown.clone();
    let connection = Unread::new(connection, limits.http_unread);
    let (connection, first_ambiguous) = FramedConnection::new(connection);
    let number = Cell::new(0);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let call = asked.now();
        request.extensions_mut().insert(peer.clone());
        if first_ambiguous.reached(number.replace(number.get() + 1)) {
            request.extensions_mut().insert(Ambiguous);
        }
        let answer = service(request);
        let draining = draining.clone();
        async move {
            let mut answer = answer.await;
            // If a connection closes without this header, a request that was just sent is lost.
            if draining.is_draining() {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(answer.map(|body| Answering::new(body, call)))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.http_idle)
        .max_buf_size(limits.http_head_bytes)
        .serve_connection(TokioIo::new(connection), answer);
    let mut served = pin!(served);
    // A client's mistake ends its own connection and concerns nobody else, so the error is ignored.
    tokio::select! {
        _ = served.as_mut() => return,
        () = shutdown.stopping() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
