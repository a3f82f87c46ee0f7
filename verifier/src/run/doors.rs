//! Opens the doors on the data plane: where each listens, and what each worker answers there. It
//! decides no answer itself.

use std::{io, sync::Arc};

use anyhow::{Result, anyhow};
use tokenward_common::{
    process::{
        ListenAddress, Listener, Shutdown, Traces,
        credentials::LiveCredentials,
        health::Health,
        listen::BindError,
        tls::{ClientTls, ServerTls},
    },
    replica::Usage,
};

use crate::{
    config::Config,
    decide::Decider,
    edge::{
        bodies::Bodies,
        envoy::{BuiltIn, EnvoyDoor, EnvoyServer},
        guard::{Guard, Upstream},
        http::{HttpDoors, WhoAmILimits},
        judge::Judge,
    },
    grpc::{VerifierGrpc, VerifierServer},
    metrics::Metrics,
    serve::{DataPlane, HttpDoor, Limits, verifier_and_envoy_routes},
};

/// The place of each HTTP door among them.
pub(super) const HTTP: usize = 0;
pub(super) const GUARD: usize = 1;

/// Listeners that are bound and not served yet.
pub(super) struct Listeners {
    grpc: Vec<Listener>,
    http: Vec<Listener>,
    guard: Vec<Listener>,
}

impl Listeners {
    pub(super) fn bind(config: &Config, tls: Option<&Arc<ServerTls>>) -> Result<Self, BindError> {
        let guard = config.guard.iter().flat_map(|guard| &guard.listen);
        Ok(Self {
            grpc: bind("--listen", &config.listen, tls)?,
            http: bind("--http-listen", &config.http_listen, tls)?,
            guard: bind("--guard-listen", guard, tls)?,
        })
    }
}

fn bind<'a>(
    flag: &'static str,
    addresses: impl IntoIterator<Item = &'a ListenAddress>,
    tls: Option<&Arc<ServerTls>>,
) -> Result<Vec<Listener>, BindError> {
    let bind = |address: &ListenAddress| Ok(address.bind_for(flag)?.with_tls(tls));
    addresses.into_iter().map(bind).collect()
}

/// The parts that all doors are made of.
pub(super) struct Doors<'a> {
    pub(super) config: &'a Config,
    pub(super) decider: &'a Arc<Decider>,
    pub(super) metrics: &'a Metrics,
    pub(super) usage: &'a Arc<Usage>,
    pub(super) health: &'a Health,
    pub(super) traces: &'a Traces,
    /// The TLS to the servers behind the guard.
    pub(super) peers: &'a Arc<ClientTls>,
    pub(super) shutdown: &'a Shutdown,
    pub(super) limits: Limits,
}

impl Doors<'_> {
    pub(super) fn open(&self, listeners: Listeners) -> Result<DataPlane> {
        let config = self.config;
        let tables = BuiltIn::new(config.routes.place())
            .map_err(|mistakes| anyhow!("built-in routes: {mistakes:?}"))?;
        let bounds = self.limits.bounds();
        let of_envoy = self.limits.bounds_of(config.max_body);
        // Health and reflection have their own bounds, apart from the checks.
        let of_the_rest = self.limits.bounds();
        let make_routes = |number| {
            let verifier = VerifierServer::new(self.verifier(number), bounds.clone());
            let envoy = EnvoyServer::new(self.envoy(number, &tables), of_envoy.clone());
            verifier_and_envoy_routes(verifier, envoy, self.health, &of_the_rest)
                .map_err(io::Error::other)
        };
        let whoami = WhoAmILimits::new(config.whoami_limit, config.whoami_refusals);
        let whoami = Arc::new(whoami);
        let bodies = Bodies::new(config.max_body);
        let make_http = |number| {
            let doors = HttpDoors {
                judge: self.judge(number),
                operators: self.operators(),
                bodies: bodies.clone(),
                cuts: config.cuts.clone(),
                traces: self.traces.clone(),
                limits: Arc::clone(&whoami),
            };
            doors.service()
        };
        let mut http = vec![HttpDoor {
            listeners: listeners.http,
            make: &make_http,
        }];
        // The guard runs on the data plane, where its own worker judges from memory. A large transfer
        // must not delay revocations on the one thread that follows the log.
        let make_guard = config.guard.as_ref().map(|settings| {
            |number| {
                let issuer = settings.issuer.clone();
                let guard = Guard {
                    judge: self.judge(number),
                    upstream: Upstream::new(settings.upstream.clone(), settings.times, self.peers),
                    issuer: issuer.map(|it| Upstream::new(it, settings.times, self.peers)),
                    limits: Arc::clone(&whoami),
                    keep_credential: settings.keep_credential,
                    bodies: bodies.clone(),
                    traces: self.traces.clone(),
                };
                guard.service()
            }
        });
        http.extend(make_guard.as_ref().map(|make| HttpDoor {
            listeners: listeners.guard,
            make,
        }));
        Ok(DataPlane::start_with_http(
            listeners.grpc,
            http,
            config.workers,
            self.limits,
            self.shutdown,
            make_routes,
        )?)
    }

    fn judge(&self, number: usize) -> Judge {
        Judge {
            decider: Arc::clone(self.decider),
            table: Arc::clone(&self.config.routes),
            counts: self.metrics.worker(number),
            usage: Arc::clone(self.usage),
        }
    }

    fn operators(&self) -> Option<Arc<LiveCredentials>> {
        let operators = self.config.operators.as_ref();
        operators.map(|it| Arc::clone(&it.known))
    }

    fn verifier(&self, number: usize) -> VerifierGrpc {
        VerifierGrpc {
            decider: Arc::clone(self.decider),
            counts: self.metrics.worker(number),
            usage: Arc::clone(self.usage),
            expiry_warning: self.config.expiry_warning,
            operators: self.operators(),
            shutdown: self.shutdown.clone(),
            traces: self.traces.clone(),
        }
    }

    fn envoy(&self, number: usize, tables: &BuiltIn) -> EnvoyDoor {
        EnvoyDoor {
            judge: self.judge(number),
            tables: tables.clone(),
            max_body: self.config.max_body,
            cuts: self.config.cuts.clone(),
            traces: self.traces.clone(),
        }
    }
}
