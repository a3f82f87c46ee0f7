//! This file watches a connection that holds a place, and ends it as the register and the frames
//! decide. It must not know what is requested.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::{
    frames::{Frames, Patience},
    peer::Peer,
    register::{Admitted, InFlight, RequestNotice},
    stream::Stream,
};
use crate::{
    clock::{Clock, SystemClock},
    process::tls::Alpn,
};

/// The protocol of a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Http2(Patience),
    /// hyper limits a head and the time between two. The code that sees a request must report it by
    /// [`Guarded::asked`].
    Http1,
}

impl Protocol {
    /// The name of the protocol in TLS.
    pub fn alpn(self) -> Alpn {
        match self {
            Self::Http2(_) => Alpn::Http2,
            Self::Http1 => Alpn::Http1,
        }
    }
}

#[derive(Debug)]
pub struct Guarded {
    stream: Stream,
    frames: Option<Frames>,
    admitted: Admitted,
    /// The call that is in flight while streams of HTTP/2 are open.
    calls: Option<InFlight>,
    /// The call that is in flight while a write waits: the client is still taking the end of an answer.
    writing: Option<InFlight>,
    /// Whether a frame of our own is partly sent.
    own_begun: bool,
}

impl Guarded {
    /// Watches a connection. It must be called on the runtime that serves it.
    pub fn new(stream: Stream, admitted: Admitted, protocol: Protocol) -> Self {
        let frames = match protocol {
            Protocol::Http2(patience) => Some(Frames::new(patience)),
            Protocol::Http1 => None,
        };
        Self {
            stream,
            frames,
            admitted,
            calls: None,
            writing: None,
            own_begun: false,
        }
    }

    pub fn asked(&self) -> RequestNotice {
        self.admitted.asked()
    }

    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Whether the client's certificate has ended and no call is open. Such a client can only be refused
    /// here; over a new connection it may show the certificate that replaced it.
    fn is_outlived(&self) -> bool {
        let Stream::Tls(_, Some(identity)) = &self.stream else {
            return false;
        };
        self.frames.is_some()
            && self.calls.is_none()
            && !identity.is_valid(SystemClock.unix().seconds())
    }

    /// Reports whether streams are open. An error: a request came after the connection was marked for
    /// closing.
    fn tell(&mut self) -> io::Result<()> {
        let open = self.frames.as_ref().is_some_and(Frames::has_calls);
        if !open {
            self.calls = None;
        } else if self.calls.is_none() {
            let call = self.admitted.asked().now();
            self.calls = Some(call.ok_or(io::ErrorKind::ConnectionAborted)?);
        }
        Ok(())
    }

    /// Records after a write whether it waits.
    fn waits(&mut self, waits: bool) {
        if !waits {
            self.writing = None;
        } else if self.writing.is_none() {
            self.writing = self.admitted.asked().still();
        }
    }

    /// Sends our own frames. A frame that has begun is finished before h2's next one, and one begins
    /// only when all of h2's are sent.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(frames) = &mut self.frames else {
            return Poll::Ready(Ok(()));
        };
        while !frames.to_client.is_empty() {
            let written = pin!(&mut self.stream).poll_write(cx, &frames.to_client);
            let written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own_begun = true;
            frames.to_client.drain(..written);
        }
        self.own_begun = false;
        Poll::Ready(Ok(()))
    }
}

impl Connected for Guarded {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.stream.peer()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.admitted.is_unwanted() || this.is_outlived() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.frames.as_mut().is_some_and(|frames| frames.put(buf)) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = pin!(&mut this.stream).poll_read(cx, buf);
        if read.is_pending() && this.admitted.poll_unwanted(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let Some(frames) = &mut this.frames else {
            return read;
        };
        if read.is_pending() {
            ready!(frames.poll_quiet(cx, buf))?;
            this.tell()?;
            return Poll::Ready(Ok(()));
        }
        frames.read(buf.filled().get(before..).unwrap_or_default())?;
        this.tell()?;
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.own_begun {
            ready!(this.poll_own(cx))?;
        }
        let written = pin!(&mut this.stream).poll_write(cx, buf);
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut this.frames, &written) {
            frames.written(buf.get(..*bytes).into_iter());
            this.tell()?;
        }
        this.waits(written.is_pending());
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.own_begun {
            ready!(this.poll_own(cx))?;
        }
        let written = pin!(&mut this.stream).poll_write_vectored(cx, bufs);
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut this.frames, &written) {
            frames.written(first(bufs, *bytes));
            this.tell()?;
        }
        this.waits(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_own(cx))?;
        // A socket has nothing to flush, but TLS has bytes that the client hasn't taken yet.
        let flushed = pin!(&mut this.stream).poll_flush(cx);
        this.waits(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Returns the first `bytes` bytes of the buffers.
fn first<'a>(
    bufs: &'a [io::IoSlice<'_>],
    mut bytes: usize,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    bufs.iter().map_while(move |buf| {
        if bytes == 0 {
            return None;
        }
        let here = buf.len().min(bytes);
        bytes -= here;
        buf.get(..here)
    })
}
