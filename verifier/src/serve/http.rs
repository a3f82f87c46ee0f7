//! HTTP/1.1 on one connection, for the doors that proxies and plain clients ask. Must not know what is
//! asked and answered: it is handed a function.

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

/// An answer's body: at hand, or on its way from elsewhere.
pub type HttpBody = UnsyncBoxBody<Bytes, io::Error>;

/// Answers one request.
pub type HttpService =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<HttpBody>> + Send + Sync>;

/// Until the client goes, or the drain has let it finish what it began.
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
        request.extensions_mut().insert(peer);
        if first_ambiguous.reached(number.replace(number.get() + 1)) {
            request.extensions_mut().insert(Ambiguous);
        }
        let answer = service(request);
        let draining = draining.clone();
        async move {
            let mut answer = answer.await;
            // A connection that closes without a word takes with it the request that was just sent.
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
    // What a client does wrong ends its connection and is nobody else's affair.
    tokio::select! {
        _ = served.as_mut() => return,
        () = shutdown.stopping() => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
