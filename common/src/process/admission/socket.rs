//! This file makes one type of the two kinds of sockets, which can be moved from one thread's runtime to
//! another's. It knows nothing of what they carry.

use std::{
    io, mem,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The socket belongs to no runtime while it is handed to another thread: see [`Self::park`].
    Parked(Parked),
}

/// A socket without a runtime.
#[derive(Debug)]
pub enum Parked {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
    /// The socket could not be moved. All that is left to do is to drop it.
    Lost,
}

impl Socket {
    /// Takes the socket off the reactor of this thread.
    pub fn park(&mut self) -> io::Result<()> {
        let parked = match mem::replace(self, Self::Parked(Parked::Lost)) {
            Self::Tcp(socket) => Parked::Tcp(socket.into_std()?),
            Self::Unix(socket) => Parked::Unix(socket.into_std()?),
            Self::Parked(parked) => parked,
        };
        *self = Self::Parked(parked);
        Ok(())
    }

    /// Puts a parked socket on the reactor of this thread.
    pub fn unpark(&mut self) -> io::Result<()> {
        *self = match mem::replace(self, Self::Parked(Parked::Lost)) {
            Self::Parked(Parked::Tcp(socket)) => Self::Tcp(TcpStream::from_std(socket)?),
            Self::Parked(Parked::Unix(socket)) => Self::Unix(UnixStream::from_std(socket)?),
            Self::Parked(Parked::Lost) => return Err(io::ErrorKind::NotConnected.into()),
            awake => awake,
        };
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => pin!(stream).poll_read(cx, buf),
            Self::Unix(stream) => pin!(stream).poll_read(cx, buf),
            Self::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

// hyper writes head and body of many answers in one call only if vectored writes pass through.
impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => pin!(stream).poll_write(cx, buf),
            Self::Unix(stream) => pin!(stream).poll_write(cx, buf),
            Self::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => pin!(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => pin!(stream).poll_write_vectored(cx, bufs),
            Self::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Parked(_) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => pin!(stream).poll_flush(cx),
            Self::Unix(stream) => pin!(stream).poll_flush(cx),
            Self::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => pin!(stream).poll_shutdown(cx),
            Self::Unix(stream) => pin!(stream).poll_shutdown(cx),
            Self::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}
