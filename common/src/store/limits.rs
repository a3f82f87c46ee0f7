//! The limits of a store's contract: how large commits, answers and reports are, and how long a wait is.

use std::time::Duration;

/// One entry has at most this many changes, each revoked serial counted: the limit bounds how long a
/// writer holds up readers.
pub const MAX_CHANGES: usize = 256;
/// The encoded changes of one entry have at most this many bytes.
pub const MAX_CHANGE_BYTES: usize = 256 * 1024;
/// A reader may wait at most this long for the log.
pub const MAX_WAIT: Duration = Duration::from_secs(30);
/// One answer of `read_log` holds at most this many entries.
pub const MAX_BATCH: usize = 1024;
/// One confirm reports at most this many tokens as seen.
pub const MAX_USED: usize = 500;
/// A follower's bound is at most this long. A bound on staleness of more than an hour means nothing, so
/// a follower with such a bound is not accepted.
pub const LONGEST_BOUND: Duration = Duration::from_secs(3600);
/// The audit trail keeps at least this many of its newest events.
pub const AUDIT_KEPT: u64 = 100_000;
