//! A scrape: sums the workers' counts, reads the other figures, and writes each under its name.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use tokenward_proto::v1::Reason;

use super::{
    Counts, DOORS, Metrics, OUTCOMES, ProcessFigures, REASONS, REFUSALS,
    times::{self, ENTRANCES},
};

#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) metrics: Metrics,
    pub(super) watched: ProcessFigures,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.checks(&mut encoder)?;
        self.doors(&mut encoder)?;
        let memo = |of: fn(&Counts) -> &AtomicU64| self.metrics.sum(|c| of(c).load(Relaxed));
        let watched = &self.watched;
        counter(
            &mut encoder,
            "memo_hits",
            "Tokens remembered as genuine",
            memo(|c| &c.memo_hits),
        )?;
        counter(
            &mut encoder,
            "memo_misses",
            "Tokens verified by their signature",
            memo(|c| &c.memo_misses),
        )?;
        seconds(
            &mut encoder,
            "failed_signature_checks_seconds",
            "Time spent on tokens with false signatures",
            memo(|c| &c.failed_checks),
        )?;
        counter(
            &mut encoder,
            "resyncs",
            "Loads of the whole state after the first",
            watched.following.resyncs(),
        )?;
        gauge(
            &mut encoder,
            "memo_entries",
            "Tokens in the memo",
            (watched.memo_entries)(),
        )?;
        gauge(
            &mut encoder,
            "revision",
            "Applied revision",
            (watched.revision)(),
        )?;
        gauge(
            &mut encoder,
            "keys_unusable",
            "Entries of the key set that were skipped",
            (watched.keys_unusable)(),
        )?;
        self.times(&mut encoder)?;
        self.bounds(&mut encoder)?;
        self.connections(&mut encoder)?;
        if let Some(age) = (watched.view_age)() {
            let gauge = ConstGauge::new(age.as_secs_f64());
            let encoder = encoder.encode_descriptor(
                "view_age",
                "Age of the view at most",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            gauge.encode(encoder)?;
        }
        Ok(())
    }
}

impl Scrape {
    /// Writes all series from the start, even at zero, because a rate over a series that appears later
    /// is wrong.
    fn checks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("checks", "Checks by outcome", None, MetricType::Counter)?;
        let mut write = |verdict: &str, reason: &str, count: u64| {
            let labels = [("verdict", verdict), ("reason", reason)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)
        };
        for number in 0..REASONS {
            let Some(reason) = i32::try_from(number)
                .ok()
                .and_then(|n| Reason::try_from(n).ok())
            else {
                continue;
            };
            let count = self
                .metrics
                .sum(|c| c.verdicts.get(number).map_or(0, |n| n.load(Relaxed)));
            if reason == Reason::Unspecified {
                write("allow", "", count)?;
            } else {
                write("deny", &label(reason), count)?;
            }
        }
        for (refusal, name) in REFUSALS {
            let count = self.metrics.sum(|c| {
                c.refusals
                    .get(refusal as usize)
                    .map_or(0, |n| n.load(Relaxed))
            });
            write("error", name, count)?;
        }
        Ok(())
    }

    fn doors(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "door_requests",
            "Requests of proxies and HTTP clients, by door and answer",
            None,
            MetricType::Counter,
        )?;
        for (door, name) in DOORS {
            for (place, outcome) in OUTCOMES.iter().enumerate() {
                let count = self.metrics.sum(|counts| {
                    let counts = counts.doors.get(door as usize);
                    let count = counts.and_then(|counts| counts.get(place));
                    count.map_or(0, |count| count.load(Relaxed))
                });
                let labels = [("door", name), ("outcome", *outcome)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "check_seconds",
            "From when a Check was there to its answer, by door; of a stream one in eight is measured, \
             for eight",
            None,
            MetricType::Histogram,
        )?;
        for (entrance, name) in ENTRANCES {
            let workers = self.metrics.workers.iter();
            let told = times::summed(entrance, workers.map(|counts| &counts.times));
            let labels = [("door", name)];
            let mut encoder = family.encode_family(&labels)?;
            encoder.encode_histogram::<NoLabelSet>(told.sum, told.count, &told.buckets, None)?;
        }
        Ok(())
    }

    fn bounds(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "bound_seconds",
            "How old the view may be to be judged by, by class of permission",
            None,
            MetricType::Gauge,
        )?;
        for (class, bound) in self.watched.bounds {
            let gauge = ConstGauge::new(bound.as_secs_f64());
            gauge.encode(family.encode_family(&[("class", class)])?)?;
        }
        Ok(())
    }

    fn connections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "connections",
            "Open connections",
            None,
            MetricType::Gauge,
        )?;
        for (worker, open) in self.watched.connections.of_each_worker().enumerate() {
            let labels = [("worker", worker.to_string())];
            make_gauge(open as u64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(
        name,
        help,
        None,
        MetricType::Counter,
    )?)
}

/// Writes a time that only grows, given in microseconds.
fn seconds(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    micros: u64,
) -> fmt::Result {
    let value = micros as f64 / 1e6;
    ConstCounter::new(value).encode(encoder.encode_descriptor(
        name,
        help,
        None,
        MetricType::Counter,
    )?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    make_gauge(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn make_gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Turns `REASON_TOKEN_EXPIRED` into `token_expired`.
fn label(reason: Reason) -> String {
    let name = reason.as_str_name();
    name.strip_prefix("REASON_")
        .unwrap_or(name)
        .to_ascii_lowercase()
}
