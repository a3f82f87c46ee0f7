//! gRPC health (`grpc.health.v1`), as the load balancers of gRPC clients ask it. Not serving until
//! told otherwise.

use tokenward_common::process::{SMALL_MESSAGE, Shutdown};
use tokenward_proto::v1::verifier_service_server::SERVICE_NAME;
use tokio::sync::watch;
use tonic::server::NamedService;
use tonic_health::{
    ServingStatus,
    pb::health_server::{HealthServer, SERVICE_NAME as HEALTH},
    server::{HealthReporter, HealthService},
};
use tonic_reflection::pb::{
    v1::server_reflection_server::SERVICE_NAME as REFLECTION,
    v1alpha::server_reflection_server::SERVICE_NAME as REFLECTION_ALPHA,
};

use crate::edge::envoy::EnvoyServer;

/// The whole server, and every service that reflection lists: a client asks for the one that it uses.
const NAMES: [&str; 6] = [
    "",
    SERVICE_NAME,
    <EnvoyServer as NamedService>::NAME,
    HEALTH,
    REFLECTION,
    REFLECTION_ALPHA,
];

/// Cheap to clone; all workers answer the same.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// NOT_SERVING: tonic-health itself would begin as serving.
    pub async fn new() -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
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
        for name in NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Ends all `Watch` streams; `Check` knows no service from then on. They would hold the drain.
    pub async fn close(&self) {
        let mut reporter = self.reporter.clone();
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
    }

    /// Serving while `ready` says so and nothing drains; closed when the process stops accepting.
    pub async fn follow(self, mut ready: watch::Receiver<bool>, shutdown: Shutdown) {
        loop {
            let serving = *ready.borrow_and_update() && !shutdown.is_draining();
            self.set(serving).await;
            tokio::select! {
                changed = ready.changed() => if changed.is_err() { break },
                () = shutdown.draining() => break,
            }
        }
        self.set(false).await;
        shutdown.stopping().await;
        self.close().await;
    }

    pub(super) fn server(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
            .max_decoding_message_size(SMALL_MESSAGE)
    }
}
