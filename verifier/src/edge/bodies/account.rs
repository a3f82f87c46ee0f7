//! Whose room a body takes: of strangers all share a small one, so that those who hold a credential find
//! theirs.

use std::net::SocketAddr;

use tokenward_common::process::bodies::{Charge, Room, Shares};

use super::{Bodies, NotRead, STRANGERS, UNCHARGED};
use crate::edge::judge::Judgement;

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
    stranger: Option<Box<Judgement>>,
    charge: Option<Charge>,
}

impl<'a, F: FnOnce() -> Option<Box<Judgement>>> Account<'a, F> {
    pub(super) fn new(bodies: &'a Bodies, caller: Option<SocketAddr>, ask: F) -> Self {
        Self {
            bodies,
            caller,
            ask: Some(ask),
            stranger: None,
            charge: None,
        }
    }

    /// What the caller is told, if the caller is a stranger.
    fn stranger(&mut self) -> &mut Option<Box<Judgement>> {
        if let Some(ask) = self.ask.take() {
            self.stranger = ask();
        }
        &mut self.stranger
    }

    /// Refuses a body of so many bytes if that is more than is read for a stranger. Reading ends with that.
    pub(super) fn admit(&mut self, length: usize) -> Result<(), NotRead> {
        if length > STRANGERS
            && let Some(stranger) = self.stranger().take()
        {
            return Err(NotRead::Stranger(stranger));
        }
        Ok(())
    }

    /// Takes room for so many bytes in all. A short body is not charged.
    pub(super) fn raise(&mut self, to: usize) -> Result<(), NotRead> {
        if to <= UNCHARGED {
            return Ok(());
        }
        let room: &Room = match self.stranger() {
            None => &self.bodies.room,
            Some(_) => &self.bodies.strangers,
        };
        let caller = self.caller;
        let charge = self.charge.get_or_insert_with(|| room.nothing(caller));
        charge.raise(to).then_some(()).ok_or(NotRead::NoRoom)
    }

    /// Goes with the bytes.
    pub(super) fn charge(self) -> Option<Charge> {
        self.charge
    }
}
