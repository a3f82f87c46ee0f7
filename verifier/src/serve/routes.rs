//! What a worker serves: the verifier, health, and reflection in both of its versions (grpcurl and
//! older tools ask v1alpha).

use std::convert::Infallible;

use http::{Request, Response};
use tokenward_proto::{
    DESCRIPTORS,
    envoy::service::auth::v3::authorization_server::{
        Authorization, AuthorizationServer, SERVICE_NAME as ENVOY,
    },
    v1::verifier_service_server::SERVICE_NAME,
};
use tonic::{body::Body, server::NamedService, service::Routes};
use tonic_reflection::server::Builder;
use tower::Service;

use super::{Health, Limits};

#[derive(Debug, thiserror::Error)]
#[error("the descriptors built into this program don't decode")]
pub struct RoutesError(#[from] tonic_reflection::server::Error);

/// A verifier's service, which sees to the largest message itself.
pub trait Verifier:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Verifier for S where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Routes for one worker. Make one set and clone it, or one for each `verifier`.
pub fn verifier_routes(verifier: impl Verifier, health: &Health) -> Result<Routes, RoutesError> {
    described(Routes::new(verifier), health, &[SERVICE_NAME])
}

/// The same with Envoy's external authorization beside it.
pub fn verifier_and_envoy_routes(
    verifier: impl Verifier,
    envoy: impl Authorization,
    health: &Health,
    limits: &Limits,
) -> Result<Routes, RoutesError> {
    let envoy = AuthorizationServer::new(envoy).max_decoding_message_size(limits.message_bytes);
    let routes = Routes::new(verifier).add_service(envoy);
    described(routes, health, &[SERVICE_NAME, ENVOY])
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
        .add_service(reflection().build_v1alpha()?))
}
