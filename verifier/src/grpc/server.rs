//! Says how each method of the service is served. `Check` and `CheckStream` read and write messages as
//! bytes, because prost would take a third of their time. The other methods use prost.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request as HttpRequest, Response as HttpResponse};
use tokenward_common::process::bodies::Bounds;
use tokenward_proto::v1::{self as pb, verifier_service_server::VerifierServiceServer};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, StreamingService, UnaryService},
};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{
    VerifierGrpc,
    method::{Listed, Method},
    stream::Answers,
};
use crate::raw::{Raw, Responding, arrived, no_method, unary};

/// The longest question in a stream, in bytes: a token of 4 KiB and names. Room for it is taken once
/// its length is known. The stream itself holds its room until it ends.
const STREAMED: usize = 16 * 1024;
/// How many times the bytes of its questions a batch's answer takes at most, about.
const ANSWERS: usize = 8;

/// The service `VerifierService` as a router takes it.
#[derive(Clone)]
pub struct VerifierServer {
    grpc: Arc<VerifierGrpc>,
    bounds: Bounds,
}

impl VerifierServer {
    pub fn new(grpc: VerifierGrpc, bounds: Bounds) -> Self {
        Self {
            grpc: Arc::new(grpc),
            bounds,
        }
    }

    fn make_grpc<C: tonic::codec::Codec>(&self, codec: C) -> Grpc<C> {
        Grpc::new(codec).max_decoding_message_size(self.bounds.most_bytes)
    }
}

impl NamedService for VerifierServer {
    const NAME: &'static str = <VerifierServiceServer<Listed> as NamedService>::NAME;
}

impl Service<HttpRequest<Body>> for VerifierServer {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Responding;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let grpc = Arc::clone(&self.grpc);
        let Some(method) = Method::at(request.uri().path()) else {
            return no_method();
        };
        match method {
            Method::Check => unary(self.bounds.clone(), request, move |call| grpc.check(call)),
            Method::CheckStream => {
                let mut method = Grpc::new(Raw).max_decoding_message_size(STREAMED);
                let bounds = self.bounds.clone();
                let answer =
                    |request| async move { method.streaming(CheckStream(grpc), request).await };
                async move { Ok(bounds.stream(request, answer).await) }.boxed()
            }
            Method::BatchCheck => {
                let mut method = self.make_grpc(ProstCodec::default());
                let bounds = Bounds {
                    weight: ANSWERS,
                    ..self.bounds.clone()
                };
                arrived(bounds, request, move |request| async move {
                    method.unary(BatchCheck(grpc), request).await
                })
            }
            Method::WhoAmI => {
                let mut method = self.make_grpc(ProstCodec::default());
                arrived(self.bounds.clone(), request, move |request| async move {
                    method.unary(WhoAmI(grpc), request).await
                })
            }
        }
    }
}

struct CheckStream(Arc<VerifierGrpc>);

impl StreamingService<Vec<u8>> for CheckStream {
    type Response = Vec<u8>;
    type ResponseStream = Answers;
    type Future = Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Vec<u8>>>) -> Self::Future {
        ready(Ok(self.0.check_stream(request)))
    }
}

struct BatchCheck(Arc<VerifierGrpc>);

impl UnaryService<pb::BatchCheckRequest> for BatchCheck {
    type Response = pb::BatchCheckResponse;
    type Future = BoxFuture<'static, Result<Response<pb::BatchCheckResponse>, Status>>;

    fn call(&mut self, request: Request<pb::BatchCheckRequest>) -> Self::Future {
        let grpc = Arc::clone(&self.0);
        async move { grpc.batch_check(request).await }.boxed()
    }
}

struct WhoAmI(Arc<VerifierGrpc>);

impl UnaryService<pb::WhoAmIRequest> for WhoAmI {
    type Response = pb::WhoAmIResponse;
    type Future = BoxFuture<'static, Result<Response<pb::WhoAmIResponse>, Status>>;

    fn call(&mut self, request: Request<pb::WhoAmIRequest>) -> Self::Future {
        let grpc = Arc::clone(&self.0);
        async move { grpc.who_am_i(&request).await }.boxed()
    }
}
