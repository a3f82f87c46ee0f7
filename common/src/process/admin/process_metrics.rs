//! This file measures what every program reports of its process, under the names that Prometheus's own
//! clients use. It reads `/proc` of Linux and leaves out what can't be read.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// The unit of the start time in `/proc/self/stat`: Linux shows 100 ticks per second to all programs.
const TICKS: f64 = 100.0;
const KIB: f64 = 1024.0;
/// The start time's position in `/proc/self/stat` after the name in brackets, which may hold any text.
const START: usize = 19;

#[derive(Debug)]
pub(super) struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let cpu = encoder.encode_descriptor(
            "process_cpu_seconds",
            "User and system CPU time",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(cpu_seconds()).encode(cpu)?;
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Resident memory",
                resident_bytes(),
            ),
            ("process_open_fds", "Open file descriptors", open_files()),
            (
                "process_max_fds",
                "File descriptors that may be open",
                most_files(),
            ),
            (
                "process_start_time_seconds",
                "When the process started, since 1970",
                start_time(),
            ),
        ] {
            let Some(value) = value else { continue };
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * KIB)
}

/// Counts the open files, without the one that the count itself opens.
fn open_files() -> Option<f64> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(open.saturating_sub(1) as f64)
}

fn most_files() -> Option<f64> {
    getrlimit(Resource::Nofile).current.map(|most| most as f64)
}

fn start_time() -> Option<f64> {
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = own.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(START)?.parse().ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let boot = machine
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + ticks / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn what_is_told_is_of_this_process() {
        assert!(cpu_seconds() > 0.0);
        assert!(resident_bytes().unwrap() > 1024.0 * 1024.0);
        let before = open_files().unwrap();
        let held: Vec<_> = (0..50)
            .map(|_| fs::File::open("/dev/null").unwrap())
            .collect();
        assert!(open_files().unwrap() >= before + 25.0);
        drop(held);
        assert!(most_files().unwrap() >= before);
        let now = SystemClock.unix().0 as f64 / 1000.0;
        let age = now - start_time().unwrap();
        assert!((-5.0..86_400.0).contains(&age), "{age}");
    }
}
