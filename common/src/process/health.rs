//! This file decides when a gRPC server reports that it serves (`grpc.health.v1`), for load balancers.
//! It also serves reflection in both versions (grpcurl and older tools use v1alpha). Any caller may use
//! both.
//!
//! It must not know what the services do.

use std::{sync::Arc, time::Duration};

use tokenward_proto::DESCRIPTORS;
use tonic::service::Routes;
use tonic_health::{
    ServingStatus,
    pb::health_server::{HealthServer, SERVICE_NAME as HEALTH},
    server::{HealthReporter, HealthService},
};
use tonic_reflection::{
    pb::{
        v1::server_reflection_server::SERVICE_NAME as REFLECTION,
        v1alpha::server_reflection_server::SERVICE_NAME as REFLECTION_ALPHA,
    },
    server::Builder,
};

use super::{
    admin::Readiness,
    bodies::{Bounded, Bounds, Way},
    shutdown::Shutdown,
};

/// The interval at which readiness is read.
const POLL: Duration = Duration::from_millis(50);
/// The largest request that any caller may send: a service's name or a symbol's. gRPC libraries
/// allocate a declared length before its bytes arrive.
pub const SMALL_MESSAGE: usize = 1024;

#[derive(Debug, thiserror::Error)]
#[error("the descriptors built into this program don't decode")]
pub struct ReflectionError(#[from] tonic_reflection::server::Error);

/// The health of a server. Clones are cheap and give the same answers.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
    /// The whole server, and every service that reflection lists: a client requests the health of the
    /// service that it uses.
    names: Arc<[&'static str]>,
}

impl Health {
    /// Begins as NOT_SERVING; tonic-health itself would begin as serving.
    pub async fn new(services: &[&'static str]) -> Self {
        let of_every_server = ["", HEALTH, REFLECTION, REFLECTION_ALPHA];
        let health = Self {
            reporter: HealthReporter::new(),
            names: services.iter().copied().chain(of_every_server).collect(),
        };
        health.set(false).await;
        health
    }

    pub async fn set(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in self.names.iter() {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Ends all `Watch` streams, which would hold the drain. Afterwards `Check` knows no service.
    async fn close(&self) {
        let mut reporter = self.reporter.clone();
        for name in self.names.iter() {
            reporter.clear_service_status(name).await;
        }
    }

    /// Reports serving while the server is ready and not draining, and closes when the process stops
    /// accepting.
    pub async fn follow(self, readiness: Readiness, shutdown: Shutdown) {
        let mut serving = false;
        while !shutdown.is_draining() {
            let ready = readiness.ask().is_ok();
            if std::mem::replace(&mut serving, ready) != ready {
                self.set(ready).await;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = shutdown.draining() => {}
            }
        }
        self.set(false).await;
        shutdown.stopping().await;
        self.close().await;
    }

    /// Returns health and reflection. Only these services are listed, but the descriptors hold every
    /// package. `bounds` are the process's bounds for services beside its own.
    pub fn routes(&self, services: &[&str], bounds: &Bounds) -> Result<Routes, ReflectionError> {
        let reflection = || {
            let builder = Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .with_service_name(HEALTH);
            let name = |builder: Builder<'static>, name: &&str| builder.with_service_name(*name);
            services.iter().fold(builder, name)
        };
        let small = Bounds {
            most_bytes: SMALL_MESSAGE,
            ..bounds.clone()
        };
        let health = HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()));
        let health = health.max_decoding_message_size(SMALL_MESSAGE);
        let v1 = reflection().build_v1()?;
        let v1 = v1.max_decoding_message_size(SMALL_MESSAGE);
        let v1alpha = reflection().build_v1alpha()?;
        let v1alpha = v1alpha.max_decoding_message_size(SMALL_MESSAGE);
        Ok(Routes::default()
            .add_service(Bounded::new(health, small.clone(), Way::from_health_path))
            .add_service(Bounded::new(v1, small.clone(), Way::from_reflection_path))
            .add_service(Bounded::new(v1alpha, small, Way::from_reflection_path)))
    }
}
