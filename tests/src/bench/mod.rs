//! The benches that measure the design's figures. They print results; no time is asserted.
//!
//! | module | measures |
//! |---|---|
//! | [`decide`] | a decision: hot, over a million tokens, unseen; its allocations; while the log grows |
//! | [`hidden`] | whether response time distinguishes a private repo's name from one that doesn't exist |
//! | [`token`] | a mint and a verification, compared with the bare signature |
//! | [`tls`] | handshakes of a listener that speaks TLS |
//! | [`state`] | revocations, and building a state |
//! | [`system`] | import, mint, revoke, lag, cold start, through gRPC on a real store |
//! | [`echo`] | nothing: it is the baseline for the others |
//! | `hub`, `batches`, `feed`, `realm` | nothing: they provide what the others measure on |

mod batches;
pub mod decide;
pub mod echo;
mod feed;
pub mod hidden;
mod hub;
pub mod realm;
pub mod state;
pub mod system;
pub mod tls;
pub mod token;

use std::{fmt, hint::black_box, process, time::Duration};

use tokenward_common::clock::{BootTime, Clock, SystemClock};

/// Wraps the real allocator and counts allocations.
pub type Counting = cap::Cap<mimalloc::MiMalloc>;

/// One measured figure.
#[derive(Debug)]
pub struct Row {
    pub what: String,
    /// The design's limit for the figure. It is empty for a figure that is only reported.
    pub bar: &'static str,
    pub measured: String,
}

impl Row {
    fn new(what: impl Into<String>, bar: &'static str, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            bar,
            measured: measured.into(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} |", self.what, self.bar, self.measured)
    }
}

fn now() -> BootTime {
    SystemClock.boot()
}

fn since(start: BootTime) -> Duration {
    now().since(start)
}

/// Nanoseconds of one operation: the least and the median of the rounds. Rounds are short (well below a
/// millisecond) and many, so some are not disturbed by other work of the machine. The least is the cost;
/// the median shows how busy the machine was.
#[derive(Clone, Copy, Debug)]
struct Cost {
    least: f64,
    median: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ns (median {:.1})", self.least, self.median)
    }
}

fn cost_of(mut rounds: Vec<f64>) -> Cost {
    rounds.sort_by(f64::total_cmp);
    Cost {
        least: rounds.first().copied().unwrap_or_default(),
        median: rounds.get(rounds.len() / 2).copied().unwrap_or_default(),
    }
}

/// Measures the cost of an operation in one round, in nanoseconds.
fn round<T>(count: usize, mut operation: impl FnMut(usize) -> T) -> f64 {
    let start = now();
    for index in 0..count {
        black_box(operation(index));
    }
    since(start).as_nanos() as f64 / count.max(1) as f64
}

/// Measures the cost of one operation.
fn cost<T>(rounds: usize, count: usize, mut operation: impl FnMut(usize) -> T) -> Cost {
    cost_of((0..rounds).map(|_| round(count, &mut operation)).collect())
}

/// Measures two operations that alternate, so that a disturbance affects both. Returns their costs, and
/// the ratio of the least costs.
fn ratio<A, B>(
    rounds: usize,
    count: usize,
    mut one: impl FnMut(usize) -> A,
    mut other: impl FnMut(usize) -> B,
) -> (Cost, Cost, f64) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for turn in 0..rounds {
        let first = turn * count;
        ones.push(round(count, |index| one(first + index)));
        others.push(round(count, |index| other(first + index)));
    }
    let (one, other) = (cost_of(ones), cost_of(others));
    (one, other, one.least / other.least)
}

/// Returns the seconds of CPU that all threads of these processes have used.
fn cpu(processes: impl IntoIterator<Item = u32>) -> f64 {
    let nanos = |process| crate::load::cpu_nanos(process).unwrap_or_default();
    processes.into_iter().map(nanos).sum::<u64>() as f64 / 1e9
}

/// Returns the seconds of CPU that this process has used.
fn own_cpu() -> f64 {
    cpu([process::id()])
}

/// Numbers that look random and are the same each time.
pub(crate) fn spread(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn quantile(sorted: &[Duration], of: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * of).round() as usize)
        .copied()
        .unwrap_or_default()
}
