//! A connection of either protocol.

use std::io;

use mio::{Registry, Token};

use super::{
    connection::{Answer, Connection},
    frames::HeaderBlocks,
    http1::HttpConnection,
    socket::Socket,
};

#[derive(Debug)]
pub(super) enum Wire {
    Grpc(Box<Connection>),
    Http(HttpConnection),
}

impl Wire {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.socket().register(registry, token)
    }

    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Grpc(it) => &mut it.socket,
            Self::Http(it) => &mut it.socket,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        match self {
            Self::Grpc(it) => it.in_flight(),
            Self::Http(it) => it.in_flight(),
        }
    }

    pub(super) fn can_send(&self, message: &[u8]) -> bool {
        match self {
            Self::Grpc(it) => it.can_send(message),
            Self::Http(it) => it.can_send(),
        }
    }

    /// Queues a message. [`Self::flush`] sends it.
    pub(super) fn send(&mut self, headers: &HeaderBlocks, message: &[u8], intended: u64) {
        match self {
            Self::Grpc(it) => it.send(headers, message, intended),
            Self::Http(it) => it.send(message, intended),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), String> {
        match self {
            Self::Grpc(it) => it.flush(),
            Self::Http(it) => it.flush(),
        }
    }

    /// Reads all that has arrived.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
        answers: &mut Vec<Answer>,
    ) -> Result<(), String> {
        match self {
            Self::Grpc(it) => it.receive(scratch, answers),
            Self::Http(it) => it.receive(scratch, answers),
        }
    }
}
