//! Passes messages as their bytes to methods that read and write their own. It decides nothing.

use std::{convert::Infallible, future::ready};

use bytes::{Buf as _, BufMut as _};
use futures_util::{
    FutureExt as _, TryFutureExt as _,
    future::{BoxFuture, MapOk},
};
use http::{Request as HttpRequest, Response as HttpResponse};
use tokenward_common::{process::bodies::Bounds, status::ErrorReason};
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, UnaryService},
};

/// The future of a call's response.
pub(crate) type Responding = BoxFuture<'static, Result<HttpResponse<Body>, Infallible>>;

/// Serves a unary method. A request beyond the bounds is refused.
pub(crate) fn unary<A, F>(bounds: Bounds, request: HttpRequest<Body>, answer: A) -> Responding
where
    A: Fn(Request<Vec<u8>>) -> F + Send + 'static,
    F: Future<Output = Result<Vec<u8>, Status>> + Send + 'static,
{
    let mut grpc = Grpc::new(Raw).max_decoding_message_size(bounds.most_bytes);
    arrived(bounds, request, move |request| async move {
        grpc.unary(Unary(answer), request).await
    })
}

/// Answers once the message is there, and holds its room until the client has read the answer.
pub(crate) fn arrived<A, F>(bounds: Bounds, request: HttpRequest<Body>, answer: A) -> Responding
where
    A: FnOnce(HttpRequest<Body>) -> F + Send + 'static,
    F: Future<Output = HttpResponse<Body>> + Send,
{
    async move { Ok(bounds.call(request, answer).await) }.boxed()
}

pub(crate) fn no_method() -> Responding {
    let status = ErrorReason::MethodUnknown.status("no such method");
    ready(Ok(status.into_http())).boxed()
}

struct Unary<F>(F);

impl<A, F> UnaryService<Vec<u8>> for Unary<A>
where
    A: Fn(Request<Vec<u8>>) -> F,
    F: Future<Output = Result<Vec<u8>, Status>>,
{
    type Response = Vec<u8>;
    type Future = MapOk<F, fn(Vec<u8>) -> Response<Vec<u8>>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        (self.0)(request).map_ok(Response::new)
    }
}

/// The bytes that tonic reserves before a message is there, and for an answer. Its own 8 KiB would be
/// held for each answer that isn't read.
const BUFFER: usize = 1024;
/// The bytes of a stream's answers that are sent together. This is tonic's default.
const TOGETHER: usize = 32 * 1024;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&message);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, TOGETHER)
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = Vec::with_capacity(from.remaining());
        message.put(from);
        Ok(Some(message))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER, TOGETHER)
    }
}
