//! How much of what arrived, and of what waits to be taken, is held: for a connection, an address and
//! the process.

use std::{
    collections::HashMap,
    hash::Hash,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::Response;
use tonic::body::Body;

use super::held::Held;
use crate::process::admission::Origin;

/// The most that is held, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares {
    pub connection: usize,
    /// All who come over Unix sockets are one.
    pub address: usize,
    pub process: usize,
}

impl Shares {
    /// One address can't use up the place of others: it has a quarter.
    pub const DEFAULT: Self = Self {
        connection: 16 * 1024 * 1024,
        address: 32 * 1024 * 1024,
        process: 128 * 1024 * 1024,
    };

    /// Of callers who are known, and whose back end is one address: some thirty of the largest
    /// batches at once, or seven of the largest lists of leaked values, on each connection.
    pub const OF_CALLERS: Self = Self {
        connection: 32 * 1024 * 1024,
        address: 64 * 1024 * 1024,
        process: 256 * 1024 * 1024,
    };
}

/// Clones are one.
#[derive(Clone, Debug)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shares: Shares,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    process: usize,
    addresses: HashMap<Origin, usize>,
    connections: HashMap<SocketAddr, usize>,
}

impl Room {
    pub fn new(shares: Shares) -> Self {
        let taken = Mutex::default();
        Self(Arc::new(Inner { shares, taken }))
    }

    /// Held at the moment.
    pub fn taken(&self) -> usize {
        self.lock().process
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is held yet.
    pub fn nothing(&self, caller: Option<SocketAddr>) -> Charge {
        Charge {
            room: self.clone(),
            caller,
            bytes: 0,
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new(Shares::DEFAULT)
    }
}

/// Whose share has no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    /// The connection's, or its address's.
    Callers,
    /// That of all together.
    Process,
}

/// What one call holds; given back when dropped.
#[derive(Debug)]
pub struct Charge {
    room: Room,
    caller: Option<SocketAddr>,
    bytes: usize,
}

impl Charge {
    /// Whether there is room for so many in all. What was charged once stays so.
    pub fn raise(&mut self, to: usize) -> bool {
        self.try_raise(to).is_ok()
    }

    /// The same, and whose share was full.
    pub(super) fn try_raise(&mut self, to: usize) -> Result<(), Full> {
        let Some(bytes) = to.checked_sub(self.bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let shares = self.room.0.shares;
        let mut taken = self.room.lock();
        let address = origin(self.caller);
        let process = taken.process.saturating_add(bytes);
        let of_address = taken.addresses.get(&address).copied().unwrap_or(0);
        let of_connection = self.caller.and_then(|it| taken.connections.get(&it));
        let of_connection = of_connection.copied().unwrap_or(0);
        // The caller's first: what the caller can do about it is of more use.
        if of_address.saturating_add(bytes) > shares.address
            || of_connection.saturating_add(bytes) > shares.connection
        {
            return Err(Full::Callers);
        }
        if process > shares.process {
            return Err(Full::Process);
        }
        taken.process = process;
        *taken.addresses.entry(address).or_default() += bytes;
        if let Some(connection) = self.caller {
            *taken.connections.entry(connection).or_default() += bytes;
        }
        drop(taken);
        self.bytes += bytes;
        Ok(())
    }

    /// The answer, whose bytes give the room back when they have gone out: what isn't taken is still
    /// held.
    pub fn until_taken(self, answer: Response<Body>) -> Response<Body> {
        if self.bytes == 0 {
            return answer;
        }
        answer.map(|body| Body::new(Held::answer(body, self)))
    }

    /// The answer, whose end gives the room back.
    pub fn until_ended(self, answer: Response<Body>) -> Response<Body> {
        answer.map(|body| Body::new(Held::lasting(body, self)))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut taken = self.room.lock();
        taken.process = taken.process.saturating_sub(self.bytes);
        let address = origin(self.caller);
        give_back(&mut taken.addresses, &address, self.bytes);
        if let Some(connection) = self.caller {
            give_back(&mut taken.connections, &connection, self.bytes);
        }
    }
}

fn origin(caller: Option<SocketAddr>) -> Origin {
    caller.map_or(Origin::Local, Origin::from)
}

fn give_back<K: Eq + Hash>(taken: &mut HashMap<K, usize>, who: &K, bytes: usize) {
    let Some(of_it) = taken.get_mut(who) else {
        return;
    };
    *of_it = of_it.saturating_sub(bytes);
    if *of_it == 0 {
        taken.remove(who);
    }
}
