//! This file accepts a listener's connections and gives each its place. It decides what happens to
//! those that can't be accepted.

use std::io;

use futures_util::{
    StreamExt as _,
    future::BoxFuture,
    stream::{self, FuturesUnordered, Stream as Sequence},
};

use super::{
    accepting::{Accepting, BREATH, is_of_one_connection, shake_hands},
    guarded::{Guarded, Protocol},
    register::Admission,
    stream::Stream,
};
use crate::process::listen::Listener;

struct Accepted {
    from: Accepting,
    admission: Admission,
    /// Those that have a place and still shake hands. There are as many as places at most.
    shaking: FuturesUnordered<BoxFuture<'static, Option<Guarded>>>,
}

/// Returns the connections, without end. Failed accepts are logged, and a connection without room is
/// closed.
pub fn incoming(
    listener: Listener,
    admission: Admission,
    protocol: Protocol,
) -> io::Result<impl Sequence<Item = io::Result<Guarded>>> {
    let begin = Accepted {
        from: Accepting::new(listener)?,
        admission,
        shaking: FuturesUnordered::new(),
    };
    Ok(stream::unfold(begin, move |mut accepted| async move {
        let guarded = accepted.next(protocol).await;
        Some((Ok(guarded), accepted))
    }))
}

impl Accepted {
    async fn next(&mut self, protocol: Protocol) -> Guarded {
        loop {
            let accepted = tokio::select! {
                accepted = self.from.accept() => accepted,
                Some(shaken) = self.shaking.next() => match shaken {
                    Some(guarded) => return guarded,
                    None => continue,
                },
            };
            match accepted {
                Ok((socket, origin)) => {
                    let Some(admitted) = self.admission.admit(origin) else {
                        continue;
                    };
                    let Some(tls) = self.from.tls().cloned() else {
                        return Guarded::new(Stream::Plain(socket), admitted, protocol);
                    };
                    self.shaking.push(Box::pin(async move {
                        let stream = shake_hands(tls, socket, protocol.alpn(), &admitted).await?;
                        Some(Guarded::new(stream, admitted, protocol))
                    }));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}
