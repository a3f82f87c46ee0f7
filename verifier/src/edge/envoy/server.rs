//! Serves the door on its path, and passes messages as bytes: most of the strings and maps that prost would
//! build are never used. It decides nothing.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokenward_common::process::bodies::Bounds;
use tokenward_proto::envoy::service::auth::v3::authorization_server::SERVICE_NAME;
use tonic::{body::Body, server::NamedService};
use tower::Service;

use super::door::EnvoyDoor;
use crate::raw::{Responding, no_method, unary};

/// Serves the `Authorization` service.
#[derive(Clone)]
pub struct EnvoyServer {
    door: Arc<EnvoyDoor>,
    bounds: Bounds,
}

impl EnvoyServer {
    pub fn new(door: EnvoyDoor, bounds: Bounds) -> Self {
        Self {
            door: Arc::new(door),
            bounds,
        }
    }
}

impl NamedService for EnvoyServer {
    const NAME: &'static str = SERVICE_NAME;
}

impl Service<Request<Body>> for EnvoyServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Responding;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != "/envoy.service.auth.v3.Authorization/Check" {
            return no_method();
        }
        let door = Arc::clone(&self.door);
        unary(self.bounds.clone(), request, move |call| {
            let door = Arc::clone(&door);
            async move { door.check(call.get_ref(), call.metadata()).await }
        })
    }
}
