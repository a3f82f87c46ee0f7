//! A load client that is never the limit: one thread, raw HTTP/2 frames encoded beforehand.
//!
//! Decides when a request is sent and what counts as answered. A gRPC client would do the server's
//! work over again and share the bottleneck.

pub mod client;
mod connection;
pub mod frames;
pub mod hpack;
pub mod report;
pub mod socket;
mod stream;

#[cfg(test)]
mod tests;

pub use client::{Load, Pace, run};
pub use report::{Report, cpu_nanos};
pub use socket::Target;
