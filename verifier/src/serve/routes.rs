//! The gRPC services of a worker: the verifier, health, and reflection in both versions (grpcurl and
//! older tools request v1alpha). This module must not know what a service answers.

use std::{
    convert::Infallible,
    task::{Context, Poll, ready},
};

use futures_util::future::Either;
use http::{Request, Response};
use tokenward_common::process::{
    bodies::Bounds,
    health::{Health, ReflectionError},
};
use tokenward_proto::{
    envoy::service::auth::v3::authorization_server::SERVICE_NAME as ENVOY,
    v1::verifier_service_server::SERVICE_NAME as VERIFIER,
};
use tonic::{body::Body, server::NamedService, service::Routes};
use tower::Service;

/// The services that a verifier serves beside health and reflection.
pub const SERVICES: [&str; 2] = [VERIFIER, ENVOY];

/// A service that a worker can serve.
pub trait Calls:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<S> Calls for S where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static
{
}

/// A service with a name. It limits the size of its messages itself.
pub trait NamedCalls: Calls + NamedService {}

impl<S: Calls + NamedService> NamedCalls for S {}

/// A service and the services beside it. Calls of the first bypass the router, which takes longer than
/// a decision.
#[derive(Clone)]
pub struct Served<S, R = Routes> {
    straight: S,
    rest: R,
}

impl<S: NamedCalls, R: Calls> Service<Request<Body>> for Served<S, R> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, R::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        ready!(self.straight.poll_ready(context))?;
        self.rest.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().strip_prefix('/');
        let is_its = path
            .and_then(|path| path.strip_prefix(S::NAME))
            .is_some_and(|method| method.starts_with('/'));
        if is_its {
            Either::Left(self.straight.call(request))
        } else {
            Either::Right(self.rest.call(request))
        }
    }
}

/// The routes of one worker. Build them once and clone them, or build them for each `verifier`.
pub fn verifier_routes<V: NamedCalls>(
    verifier: V,
    health: &Health,
    bounds: &Bounds,
) -> Result<Served<V>, ReflectionError> {
    let rest = health.routes(&[V::NAME], bounds)?.prepare();
    let straight = verifier;
    Ok(Served { straight, rest })
}

/// The routes of one worker with Envoy's external authorization besides.
pub fn verifier_and_envoy_routes<V: NamedCalls, E: NamedCalls>(
    verifier: V,
    envoy: E,
    health: &Health,
    bounds: &Bounds,
) -> Result<Served<V, Served<E>>, ReflectionError> {
    Ok(Served {
        straight: verifier,
        rest: Served {
            straight: envoy,
            rest: health.routes(&[V::NAME, E::NAME], bounds)?.prepare(),
        },
    })
}
