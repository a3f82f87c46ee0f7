//! A body at hand, or one that holds its room until its end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};

use super::Charge;

#[derive(Debug)]
pub(super) struct Held {
    chunk: Option<Bytes>,
    rest: Option<Body>,
    _charge: Option<Charge>,
}

impl Held {
    pub(super) fn whole(chunk: Bytes) -> Self {
        Self {
            chunk: Some(chunk),
            rest: None,
            _charge: None,
        }
    }

    pub(super) fn answer(body: Body, charge: Charge) -> Self {
        Self {
            chunk: None,
            rest: Some(body),
            _charge: Some(charge),
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
        if let Some(chunk) = self.chunk.take() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunk.is_none() && self.rest.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.chunk, &self.rest) {
            (None, Some(rest)) => rest.size_hint(),
            _ => SizeHint::default(),
        }
    }
}
