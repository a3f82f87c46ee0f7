//! What every server process does besides its work: logs, metrics, health, listening, shutdown.
//!
//! Decides: when a process is told to end and how long it takes over it; where it may listen; how
//! long it waits between attempts. Must not know what the process serves.

pub mod admin;
pub mod backoff;
pub mod duration;
pub mod listen;
pub mod shutdown;
pub mod telemetry;

pub use backoff::Backoff;
pub use listen::{ListenAddress, Listener};
pub use shutdown::{DrainTimes, Shutdown};
pub use telemetry::LogArgs;
