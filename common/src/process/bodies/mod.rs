//! gRPC requests as they arrive, and the room they and their answers take.
//!
//! Decides: how long a message may take to arrive, and how much anybody may leave with us. gRPC
//! libraries take room for a message's declared length when its five-byte prefix arrives, and wait
//! for the rest for ever; here nothing is held but bytes that did arrive, each is charged to its
//! connection, its address and the process, and the rest must come in time. A call that lasts holds a
//! place. Must not know what is asked and answered.

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
