//! This module holds what every server process does besides its work: settings, logs, metrics, health,
//! listening, shutdown.
//!
//! It decides when a process ends, in which order its parts end, how long that may take, and where it
//! may listen. It must not know what the process serves.

pub mod admin;
pub mod admission;
pub mod bodies;
pub mod credentials;
pub mod duration;
pub mod health;
pub mod listen;
pub mod program;
mod repeats;
mod secret;
pub mod secret_url;
pub mod settings;
pub mod shutdown;
mod supervisor;
pub mod telemetry;
pub mod tls;
pub mod trace;
mod watched;

pub use crate::file;
pub use health::SMALL_MESSAGE;
pub use listen::{ListenAddress, Listener};
pub use repeats::CHANGES;
pub use secret::Secret;
pub use shutdown::{DrainTimes, Shutdown};
pub use supervisor::{Died, Supervisor};
pub use telemetry::LogArgs;
pub use tls::{Tls, TlsArgs, TlsConfig};
pub use trace::{Around, Span, TraceArgs, TraceConfig, Traces};
