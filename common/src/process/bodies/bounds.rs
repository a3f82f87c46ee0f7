//! This file decides what one method's requests may use: room, bytes and time.

use std::{net::SocketAddr, time::Duration};

use http::Extensions;

use super::room::Room;

/// The bounds of one method's requests.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The room that all methods and threads of a process share.
    pub room: Room,
    /// The longest message, in bytes.
    pub most_bytes: usize,
    /// The bytes charged for each byte that arrives. It is more than one where an answer is larger than
    /// its request, because the charge stands until the answer is taken.
    pub weight: usize,
    /// The longest time from a call's beginning to the end of its request.
    pub deadline: Duration,
    /// Finds the caller's address, as the server notes it; `None` over a Unix socket.
    pub caller: fn(&Extensions) -> Option<SocketAddr>,
}

impl Bounds {
    /// The usual deadline. A live back end sends a message in a fraction of it.
    pub const DEADLINE: Duration = Duration::from_secs(10);
}
