//! Connects to the server behind, and ends a connection that takes no more bytes, as on the caller's side.
//! hyper alone would wait for such a server to read the rest, even of an abandoned request. This file must
//! not know any request.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::TryFutureExt as _;
use hyper::Uri;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::net::TcpStream;
use tonic::codegen::Service;

use super::times::GuardTimes;
use crate::serve::Unread;

#[derive(Clone)]
pub(super) struct Connector {
    http: HttpConnector,
    unread: Duration,
}

impl Connector {
    pub(super) fn new(times: GuardTimes) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_connect_timeout(Some(times.connect));
        Self {
            http,
            unread: times.idle,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Unread<TcpStream>>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.http, cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let unread = self.unread;
        let connected = Service::call(&mut self.http, uri);
        Box::pin(connected.map_ok(move |io| TokioIo::new(Unread::new(io.into_inner(), unread))))
    }
}
