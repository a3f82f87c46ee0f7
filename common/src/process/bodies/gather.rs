//! This file gathers the one message of a unary request, before any other work is done for it. It must
//! not know what the message means.

use std::{future::poll_fn, pin::Pin, task::Poll};

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::{Body as _, Frame};
use tonic::{Status, body::Body};

use super::{
    bounds::Bounds,
    held::Held,
    room::{Charge, Full},
};
use crate::status::ErrorReason;

/// The length of a message's prefix: a byte for compression and four for the length.
const PREFIX: usize = 5;
/// A complete message of at most this many bytes isn't charged, so that most Checks never take the
/// lock.
const FREE: usize = 4 * 1024;

/// The charge, in bytes, for a call that waits or lasts: its head of at most 16 KiB, and its task.
pub(super) const PLACE: usize = 20 * 1024;

/// The charge, in bytes, for a stream of reflection: besides its place the answers that h2 takes from
/// it, which are the files of every service at once.
pub(super) const REFLECTION: usize = 64 * 1024;

pub(super) fn full(share: Full) -> Status {
    match share {
        Full::Callers => ErrorReason::CallerShareFull
            .status("too much is held for this caller: take the answers, or send less at once"),
        Full::Process => {
            ErrorReason::ProcessShareFull.status("too much is held at the moment: try again")
        }
    }
}

type Arrived = Option<Result<Frame<Bytes>, Status>>;

/// What a body's first bytes declare of its message.
enum Declared {
    /// The prefix isn't complete.
    Nothing,
    /// The length of the message with its prefix.
    Bytes(usize),
    /// The message is compressed or too large. It takes no room, and the method refuses it.
    Refused,
}

impl Bounds {
    /// Returns the request with its complete message, and the room that it takes. Of a too large
    /// message only the beginning is passed on, which the method refuses.
    pub async fn whole(&self, request: Request<Body>) -> Result<(Request<Body>, Charge), Status> {
        let (parts, mut body) = request.into_parts();
        let mut charge = self.room.nothing((self.caller)(&parts.extensions));
        let first = now(&mut body).await;
        let chunk = match first {
            // This is the usual case: the whole message was there.
            Poll::Ready(Some(Ok(frame)))
                if self.weight == 1 && body.is_end_stream() && self.is_all(&frame) =>
            {
                frame.into_data().unwrap_or_default()
            }
            first => {
                let gathered = self.gather(first, body, &mut charge);
                match Box::pin(tokio::time::timeout(self.deadline, gathered)).await {
                    Ok(gathered) => gathered?,
                    Err(_) => {
                        return Err(ErrorReason::MessageLate
                            .status("the request's message didn't arrive in time"));
                    }
                }
            }
        };
        let body = Body::new(Held::whole(chunk));
        Ok((Request::from_parts(parts, body), charge))
    }

    /// Returns the charge for so many bytes of a message, with the answer that they lead to.
    fn cost(&self, held: usize) -> usize {
        match self.weight == 1 && held <= FREE {
            true => 0,
            false => held.saturating_mul(self.weight),
        }
    }

    fn is_whole(&self, held: &[u8]) -> bool {
        matches!(self.declared(held), Declared::Bytes(all) if held.len() >= all)
    }

    fn is_all(&self, frame: &Frame<Bytes>) -> bool {
        frame.data_ref().is_some_and(|data| {
            let declared = self.declared(data);
            data.len() <= FREE && matches!(declared, Declared::Bytes(all) if all == data.len())
        })
    }

    fn declared(&self, bytes: &[u8]) -> Declared {
        let Some(&[compressed, a, b, c, d]) = bytes.first_chunk::<PREFIX>() else {
            return Declared::Nothing;
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if compressed != 0 || length > self.most_bytes {
            return Declared::Refused;
        }
        Declared::Bytes(PREFIX + length)
    }

    async fn gather(
        &self,
        first: Poll<Arrived>,
        mut body: Body,
        charge: &mut Charge,
    ) -> Result<Bytes, Status> {
        let mut held = BytesMut::new();
        let mut next = first;
        loop {
            let arrived = match next {
                Poll::Ready(arrived) => arrived,
                Poll::Pending => {
                    // A caller that makes us wait pays for the place, head included, whether the
                    // message is missing or the end of the body.
                    charge
                        .try_raise(PLACE + self.cost(held.len()))
                        .map_err(full)?;
                    poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
                }
            };
            let Some(frame) = arrived.transpose()? else {
                break;
            };
            // A unary call has one message. Nothing of further ones is held.
            if let Ok(data) = frame.into_data()
                && !self.is_whole(&held)
            {
                let cost = self.cost(held.len() + data.len());
                charge.try_raise(cost).map_err(full)?;
                held.extend_from_slice(&data);
                match self.declared(&held) {
                    Declared::Refused => return Ok(held.freeze()),
                    Declared::Bytes(all) => held.truncate(all),
                    Declared::Nothing => {}
                }
            }
            // A message in pieces counts as waiting, even if the next piece is there already.
            next = match self.is_whole(&held) {
                true => now(&mut body).await,
                false => Poll::Pending,
            };
        }
        if let Declared::Bytes(all) = self.declared(&held)
            && held.len() < all
        {
            return Err(
                ErrorReason::MessageCut.status("the message ends before its declared length")
            );
        }
        Ok(held.freeze())
    }
}

/// Returns what is there without waiting.
async fn now(body: &mut Body) -> Poll<Arrived> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_frame(context))).await
}
