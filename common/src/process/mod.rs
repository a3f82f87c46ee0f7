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
mod repeats;
mod secret;
pub mod secret_url;
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

/// For a wrong setting, as clap has it.
const USAGE: u8 = 2;

/// Says everything that is wrong with the settings, before logs are set up.
pub fn usage_error(mistakes: &dyn std::fmt::Display) -> std::process::ExitCode {
    telemetry::last_word(mistakes);
    std::process::ExitCode::from(USAGE)
}

/// How a program ended, and on standard error why it failed.
pub fn exit_code<E: std::fmt::Display>(result: Result<(), E>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain on one line, and no backtrace.
            telemetry::last_word(&format_args!("error: {error:#}"));
            std::process::ExitCode::FAILURE
        }
    }
}
