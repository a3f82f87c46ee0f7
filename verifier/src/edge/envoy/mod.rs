//! Envoy's external authorization over gRPC, beside the verifier's own service: Envoy shows each
//! request before it forwards it.
//!
//! Decides nothing: [`door`] is the way of a request; [`wire`] and [`request`] read what Envoy shows, [`extensions`] what its settings say
//! of the route, the judge judges, and [`reply`] puts it so that nothing but ALLOW lets a request through.
//! Answers at once, from memory. What can't be judged is a denial with 503 and no failed call: a proxy
//! set to fail open would let a failed call's request pass.

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
