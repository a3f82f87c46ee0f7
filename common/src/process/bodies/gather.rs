//! A unary request's one message, whole before anything is done for it.

use std::{future::poll_fn, pin::Pin, task::Poll};

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::{Body as _, Frame};
use tonic::{Status, body::Body};

use super::{Bounds, Charge, held::Held};

/// Of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// A message of so few that is there whole isn't charged: most Checks never meet the lock.
const FREE: usize = 4 * 1024;

/// What a call that isn't whole yet is charged at least: its first bytes and its head.
const WAITING: usize = 20 * 1024;

fn full() -> Status {
    Status::resource_exhausted(
        "too much is held for this caller: take the answers, or send less at once",
    )
}

type Arrived = Option<Result<Frame<Bytes>, Status>>;

/// What a body's first bytes say of its message.
enum Declared {
    /// The prefix isn't all there.
    Nothing,
    /// With its prefix.
    Bytes(usize),
    /// Compressed or too large: the method says so, and takes no room for it.
    Refused,
}

impl Bounds {
    /// The request with its message whole, and the room that it takes. Too large a message is passed
    /// on as its beginning, which the method refuses.
    pub async fn whole(&self, request: Request<Body>) -> Result<(Request<Body>, Charge), Status> {
        let (parts, mut body) = request.into_parts();
        let mut charge = self.room.nothing((self.caller)(&parts.extensions));
        let first = poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await;
        let chunk = match first {
            // Nearly every message: all of it was there.
            Poll::Ready(Some(Ok(frame)))
                if self.weight == 1 && body.is_end_stream() && self.is_all(&frame) =>
            {
                frame.into_data().unwrap_or_default()
            }
            first => {
                let first = match first {
                    Poll::Ready(arrived) => Some(arrived),
                    Poll::Pending => None,
                };
                let gathered = self.gather(first, body, &mut charge);
                match Box::pin(tokio::time::timeout(self.deadline, gathered)).await {
                    Ok(gathered) => gathered?,
                    Err(_) => {
                        return Err(Status::deadline_exceeded(
                            "the request's message didn't arrive in time",
                        ));
                    }
                }
            }
        };
        let body = Body::new(Held::whole(chunk));
        Ok((Request::from_parts(parts, body), charge))
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
        mut first: Option<Arrived>,
        mut body: Body,
        charge: &mut Charge,
    ) -> Result<Bytes, Status> {
        let mut charged = 0;
        let mut held = BytesMut::new();
        loop {
            let arrived = match first.take() {
                Some(arrived) => arrived,
                None => {
                    // Who makes us wait for a message pays for the place, head and all.
                    let is_whole =
                        matches!(self.declared(&held), Declared::Bytes(all) if held.len() >= all);
                    if charged == 0 && !is_whole {
                        if !charge.grow(WAITING) {
                            return Err(full());
                        }
                        charged = WAITING;
                    }
                    poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
                }
            };
            let Some(frame) = arrived.transpose()? else {
                break;
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            // One message is all that is taken of a unary call; of more nothing is held.
            if let Declared::Bytes(all) = self.declared(&held)
                && held.len() >= all
            {
                continue;
            }
            let holds = held.len() + data.len();
            if self.weight > 1 || holds > FREE {
                let costs = holds.saturating_mul(self.weight).max(charged);
                if !charge.grow(costs - charged) {
                    return Err(full());
                }
                charged = costs;
            }
            held.extend_from_slice(&data);
            match self.declared(&held) {
                Declared::Refused => return Ok(held.freeze()),
                Declared::Bytes(all) => held.truncate(all),
                Declared::Nothing => {}
            }
        }
        if let Declared::Bytes(all) = self.declared(&held)
            && held.len() < all
        {
            return Err(Status::internal(
                "the message ends before its declared length",
            ));
        }
        Ok(held.freeze())
    }
}
