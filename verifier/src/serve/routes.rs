//! What a worker serves: the verifier, health, and reflection in both of its versions (grpcurl and
//! older tools ask v1alpha).

use std::{
    convert::Infallible,
    task::{Context, Poll, ready},
};

use futures_util::future::Either;
use http::{Request, Response};
use tokenward_proto::{
    DESCRIPTORS,
    envoy::service::auth::v3::authorization_server::{
        Authorization, AuthorizationServer, SERVICE_NAME as ENVOY,
    },
};
use tonic::{body::Body, server::NamedService, service::Routes};
use tonic_reflection::server::Builder;
use tower::Service;

use super::{Health, Limits};

#[derive(Debug, thiserror::Error)]
#[error("the descriptors built into this program don't decode")]
pub struct RoutesError(#[from] tonic_reflection::server::Error);

/// What a worker serves.
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

/// A verifier's service, which sees to the largest message itself.
pub trait Verifier: Calls + NamedService {}

impl<S: Calls + NamedService> Verifier for S {}

/// A verifier and what stands beside it. The verifier's calls go to it straight: a router takes longer than a
/// decision.
#[derive(Clone)]
pub struct Served<V> {
    verifier: V,
    rest: Routes,
}

impl<V: Verifier> Service<Request<Body>> for Served<V> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<V::Future, <Routes as Service<Request<Body>>>::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        ready!(self.verifier.poll_ready(context))?;
        Service::<Request<Body>>::poll_ready(&mut self.rest, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().strip_prefix('/');
        let of_verifier = path
            .and_then(|path| path.strip_prefix(V::NAME))
            .is_some_and(|method| method.starts_with('/'));
        if of_verifier {
            Either::Left(self.verifier.call(request))
        } else {
            Either::Right(self.rest.call(request))
        }
    }
}

/// For one worker. Make one and clone it, or one for each `verifier`.
pub fn verifier_routes<V: Verifier>(
    verifier: V,
    health: &Health,
) -> Result<Served<V>, RoutesError> {
    let rest = described(Routes::default(), health, &[V::NAME])?;
    Ok(Served { verifier, rest })
}

/// The same with Envoy's external authorization beside it.
pub fn verifier_and_envoy_routes<V: Verifier>(
    verifier: V,
    envoy: impl Authorization,
    health: &Health,
    limits: &Limits,
) -> Result<Served<V>, RoutesError> {
    let envoy = AuthorizationServer::new(envoy).max_decoding_message_size(limits.message_bytes);
    let rest = described(Routes::new(envoy), health, &[V::NAME, ENVOY])?;
    Ok(Served { verifier, rest })
}

/// Only what this process serves is listed; the descriptors hold every package.
fn described(routes: Routes, health: &Health, names: &[&str]) -> Result<Routes, RoutesError> {
    let reflection = || {
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        names
            .iter()
            .fold(builder, |builder, name| builder.with_service_name(*name))
    };
    Ok(routes
        .add_service(health.server())
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .prepare())
}
