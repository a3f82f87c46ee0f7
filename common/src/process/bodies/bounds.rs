//! What one method's requests may take.

use std::{net::SocketAddr, time::Duration};

use http::Extensions;

use super::room::Room;

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
