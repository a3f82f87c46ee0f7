//! Measures how following goes, which an operator reads when a revocation seems late.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokenward_common::replica::Observer;

/// The bounds of the buckets in seconds. They range from a healthy round trip to a view that is too old
/// to answer.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0,
];

#[derive(Debug)]
pub struct Following {
    rebuilds: AtomicU64,
    failures: Counter,
    apply_lag: Histogram,
    confirm: Histogram,
    clock_offset: Gauge<f64, AtomicU64>,
    store_clock_steps: Counter,
    time_ahead: Gauge<f64, AtomicU64>,
    handed_in: Counter,
    snapshots_saved: Counter,
    snapshots_failed: Counter,
    snapshot_bytes: Gauge<u64, AtomicU64>,
}

impl Default for Following {
    fn default() -> Self {
        Self {
            rebuilds: AtomicU64::new(0),
            failures: Counter::default(),
            apply_lag: Histogram::new(SECONDS),
            confirm: Histogram::new(SECONDS),
            clock_offset: Gauge::default(),
            store_clock_steps: Counter::default(),
            time_ahead: Gauge::default(),
            handed_in: Counter::default(),
            snapshots_saved: Counter::default(),
            snapshots_failed: Counter::default(),
            snapshot_bytes: Gauge::default(),
        }
    }
}

impl Following {
    /// The number of loads of the whole state after the first, which was the start.
    pub(super) fn resyncs(&self) -> u64 {
        self.rebuilds.load(Relaxed).saturating_sub(1)
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "feed_failures",
            "Failed reads of the feed",
            self.failures.clone(),
        );
        registry.register(
            "apply_lag_seconds",
            "From a commit to when it was applied here, by the store's clock, to the millisecond",
            self.apply_lag.clone(),
        );
        registry.register(
            "confirm_seconds",
            "Round trips that proved the view fresh",
            self.confirm.clone(),
        );
        registry.register(
            "clock_offset_seconds",
            "How far the local clock is from the store's",
            self.clock_offset.clone(),
        );
        registry.register(
            "store_clock_steps",
            "Steps of the store's clock, forward or back, of more than two seconds",
            self.store_clock_steps.clone(),
        );
        registry.register(
            "time_ahead_seconds",
            "How far the time by which tokens expire is ahead of the store's, since its clock went back",
            self.time_ahead.clone(),
        );
        registry.register(
            "handed_in_changes",
            "Takeaways that the store had lost and that were handed in from here",
            self.handed_in.clone(),
        );
        registry.register(
            "snapshots_saved",
            "Snapshots that were saved to the disk",
            self.snapshots_saved.clone(),
        );
        registry.register(
            "snapshots_failed",
            "Snapshots that could not be saved",
            self.snapshots_failed.clone(),
        );
        registry.register(
            "snapshot_bytes",
            "The length of the last saved snapshot",
            self.snapshot_bytes.clone(),
        );
    }

    pub(crate) fn snapshot_saved(&self, bytes: u64) {
        self.snapshots_saved.inc();
        self.snapshot_bytes.set(bytes);
    }

    pub(crate) fn snapshot_failed(&self) {
        self.snapshots_failed.inc();
    }
}

impl Observer for Following {
    fn rebuilt(&self) {
        self.rebuilds.fetch_add(1, Relaxed);
    }

    /// A saved view that was taken over stands for the first load.
    fn resumed(&self) {
        self.rebuilds.fetch_add(1, Relaxed);
    }

    fn confirmed(&self, took: Duration) {
        self.confirm.observe(took.as_secs_f64());
    }

    fn failed(&self) {
        self.failures.inc();
    }

    fn clock_off(&self, by: Duration) {
        self.clock_offset.set(by.as_secs_f64());
    }

    fn store_clock_stepped(&self) {
        self.store_clock_steps.inc();
    }

    fn time_held(&self, by: Duration) {
        self.time_ahead.set(by.as_secs_f64());
    }

    fn applied(&self, lag: Duration) {
        self.apply_lag.observe(lag.as_secs_f64());
    }

    fn handed_in(&self, changes: usize) {
        self.handed_in.inc_by(changes as u64);
    }
}
