//! This file decides how many bytes of requests and of untaken answers a connection, an address and the
//! process may hold. It must not know what the bytes mean.

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

/// The most bytes that may be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shares {
    pub connection: usize,
    /// All callers over Unix sockets share one address.
    pub address: usize,
    pub process: usize,
}

impl Shares {
    /// One address has a quarter, so that it can't use up the place of others.
    pub const DEFAULT: Self = Self {
        connection: 16 * 1024 * 1024,
        address: 32 * 1024 * 1024,
        process: 128 * 1024 * 1024,
    };

    /// The shares of known callers, whose back end is one address: some thirty of the largest batches
    /// at once, or seven of the largest lists of leaked values, on each connection.
    pub const OF_CALLERS: Self = Self {
        connection: 32 * 1024 * 1024,
        address: 64 * 1024 * 1024,
        process: 256 * 1024 * 1024,
    };
}

/// The bytes that are held in a process. All clones count together.
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

    /// Returns how many bytes are held now.
    pub fn taken(&self) -> usize {
        self.lock().process
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a charge that holds nothing yet.
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

/// The share that has no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Full {
    /// The share of the connection, or of its address.
    Callers,
    /// The share of the whole process.
    Process,
}

/// The bytes that one call holds. They are given back when this is dropped.
#[derive(Debug)]
pub struct Charge {
    room: Room,
    caller: Option<SocketAddr>,
    bytes: usize,
}

impl Charge {
    /// Raises the charge to so many bytes in all; `false` if there is no room. The charge never falls.
    pub fn raise(&mut self, to: usize) -> bool {
        self.try_raise(to).is_ok()
    }

    /// Raises the charge to so many bytes in all. The error is the share that was full.
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
        // The caller's shares are checked first, because the caller can do something about them.
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

    /// Returns the answer, which holds the room until its bytes have gone out: an answer that isn't
    /// taken still uses memory.
    pub fn until_taken(self, answer: Response<Body>) -> Response<Body> {
        if self.bytes == 0 {
            return answer;
        }
        answer.map(|body| Body::new(Held::answer(body, self)))
    }

    /// Returns the answer, which holds the room until its end.
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
