//! This file connects to a server by its URL, in plain text or over TLS as the scheme says. Every HTTP
//! client of the programs uses it: for keys, for the feed, for traces, and for the server behind a
//! guard. Which URLs may be called in plain text is decided by `listen`.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::{client::ClientTls, server::Alpn};
use crate::clock::UnixTime;

/// Connects within a time limit, which covers the handshake.
#[derive(Clone)]
pub struct Connector {
    http: HttpConnector,
    tls: Arc<ClientTls>,
    alpn: Alpn,
    limit: Duration,
    /// Whether TLS is spoken whatever the scheme says.
    always: bool,
}

/// A connection that may be over TLS.
#[derive(Debug)]
pub enum MaybeTls {
    Plain(TcpStream),
    Tls(Box<Secured>),
}

/// A connection over TLS. One of HTTP/2 ends with the certificate that this end shows. The other end would refuse
/// every call after that, and a client that keeps its connection would never show the certificate that
/// replaced it.
#[derive(Debug)]
pub struct Secured {
    stream: TlsStream<TcpStream>,
    until: Option<UnixTime>,
    tls: Arc<ClientTls>,
}

impl Connector {
    pub fn new(tls: Arc<ClientTls>, alpn: Alpn, limit: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        Self {
            http,
            tls,
            alpn,
            limit,
            always: false,
        }
    }

    /// Makes a gRPC channel's endpoint and connector for a URL. tonic refuses to give an `https` URL to
    /// a connector, so the endpoint is named by `http`, with the true URL as the origin of its requests.
    pub fn endpoint(
        url: &Uri,
        tls: Arc<ClientTls>,
        limit: Duration,
    ) -> (tonic::transport::Endpoint, Self) {
        let mut connector = Self::new(tls, Alpn::Http2, limit);
        let mut parts = url.clone().into_parts();
        if parts.scheme == Some(http::uri::Scheme::HTTPS) {
            connector.always = true;
            parts.scheme = Some(http::uri::Scheme::HTTP);
            // The port that the scheme implies must stay what it was.
            if let (None, Some(host)) = (url.port_u16(), url.host()) {
                parts.authority = format!("{host}:443").parse().ok();
            }
        }
        let named = Uri::from_parts(parts).unwrap_or_else(|_| url.clone());
        let endpoint = tonic::transport::Endpoint::from(named).origin(url.clone());
        (endpoint, connector)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<MaybeTls>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.http.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connected = self.http.call(uri.clone());
        let over_tls = self.always || uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let (tls, alpn, limit) = (Arc::clone(&self.tls), self.alpn, self.limit);
        Box::pin(async move {
            let connected = async {
                let plain = connected.await.map_err(refused)?.into_inner();
                if !over_tls {
                    return Ok(MaybeTls::Plain(plain));
                }
                let host = uri.host().unwrap_or_default();
                // A connection of HTTP/1 is kept for seconds, and may be in the midst of a long answer.
                let until = tls.own_until().filter(|_| alpn == Alpn::Http2);
                let stream = tls.connect(plain, host, alpn).await?;
                Ok(MaybeTls::Tls(Box::new(Secured { stream, until, tls })))
            };
            match tokio::time::timeout(limit, connected).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }
}

/// Keeps the kind of an error, by which callers judge it, and its text.
fn refused(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut kind = io::ErrorKind::Other;
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<io::Error>() {
            kind = io.kind();
        }
        cause = one.source();
    }
    io::Error::new(kind, error)
}

impl Connection for MaybeTls {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for MaybeTls {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_read(cx, buf),
            Self::Tls(it) => {
                if it.until.is_some_and(|until| it.tls.is_outlived(until)) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                pin!(&mut it.stream).poll_read(cx, buf)
            }
        }
    }
}

impl AsyncWrite for MaybeTls {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_write(cx, buf),
            Self::Tls(it) => pin!(&mut it.stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_write_vectored(cx, bufs),
            Self::Tls(it) => pin!(&mut it.stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(it) => it.stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_flush(cx),
            Self::Tls(it) => pin!(&mut it.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_shutdown(cx),
            Self::Tls(it) => pin!(&mut it.stream).poll_shutdown(cx),
        }
    }
}
