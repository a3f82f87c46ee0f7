//! Puts an issuer together: its own view of the state, three services, the public keys, the log's
//! upkeep.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use prometheus_client::registry::Registry;
use tokenward_common::{
    clock::Clock,
    id::LogId,
    process::{
        ListenAddress, Listener, Shutdown, Traces, admin,
        admin::Readiness,
        admission::{
            Admission, Files, HttpEnd, IDLE, Patience, Protocol, Refused, incoming, serve_http,
        },
        bodies::Bounds,
        credentials, telemetry, watched,
    },
    replica::{Follow, Observer, Replica},
    store::{Feed, Retention, Store, guards::Guards, overlay::Over},
};
use tokenward_proto::{
    internal::feed_service_server::SERVICE_NAME as FEED_SERVICE,
    v1::{
        audit_service_server::SERVICE_NAME as AUDIT,
        directory_service_server::SERVICE_NAME as DIRECTORY,
        key_service_server::SERVICE_NAME as KEYS, org_token_service_server::SERVICE_NAME as ORGS,
        token_service_server::SERVICE_NAME as TOKENS,
    },
};
use tokio_util::sync::CancellationToken;
use tonic::{service::Routes, transport::Server};
use tonic_health::{
    ServingStatus, pb::health_server::SERVICE_NAME as HEALTH, server::HealthReporter,
};
use tonic_reflection::pb::{
    v1::server_reflection_server::SERVICE_NAME as REFLECTION,
    v1alpha::server_reflection_server::SERVICE_NAME as REFLECTION_ALPHA,
};
use tracing::{info, warn};

use crate::{
    ability::Ability,
    caller::{Credentials, LiveCredentials},
    config::Config,
    grpc::Door,
    keys::{KeySource, Keys, Realm, Signing},
    leaks::{self, Leaks},
    metrics::{Metrics, Scrape},
    receipts::Receipts,
    routes::{Parts, routes},
    standing::StandingLayer,
    tokens::ByValue,
    traced::TraceLayer,
    watched::Watched,
};

/// Calls in flight on one connection: a back end puts all of its callers on one, and a commit takes
/// milliseconds. Each costs some KiB whether or not its caller is known.
const STREAMS: u32 = 256;
/// A caller whose own callers time out together cancels all it has in flight; h2's limit of 20
/// would end its connection.
const RESET_STREAMS: usize = 1024;
const MAX_HEADERS: u32 = 16 * 1024;
/// The least that HTTP/2 allows: large frames of an import would hold up a revocation.
const FRAME: u32 = 16 * 1024;
/// Unread bytes in flight: an import's batch flows through. A stranger's bodies stand unread, so
/// the connection's window is what one of its connections can leave with us.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// A peer that vanished is found within their sum.
const KEEPALIVE: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the log's front is cut.
const TRIM: Duration = Duration::from_secs(10);
const READY_POLL: Duration = Duration::from_millis(50);
/// The whole server, and every service that reflection lists: a client asks for the one that it uses.
pub(crate) const HEALTHY: [&str; 10] = [
    "",
    TOKENS,
    DIRECTORY,
    KEYS,
    ORGS,
    AUDIT,
    FEED_SERVICE,
    HEALTH,
    REFLECTION,
    REFLECTION_ALPHA,
];
const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);

/// A running issuer.
pub struct Running {
    grpc: ListenAddress,
    http: ListenAddress,
    admin: ListenAddress,
    replica: Arc<Replica>,
    traces: Traces,
    stop: CancellationToken,
    shutdown: Shutdown,
    served: tokio::task::JoinHandle<Result<()>>,
}

/// Starts serving; the store is open already.
pub async fn start(
    config: &Config,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<Running> {
    let (keys, credentials) = load_files(config)?;
    let log = store.head().await.context("the store")?.cursor.log;

    let bind = |flag: &str, address: &ListenAddress| {
        let bound = address.bind();
        bound.with_context(|| format!("{flag} {address}"))
    };
    let listener = bind("--listen", &config.listen)?;
    let http = bind("--http-listen", &config.http_listen)?;
    let admin_listener = bind("--admin-listen", &config.admin_listen)?;
    let addresses = (
        listener.address()?,
        http.address()?,
        admin_listener.address()?,
    );

    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let traces = Traces::start("tokenward-issuer", config.traces.as_ref())
        .map_err(|problem| anyhow!(problem))?;
    let ability = Arc::new(Ability::default());
    let store: Arc<dyn Store> = Arc::new(Over(Watched {
        store,
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
        traces: traces.clone(),
        ability: Arc::clone(&ability),
    }));
    let replica = Arc::new(Replica::new(Arc::clone(&clock)));
    let stop = CancellationToken::new();
    let follow = Follow {
        feed: Arc::clone(&store) as Arc<dyn Feed>,
        replica: Arc::clone(&replica),
        name: format!("issuer-{}", std::process::id()),
        bound: None,
        usage: Arc::default(),
        confirm_interval: CONFIRM_INTERVAL,
        guards: Guards::ALL,
        observer: Arc::clone(&metrics) as Arc<dyn Observer>,
    };
    watched("the view of the store", shutdown, follow.run(stop.clone()));
    let asking = Arc::clone(&ability).watch(Arc::clone(&store), stop.clone());
    watched("the store", shutdown, asking);
    let trimming = keep_log_short(Arc::clone(&store), config.retention, stop.clone());
    watched("the log's upkeep", shutdown, trimming);

    let receipts = Arc::new(Receipts::new(Arc::clone(&store), Arc::clone(&clock)));
    let watch = Arc::clone(&receipts).watch(stop.clone());
    watched("the watch on receipts", shutdown, watch);
    registry.register_collector(Box::new(Scrape {
        replica: Arc::clone(&replica),
        receipts: Arc::clone(&receipts),
        ability: Arc::clone(&ability),
        keys: Arc::clone(&keys),
        ring: matches!(config.keys, KeySource::Ring(_)),
        clock: Arc::clone(&clock),
    }));
    if let KeySource::Ring(path) = &config.keys {
        let (path, hurry) = (path.clone(), shutdown.hangups());
        let follow = Arc::clone(&keys).follow(path, hurry, stop.clone());
        watched("the reader of --key-ring", shutdown, follow);
    }
    credentials.register(&mut registry, "tokenward_issuer_");
    telemetry::register(&mut registry, "tokenward_issuer_");
    let follow = Arc::clone(&credentials).follow(
        config.credentials.clone(),
        "--credentials",
        shutdown.hangups(),
        stop.clone(),
    );
    watched("the reader of --credentials", shutdown, follow);
    let door = Door {
        credentials: Arc::clone(&credentials),
        clock,
        metrics: Arc::clone(&metrics),
    };
    let health = HealthReporter::new();
    // tonic-health begins as serving.
    set_health(&health, ServingStatus::NotServing).await;
    let leaving = leaving(shutdown);
    let parts = Parts {
        store: Arc::clone(&store),
        replica: Arc::clone(&replica),
        keys: Arc::clone(&keys),
        receipts,
        door,
        patience: Bounds::DEADLINE,
    };
    let by_value = ByValue::default();
    let leaks = Leaks {
        door: parts.door.clone(),
        tokens: parts.tokens(),
        by_value: by_value.clone(),
    };
    let routes = routes(&parts, by_value, &health, leaving)?;
    let view = Arc::clone(&replica);
    let (noted, signing, state) = (
        Arc::clone(&ability),
        Arc::clone(&keys),
        Arc::clone(&replica),
    );
    let readiness = Readiness::new(move || ability.ready(&view))
        .noting(move || noted.note().or_else(|| signing.note(&state)))
        .unless_draining(shutdown.clone());
    let watch = watch_health(health, readiness.clone(), stop.clone(), shutdown.clone());
    watched("the watch on health", shutdown, watch);
    let files = Files::of_this_process();
    // Operators and verifiers on gRPC have two thirds of the files: strangers on HTTP can't take them.
    let admission = |part| Admission::new(files.share(part, 3), config.address_connections);
    let (at_grpc, at_http) = (admission(2), admission(1));
    let own = registry.sub_registry_with_prefix("tokenward_issuer");
    own.register_collector(Box::new(Refused(vec![at_grpc.clone(), at_http.clone()])));
    own.register_collector(Box::new(readiness.clone()));
    let admin = admin::serve(
        admin_listener,
        Admission::new(files.admin(), None),
        admin::router(readiness, Arc::new(registry)),
        shutdown.clone(),
    );
    watched("the admin endpoint", shutdown, admin);
    let public = public_keys(keys, log).merge(leaks::router(leaks));
    let public = serve_http(http, at_http, public, shutdown.clone(), HttpEnd::Stopping);
    let layer = (TraceLayer(traces.clone()), StandingLayer(credentials));
    let served = serve(listener, at_grpc, routes, layer, shutdown.clone());
    let served = tokio::spawn(async move {
        let public = async { public.await.context("--http-listen") };
        tokio::try_join!(served, public).map(drop)
    });
    info!(listen = %addresses.0, http = %addresses.1, admin = %addresses.2, realm = config.realm, %log, "serving");
    Ok(Running {
        grpc: addresses.0,
        http: addresses.1,
        admin: addresses.2,
        replica,
        traces,
        stop,
        shutdown: shutdown.clone(),
        served,
    })
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

    /// The issuer's own view.
    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// Until the drain is over, or a part has died: without the reader of its credentials an issuer
    /// would take one for ever that was taken away, and look well.
    pub async fn ended(self) -> Result<()> {
        let result = tokio::select! {
            result = self.served => result,
            died = self.shutdown.died() => Ok(Err(anyhow!(died))),
        };
        self.stop.cancel();
        self.traces.end().await;
        result?
    }
}

/// Cancelled when the process stops accepting: followers that wait would hold the drain.
fn leaving(shutdown: &Shutdown) -> CancellationToken {
    let leaving = CancellationToken::new();
    let (token, stopping) = (leaving.clone(), shutdown.clone());
    watched("the wait for the end", shutdown, async move {
        stopping.stopping().await;
        token.cancel();
    });
    leaving
}

/// The keys and the callers, or all that is wrong with both.
fn load_files(config: &Config) -> Result<(Arc<Keys>, Arc<LiveCredentials>)> {
    let realm = Realm {
        issuer: config.issuer.as_str().into(),
        name: config.realm.as_str().into(),
        prefix: config.prefix.clone(),
    };
    let signing = Signing::load(&realm, &config.keys);
    let path = config.credentials.display();
    let credentials = credentials::read(&config.credentials)
        .map_err(|error| vec![error])
        .and_then(|json| Credentials::parse(&json))
        .map_err(|mistakes| {
            let named = |mistake: String| format!("--credentials {path}: {mistake}");
            mistakes.into_iter().map(named).collect::<Vec<_>>()
        });
    match (signing, credentials) {
        (Ok(signing), Ok(credentials)) => {
            let credentials = LiveCredentials::new(credentials);
            Ok((Arc::new(Keys::new(signing)), Arc::new(credentials)))
        }
        (signing, credentials) => {
            let mistakes = [signing.err(), credentials.err()];
            let all: Vec<String> = mistakes.into_iter().flatten().flatten().collect();
            Err(anyhow!("{}", all.join("\n")))
        }
    }
}

/// Every limit of tonic's is set here on purpose; message sizes are set per service. Off: `timeout`
/// (it covers the head only and answers CANCELLED), `concurrency_limit` and `load_shed` (the commit
/// queue is bounded), `max_connection_age` (it would cut followers and imports), HTTP/1.
async fn serve(
    listener: Listener,
    admission: Admission,
    routes: Routes,
    layer: (TraceLayer, StandingLayer),
    shutdown: Shutdown,
) -> Result<()> {
    let server = Server::builder()
        .layer(layer)
        .accept_http1(false)
        .max_concurrent_streams(STREAMS)
        .http2_max_pending_accept_reset_streams(Some(RESET_STREAMS))
        .http2_max_local_error_reset_streams(Some(RESET_STREAMS))
        .http2_max_header_list_size(MAX_HEADERS)
        .max_frame_size(FRAME)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_adaptive_window(Some(false))
        .add_routes(routes);
    let stopping = shutdown.clone();
    let signal = async move { stopping.stopping().await };
    // An export may wait for whoever looks through it.
    let protocol = Protocol::Http2(Patience {
        untaken: IDLE,
        ..Patience::DEFAULT
    });
    let incoming = incoming(listener, admission, protocol)?;
    let served = async {
        server
            .serve_with_incoming_shutdown(incoming, signal)
            .await?;
        anyhow::Ok(())
    };
    tokio::select! {
        result = served => result,
        () = shutdown.over() => {
            warn!("the drain's limit is reached: closing what is unfinished");
            Ok(())
        }
    }
}

async fn watch_health(
    health: HealthReporter,
    readiness: Readiness,
    stop: CancellationToken,
    shutdown: Shutdown,
) {
    while !stop.is_cancelled() && !shutdown.is_stopping() {
        let status = if readiness.ask().is_ok() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        set_health(&health, status).await;
        tokio::time::sleep(READY_POLL).await;
    }
    // Open `Watch` streams would hold the drain.
    let mut health = health;
    for service in HEALTHY {
        health.clear_service_status(service).await;
    }
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in HEALTHY {
        health.set_service_status(service, status).await;
    }
}

async fn keep_log_short(store: Arc<dyn Store>, retention: Retention, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(TRIM))
        .await
        .is_some()
    {
        if let Err(error) = store.trim(&retention).await {
            warn!(%error, "the log can't be trimmed");
        }
    }
}

/// The JWKS, for anybody: it holds nothing secret.
fn public_keys(keys: Arc<Keys>, log: LogId) -> Router {
    let answer = move || {
        let document = keys.current().document(log);
        async move {
            document
                .map(|document| ([(CONTENT_TYPE, "application/jwk-set+json")], document))
                .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    Router::new().route("/.well-known/jwks.json", get(answer))
}
