//! What a worker serves: the verifier, health, and reflection in both of its versions (grpcurl and
//! older tools ask v1alpha).

use std::{
    convert::Infallible,
    task::{Context, Poll, ready},
};

use futures_util::future::Either;
use http::{Request, Response};
use tokenward_common::process::{
    SMALL_MESSAGE,
    bodies::{Bounded, Bounds, Way},
};
use tokenward_proto::DESCRIPTORS;
use tonic::{body::Body, server::NamedService, service::Routes};
use tonic_health::pb::health_server::SERVICE_NAME as HEALTH;
use tonic_reflection::server::Builder;
use tower::Service;

use super::Health;

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

/// A service by its name, which sees to the largest message itself.
pub trait Named: Calls + NamedService {}

impl<S: Calls + NamedService> Named for S {}

/// A service and what stands beside it. Its calls go to it straight: a router takes longer than a
/// decision.
#[derive(Clone)]
pub struct Served<S, R = Routes> {
    straight: S,
    rest: R,
}

impl<S: Named, R: Calls> Service<Request<Body>> for Served<S, R> {
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

/// For one worker. Make one and clone it, or one for each `verifier`.
pub fn verifier_routes<V: Named>(
    verifier: V,
    health: &Health,
    bounds: &Bounds,
) -> Result<Served<V>, RoutesError> {
    let rest = described(health, bounds, &[V::NAME])?;
    let straight = verifier;
    Ok(Served { straight, rest })
}

/// The same with Envoy's external authorization beside it.
pub fn verifier_and_envoy_routes<V: Named, E: Named>(
    verifier: V,
    envoy: E,
    health: &Health,
    bounds: &Bounds,
) -> Result<Served<V, Served<E>>, RoutesError> {
    Ok(Served {
        straight: verifier,
        rest: Served {
            straight: envoy,
            rest: described(health, bounds, &[V::NAME, E::NAME])?,
        },
    })
}

/// Only what this process serves is listed; the descriptors hold every package. `bounds`: of the
/// process, for what stands beside its services.
fn described(health: &Health, bounds: &Bounds, names: &[&str]) -> Result<Routes, RoutesError> {
    let reflection = || {
        let builder = Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(HEALTH);
        names
            .iter()
            .fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let small = Bounds {
        most_bytes: SMALL_MESSAGE,
        ..bounds.clone()
    };
    let v1 = reflection().build_v1()?;
    let v1alpha = reflection().build_v1alpha()?;
    Ok(Routes::default()
        .add_service(Bounded::new(health.server(), small.clone(), Way::of_health))
        .add_service(Bounded::new(
            v1.max_decoding_message_size(SMALL_MESSAGE),
            small.clone(),
            Way::of_reflection,
        ))
        .add_service(Bounded::new(
            v1alpha.max_decoding_message_size(SMALL_MESSAGE),
            small,
            Way::of_reflection,
        ))
        .prepare())
}
