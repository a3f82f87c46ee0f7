//! This file makes one type of a connection in plain text and one over TLS. It knows nothing of what
//! they carry.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::{peer::Peer, socket::Socket};
use crate::process::tls::Identity;

/// A connection that may be read and written.
#[derive(Debug)]
pub enum Stream {
    Plain(Socket),
    /// The handshake is done.
    Tls(Box<TlsStream<Socket>>, Option<Arc<Identity>>),
}

impl Stream {
    /// Returns who is at the other end.
    pub fn peer(&self) -> Peer {
        match self {
            Self::Plain(socket) => Peer::of_socket(socket, None),
            Self::Tls(stream, identity) => Peer::of_socket(stream.get_ref().0, identity.clone()),
        }
    }

    /// Takes the connection off the reactor of this thread, so that another can take it over.
    pub fn park(mut self) -> io::Result<Self> {
        self.socket().park()?;
        Ok(self)
    }

    /// Puts a parked connection on the reactor of this thread.
    pub fn unpark(mut self) -> io::Result<Self> {
        self.socket().unpark()?;
        Ok(self)
    }

    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream, _) => stream.get_mut().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_read(cx, buf),
            Self::Tls(stream, _) => pin!(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_write(cx, buf),
            Self::Tls(stream, _) => pin!(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream, _) => pin!(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream, _) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_flush(cx),
            Self::Tls(stream, _) => pin!(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => pin!(stream).poll_shutdown(cx),
            Self::Tls(stream, _) => pin!(stream).poll_shutdown(cx),
        }
    }
}
