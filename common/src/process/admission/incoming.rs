//! This file accepts a listener's connections and gives each its place. It decides what happens to
//! those that can't be accepted.

use std::{io, time::Duration};

use futures_util::stream::{self, Stream as Sequence};
use tokio::net::{TcpListener, UnixListener};

use super::{
    guarded::{Guarded, Protocol},
    register::{Admission, Origin},
    stream::Stream,
};
use crate::process::listen::Listener;

/// The pause after an error that affects more than one connection: no file descriptors or no memory are
/// left.
const BREATH: Duration = Duration::from_millis(20);

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Returns the connections, without end. Failed accepts are logged, and a connection without room is
/// closed.
pub fn incoming(
    listener: Listener,
    admission: Admission,
    protocol: Protocol,
) -> io::Result<impl Sequence<Item = io::Result<Guarded>>> {
    let listening = match listener {
        Listener::Tcp(listener) => Listening::Tcp(TcpListener::from_std(listener)?),
        Listener::Unix(listener) => Listening::Unix(UnixListener::from_std(listener)?),
    };
    let begin = (listening, admission);
    Ok(stream::unfold(
        begin,
        move |(listening, admission)| async move {
            loop {
                match listening.accept().await {
                    Ok((stream, origin)) => {
                        if let Some(admitted) = admission.admit(origin) {
                            let guarded = Guarded::new(stream, admitted, protocol);
                            return Some((Ok(guarded), (listening, admission)));
                        }
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => {
                        tracing::warn!(%error, "can't accept");
                        tokio::time::sleep(BREATH).await;
                    }
                }
            }
        },
    ))
}

impl Listening {
    async fn accept(&self) -> io::Result<(Stream, Origin)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // tonic leaves this option to the code that accepts. An answer is one write and must
                // never be delayed.
                stream.set_nodelay(true)?;
                (Stream::Tcp(stream), peer.into())
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                (Stream::Unix(stream), Origin::Local)
            }
        })
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | ConnectionRefused | InvalidInput | NotConnected
    )
}
