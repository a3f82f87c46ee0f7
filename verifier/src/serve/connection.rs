//! One connection over TCP or a Unix socket. It is counted from before its hand-over to a worker until
//! its end. This module must not know what is sent over it.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use crossbeam_utils::CachePadded;
use tokenward_common::process::admission::{
    Admission, Admitted, Guarded, Origin, Patience, Peer, Protocol, RequestNotice, Stream,
};
use tokenward_common::process::tls::Alpn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::Limits;

/// The open connections of each worker.
#[derive(Debug)]
pub struct Connections {
    // Every worker writes its own count, so each has its own cache line.
    open: Box<[CachePadded<AtomicUsize>]>,
    /// The admissions, one for each listener.
    admissions: Vec<Admission>,
}

impl Connections {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            open: (0..workers).map(|_| CachePadded::default()).collect(),
            admissions: Vec::new(),
        }
    }

    /// Sets the listeners' admissions.
    pub(super) fn at(self, admissions: Vec<Admission>) -> Self {
        Self { admissions, ..self }
    }

    /// Takes a place at this listener, if there is one.
    pub(super) fn admit(&self, listener: usize, origin: Origin) -> Option<Admitted> {
        self.admissions.get(listener)?.admit(origin)
    }

    pub fn of_each_worker(&self) -> impl Iterator<Item = usize> {
        self.open.iter().map(|n| n.load(Relaxed))
    }

    pub fn open(&self) -> usize {
        self.of_each_worker().sum()
    }

    /// The admissions of the listeners, in the listeners' order.
    pub fn admissions(&self) -> &[Admission] {
        &self.admissions
    }

    /// The number of connections closed because there were too many: at once, or to make room.
    #[cfg(test)]
    pub(crate) fn refused(&self) -> u64 {
        self.admissions.iter().map(Admission::turned_away).sum()
    }

    /// The worker with the fewest connections. Ties go round, starting at `turn`.
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

/// The protocol that is spoken on a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ListenerKind {
    Grpc,
    /// HTTP/1.1, answered by the service of this number.
    Http(usize),
}

impl ListenerKind {
    /// The name of the protocol in TLS.
    pub(super) fn alpn(self) -> Alpn {
        match self {
            Self::Grpc => Alpn::Http2,
            Self::Http(_) => Alpn::Http1,
        }
    }
}

#[derive(Debug)]
pub(super) struct Accepted {
    /// It is parked: it belongs to no runtime on its way to its worker.
    pub(super) stream: Stream,
    pub(super) door: ListenerKind,
    pub(super) admitted: Admitted,
    pub(super) counted: Counted,
}

#[derive(Debug)]
pub(super) struct Connection {
    guarded: Guarded,
    _counted: Counted,
}

impl Accepted {
    /// Opens the socket. It must be called on the worker's runtime, whose reactor then drives the
    /// socket.
    pub(super) fn open(self, limits: &Limits) -> io::Result<Connection> {
        let stream = self.stream.unpark()?;
        let protocol = match self.door {
            ListenerKind::Grpc => Protocol::Http2(Patience {
                preface: limits.preface_deadline,
                idle: limits.grpc_idle,
                untaken: limits.grpc_untaken,
            }),
            ListenerKind::Http(_) => Protocol::Http1,
        };
        Ok(Connection {
            guarded: Guarded::new(stream, self.admitted, protocol),
            _counted: self.counted,
        })
    }
}

impl Connection {
    pub(super) fn asked(&self) -> RequestNotice {
        self.guarded.asked()
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.guarded.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        pin!(&mut self.guarded).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        pin!(&mut self.guarded).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pin!(&mut self.guarded).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.guarded.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.guarded).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.guarded).poll_shutdown(cx)
    }
}
