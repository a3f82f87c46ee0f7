//! Whose room a body takes: of strangers all share a small one, so that those who hold a credential find
//! theirs.

use std::net::SocketAddr;

use tokenward_common::process::bodies::{Charge, Room, Shares};

use super::{Bodies, STRANGERS, UNCHARGED};

/// Of callers without a live credential: hundreds of bodies at once, none of which is longer than
/// [`STRANGERS`]. A proxy before us is one connection or address, and has half.
pub(super) const STRANGERS_SHARES: Shares = Shares {
    connection: 8 * 1024 * 1024,
    address: 8 * 1024 * 1024,
    process: 16 * 1024 * 1024,
};

/// What one body is charged, and to which room.
pub(super) struct Account<'a, F> {
    bodies: &'a Bodies,
    caller: Option<SocketAddr>,
    /// Until it was asked.
    ask: Option<F>,
    is_known: bool,
    charge: Option<Charge>,
}

impl<'a, F: FnOnce() -> bool> Account<'a, F> {
    pub(super) fn new(bodies: &'a Bodies, caller: Option<SocketAddr>, ask: F) -> Self {
        Self {
            bodies,
            caller,
            ask: Some(ask),
            is_known: false,
            charge: None,
        }
    }

    fn is_known(&mut self) -> bool {
        if let Some(ask) = self.ask.take() {
            self.is_known = ask();
        }
        self.is_known
    }

    /// Whether so many bytes are more than is read for whoever asks.
    pub(super) fn is_strange(&mut self, length: usize) -> bool {
        length > STRANGERS && !self.is_known()
    }

    /// Whether there is room for so many in all. Of what is short nobody is asked.
    pub(super) fn raise(&mut self, to: usize) -> bool {
        if to <= UNCHARGED {
            return true;
        }
        let room: &Room = match self.is_known() {
            true => &self.bodies.room,
            false => &self.bodies.strangers,
        };
        let caller = self.caller;
        let charge = self.charge.get_or_insert_with(|| room.nothing(caller));
        charge.raise(to)
    }

    /// Goes with the bytes.
    pub(super) fn charge(self) -> Option<Charge> {
        self.charge
    }
}
