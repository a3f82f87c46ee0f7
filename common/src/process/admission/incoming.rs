//! A listener's connections, one after the other, each with a place.

use std::{io, time::Duration};

use futures_util::stream::{self, Stream as Sequence};
use tokio::net::{TcpListener, UnixListener};

use super::{
    guarded::{Guarded, Protocol},
    register::{Admission, Origin},
    stream::Stream,
};
use crate::process::listen::Listener;

/// After an error that isn't one connection's: out of file descriptors or of memory.
const BREATH: Duration = Duration::from_millis(20);

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Never ends; what can't be accepted is logged, and whoever finds no room is closed.
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
                // tonic leaves this to whoever accepts. An answer is one write: never hold it back.
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
