//! One connection: counted from before its hand-over until its end, over TCP or a Unix socket, and
//! closed if it stays silent.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use crossbeam_utils::CachePadded;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::{Sleep, sleep},
};
use tonic::transport::server::Connected;

/// What a client sends first (RFC 9113, section 3.4).
const PREFACE_BYTES: usize = 24;

/// Open connections of each worker.
#[derive(Debug)]
pub struct Connections {
    // Apart from each other: every worker writes its own.
    open: Box<[CachePadded<AtomicUsize>]>,
    refused: AtomicU64,
}

impl Connections {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            open: (0..workers).map(|_| CachePadded::default()).collect(),
            refused: AtomicU64::new(0),
        }
    }

    pub fn of_each_worker(&self) -> impl Iterator<Item = usize> {
        self.open.iter().map(|n| n.load(Relaxed))
    }

    pub fn open(&self) -> usize {
        self.of_each_worker().sum()
    }

    /// Closed at once because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Ties go round, starting at `turn`.
    pub(super) fn least_loaded(&self, turn: usize) -> usize {
        let workers = self.open.len();
        self.of_each_worker()
            .enumerate()
            .min_by_key(|(worker, open)| (*open, (worker + workers - turn % workers) % workers))
            .map_or(0, |(worker, _)| worker)
    }

    pub(super) fn count(self: &Arc<Self>, worker: usize) -> Counted {
        if let Some(open) = self.open.get(worker) {
            open.fetch_add(1, Relaxed);
        }
        Counted {
            connections: self.clone(),
            worker,
        }
    }
}

/// One open connection in the count.
#[derive(Debug)]
pub(super) struct Counted {
    connections: Arc<Connections>,
    worker: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(open) = self.connections.open.get(self.worker) {
            open.fetch_sub(1, Relaxed);
        }
    }
}

/// What is spoken on a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    Grpc,
    /// Answered by the service of this number.
    Http(usize),
}

/// A socket on its way to its worker: bound to no runtime.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) door: Door,
    pub(super) counted: Counted,
}

/// Who is at the other end; in every request's extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    Tcp(SocketAddr),
    Unix,
    /// Gone before it was asked.
    Unknown,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    preface: Option<Preface>,
    _counted: Counted,
}

/// Until the client has said what every client says first.
#[derive(Debug)]
struct Preface {
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl Accepted {
    /// On the worker's runtime, whose reactor then drives the socket.
    pub(super) fn open(self, preface_deadline: Duration) -> io::Result<Connection> {
        let stream = match self.socket {
            Socket::Tcp(socket) => Stream::Tcp(TcpStream::from_std(socket)?),
            Socket::Unix(socket) => Stream::Unix(UnixStream::from_std(socket)?),
        };
        let preface = match self.door {
            Door::Grpc => Some(Preface {
                missing: PREFACE_BYTES,
                deadline: Box::pin(sleep(preface_deadline)),
            }),
            // hyper has a limit of its own.
            Door::Http(_) => None,
        };
        Ok(Connection {
            stream,
            preface,
            _counted: self.counted,
        })
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        match &self.stream {
            Stream::Tcp(stream) => stream.peer_addr().map_or(Peer::Unknown, Peer::Tcp),
            Stream::Unix(_) => Peer::Unix,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = match &mut this.stream {
            Stream::Tcp(stream) => pin!(stream).poll_read(cx, buf),
            Stream::Unix(stream) => pin!(stream).poll_read(cx, buf),
        };
        if let Some(preface) = &mut this.preface {
            preface.missing = preface.missing.saturating_sub(buf.filled().len() - before);
            if preface.missing == 0 {
                this.preface = None;
            } else if preface.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

// hyper writes head and body of many answers in one call only if vectored writes pass through.
impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => pin!(stream).poll_write(cx, buf),
            Stream::Unix(stream) => pin!(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => pin!(stream).poll_write_vectored(cx, bufs),
            Stream::Unix(stream) => pin!(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_write_vectored(),
            Stream::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => pin!(stream).poll_flush(cx),
            Stream::Unix(stream) => pin!(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => pin!(stream).poll_shutdown(cx),
            Stream::Unix(stream) => pin!(stream).poll_shutdown(cx),
        }
    }
}
