//! Names of the issuer's metrics.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokenward_common::replica::Observer;
use tonic::Code;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ImportLabels {
    outcome: &'static str,
}

/// In health a receipt takes milliseconds; past 5 s a verifier can't answer.
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
    clock_off: Gauge,
    receipts: Receipts,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register(
            "tokenward_issuer_calls",
            "Calls answered, by method and gRPC code",
            metrics.calls.clone(),
        );
        registry.register(
            "tokenward_issuer_import_batches",
            "Import batches answered, by outcome",
            metrics.imports.clone(),
        );
        registry.register(
            "tokenward_issuer_view_rebuilds",
            "Times the own view was built from a snapshot",
            metrics.rebuilds.clone(),
        );
        registry.register(
            "tokenward_issuer_store_failures",
            "Failed reads of the store",
            metrics.feed_failures.clone(),
        );
        registry.register(
            "tokenward_issuer_clock_offset_milliseconds",
            "How far the local clock is from the store's",
            metrics.clock_off.clone(),
        );
        registry.register(
            "tokenward_issuer_receipt_seconds",
            "From a revocation's acknowledgement to the last verifier's receipt, where a call waited",
            metrics.receipts.0.clone(),
        );
        Arc::new(metrics)
    }

    pub fn called(&self, method: &'static str, code: Code) {
        let code = code_name(code);
        self.calls.get_or_create(&CallLabels { method, code }).inc();
    }

    /// All that a call waited for, and how long the slowest took.
    pub fn received(&self, slowest: Duration) {
        self.receipts.0.observe(slowest.as_secs_f64());
    }

    pub fn imported(&self, written: bool) {
        let outcome = if written { "written" } else { "refused" };
        self.imports.get_or_create(&ImportLabels { outcome }).inc();
    }
}

/// As gRPC's own tools write them.
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
        self.clock_off
            .set(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }
}
