//! Puts a span around every public call that is traced; the spans of the store's commits are inside it. The
//! call's name and outcome are set where it is answered (`grpc::Authenticator`).

use std::task::{Context, Poll};

use axum::http::{Request, Response};
use futures_util::future::Either;
use tokenward_common::process::{Around, Traces};
use tower::{Layer, Service};

use crate::method::PACKAGE;

/// This is the span's name until the call is answered by name.
const UNNAMED: &str = "call";

#[derive(Clone)]
pub(crate) struct TraceLayer(pub(crate) Traces);

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        let traces = self.0.clone();
        Traced { inner, traces }
    }
}

#[derive(Clone)]
pub(crate) struct Traced<S> {
    inner: S,
    traces: Traces,
}

impl<S, B, R> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Around<S::Future>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Followers, health and reflection have no span: a follower's calls last as long as it waits.
        let public = request.uri().path().starts_with(PACKAGE);
        let span = public
            .then(|| self.traces.received(request.headers(), UNNAMED))
            .flatten();
        let answer = self.inner.call(request);
        match span {
            Some(span) => Either::Right(span.around(answer)),
            None => Either::Left(answer),
        }
    }
}
