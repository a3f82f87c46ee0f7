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
pub struct Socket {
    kind: Kind,
    /// How many more bytes may be read. `None`: there is no limit.
    left: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// The socket belongs to no runtime while it is handed to another thread: see [`Socket::park`].
    Parked(Parked),
}

/// A socket without a runtime.
#[derive(Debug)]
pub(super) enum Parked {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
    /// The socket could not be moved. All that is left to do is to drop it.
    Lost,
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self {
            kind: Kind::Tcp(stream),
            left: None,
        }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self {
            kind: Kind::Unix(stream),
            left: None,
        }
    }
}

impl Socket {
    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Lets at most so many bytes be read from now on; `None` takes the limit away.
    pub(super) fn limit(&mut self, bytes: Option<usize>) {
        self.left = bytes;
    }

    /// Takes the socket off the reactor of this thread.
    pub fn park(&mut self) -> io::Result<()> {
        let parked = match mem::replace(&mut self.kind, Kind::Parked(Parked::Lost)) {
            Kind::Tcp(socket) => Parked::Tcp(socket.into_std()?),
            Kind::Unix(socket) => Parked::Unix(socket.into_std()?),
            Kind::Parked(parked) => parked,
        };
        self.kind = Kind::Parked(parked);
        Ok(())
    }

    /// Puts a parked socket on the reactor of this thread.
    pub fn unpark(&mut self) -> io::Result<()> {
        self.kind = match mem::replace(&mut self.kind, Kind::Parked(Parked::Lost)) {
            Kind::Parked(Parked::Tcp(socket)) => Kind::Tcp(TcpStream::from_std(socket)?),
            Kind::Parked(Parked::Unix(socket)) => Kind::Unix(UnixStream::from_std(socket)?),
            Kind::Parked(Parked::Lost) => return Err(io::ErrorKind::NotConnected.into()),
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
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = match &mut this.kind {
            Kind::Tcp(stream) => pin!(stream).poll_read(cx, buf),
            Kind::Unix(stream) => pin!(stream).poll_read(cx, buf),
            Kind::Parked(_) => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        if let Some(left) = &mut this.left {
            match left.checked_sub(buf.filled().len() - before) {
                Some(rest) => *left = rest,
                None => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
        }
        read
    }
}

// hyper writes head and body of many answers in one call only if vectored writes pass through.
impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().kind {
            Kind::Tcp(stream) => pin!(stream).poll_write(cx, buf),
            Kind::Unix(stream) => pin!(stream).poll_write(cx, buf),
            Kind::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().kind {
            Kind::Tcp(stream) => pin!(stream).poll_write_vectored(cx, bufs),
            Kind::Unix(stream) => pin!(stream).poll_write_vectored(cx, bufs),
            Kind::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            Kind::Unix(stream) => stream.is_write_vectored(),
            Kind::Parked(_) => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().kind {
            Kind::Tcp(stream) => pin!(stream).poll_flush(cx),
            Kind::Unix(stream) => pin!(stream).poll_flush(cx),
            Kind::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().kind {
            Kind::Tcp(stream) => pin!(stream).poll_shutdown(cx),
            Kind::Unix(stream) => pin!(stream).poll_shutdown(cx),
            Kind::Parked(_) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}
