//! Connects to the server behind, and ends a connection that takes no more bytes, as on the caller's side.
//! hyper alone would wait for such a server to read the rest, even of an abandoned request. This file must
//! not know any request.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::TryFutureExt as _;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokenward_common::process::tls::{self, Alpn, ClientTls, MaybeTls};
use tonic::codegen::Service;

use super::times::GuardTimes;
use crate::serve::Unread;

#[derive(Clone)]
pub(super) struct Connector {
    any: tls::Connector,
    unread: Duration,
}

impl Connector {
    pub(super) fn new(times: GuardTimes, tls: &Arc<ClientTls>) -> Self {
        Self {
            any: tls::Connector::new(Arc::clone(tls), Alpn::Http1, times.connect),
            unread: times.idle,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Unread<MaybeTls>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Service::poll_ready(&mut self.any, cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let unread = self.unread;
        let connected = Service::call(&mut self.any, uri);
        Box::pin(connected.map_ok(move |io| TokioIo::new(Unread::new(io.into_inner(), unread))))
    }
}
