//! This module decides how long a gRPC message may take to arrive, and how much memory a caller's
//! requests and their answers may hold.
//!
//! gRPC libraries allocate a message's declared length when its five-byte prefix arrives, and wait for
//! the rest for ever. Here only bytes that did arrive are held. Each is charged to its connection, its
//! address and the process, and the rest must come in time. A call that lasts holds a place. The module
//! must not know what is requested and answered.

mod bounds;
mod gather;
mod held;
mod room;
mod service;

#[cfg(test)]
mod tests;

pub use bounds::Bounds;
pub use room::{Charge, Room, Shares};
pub use service::{Bounded, Way};
