//! This file makes a body of bytes that are complete, or one that holds its room.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};

use super::room::Charge;

#[derive(Debug)]
pub(super) enum Held {
    Whole(Option<Bytes>),
    /// Each piece holds the room too: HTTP/2 takes the whole answer and drops its body as soon as the
    /// first byte may go out. The rest then waits in HTTP/2.
    Answer(Body, Arc<Charge>),
    Lasting {
        body: Body,
        _charge: Charge,
    },
}

/// A piece of an answer, which holds the room of its call.
struct Piece {
    bytes: Bytes,
    _charge: Arc<Charge>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Held {
    pub(super) fn whole(chunk: Bytes) -> Self {
        Self::Whole(Some(chunk))
    }

    pub(super) fn answer(body: Body, charge: Charge) -> Self {
        Self::Answer(body, Arc::new(charge))
    }

    pub(super) fn lasting(body: Body, charge: Charge) -> Self {
        Self::Lasting {
            body,
            _charge: charge,
        }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut *self {
            Self::Whole(chunk) => Poll::Ready(chunk.take().map(|chunk| Ok(Frame::data(chunk)))),
            Self::Lasting { body, .. } => Pin::new(body).poll_frame(context),
            Self::Answer(body, charge) => Pin::new(body).poll_frame(context).map_ok(|frame| {
                frame.map_data(|bytes| {
                    let _charge = Arc::clone(charge);
                    Bytes::from_owner(Piece { bytes, _charge })
                })
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(chunk) => chunk.is_none(),
            Self::Answer(body, _) | Self::Lasting { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(_) => SizeHint::default(),
            Self::Answer(body, _) | Self::Lasting { body, .. } => body.size_hint(),
        }
    }
}
