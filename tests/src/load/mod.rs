//! A load client that is never the bottleneck: one thread that sends HTTP/2 frames or HTTP/1.1 requests
//! which are encoded beforehand.
//!
//! It decides when a request is sent and what counts as answered. A full gRPC client would repeat the
//! server's work and share its bottleneck.

pub mod client;
mod connection;
pub mod frames;
pub mod hpack;
mod http1;
pub mod proxied;
pub mod report;
pub mod socket;
pub mod strangers;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

pub use client::{Load, Pace, run, run_beside};
pub use report::{Report, cpu_nanos};
pub use socket::Target;
