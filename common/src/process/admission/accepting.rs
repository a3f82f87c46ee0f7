//! This file accepts sockets from a bound listener, and shakes hands where the listener speaks TLS. It
//! decides which errors concern one connection only, and how long a handshake may take.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use tokio::net::{TcpListener, UnixListener};

use super::{
    frames::PREFACE,
    register::{Admitted, Origin},
    socket::Socket,
    stream::Stream,
};
use crate::process::{
    listen::{Bound, Listener},
    tls::{Alpn, ServerTls},
};

/// The pause after an error that affects more than one connection: no file descriptors or no memory are
/// left.
pub const BREATH: Duration = Duration::from_millis(20);
/// A client that connects must have shaken hands within this time: 10 s, as long as a client has to begin
/// to speak HTTP/2.
const HANDSHAKE: Duration = PREFACE;

/// A client may send so many bytes before the handshake is done. rustls would join messages of up to 64 KiB
/// and hold them; a hello with a ticket, or a chain of certificates, has a few KiB.
const HANDSHAKE_BYTES: usize = 16 * 1024;

/// A listener on the runtime of this thread.
#[derive(Debug)]
pub struct Accepting {
    socket: Listening,
    tls: Option<Arc<ServerTls>>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepting {
    pub fn new(listener: Listener) -> io::Result<Self> {
        Ok(Self {
            socket: match listener.bound {
                Bound::Tcp(socket) => Listening::Tcp(TcpListener::from_std(socket)?),
                Bound::Unix(socket) => Listening::Unix(UnixListener::from_std(socket)?),
            },
            tls: listener.tls,
        })
    }

    /// The TLS that begins each connection; `None` for plain text.
    pub fn tls(&self) -> Option<&Arc<ServerTls>> {
        self.tls.as_ref()
    }

    /// Accepts one socket.
    pub async fn accept(&self) -> io::Result<(Socket, Origin)> {
        Ok(match &self.socket {
            Listening::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // tonic leaves this option to the code that accepts. An answer is one write and must
                // never be delayed.
                stream.set_nodelay(true)?;
                (stream.into(), peer.into())
            }
            Listening::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                (stream.into(), Origin::Local)
            }
        })
    }
}

/// Shakes hands, unless it takes too long or the connection must make room for another. `None`: it is to
/// be dropped.
pub async fn shake_hands(
    tls: Arc<ServerTls>,
    mut socket: Socket,
    alpn: Alpn,
    admitted: &Admitted,
) -> Option<Stream> {
    socket.limit(Some(HANDSHAKE_BYTES));
    tokio::select! {
        accepted = tokio::time::timeout(HANDSHAKE, tls.accept(socket, alpn)) => match accepted {
            Ok(Ok((mut stream, identity))) => {
                stream.get_mut().0.limit(None);
                Some(Stream::Tls(Box::new(stream), identity))
            }
            Ok(Err(error)) => {
                // A stranger can cause this at will, so it is counted and not logged.
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        },
        () = poll_fn(|cx| admitted.poll_unwanted(cx)) => None,
    }
}

/// Whether an error of `accept` concerns one connection only.
pub fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | ConnectionRefused | InvalidInput | NotConnected
    )
}
