//! Every backend against the one suite: what it takes to run each, and what is peculiar to it.

#![expect(
    clippy::unwrap_used,
    reason = "what a backend is made of fails a test like the test itself"
)]

mod embedded;
mod embedded_file;
mod grpc;
mod redis;
