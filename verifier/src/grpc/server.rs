//! The service's methods on their paths. `Check` and `CheckStream` take and give messages as bytes,
//! which is a third of their time; the others are prost's.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request as HttpRequest, Response as HttpResponse};
use tokenward_proto::v1 as pb;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, StreamingService, UnaryService},
};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{VerifierGrpc, stream::Answers};
use crate::raw::{Raw, Responding, no_method, unary};

/// `VerifierService` as a router takes it.
#[derive(Clone)]
pub struct VerifierServer {
    grpc: Arc<VerifierGrpc>,
    /// Of a request.
    most_bytes: usize,
}

impl VerifierServer {
    pub fn new(grpc: VerifierGrpc, most_bytes: usize) -> Self {
        Self {
            grpc: Arc::new(grpc),
            most_bytes,
        }
    }

    fn of<C: tonic::codec::Codec>(&self, codec: C) -> Grpc<C> {
        Grpc::new(codec).max_decoding_message_size(self.most_bytes)
    }
}

impl NamedService for VerifierServer {
    const NAME: &'static str = pb::verifier_service_server::SERVICE_NAME;
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
        match request.uri().path() {
            "/tokenward.v1.VerifierService/Check" => {
                unary(self.most_bytes, request, move |message, metadata| {
                    grpc.check(message, metadata)
                })
            }
            "/tokenward.v1.VerifierService/CheckStream" => {
                let mut method = self.of(Raw);
                async move { Ok(method.streaming(CheckStream(grpc), request).await) }.boxed()
            }
            "/tokenward.v1.VerifierService/BatchCheck" => {
                let mut method = self.of(ProstCodec::default());
                async move { Ok(method.unary(BatchCheck(grpc), request).await) }.boxed()
            }
            "/tokenward.v1.VerifierService/WhoAmI" => {
                let mut method = self.of(ProstCodec::default());
                async move { Ok(method.unary(WhoAmI(grpc), request).await) }.boxed()
            }
            _ => no_method(),
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
    type Future = Ready<Result<Response<pb::WhoAmIResponse>, Status>>;

    fn call(&mut self, request: Request<pb::WhoAmIRequest>) -> Self::Future {
        ready(self.0.who_am_i(&request))
    }
}
