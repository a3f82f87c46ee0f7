//! A connection that holds a place and is watched.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::{Admitted, Asked, Stream, frames::Frames};

/// What is spoken on a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Of the client's silence: before the preface, and between two requests.
    Http2 { preface: Duration, idle: Duration },
    /// hyper has limits for a head and for the time between two; whoever sees a request says so by
    /// [`Guarded::asked`].
    Http1,
}

#[derive(Debug)]
pub struct Guarded {
    stream: Stream,
    frames: Option<Frames>,
    admitted: Admitted,
    /// It has asked: nobody closes it to make room.
    staying: bool,
}

impl Guarded {
    /// On the runtime that serves it.
    pub fn new(stream: Stream, admitted: Admitted, protocol: Protocol) -> Self {
        let frames = match protocol {
            Protocol::Http2 { preface, idle } => Some(Frames::new(preface, idle)),
            Protocol::Http1 => None,
        };
        Self {
            stream,
            frames,
            admitted,
            staying: false,
        }
    }

    pub fn asked(&self) -> Asked {
        self.admitted.asked()
    }

    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut self.frames, written) {
            frames.written(*bytes);
        }
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
        if !this.staying && this.admitted.poll_unwanted(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buf.filled().len();
        let read = pin!(&mut this.stream).poll_read(cx, buf);
        let Some(frames) = &mut this.frames else {
            return read;
        };
        if read.is_pending() {
            ready!(frames.poll_quiet(cx, buf))?;
            return Poll::Ready(Ok(()));
        }
        frames.read(buf.filled().get(before..).unwrap_or_default())?;
        if !this.staying && frames.asked() {
            this.admitted.asked().now();
            this.staying = true;
        }
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
        let written = pin!(&mut this.stream).poll_write(cx, buf);
        this.wrote(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = pin!(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
