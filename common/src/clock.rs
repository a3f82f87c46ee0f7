//! This file alone reads the clocks; all other code gets a time or a [`Clock`] as an argument.
//!
//! Wall time (for claims) and time since boot (for staleness) are different types. Staleness needs
//! `CLOCK_BOOTTIME`: `std::time::Instant` stops while the machine is suspended.

use std::{
    fmt, fs, io,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// A time in Unix seconds, as claims hold it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixTime(pub u64);

/// A time in Unix milliseconds, as stores hold it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Returns the time in whole seconds, rounded down.
    pub fn seconds(self) -> UnixTime {
        UnixTime(self.0 / 1000)
    }

    pub fn plus(self, elapsed: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Nanoseconds since this machine booted, suspension included. Other machines can't interpret it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct BootTime(pub u64);

impl BootTime {
    /// Returns the time since `earlier`; zero if `earlier` is later than `self`.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

pub trait Clock: Send + Sync + 'static {
    fn unix(&self) -> UnixMillis;
    fn boot(&self) -> BootTime;

    /// Returns a name of what [`Self::boot`] counts from. Processes that read the same name may compare
    /// their times. `None`: it is not known, so no other process's time means anything here.
    fn boot_name(&self) -> Option<String> {
        None
    }
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix(&self) -> UnixMillis {
        let time = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        UnixMillis(seconds * 1000 + nanos / 1_000_000)
    }

    fn boot(&self) -> BootTime {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        BootTime(seconds * 1_000_000_000 + nanos)
    }

    /// A container may have an offset of its own to the machine's time, so that is a part of the name.
    fn boot_name(&self) -> Option<String> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let offsets = match fs::read_to_string("/proc/self/timens_offsets") {
            Ok(offsets) => offsets,
            // A kernel that has no such offsets has no such file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(_) => return None,
        };
        let mut lines = offsets.lines().map(str::split_whitespace);
        let offset = lines.find_map(|mut words| {
            let ours = words.next() == Some("boottime");
            ours.then(|| words.collect::<Vec<_>>().join("."))
        });
        let id = id.trim();
        (!id.is_empty()).then(|| format!("{id} {}", offset.unwrap_or_default()))
    }
}

/// A clock that only a test moves.
#[derive(Debug, Default)]
pub struct ManualClock {
    unix_millis: AtomicU64,
    boot_nanos: AtomicU64,
    boots: AtomicU64,
}

impl ManualClock {
    pub fn new(unix: UnixMillis) -> Self {
        Self {
            unix_millis: AtomicU64::new(unix.0),
            boot_nanos: AtomicU64::new(1_000_000_000),
            boots: AtomicU64::new(0),
        }
    }

    /// Sets the wall clock alone, as an operator or a time server may.
    pub fn set_unix(&self, unix: UnixMillis) {
        self.unix_millis.store(unix.0, SeqCst);
    }

    /// Begins another boot, whose time begins anew.
    pub fn reboot(&self) {
        self.boots.fetch_add(1, SeqCst);
        self.boot_nanos.store(1_000_000_000, SeqCst);
    }

    /// Moves both clocks forward by this much.
    pub fn advance(&self, by: Duration) {
        self.unix_millis
            .fetch_add(u64::try_from(by.as_millis()).unwrap_or(0), SeqCst);
        self.boot_nanos
            .fetch_add(u64::try_from(by.as_nanos()).unwrap_or(0), SeqCst);
    }
}

impl Clock for ManualClock {
    fn unix(&self) -> UnixMillis {
        UnixMillis(self.unix_millis.load(SeqCst))
    }

    fn boot(&self) -> BootTime {
        BootTime(self.boot_nanos.load(SeqCst))
    }

    fn boot_name(&self) -> Option<String> {
        Some(format!("boot {}", self.boots.load(SeqCst)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_boot_has_one_name() {
        let name = SystemClock.boot_name();
        assert!(
            name.as_ref().is_some_and(|name| name.len() > 16),
            "{name:?}"
        );
        assert_eq!(name, SystemClock.boot_name());
    }
}
