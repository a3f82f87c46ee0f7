//! gRPC requests as they arrive, and the room they and their answers take.
//!
//! Decides: how long a message may take to arrive, and how much anybody may leave with us. gRPC
//! libraries take room for a message's declared length when its five-byte prefix arrives, and wait
//! for the rest for ever; here nothing is held but bytes that did arrive, each is charged to its
//! connection, its address and the process, and the rest must come in time. A call that lasts holds a
//! place. Must not know what is asked and answered.

mod gather;
mod held;
mod room;
mod service;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, time::Duration};

use http::Extensions;

pub use room::{Charge, Room, Shares};
pub use service::{Bounded, Way};

/// How one method's requests are taken in.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Of all methods and threads of a process.
    pub room: Room,
    /// Of a message.
    pub most_bytes: usize,
    /// Bytes charged for one that arrives: more than one where an answer is larger than what was
    /// asked, as the charge stands until the answer is taken.
    pub weight: usize,
    /// From a call's beginning until the end of its request.
    pub deadline: Duration,
    /// Who is at the other end, as the server notes it; `None` over a Unix socket.
    pub caller: fn(&Extensions) -> Option<SocketAddr>,
}

impl Bounds {
    /// A back end that is alive has sent a message in a fraction of it.
    pub const DEADLINE: Duration = Duration::from_secs(10);
}
