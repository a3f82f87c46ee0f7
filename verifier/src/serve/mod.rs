//! The data plane: one OS thread per worker, each a `current_thread` runtime, behind one acceptor.
//!
//! Decides: which thread serves a connection, what a connection may cost, how serving ends. Must
//! not know what is asked and answered: it is handed the routes.
//!
//! Why not one multi-threaded runtime: it wakes the connection after every single answer, so that
//! each is a write of its own; half of the throughput (measured, 11.3 against 5.0 us a call).

mod acceptor;
mod connection;
mod end;
mod framing;
mod http;
mod limits;
mod plane;
mod routes;
mod worker;

#[cfg(test)]
mod tests;

pub use connection::{Connections, Peer};
pub use framing::Ambiguous;
pub use http::{HttpBody, HttpService};
pub use limits::Limits;
pub use plane::{DataPlane, HttpDoor, ThreadDied};
pub use routes::{Calls, NamedCalls, SERVICES, Served, verifier_and_envoy_routes, verifier_routes};
pub(crate) use tokenward_common::process::admission::Unread;
