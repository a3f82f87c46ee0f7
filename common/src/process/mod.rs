//! What every server process does besides its work: logs, metrics, health, listening, shutdown.
//!
//! Decides: when a process is told to end and how long it takes over it; where it may listen. Must not know what the process serves.

pub mod admin;
pub mod admission;
pub mod bodies;
pub mod credentials;
pub mod duration;
pub mod file;
pub mod listen;
pub mod program;
mod repeats;
mod secret;
pub mod secret_url;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod trace;
pub mod watched;

pub use listen::{ListenAddress, Listener};
pub use repeats::CHANGES;
pub use secret::Secret;
pub use shutdown::{DrainTimes, Shutdown};
pub use telemetry::LogArgs;
pub use trace::{Around, Span, TraceArgs, TraceConfig, Traces};
pub use watched::watched;

/// The largest request of health and reflection, which anybody may ask: a service's name or a
/// symbol's. gRPC libraries take room for a declared length before its bytes are there.
pub const SMALL_MESSAGE: usize = 1024;
