//! A load client that is never the limit: one thread, raw HTTP/2 frames or HTTP/1.1 requests encoded
//! beforehand.
//!
//! Decides when a request is sent and what counts as answered. A gRPC client would do the server's
//! work over again and share the bottleneck.

pub mod client;
mod connection;
pub mod frames;
pub mod hpack;
mod http1;
pub mod proxied;
pub mod report;
pub mod socket;
mod stream;
mod wire;

#[cfg(test)]
mod tests;

pub use client::{Load, Pace, run};
pub use report::{Report, cpu_nanos};
pub use socket::Target;
