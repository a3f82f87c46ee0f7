//! The issuer's metrics and their names. They decide nothing.

mod scrape;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokenward_common::{replica::Observer, store::CommitClass};
use tonic::Code;

use crate::config::{Config, StoreChoice};

pub(crate) use scrape::Scrape;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ImportLabels {
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct DurabilityLabels {
    by: &'static str,
    nodes: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CommitLabels {
    class: &'static str,
    outcome: &'static str,
}

/// Tells how a commit ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Written,
    Repeated,
    Conflict,
    Refused,
    Unknown,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Repeated => "repeated",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Its buckets fit commit times: with fsync on a commit takes a millisecond.
struct Commits(Histogram);

impl Default for Commits {
    fn default() -> Self {
        Self(Histogram::new([
            0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0,
        ]))
    }
}

/// Its buckets fit receipt times: a healthy receipt takes milliseconds; past 5 s a verifier can't answer.
struct Receipts(Histogram);

impl Default for Receipts {
    fn default() -> Self {
        Self(Histogram::new([
            0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0,
        ]))
    }
}

#[derive(Default)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    imports: Family<ImportLabels, Counter>,
    rebuilds: Counter,
    feed_failures: Counter,
    clock_off: Gauge<f64, AtomicU64>,
    receipts: Receipts,
    commits: Family<CommitLabels, Counter>,
    commit_times: Commits,
    durability: Family<DurabilityLabels, Gauge>,
}

impl Metrics {
    /// Registers the metrics. The registry's prefix names the program.
    pub fn new(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register(
            "calls",
            "Calls answered, by method and gRPC code",
            metrics.calls.clone(),
        );
        registry.register(
            "import_batches",
            "Import batches answered, by outcome",
            metrics.imports.clone(),
        );
        registry.register(
            "view_rebuilds",
            "Times the own view was built from a snapshot",
            metrics.rebuilds.clone(),
        );
        registry.register(
            "store_failures",
            "Failed reads of the store",
            metrics.feed_failures.clone(),
        );
        registry.register(
            "clock_offset_seconds",
            "How far the local clock is from the store's",
            metrics.clock_off.clone(),
        );
        registry.register(
            "receipt_seconds",
            "From a revocation's acknowledgement to the last verifier's receipt, where a call waited",
            metrics.receipts.0.clone(),
        );
        registry.register(
            "commits",
            "Commits by class and outcome; unknown: it may have been written",
            metrics.commits.clone(),
        );
        registry.register(
            "commit_seconds",
            "How long the store took over a commit, whatever its outcome",
            metrics.commit_times.0.clone(),
        );
        registry.register(
            "store_durability",
            "1, by who vouches that the store keeps what it acknowledged, and its number of data nodes",
            metrics.durability.clone(),
        );
        Arc::new(metrics)
    }

    /// Shows who vouches that the store keeps what it acknowledged.
    pub(crate) fn vouch(&self, config: &Config) {
        let (by, nodes) = match &config.store {
            StoreChoice::Embedded(_) => ("file", 1),
            StoreChoice::Redis { nodes, .. } if config.managed => ("operator", *nodes),
            StoreChoice::Redis { nodes, .. } if config.allow_volatile => ("nobody", *nodes),
            StoreChoice::Redis { nodes, .. } => ("settings", *nodes),
        };
        let labels = DurabilityLabels { by, nodes };
        self.durability.get_or_create(&labels).set(1);
    }

    pub fn committed(&self, class: CommitClass, outcome: Outcome, took: Duration) {
        let class = match class {
            CommitClass::Takeaway => "takeaway",
            CommitClass::Ordinary => "ordinary",
            CommitClass::Import => "import",
        };
        let outcome = outcome.as_str();
        let labels = CommitLabels { class, outcome };
        self.commits.get_or_create(&labels).inc();
        self.commit_times.0.observe(took.as_secs_f64());
    }

    pub fn called(&self, method: &'static str, code: Code) {
        let code = code_name(code);
        self.calls.get_or_create(&CallLabels { method, code }).inc();
    }

    /// Records how long the slowest verifier took, for a call that waited for all of them.
    pub fn received(&self, slowest: Duration) {
        self.receipts.0.observe(slowest.as_secs_f64());
    }

    pub fn imported(&self, written: bool) {
        let outcome = if written { "written" } else { "refused" };
        self.imports.get_or_create(&ImportLabels { outcome }).inc();
    }
}

/// Returns the code's name as gRPC's own tools write it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

impl Observer for Metrics {
    fn rebuilt(&self) {
        self.rebuilds.inc();
    }

    fn failed(&self) {
        self.feed_failures.inc();
    }

    fn clock_off(&self, by: Duration) {
        self.clock_off.set(by.as_secs_f64());
    }
}
