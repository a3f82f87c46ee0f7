//! Serves Envoy's external authorization over gRPC, beside the verifier's own service: Envoy shows each
//! request here before it forwards it.
//!
//! It decides nothing. [`door`] takes a request through, [`wire`] and [`request`] read what Envoy shows,
//! [`extensions`] reads the route's settings, the judge judges, and [`reply`] writes the answer so that
//! only ALLOW lets a request through. It answers at once, from memory. A request that can't be judged is
//! denied with 503, and the call itself does not fail: a proxy that is set to fail open would let the
//! request of a failed call pass.

mod door;
mod extensions;
mod reply;
mod request;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use door::{BuiltIn, EnvoyDoor};
pub use server::EnvoyServer;
