//! This file keeps a call in flight until its answer's body over HTTP/1 has ended.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, SizeHint};

use super::register::InFlight;

#[derive(Debug)]
pub struct Answering<B> {
    body: B,
    _call: Option<InFlight>,
}

impl<B> Answering<B> {
    pub fn new(body: B, call: Option<InFlight>) -> Self {
        Self { body, _call: call }
    }
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        pin!(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
