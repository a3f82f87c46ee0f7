//! The data plane: one OS thread per worker, each with a `current_thread` runtime, behind one acceptor.
//!
//! It decides which thread serves a connection, what a connection may cost, and how serving ends. It
//! must not know the requests and answers: it is given the routes.
//!
//! A multi-threaded runtime would halve the throughput: it wakes the connection after every answer, so
//! each answer is a write of its own (measured, 11.3 against 5.0 us a call).

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

pub use connection::Connections;
pub use framing::Ambiguous;
pub use http::{HttpBody, HttpService};
pub use limits::Limits;
pub use plane::{DataPlane, HttpDoor, ThreadDied};
pub use routes::{Calls, NamedCalls, SERVICES, Served, verifier_and_envoy_routes, verifier_routes};
pub use tokenward_common::process::admission::Peer;
pub(crate) use tokenward_common::process::admission::Unread;
