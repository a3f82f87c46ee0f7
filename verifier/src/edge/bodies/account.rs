//! Decides which room a body is charged to. All strangers share a small room, so that callers with a
//! credential always find theirs. It must not know what the body contains.

use std::net::SocketAddr;

use tokenward_common::process::bodies::{Charge, Room, Shares};

use super::{Bodies, NotRead, STRANGERS, UNCHARGED};
use crate::edge::judge::Judgement;

/// These are the shares of callers without a live credential: room for hundreds of bodies, none longer than
/// [`STRANGERS`]. A proxy before us is one connection or address, and gets half.
pub(super) const STRANGERS_SHARES: Shares = Shares {
    connection: 8 * 1024 * 1024,
    address: 8 * 1024 * 1024,
    process: 16 * 1024 * 1024,
};

/// Holds what one body is charged, and to which room.
pub(super) struct Account<'a, F> {
    bodies: &'a Bodies,
    caller: Option<SocketAddr>,
    /// Holds the question whether the caller is a stranger, until it has been put.
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

    /// Returns the caller's answer, if the caller is a stranger.
    fn stranger(&mut self) -> &mut Option<Box<Judgement>> {
        if let Some(ask) = self.ask.take() {
            self.stranger = ask();
        }
        &mut self.stranger
    }

    /// Refuses a body of `length` bytes if that is more than is read for a stranger. Reading ends with the
    /// refusal.
    pub(super) fn admit(&mut self, length: usize) -> Result<(), NotRead> {
        if length > STRANGERS
            && let Some(stranger) = self.stranger().take()
        {
            return Err(NotRead::Stranger(stranger));
        }
        Ok(())
    }

    /// Takes room for `to` bytes in total. A short body is not charged.
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

    /// Returns the charge, which must live as long as the bytes.
    pub(super) fn charge(self) -> Option<Charge> {
        self.charge
    }
}
