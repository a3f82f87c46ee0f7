//! Puts a verifier together: a follower and the keys on the caller's runtime, the data plane on its
//! own threads.

use std::{io, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use tokenward_common::{
    clock::Clock,
    process::{
        ListenAddress, Listener, Shutdown, Traces, admin,
        admin::Readiness,
        admission::{Admission, Files},
        telemetry, watched as parts,
    },
    replica::{Follow, Observer, Replica, Usage},
    store::{Feed, Report, guards::Guards},
    token::{Expected, MemoHasher, Prefix},
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config::Config,
    decide::Decider,
    edge::{
        bodies::Bodies,
        envoy::{BuiltIn, EnvoyDoor, EnvoyServer},
        guard::{Guard, GuardTimes, Upstream},
        http::{HttpDoors, WhoAmILimits},
        judge::Judge,
    },
    grpc::{VerifierGrpc, VerifierServer},
    keys::{self, TrustedKeys},
    memo::Memo,
    metrics::{Following, Metrics, Watched},
    serve::{DataPlane, Health, HttpDoor, Limits, verifier_and_envoy_routes},
};

/// How often readiness is looked at.
const READY_POLL: Duration = Duration::from_millis(50);

/// For the goodbye to the store: silence says the same, later.
const GOODBYE: Duration = Duration::from_secs(1);

/// The places of the HTTP doors.
const HTTP: usize = 0;
const GUARD: usize = 1;

/// Of the configured name: a follower's may have 64 characters.
const LONGEST_NAME: usize = 64 - 1 - 8;

/// A running verifier.
pub struct Running {
    plane: DataPlane,
    admin: ListenAddress,
    decider: Arc<Decider>,
    follower: JoinHandle<()>,
    feed: Arc<dyn Feed>,
    /// As the follower's.
    name: String,
    traces: Traces,
    stop: CancellationToken,
    shutdown: Shutdown,
}

/// Starts following and serving; it answers `UNAVAILABLE` until its first view is fresh.
pub async fn start(
    config: &Config,
    feed: Arc<dyn Feed>,
    guards: Guards,
    clock: Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<Running> {
    let replica = Arc::new(Replica::new(clock));
    let decider = Arc::new(Decider {
        replica: Arc::clone(&replica),
        keys: TrustedKeys::default(),
        memo: Memo::new(MemoHasher::random()?, config.memo_capacity)?,
        expected: Expected {
            prefix: Prefix::parse(&config.token_prefix)?,
            issuer: config.issuer.as_str().into(),
            audience: config.realm.as_str().into(),
        },
        bounds: config.bounds,
        guards,
    });
    let listeners = bind("--listen", &config.listen)?;
    let http_listeners = bind("--http-listen", &config.http_listen)?;
    let guard_listen = config.guard.iter().flat_map(|guard| &guard.listen);
    let guard_listeners = bind("--guard-listen", guard_listen)?;
    let admin = config
        .admin_listen
        .bind()
        .with_context(|| format!("--admin-listen {}", config.admin_listen))?;
    let admin_address = admin.address()?;

    let stop = CancellationToken::new();
    let following = Arc::new(Following::default());
    let usage = Arc::new(Usage::default());
    let name = follower_name(&config.name)?;
    let follow = Follow {
        feed: Arc::clone(&feed),
        replica: Arc::clone(&replica),
        name: name.clone(),
        bound: Some(config.bounds.longest()),
        usage: Arc::clone(&usage),
        confirm_interval: config.confirm_interval,
        guards,
        observer: Arc::clone(&following) as Arc<dyn Observer>,
    };
    let follow = follow.run(stop.clone());
    let follower = parts::watched("the follower of the log", shutdown, follow);
    let follow = keys::follow(
        keys::Sources {
            sources: config.jwks.clone(),
            poll: config.jwks_poll,
            cache: config.jwks_cache.clone(),
        },
        Arc::clone(&decider),
        shutdown.hangups(),
        stop.clone(),
    );
    parts::watched("the reader of --jwks", shutdown, follow);

    if let Some(operators) = &config.operators {
        let follow = Arc::clone(&operators.known).follow(
            operators.file.clone(),
            "--operators",
            shutdown.hangups(),
            stop.clone(),
        );
        parts::watched("the reader of --operators", shutdown, follow);
    }

    let traces = Traces::start("tokenward-verifier", config.traces.as_ref())
        .map_err(|problem| anyhow!(problem))?;
    let metrics = Metrics::new(config.workers);
    let health = Health::new().await;
    let files = Files::of_this_process();
    let limits = Limits {
        files,
        address_connections: config.address_connections,
        ..Limits::DEFAULT
    };
    let judge = |number| Judge {
        decider: Arc::clone(&decider),
        table: Arc::clone(&config.routes),
        counts: metrics.worker(number),
        usage: Arc::clone(&usage),
    };
    let tables = BuiltIn::new(config.routes.place())
        .map_err(|mistakes| anyhow!("built-in routes: {mistakes:?}"))?;
    let bounds = limits.bounds();
    let of_envoy = limits.bounds_of(config.max_body);
    // Of health and reflection: apart from the checks.
    let of_the_rest = limits.bounds();
    let make_routes = |number| {
        let service = VerifierGrpc {
            decider: Arc::clone(&decider),
            counts: metrics.worker(number),
            usage: Arc::clone(&usage),
            expiry_warning: config.expiry_warning,
            operators: config.operators.as_ref().map(|it| Arc::clone(&it.known)),
            shutdown: shutdown.clone(),
            traces: traces.clone(),
        };
        let envoy = EnvoyDoor {
            judge: judge(number),
            tables: tables.clone(),
            max_body: config.max_body,
            cuts: config.cuts.clone(),
            traces: traces.clone(),
        };
        let verifier = VerifierServer::new(service, bounds.clone());
        let envoy = EnvoyServer::new(envoy, of_envoy.clone());
        verifier_and_envoy_routes(verifier, envoy, &health, &of_the_rest).map_err(io::Error::other)
    };
    let whoami = WhoAmILimits::new(config.whoami_limit, config.whoami_refusals);
    let whoami = Arc::new(whoami);
    let bodies = Bodies::new(config.max_body);
    let make_http = |number| {
        let doors = HttpDoors {
            judge: judge(number),
            operators: config.operators.as_ref().map(|it| Arc::clone(&it.known)),
            bodies: bodies.clone(),
            cuts: config.cuts.clone(),
            traces: traces.clone(),
            limits: Arc::clone(&whoami),
        };
        doors.service()
    };
    let mut http = vec![HttpDoor {
        listeners: http_listeners,
        make: &make_http,
    }];
    // On the data plane: judged by its own worker's memory, and a large transfer must not keep the one
    // thread that follows the log from hearing of a revocation.
    let make_guard = config.guard.as_ref().map(|settings| {
        |number| {
            let issuer = settings.issuer.clone();
            let times = GuardTimes {
                connect: settings.times.connect,
                response: settings.times.response,
                idle: settings.times.idle,
            };
            let guard = Guard {
                judge: judge(number),
                upstream: Upstream::new(settings.upstream.clone(), times),
                issuer: issuer.map(|issuer| Upstream::new(issuer, times)),
                limits: Arc::clone(&whoami),
                keep_credential: settings.keep_credential,
                bodies: bodies.clone(),
                traces: traces.clone(),
            };
            guard.service()
        }
    });
    http.extend(make_guard.as_ref().map(|make| HttpDoor {
        listeners: guard_listeners,
        make,
    }));
    let plane = DataPlane::start_with_http(
        listeners,
        http,
        config.workers,
        limits,
        shutdown,
        make_routes,
    )?;

    let ready = ready_watch(Arc::clone(&decider), stop.clone(), shutdown);
    let follow = health.follow(ready, shutdown.clone());
    parts::watched("the health service", shutdown, follow);
    let asked = Arc::clone(&decider);
    let readiness = Readiness::new(move || asked.ready()).unless_draining(shutdown.clone());
    let mut registry = metrics.registry(watched(&decider, following, &plane));
    if let Some(operators) = &config.operators {
        operators.known.register(&mut registry, "");
    }
    telemetry::register(&mut registry, "");
    registry.register_collector(Box::new(readiness.clone()));
    let admin = admin::serve(
        admin,
        Admission::new(files.admin(), None),
        admin::router(readiness, Arc::new(registry)),
        shutdown.clone(),
    );
    parts::watched("the admin endpoint", shutdown, admin);
    let listen = told(plane.addresses());
    let http = told(plane.http_addresses(HTTP));
    let guard = told(plane.http_addresses(GUARD));
    info!(listen, http, guard, admin = %admin_address, "serving");
    Ok(Running {
        plane,
        admin: admin_address,
        decider,
        follower,
        feed,
        name,
        traces,
        stop,
        shutdown: shutdown.clone(),
    })
}

fn bind<'a>(
    flag: &str,
    addresses: impl IntoIterator<Item = &'a ListenAddress>,
) -> Result<Vec<Listener>> {
    let bind = |address: &ListenAddress| {
        let bound = address.bind();
        bound.with_context(|| format!("{flag} {address}"))
    };
    addresses.into_iter().map(bind).collect()
}

fn told(addresses: &[ListenAddress]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// The configured name, cut to fit, and this process's own mark: two processes of one name would
/// take each other's receipts.
fn follower_name(name: &str) -> Result<String> {
    let mut mark = [0; 4];
    getrandom::fill(&mut mark)?;
    let name: String = name.chars().take(LONGEST_NAME).collect();
    Ok(format!("{name}.{:08x}", u32::from_be_bytes(mark)))
}

fn watched(decider: &Arc<Decider>, following: Arc<Following>, plane: &DataPlane) -> Watched {
    let (age, revision, memo) = (decider.clone(), decider.clone(), decider.clone());
    let keys = decider.clone();
    Watched {
        view_age: Box::new(move || age.replica.age()),
        revision: Box::new(move || revision.replica.cursor().revision.0),
        following,
        memo_entries: Box::new(move || memo.memo.len() as u64),
        connections: plane.connections(),
        keys_unusable: Box::new(move || keys.keys.unusable()),
        bounds: [
            ("read", decider.bounds.read),
            ("write", decider.bounds.write),
            ("infer", decider.bounds.infer),
        ],
    }
}

/// Readiness as a level to watch.
fn ready_watch(
    decider: Arc<Decider>,
    stop: CancellationToken,
    shutdown: &Shutdown,
) -> watch::Receiver<bool> {
    let (ready, watched) = watch::channel(false);
    parts::watched("the watch on readiness", shutdown, async move {
        while !stop.is_cancelled() {
            let now = decider.ready().is_ok();
            ready.send_if_modified(|old| std::mem::replace(old, now) != now);
            tokio::time::sleep(READY_POLL).await;
        }
    });
    watched
}

impl Running {
    /// As bound, in the order of the settings.
    pub fn addresses(&self) -> &[ListenAddress] {
        self.plane.addresses()
    }

    /// Those that speak HTTP/1.1.
    pub fn http_addresses(&self) -> &[ListenAddress] {
        self.plane.http_addresses(HTTP)
    }

    /// Those that stand in front of another server.
    pub fn guard_addresses(&self) -> &[ListenAddress] {
        self.plane.http_addresses(GUARD)
    }

    pub fn admin_address(&self) -> &ListenAddress {
        &self.admin
    }

    pub fn decider(&self) -> &Arc<Decider> {
        &self.decider
    }

    /// No call is answered any more: whoever waits for receipts needn't wait for this verifier.
    async fn say_goodbye(&mut self) {
        let told = async {
            // A confirm of its own, later than this, would take the goodbye back.
            let _ = (&mut self.follower).await;
            let bye = Report::from(self.name.as_str());
            let at = self.decider.replica.cursor();
            self.feed.confirm(&bye, &at).await
        };
        match tokio::time::timeout(GOODBYE, told).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => info!(%error, "no goodbye to the store"),
            Err(_) => info!("no goodbye to the store in time"),
        }
    }

    /// Until the drain is over, or a part has died: without its follower a verifier would refuse to
    /// answer for ever, and look alive.
    pub async fn ended(&mut self) -> Result<()> {
        tokio::select! {
            ended = self.plane.ended() => {
                self.stop.cancel();
                // With a part that died others may still answer.
                if ended.is_ok() {
                    self.say_goodbye().await;
                }
                std::mem::take(&mut self.traces).end().await;
                Ok(ended?)
            }
            died = self.shutdown.died() => Err(anyhow!(died)),
        }
    }
}
