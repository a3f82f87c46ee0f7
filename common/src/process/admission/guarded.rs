//! A connection that holds a place and is watched.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::{
    frames::{Frames, Patience},
    register::{Admitted, InFlight, RequestNotice},
    stream::Stream,
};

/// What is spoken on a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Http2(Patience),
    /// hyper has limits for a head and for the time between two; whoever sees a request says so by
    /// [`Guarded::asked`].
    Http1,
}

#[derive(Debug)]
pub struct Guarded {
    stream: Stream,
    frames: Option<Frames>,
    admitted: Admitted,
    /// Streams of HTTP/2 are open.
    calls: Option<InFlight>,
    /// What is written waits: an answer's end that a client is still taking.
    writing: Option<InFlight>,
    /// A frame of our own is partly out.
    own_begun: bool,
}

impl Guarded {
    /// On the runtime that serves it.
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

    /// Says whether streams are open. An error: a request came after it was told to close.
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

    /// After a write: whether it waits.
    fn waits(&mut self, waits: bool) {
        if !waits {
            self.writing = None;
        } else if self.writing.is_none() {
            self.writing = self.admitted.asked().still();
        }
    }

    /// What we have to say ourselves. A frame that is begun is ended before h2's next, and one begins
    /// only when all of h2's are out.
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
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match &self.stream {
            Stream::Tcp(stream) => stream.connect_info(),
            Stream::Unix(_) => TcpConnectInfo {
                local_addr: None,
                remote_addr: None,
            },
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.admitted.is_unwanted() {
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
        pin!(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// So many bytes of them.
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
