//! A verifier in small: a replica that follows a feed, and the decision by its view.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokenward_common::{
    access::Permission,
    clock::{Clock, ManualClock},
    id::Revision,
    replica::{Follow, Observer, Replica},
    store::{Feed, guards::Guards},
    testing::faults::FaultyFeed,
    token::{Expected, MemoHasher, Prefix, VerifyKeys},
};
use tokenward_verifier::{
    config::Bounds,
    decide::{Caller, Decider, Question},
    keys::TrustedKeys,
    memo::Memo,
    metrics::Metrics,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    naive::Naive,
    naive_access::Verdict,
    questions::{AUDIENCE, Asked, ISSUER, KEYS},
};

pub struct Follower {
    pub name: &'static str,
    decider: Decider,
    metrics: Metrics,
    feed: Arc<FaultyFeed>,
    clock: Arc<ManualClock>,
    rebuilds: Arc<Rebuilds>,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Rebuilds(AtomicU64);

impl Observer for Rebuilds {
    fn rebuilt(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Running {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Follower {
    pub fn start(name: &'static str, feed: &Arc<FaultyFeed>, clock: &Arc<ManualClock>) -> Self {
        let far = Duration::from_secs(3600);
        let keys = KEYS.iter().map(|key| key.public().clone());
        let follower = Self {
            name,
            decider: Decider {
                replica: Arc::new(Replica::new(clock.clone())),
                keys: TrustedKeys::fixed(VerifyKeys::new(keys).unwrap()),
                memo: Memo::new(MemoHasher::with_key(&[3; 16]), 1000).unwrap(),
                expected: Expected {
                    prefix: Prefix::default(),
                    issuer: ISSUER.into(),
                    audience: AUDIENCE.into(),
                },
                bounds: Bounds {
                    read: far,
                    write: far,
                    infer: far,
                },
                guards: Guards::ALL,
            },
            metrics: Metrics::new(1),
            feed: Arc::clone(feed),
            clock: Arc::clone(clock),
            rebuilds: Arc::default(),
            running: Mutex::default(),
        };
        follower.go_on();
        follower
    }

    pub fn go_on(&self) {
        let follow = Follow {
            feed: Arc::clone(&self.feed) as Arc<dyn Feed>,
            replica: Arc::clone(&self.decider.replica),
            name: self.name.into(),
            bound: None,
            usage: Arc::default(),
            confirm_interval: Duration::from_millis(500),
            guards: Guards::ALL,
            observer: Arc::clone(&self.rebuilds) as Arc<dyn Observer>,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(follow.run(stop.clone()));
        *self.running.lock().unwrap() = Running {
            stop,
            task: Some(task),
        };
    }

    pub async fn stop(&self) {
        let mut running = std::mem::take(&mut *self.running.lock().unwrap());
        running.stop.cancel();
        running.task.take().unwrap().await.unwrap();
        self.rebuilds.0.store(0, Ordering::Relaxed);
    }

    /// Built from a snapshot since it was stopped.
    pub fn began_anew(&self) -> bool {
        self.rebuilds.0.load(Ordering::Relaxed) > 0
    }

    pub fn revision(&self) -> Revision {
        self.decider.replica.cursor().revision
    }

    /// Waits for a view that knows all that was committed. Tokio's time is paused: the limit is
    /// reached only when nothing else can happen.
    pub async fn fresh(&self) {
        let now = self.clock.boot();
        let fresh = || {
            let as_of = self.decider.replica.view()?.freshness?.as_of;
            (as_of >= now).then_some(())
        };
        let wait = async {
            while fresh().is_none() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let limit = Duration::from_secs(60);
        let came = tokio::time::timeout(limit, wait).await;
        came.unwrap_or_else(|_| panic!("{}: no view as of {now:?}", self.name));
    }

    pub fn answer(&self, asked: &Asked<'_>, naive: &Naive) -> Verdict {
        let question = Question {
            caller: asked
                .value
                .map_or(Caller::Anonymous, |(text, _)| Caller::Token(text)),
            resource: asked.resource(naive),
            permission: Permission::parse(asked.permission).unwrap(),
            min_revision: None,
            max_staleness: None,
            present_name: false,
        };
        let counts = self.metrics.worker(0);
        let now = self.clock.boot();
        let decision = self
            .decider
            .decide(
                &question,
                now,
                tokenward_verifier::strangers::Asker::somebody(&counts),
            )
            .unwrap();
        decision.verdict.map_err(|denial| denial.reason as i32)
    }
}
