//! This file applies the bounds to the calls of a service. It must not know what they request.

use std::{
    convert::Infallible,
    mem,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use http::{Request, Response};
use tonic::{body::Body, server::NamedService};
use tower::Service;

use super::{
    bounds::Bounds,
    gather::{PLACE, REFLECTION, full},
    room::Charge,
};

/// The ways in which a method is called, which decide what its call is charged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The caller sends one message, and takes one answer.
    Call,
    /// The caller sends one message, and gets answers until it ends the call.
    Follow,
    /// The caller sends messages for as long as it likes.
    Stream,
    /// The caller sends a stream of reflection requests, whose answers are large.
    Reflection,
}

impl Way {
    pub fn from_health_path(path: &str) -> Self {
        match path {
            "/grpc.health.v1.Health/Watch" => Self::Follow,
            _ => Self::Call,
        }
    }

    pub fn from_reflection_path(_: &str) -> Self {
        Self::Reflection
    }
}

/// A service whose calls stay within bounds.
#[derive(Clone)]
pub struct Bounded<S> {
    inner: S,
    bounds: Bounds,
    way: fn(&str) -> Way,
}

impl<S> Bounded<S> {
    /// Bounds a service. `way` returns the way of a method's path.
    pub fn new(inner: S, bounds: Bounds, way: fn(&str) -> Way) -> Self {
        Self { inner, bounds, way }
    }
}

impl Bounds {
    /// Calls `answer` once the message is complete, and holds its room until the answer is taken.
    pub async fn call<F>(
        &self,
        request: Request<Body>,
        answer: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        match self.whole(request).await {
            Ok((request, charge)) => charge.until_taken(answer(request).await),
            Err(status) => status.into_http(),
        }
    }

    /// Calls `answer` once the message is complete, and holds a place until the end of its answers.
    pub async fn follow<F>(
        &self,
        request: Request<Body>,
        answer: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        match self.whole(request).await {
            Ok((request, charge)) => lasting(request, charge, PLACE, answer).await,
            Err(status) => status.into_http(),
        }
    }

    /// Calls `answer` at once, and holds a place until the end of its answers.
    pub async fn stream<F>(
        &self,
        request: Request<Body>,
        answer: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        self.streams(request, PLACE, answer).await
    }

    async fn streams<F>(
        &self,
        request: Request<Body>,
        place: usize,
        answer: impl FnOnce(Request<Body>) -> F,
    ) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let charge = self.room.nothing((self.caller)(request.extensions()));
        lasting(request, charge, place, answer).await
    }
}

async fn lasting<F>(
    request: Request<Body>,
    mut charge: Charge,
    place: usize,
    answer: impl FnOnce(Request<Body>) -> F,
) -> Response<Body>
where
    F: Future<Output = Response<Body>>,
{
    match charge.try_raise(place) {
        Ok(()) => charge.until_ended(answer(request).await),
        Err(share) => full(share).into_http(),
    }
}

impl<S: NamedService> NamedService for Bounded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let bounds = self.bounds.clone();
        let way = (self.way)(request.uri().path());
        // The instance that reported ready must take the call.
        let ready = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, ready);
        async move {
            let answer = |request| {
                let answered = inner.call(request);
                async move { answered.await.unwrap_or_else(|never| match never {}) }
            };
            Ok(match way {
                Way::Call => bounds.call(request, answer).await,
                Way::Follow => bounds.follow(request, answer).await,
                Way::Stream => bounds.stream(request, answer).await,
                Way::Reflection => bounds.streams(request, REFLECTION, answer).await,
            })
        }
        .boxed()
    }
}
