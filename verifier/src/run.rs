//! Puts a verifier together: the follower and the keys run on the caller's runtime, the data plane on
//! its own threads. The doors end first, then the parts that they need.

mod doors;

use std::{sync::Arc, time::Duration};

use anyhow::{Result, anyhow};
use tokenward_common::{
    clock::Clock,
    process::{
        ListenAddress, Shutdown, Supervisor, Tls, admin::Readiness, admission::Files,
        health::Health,
    },
    replica::{Follow, Observer, Replica, Usage},
    store::{Feed, Report, guards::Guards},
    token::{Expected, MemoHasher, Prefix},
};
use tokio::task::JoinHandle;
use tracing::info;

use crate::{
    config::Config,
    decide::Decider,
    keys::{self, TrustedKeys},
    memo::Memo,
    metrics::{Following, Metrics, ProcessFigures},
    serve::{DataPlane, Limits, SERVICES},
    snapshots::{LAST, Snapshots},
};
use doors::{Doors, GUARD, HTTP, Listeners};

/// The longest wait for the goodbye to the store. Without a goodbye the store notices the silence
/// later.
const GOODBYE: Duration = Duration::from_secs(1);

/// The most characters of the configured name. A follower's name may have 64, including a dot and the
/// mark.
const LONGEST_NAME: usize = 64 - 1 - 8;

/// A running verifier.
pub struct Running {
    plane: DataPlane,
    admin: ListenAddress,
    decider: Arc<Decider>,
    follower: JoinHandle<()>,
    feed: Arc<dyn Feed>,
    /// The follower's name.
    name: String,
    supervisor: Supervisor,
    /// The keeper of the snapshots, if any are kept.
    keeper: Option<JoinHandle<()>>,
}

/// Starts following and serving. The verifier answers `UNAVAILABLE` until its first view is fresh.
pub async fn start(
    config: &Config,
    feed: Arc<dyn Feed>,
    tls: &Tls,
    guards: Guards,
    clock: Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<Running> {
    let decider = Arc::new(decider(config, guards, clock)?);
    let listeners = Listeners::bind(config, tls.server.as_ref())?;
    let admin_listener = config.admin_listen.bind_for("--admin-listen")?;
    let admin = admin_listener.address()?;
    let supervisor = Supervisor::start("tokenward-verifier", config.traces.as_ref(), tls, shutdown)
        .map_err(|problem| anyhow!(problem))?;

    let following = Arc::new(Following::default());
    let usage = Arc::new(Usage::default());
    let name = follower_name(&config.name)?;
    let follow = Follow {
        feed: Arc::clone(&feed),
        replica: Arc::clone(&decider.replica),
        name: name.clone(),
        bound: Some(config.bounds.longest()),
        usage: Arc::clone(&usage),
        confirm_interval: config.confirm_interval,
        guards,
        observer: Arc::clone(&following) as Arc<dyn Observer>,
    };
    let snapshots = Snapshots::open(config, &decider.replica, &following)?.map(Arc::new);
    let (saved, stop) = (snapshots.clone(), supervisor.stop());
    let follower = supervisor.run("the follower of the log", async move {
        if let Some(saved) = saved {
            saved.restore(&stop).await;
        }
        follow.run(stop).await;
    });
    let keep = |kept: Arc<Snapshots>| {
        let stop = supervisor.stop();
        let keep = async move { kept.keep(stop).await };
        supervisor.run("the keeper of --snapshot-dir", keep)
    };
    let keeper = snapshots.map(keep);
    let sources = keys::Sources {
        sources: config.jwks.clone(),
        poll: config.jwks_poll,
        cache: config.jwks_cache.clone(),
        tls: Arc::clone(&tls.peers),
    };
    let hurry = shutdown.hangups();
    let follow = keys::follow(sources, Arc::clone(&decider), hurry, supervisor.stop());
    supervisor.run("the reader of --jwks", follow);
    if let Some(operators) = &config.operators {
        let (known, file) = (&operators.known, operators.file.clone());
        supervisor.follow_credentials("the reader of --operators", known, file, "--operators");
    }

    let files = Files::of_this_process();
    let metrics = Metrics::new(config.workers);
    let health = Health::new(&SERVICES).await;
    let doors = Doors {
        config,
        decider: &decider,
        metrics: &metrics,
        usage: &usage,
        health: &health,
        traces: supervisor.traces(),
        peers: &tls.peers,
        shutdown,
        limits: Limits {
            files,
            address_connections: config.address_connections,
            ..Limits::DEFAULT
        },
    };
    let plane = doors.open(listeners)?;

    let asked = Arc::clone(&decider);
    let readiness = Readiness::new(move || asked.ready()).unless_draining(shutdown.clone());
    let mut registry = metrics.registry(watched(&decider, following, &plane));
    if let Some(operators) = &config.operators {
        operators.known.register(&mut registry);
    }
    supervisor.follow_health(health, readiness.clone());
    supervisor.serve_admin(admin_listener, files, registry, readiness);
    let listen = joined(plane.addresses());
    let http = joined(plane.http_addresses(HTTP));
    let guard = joined(plane.http_addresses(GUARD));
    info!(listen, http, guard, %admin, "serving");
    Ok(Running {
        plane,
        admin,
        decider,
        follower,
        feed,
        name,
        supervisor,
        keeper,
    })
}

fn decider(config: &Config, guards: Guards, clock: Arc<dyn Clock>) -> Result<Decider> {
    Ok(Decider {
        replica: Arc::new(Replica::new(clock)),
        keys: TrustedKeys::default(),
        memo: Memo::new(MemoHasher::random()?, config.memo_capacity)?,
        expected: Expected {
            prefix: Prefix::parse(&config.token_prefix)?,
            issuer: config.issuer.as_str().into(),
            audience: config.realm.as_str().into(),
        },
        bounds: config.bounds,
        guards,
    })
}

fn joined(addresses: &[ListenAddress]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// The configured name, shortened to fit, and a mark of this process. Two processes with one name would
/// get each other's receipts.
fn follower_name(name: &str) -> Result<String> {
    let mut mark = [0; 4];
    getrandom::fill(&mut mark)?;
    let name: String = name.chars().take(LONGEST_NAME).collect();
    Ok(format!("{name}.{:08x}", u32::from_be_bytes(mark)))
}

fn watched(decider: &Arc<Decider>, following: Arc<Following>, plane: &DataPlane) -> ProcessFigures {
    let (age, revision, memo) = (decider.clone(), decider.clone(), decider.clone());
    let keys = decider.clone();
    ProcessFigures {
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

impl Running {
    /// The addresses of the gRPC listeners as bound, in the order of the settings.
    pub fn addresses(&self) -> &[ListenAddress] {
        self.plane.addresses()
    }

    /// The addresses of the listeners that speak HTTP/1.1.
    pub fn http_addresses(&self) -> &[ListenAddress] {
        self.plane.http_addresses(HTTP)
    }

    /// The addresses of the guard's listeners, in front of another server.
    pub fn guard_addresses(&self) -> &[ListenAddress] {
        self.plane.http_addresses(GUARD)
    }

    pub fn admin_address(&self) -> &ListenAddress {
        &self.admin
    }

    pub fn decider(&self) -> &Arc<Decider> {
        &self.decider
    }

    /// Waits until the last snapshot is saved. `false`: none are kept.
    async fn keep_view(&mut self) -> bool {
        let Some(keeper) = &mut self.keeper else {
            return false;
        };
        if tokio::time::timeout(2 * LAST, keeper).await.is_err() {
            info!("the disk took no last snapshot in time");
        }
        true
    }

    /// Reports to the store that this verifier answers no call any more, so that nothing waits for its
    /// receipts.
    async fn say_goodbye(&mut self) {
        let told = async {
            // The follower must end first, because a later confirm of its own would undo the goodbye.
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

    /// Waits until the drain is over or a part has died. Without its follower a verifier would refuse
    /// to answer for ever, and look alive.
    pub async fn ended(&mut self) -> Result<()> {
        let ended = self.supervisor.ended(self.plane.ended()).await?;
        // If a part died, other parts may still answer, so no goodbye is sent.
        // If the view is kept, a later process may answer by it within the bound that the receipts
        // declare, so they must be waited for that long.
        if ended.is_ok() && !self.keep_view().await {
            self.say_goodbye().await;
        }
        self.supervisor.flush().await;
        Ok(ended?)
    }
}
