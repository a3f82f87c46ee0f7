//! The results of a run, and how they are printed.

use std::{fmt, fs, io};

/// Each power of two has 2^5 buckets, so a quantile is at most 1/32 too high.
const FINE: u32 = 5;
const BUCKETS: usize = 64 << FINE;

/// Latencies in nanoseconds, in a log-linear histogram.
#[derive(Clone)]
pub struct Latencies {
    counts: Box<[u64]>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS].into(),
            total: 0,
        }
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Latencies of {}", self.total)
    }
}

impl Latencies {
    pub fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Returns the upper edge of the bucket that holds this quantile, in microseconds.
    pub fn quantile(&self, of: f64) -> f64 {
        let wanted = (of * self.total as f64).ceil().max(1.0);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen as f64 >= wanted {
                return upper_edge(bucket) / 1000.0;
            }
        }
        0.0
    }
}

/// The bucket's index: the leading one bit and the `FINE` bits after it.
fn bucket(nanos: u64) -> usize {
    let exponent = nanos.max(1).ilog2();
    let shift = exponent.saturating_sub(FINE);
    let octave = (u64::from(shift)) << FINE;
    usize::try_from(octave + (nanos >> shift)).unwrap_or(BUCKETS - 1)
}

fn upper_edge(bucket: usize) -> f64 {
    let fine = 1usize << FINE;
    let shift = (bucket / fine).saturating_sub(1);
    let lower = bucket - shift * fine;
    (lower + 1) as f64 * 2f64.powi(i32::try_from(shift).unwrap_or(0))
}

/// Returns the nanoseconds that all threads of a process have run.
pub fn cpu_nanos(process: u32) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        sum += text
            .split(' ')
            .next()
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(sum)
}

/// The results of the measured part, without the warm-up.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub answered: u64,
    pub seconds: f64,
    /// Latencies, measured from the moment when a request was meant to be sent.
    pub latencies: Latencies,
    pub allowed: u64,
    pub denied: u64,
    pub other: u64,
    /// The number of each `grpc-status` other than 0, and of [`RESET`] and [`REFUSED`].
    pub errors: [u64; 19],
    /// Length in bytes of the message in the first answer.
    pub reply_bytes: usize,
    pub server_cpu_nanos: Option<u64>,
    pub client_cpu_nanos: u64,
}

/// The index in [`Report::errors`] for streams that were reset. It is no gRPC status.
pub const RESET: usize = 17;
/// The index in [`Report::errors`] for HTTP/1.1 answers with any status but 200.
pub const REFUSED: usize = 18;

impl Report {
    pub fn failed(&self) -> u64 {
        self.errors.iter().sum()
    }
}

/// Prints one `name=value` on each line, for people and for scripts.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = (self.answered + self.failed()).max(1) as f64;
        writeln!(f, "answered={}", self.answered)?;
        writeln!(f, "seconds={:.3}", self.seconds)?;
        writeln!(f, "rps={:.0}", calls / self.seconds.max(1e-9))?;
        for (name, of) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
            writeln!(f, "{name}={:.1}", self.latencies.quantile(of))?;
        }
        if let Some(nanos) = self.server_cpu_nanos {
            writeln!(f, "server_cpu_us={:.3}", nanos as f64 / 1000.0 / calls)?;
        }
        writeln!(
            f,
            "client_cpu_us={:.3}",
            self.client_cpu_nanos as f64 / 1000.0 / calls
        )?;
        writeln!(f, "reply_bytes={}", self.reply_bytes)?;
        writeln!(
            f,
            "allowed={}\ndenied={}\nother={}",
            self.allowed, self.denied, self.other
        )?;
        write!(f, "failed={}", self.failed())?;
        for (status, count) in self
            .errors
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            let name = match status {
                RESET => "reset".to_owned(),
                REFUSED => "refused".to_owned(),
                _ => format!("status_{status}"),
            };
            write!(f, "\nfailed_{name}={count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket() {
        let mut latencies = Latencies::default();
        for micros in 1..=1000 {
            latencies.record(micros * 1000);
        }
        for (of, exact) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let told = latencies.quantile(of);
            assert!((exact..=exact * 1.04).contains(&told), "{of}: {told}");
        }
    }

    #[test]
    fn buckets_rise_without_gaps() {
        let mut last = 0;
        for nanos in 0..100_000 {
            let this = bucket(nanos);
            assert!(this == last || this == last + 1, "{nanos}");
            assert!(upper_edge(this) > nanos as f64);
            last = this;
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }
}
