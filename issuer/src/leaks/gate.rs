//! Decides which calls without a credential come in: how often and how many at once from one address, and how
//! many bytes of bodies from one address and from all.
//!
//! Only bytes that arrived count: a body that is half there holds these bytes, and no turn. Small bodies have
//! places of their own, which no large body takes. If all places are taken, the call that has been sending
//! for longest makes room for a new one, because an honest body arrives at once. Must not know the content.

mod inside;
#[cfg(test)]
mod tests;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use futures_util::StreamExt as _;
use tokenward_common::clock::BootTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use inside::{Inside, Network, networks};

/// At most this many calls send small bodies at once, from all addresses.
const READ_AT_ONCE: usize = 256;
/// At most this many bodies of the largest size are held besides small ones, from all addresses.
const BODIES: usize = 4;
/// At most this many calls with whole bodies wait or are processed.
const WHOLE: usize = 256;
/// At most this many calls are processed at once, with small bodies and with larger ones.
const SMALL_TURNS: usize = 3;
const LARGE_TURNS: usize = 1;
/// A call waits at most this long for its body to arrive, and then again for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Says why a call is not admitted now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closed {
    /// This address sends too many calls, or too much at once.
    Often,
    /// All addresses together send too much.
    Full,
    /// The body didn't arrive in time, or not whole.
    Late,
    Long,
}

/// Holds the limits for the sizes of bodies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// A body of up to this many bytes has a place of its own.
    pub(super) small: usize,
    /// No body may have more bytes than this.
    pub(super) longest: usize,
}

pub(super) struct Gate {
    sizes: Sizes,
    inside: Mutex<Inside>,
    whole: Arc<Semaphore>,
    small_turns: Arc<Semaphore>,
    large_turns: Arc<Semaphore>,
}

/// A visit is one call inside. It gives back what it holds when it is dropped.
pub(super) struct Visit {
    gate: Arc<Gate>,
    networks: Vec<Network>,
    number: u64,
    bytes: usize,
    /// Cancelled when another call took this one's place.
    gone: CancellationToken,
    _whole: Option<OwnedSemaphorePermit>,
}

impl Gate {
    pub(super) fn new(sizes: Sizes) -> Arc<Self> {
        Arc::new(Self {
            sizes,
            inside: Mutex::default(),
            whole: Arc::new(Semaphore::new(WHOLE)),
            small_turns: Arc::new(Semaphore::new(SMALL_TURNS)),
            large_turns: Arc::new(Semaphore::new(LARGE_TURNS)),
        })
    }

    pub(super) fn enter(self: &Arc<Self>, from: IpAddr, now: BootTime) -> Result<Visit, Closed> {
        let networks = networks(from);
        let gone = CancellationToken::new();
        let number = self.inside().enter(&networks, now, gone.clone())?;
        Ok(Visit {
            gate: Arc::clone(self),
            networks,
            number,
            bytes: 0,
            gone,
            _whole: None,
        })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// Returns the body once all of it has arrived.
    pub(super) async fn read(&mut self, body: Body) -> Result<Vec<u8>, Closed> {
        let gone = self.gone.clone();
        let read = tokio::time::timeout(PATIENCE, self.read_all(body));
        let whole = tokio::select! {
            biased;
            () = gone.cancelled() => return Err(Closed::Full),
            read = read => read.map_err(|_| Closed::Late)??,
        };
        // From here on no other call can take this call's place.
        self.gate.inside().is_whole(self.number)?;
        Ok(whole)
    }

    async fn read_all(&mut self, body: Body) -> Result<Vec<u8>, Closed> {
        let mut chunks = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Closed::Late)?;
            if whole.len() + chunk.len() > self.gate.sizes.longest {
                return Err(Closed::Long);
            }
            self.hold(chunk.len())?;
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Closed> {
        let sizes = self.gate.sizes;
        let mut inside = self.gate.inside();
        inside.charge(&self.networks, bytes, sizes.longest)?;
        self.bytes += bytes;
        match self.bytes <= sizes.small {
            true => inside.still(self.number),
            false => inside.hold(self.number, self.bytes, BODIES * sizes.longest),
        }
    }

    /// Waits for the turn to be processed. Only a call whose body is whole may wait.
    pub(super) async fn turn(&mut self) -> Result<OwnedSemaphorePermit, Closed> {
        let whole = Arc::clone(&self.gate.whole).try_acquire_owned();
        self._whole = Some(whole.map_err(|_| Closed::Full)?);
        let turns = match self.bytes <= self.gate.sizes.small {
            true => &self.gate.small_turns,
            false => &self.gate.large_turns,
        };
        let turn = Arc::clone(turns).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await;
        turn.map_err(|_| Closed::Full)?.map_err(|_| Closed::Full)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut inside = self.gate.inside();
        inside.leave(&self.networks, self.number, self.bytes);
    }
}
