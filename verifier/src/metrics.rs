//! The verifier's metrics: their names, and counters that are cheap enough for a Check.
//!
//! This module must not know what the numbers mean. A worker counts into an array of its own, indexed
//! by the reason's number, so no two threads write the same cache line. Sums are made at a scrape.
//! Gauges are read then too, because the age of a view matters most when nothing updates it any more.

mod following;
mod scrape;
mod times;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crossbeam_utils::CachePadded;
use prometheus_client::registry::Registry;
use tokenward_common::process::{admin, admission::Refused};
use tokenward_proto::v1::Reason;

use crate::serve::Connections;

pub use following::Following;
pub use times::Entrance;
use times::Times;

/// This is above every number in `Reason`; a test checks it.
const REASONS: usize = 128;

/// Why a Check got no verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    InvalidRequest,
    ViewStale,
    RevisionAhead,
    /// The caller requested an explanation and may not have one.
    ExplainRefused,
    /// There are no signing keys yet, or the token's key may be newer than they are.
    KeyUnsettled,
    /// Too many tokens with false signatures came lately.
    Crowded,
}

const REFUSALS: [(Unanswered, &str); 6] = [
    (Unanswered::InvalidRequest, "invalid_request"),
    (Unanswered::ViewStale, "view_stale"),
    (Unanswered::RevisionAhead, "revision_ahead"),
    (Unanswered::ExplainRefused, "explain_refused"),
    (Unanswered::KeyUnsettled, "key_unsettled"),
    (Unanswered::Crowded, "crowded"),
];

/// A door of the edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    ForwardAuth,
    WhoAmI,
    AuthCheck,
    Introspect,
    ExtAuthz,
    Guard,
}

const DOORS: [(Door, &str); 6] = [
    (Door::ForwardAuth, "forward_auth"),
    (Door::WhoAmI, "whoami"),
    (Door::AuthCheck, "auth_check"),
    (Door::Introspect, "introspect"),
    (Door::ExtAuthz, "ext_authz"),
    (Door::Guard, "guard"),
];

/// What a door answered, by the status that the answer means. The status that nginx gets may differ.
const OUTCOMES: [&str; 8] = [
    "allowed",
    "bad_request",
    "unauthenticated",
    "forbidden",
    "not_found",
    "unavailable",
    "moved",
    "limited",
];

fn outcome(status: u16) -> usize {
    match status {
        ..300 => 0,
        300..400 => 6,
        401 => 2,
        403 => 3,
        404 => 4,
        429 => 7,
        400..500 => 1,
        500.. => 5,
    }
}

/// One worker's counts. Any thread may add; it is cheap (2 ns) as long as only one does.
#[derive(Debug)]
pub struct Counts {
    /// The denials by reason. Allowed Checks count as reason 0, which no denial has.
    verdicts: [AtomicU64; REASONS],
    refusals: [AtomicU64; REFUSALS.len()],
    doors: [[AtomicU64; OUTCOMES.len()]; DOORS.len()],
    memo_hits: AtomicU64,
    memo_misses: AtomicU64,
    /// The time of failed signature checks, in microseconds.
    failed_checks: AtomicU64,
    times: Times,
}

impl Counts {
    fn new() -> Self {
        Self {
            verdicts: [const { AtomicU64::new(0) }; REASONS],
            refusals: [const { AtomicU64::new(0) }; REFUSALS.len()],
            doors: [const { [const { AtomicU64::new(0) }; OUTCOMES.len()] }; DOORS.len()],
            memo_hits: AtomicU64::new(0),
            memo_misses: AtomicU64::new(0),
            failed_checks: AtomicU64::new(0),
            times: Times::new(),
        }
    }

    /// Notes how long a Check took that came this way.
    pub fn took(&self, entrance: Entrance, took: Duration) {
        self.times.add(entrance, took, 1);
    }

    /// Notes a measured time that stands for `count` Checks.
    pub fn took_each(&self, entrance: Entrance, took: Duration, count: u64) {
        self.times.add(entrance, took, count);
    }

    pub fn allow(&self) {
        self.deny(Reason::Unspecified);
    }

    pub fn deny(&self, reason: Reason) {
        let number = usize::try_from(reason as i32).unwrap_or(REASONS);
        if let Some(count) = self.verdicts.get(number) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub fn refuse(&self, refusal: Unanswered) {
        if let Some(count) = self.refusals.get(refusal as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub fn door(&self, door: Door, status: u16) {
        let counts = self.doors.get(door as usize);
        if let Some(count) = counts.and_then(|counts| counts.get(outcome(status))) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Counts a token that was remembered as genuine.
    pub fn memo_hit(&self) {
        self.memo_hits.fetch_add(1, Relaxed);
    }

    /// Counts a token whose signature had to be verified.
    pub fn memo_miss(&self) {
        self.memo_misses.fetch_add(1, Relaxed);
    }

    /// Counts the time of a signature check that failed.
    pub fn failed_check(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.failed_checks.fetch_add(micros, Relaxed);
    }
}

/// The process's other figures, which are read at each scrape.
pub struct ProcessFigures {
    /// The view's age, which is `None` before the first view.
    pub view_age: Box<dyn Fn() -> Option<Duration> + Send + Sync>,
    pub revision: Box<dyn Fn() -> u64 + Send + Sync>,
    pub following: Arc<Following>,
    pub memo_entries: Box<dyn Fn() -> u64 + Send + Sync>,
    pub connections: Arc<Connections>,
    pub keys_unusable: Box<dyn Fn() -> u64 + Send + Sync>,
    /// The classes of permission, each with the greatest age of a view that may judge it.
    pub bounds: [(&'static str, Duration); 3],
}

impl fmt::Debug for ProcessFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

/// The counts of all workers.
#[derive(Clone, Debug)]
pub struct Metrics {
    workers: Arc<[Arc<CachePadded<Counts>>]>,
}

impl Metrics {
    pub fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers.max(1))
                .map(|_| Arc::new(CachePadded::new(Counts::new())))
                .collect(),
        }
    }

    /// The counts for that worker's service. A number past the last worker shares another's counts.
    pub fn worker(&self, number: usize) -> Arc<CachePadded<Counts>> {
        let shared = number % self.workers.len();
        self.workers
            .get(shared)
            .cloned()
            .unwrap_or_else(|| Arc::new(CachePadded::new(Counts::new())))
    }

    /// All metrics under their names, for the admin endpoint.
    pub fn registry(&self, watched: ProcessFigures) -> Registry {
        let mut registry = admin::registry("tokenward_verifier");
        watched.following.register(&mut registry);
        let admissions = watched.connections.admissions().to_vec();
        registry.register_collector(Box::new(Refused(admissions)));
        registry.register_collector(Box::new(scrape::Scrape {
            metrics: self.clone(),
            watched,
        }));
        registry
    }

    fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.workers.iter().map(|counts| of(counts)).sum()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use tokenward_common::replica::Observer as _;

    use super::*;

    #[test]
    fn counts_are_summed_over_workers_and_named() {
        let metrics = Metrics::new(2);
        metrics.worker(0).allow();
        metrics.worker(1).allow();
        metrics.worker(1).deny(Reason::TokenExpired);
        metrics.worker(0).refuse(Unanswered::ViewStale);
        metrics.worker(0).memo_hit();
        metrics
            .worker(0)
            .took(Entrance::Envoy, Duration::from_micros(3));
        let at_the_edge = Duration::from_micros(5);
        metrics.worker(1).took(Entrance::Envoy, at_the_edge);
        metrics
            .worker(1)
            .took_each(Entrance::Stream, Duration::from_secs(9), 8);
        metrics.worker(0).door(Door::ForwardAuth, 200);
        metrics.worker(1).door(Door::ForwardAuth, 404);
        metrics.worker(1).door(Door::Introspect, 413);
        let following = Arc::new(Following::default());
        following.rebuilt();
        following.rebuilt();
        following.applied(Duration::from_millis(3));
        let registry = metrics.registry(ProcessFigures {
            view_age: Box::new(|| Some(Duration::from_millis(250))),
            revision: Box::new(|| 42),
            following,
            memo_entries: Box::new(|| 7),
            connections: Arc::new(Connections::new(2)),
            keys_unusable: Box::new(|| 3),
            bounds: [("read", Duration::from_millis(2500)); 3],
        });
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "tokenward_verifier_checks_total{verdict=\"allow\",reason=\"\"} 2",
            "tokenward_verifier_checks_total{verdict=\"deny\",reason=\"token_expired\"} 1",
            "tokenward_verifier_checks_total{verdict=\"deny\",reason=\"org_revoked\"} 0",
            "tokenward_verifier_checks_total{verdict=\"error\",reason=\"view_stale\"} 1",
            "tokenward_verifier_door_requests_total{door=\"forward_auth\",outcome=\"allowed\"} 1",
            "tokenward_verifier_door_requests_total{door=\"forward_auth\",outcome=\"not_found\"} 1",
            "tokenward_verifier_door_requests_total{door=\"introspect\",outcome=\"bad_request\"} 1",
            "tokenward_verifier_door_requests_total{door=\"whoami\",outcome=\"unavailable\"} 0",
            "tokenward_verifier_memo_hits_total 1",
            "tokenward_verifier_memo_entries 7",
            "tokenward_verifier_revision 42",
            "tokenward_verifier_bound_seconds{class=\"read\"} 2.5",
            "tokenward_verifier_check_seconds_bucket{le=\"0.000002\",door=\"envoy\"} 0",
            "tokenward_verifier_check_seconds_bucket{le=\"0.000005\",door=\"envoy\"} 2",
            "tokenward_verifier_check_seconds_bucket{le=\"+Inf\",door=\"envoy\"} 2",
            "tokenward_verifier_check_seconds_count{door=\"envoy\"} 2",
            "tokenward_verifier_check_seconds_sum{door=\"envoy\"} 0.000008",
            "tokenward_verifier_check_seconds_bucket{le=\"0.1\",door=\"stream\"} 0",
            "tokenward_verifier_check_seconds_bucket{le=\"+Inf\",door=\"stream\"} 8",
            "tokenward_verifier_check_seconds_count{door=\"grpc\"} 0",
            "tokenward_verifier_keys_unusable 3",
            "tokenward_verifier_resyncs_total 1",
            "tokenward_verifier_apply_lag_seconds_bucket{le=\"0.005\"} 1",
            "tokenward_verifier_view_age_seconds 0.25",
            "tokenward_verifier_connections{worker=\"1\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_reason_has_a_counter() {
        let known = (0..10_000).filter(|n| Reason::try_from(*n).is_ok());
        let largest = known.max().unwrap();
        assert!(usize::try_from(largest).unwrap() < REASONS);
        for (place, (door, _)) in DOORS.iter().enumerate() {
            assert_eq!(*door as usize, place);
        }
        for (place, (refusal, _)) in REFUSALS.iter().enumerate() {
            assert_eq!(*refusal as usize, place);
        }
    }
}
