//! Puts an issuer together: its own view of the state, its services, the public keys and the log's upkeep. At
//! the end the services stop first, then the parts that they rest on.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use tokenward_common::{
    clock::Clock,
    process::{
        ListenAddress, Shutdown, Supervisor, Tls,
        admin::{self, Readiness},
        admission::{Admission, Files, HttpEnd, Refused, serve_http},
        bodies::Bounds,
        health::Health,
    },
    replica::{Follow, Observer, Replica},
    store::{Feed, Store, guards::Guards, overlay::Over},
};
use tokio::task::JoinHandle;
use tracing::info;

use crate::{
    ability::Ability,
    config::{Config, load_files},
    grpc::Authenticator,
    handed, history,
    keys::{KeySource, public_keys},
    leaks::{self, Leaks},
    live_calls::LiveCallsLayer,
    metrics::{Metrics, Scrape},
    observed_store::ObservedStore,
    pace::Pace,
    receipts::Receipts,
    routes::{Parts, SERVICES, routes},
    serve::serve,
    stores::keep_log_short,
    tokens::ByValue,
    traced::TraceLayer,
};

const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);

pub struct Running {
    grpc: ListenAddress,
    http: ListenAddress,
    admin: ListenAddress,
    replica: Arc<Replica>,
    supervisor: Supervisor,
    served: JoinHandle<Result<()>>,
}

/// Starts serving. The store is open already.
pub async fn start(
    config: &Config,
    store: Arc<dyn Store>,
    tls: &Tls,
    clock: Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<Running> {
    let (keys, credentials) = load_files(config).map_err(|all| anyhow!(all.join("\n")))?;
    let log = store.head().await.context("the store")?.cursor.log;

    let bind = |address: &ListenAddress, flag| {
        address
            .bind_for(flag)
            .map(|it| it.with_tls(tls.server.as_ref()))
    };
    let grpc_listener = bind(&config.listen, "--listen")?;
    let http_listener = bind(&config.http_listen, "--http-listen")?;
    let admin_listener = config.admin_listen.bind_for("--admin-listen")?;
    let grpc = grpc_listener.address()?;
    let http = http_listener.address()?;
    let admin = admin_listener.address()?;

    let supervisor = Supervisor::start("tokenward-issuer", config.traces.as_ref(), tls, shutdown)
        .map_err(|problem| anyhow!(problem))?;
    let mut registry = admin::registry("tokenward_issuer");
    let metrics = Metrics::new(&mut registry);
    metrics.vouch(config);

    // Wraps the store so that operators can observe it, and starts the tasks that follow the store.
    let ability = Arc::new(Ability::default());
    let store: Arc<dyn Store> = Arc::new(Over(ObservedStore {
        store,
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        traces: supervisor.traces().clone(),
        ability: Arc::clone(&ability),
    }));
    let replica = Arc::new(Replica::new(Arc::clone(&clock)));
    let follow = Follow {
        feed: Arc::clone(&store) as Arc<dyn Feed>,
        replica: Arc::clone(&replica),
        name: follower_name()?,
        bound: None,
        usage: Arc::default(),
        confirm_interval: CONFIRM_INTERVAL,
        guards: Guards::ALL,
        observer: Arc::clone(&metrics) as Arc<dyn Observer>,
    };
    supervisor.run("the view of the store", follow.run(supervisor.stop()));
    let asking = Arc::clone(&ability).watch(Arc::clone(&store), supervisor.stop());
    supervisor.run("the store", asking);
    let history = history::watch(
        Arc::clone(&store),
        Arc::clone(&replica),
        Arc::clone(&ability),
        supervisor.stop(),
    );
    supervisor.run("the watch on the history", history);
    let taking = handed::watch(Arc::clone(&store), Arc::clone(&clock), supervisor.stop());
    supervisor.run("the watch on what followers hand in", taking);
    let trimming = keep_log_short(Arc::clone(&store), config.retention, supervisor.stop());
    supervisor.run("the log's upkeep", trimming);
    let receipts = Arc::new(Receipts::new(Arc::clone(&store), Arc::clone(&clock)));
    let watch = Arc::clone(&receipts).watch(supervisor.stop());
    supervisor.run("the watch on receipts", watch);

    // Starts the tasks that read changed files again.
    if let KeySource::Ring(path) = &config.keys {
        let (path, hurry) = (path.clone(), shutdown.hangups());
        let follow = Arc::clone(&keys).follow(path, hurry, supervisor.stop());
        supervisor.run("the reader of --key-ring", follow);
    }
    let file = config.credentials.clone();
    let reader = "the reader of --credentials";
    supervisor.follow_credentials(reader, &credentials, file, "--credentials");

    // Puts together the services that callers reach.
    let health = Health::new(&SERVICES).await;
    let pace = Pace::new(Arc::clone(&store), Arc::clone(&receipts), &config.retention);
    let parts = Parts {
        store,
        pace: Arc::new(pace),
        replica: Arc::clone(&replica),
        keys: Arc::clone(&keys),
        receipts: Arc::clone(&receipts),
        authenticator: Authenticator {
            credentials: Arc::clone(&credentials),
            clock: Arc::clone(&clock),
            metrics,
        },
        patience: Bounds::DEADLINE,
    };
    let by_value = ByValue::default();
    let leaks = Leaks {
        authenticator: parts.authenticator.clone(),
        tokens: parts.tokens(),
        by_value: by_value.clone(),
    };
    let routes = routes(&parts, by_value, &health, shutdown.stopping_token())?;
    let public =
        public_keys(Arc::clone(&keys), Arc::clone(&replica), log).merge(leaks::router(leaks));

    // Operators and verifiers on gRPC get two thirds of the file descriptors, so strangers on HTTP can't take
    // them.
    let files = Files::of_this_process();
    let admission = |part| Admission::new(files.share(part, 3), config.address_connections);
    let (at_grpc, at_http) = (admission(2), admission(1));

    let readiness = {
        let (asked, noted) = (Arc::clone(&ability), Arc::clone(&ability));
        let (view, state, signing) = (replica.clone(), replica.clone(), keys.clone());
        Readiness::new(move || asked.ready(&view))
            .noting(move || noted.note().or_else(|| signing.note(&state)))
            .unless_draining(shutdown.clone())
    };
    credentials.register(&mut registry);
    registry.register_collector(Box::new(Refused(vec![at_grpc.clone(), at_http.clone()])));
    registry.register_collector(Box::new(Scrape {
        replica: Arc::clone(&replica),
        receipts,
        ability,
        keys,
        ring: matches!(config.keys, KeySource::Ring(_)),
        clock,
    }));
    supervisor.follow_health(health, readiness.clone());
    supervisor.serve_admin(admin_listener, files, registry, readiness);

    let layer = (
        TraceLayer(supervisor.traces().clone()),
        LiveCallsLayer(credentials),
    );
    let calls = serve(grpc_listener, at_grpc, routes, layer, shutdown.clone());
    let end = HttpEnd::Stopping;
    let public = serve_http(http_listener, at_http, public, shutdown.clone(), end);
    let served = tokio::spawn(async move {
        let public = async { public.await.context("--http-listen") };
        tokio::try_join!(calls, public).map(drop)
    });
    info!(listen = %grpc, %http, %admin, realm = config.realm, %log, "serving");
    Ok(Running {
        grpc,
        http,
        admin,
        replica,
        supervisor,
        served,
    })
}

/// Issuers in containers have the same process id, so the name is drawn.
fn follower_name() -> Result<String> {
    let mut drawn = [0; 8];
    getrandom::fill(&mut drawn).map_err(|error| anyhow!("random bytes: {error}"))?;
    let digits = drawn.map(|byte| format!("{byte:02x}")).concat();
    Ok(format!("issuer-{digits}"))
}

impl Running {
    pub fn grpc_address(&self) -> &ListenAddress {
        &self.grpc
    }

    pub fn http_address(&self) -> &ListenAddress {
        &self.http
    }

    pub fn admin_address(&self) -> &ListenAddress {
        &self.admin
    }

    /// Returns the issuer's own view.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// Returns when the drain is over or a part has died. An issuer whose credentials reader has died must
    /// not go on: it would look healthy, and accept a withdrawn credential for ever.
    pub async fn ended(self) -> Result<()> {
        let ended = self.supervisor.ended(self.served).await;
        self.supervisor.flush().await;
        ended??
    }
}
