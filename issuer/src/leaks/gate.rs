//! Who may come in, without a credential: so often and so many at once from one address, and so many
//! bytes of bodies from one and from all.
//!
//! What counts is what was sent: a body that is only half there holds the bytes that came, and no turn.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Body;
use futures_util::StreamExt as _;
use tokenward_common::clock::BootTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls of one address at once, and the bytes of all their bodies, as many as one may have.
const AT_ONCE: usize = 4;
/// Of one address: so many in a row, and then one in each of these spans.
const IN_A_ROW: u32 = 60;
const EACH: Duration = Duration::from_secs(1);
/// Calls whose bodies are read, of all addresses.
const READ_AT_ONCE: usize = 256;
/// Full bodies that are held, of all addresses.
const BODIES: usize = 4;
/// Calls that are worked on.
const TURNS: usize = 4;
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;
/// For a body to come, and then for a turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why not now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closed {
    /// This address asks too often, or too much at once.
    Often,
    /// All together do.
    Full,
    /// The body didn't come in time, or not whole.
    Late,
    Long,
}

pub(super) struct Gate {
    /// The longest body.
    longest: usize,
    places: Mutex<BTreeMap<IpAddr, Place>>,
    calls: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// What an address has used up.
#[derive(Default)]
struct Place {
    calls: usize,
    bytes: usize,
    /// Until when it has used up what it may.
    until: BootTime,
}

/// One call inside; what it holds is given back when it goes.
pub(super) struct Visit {
    gate: Arc<Gate>,
    address: IpAddr,
    bytes: usize,
    _call: OwnedSemaphorePermit,
    held: Option<OwnedSemaphorePermit>,
}

impl Gate {
    pub(super) fn new(longest: usize) -> Arc<Self> {
        Arc::new(Self {
            longest,
            places: Mutex::default(),
            calls: Arc::new(Semaphore::new(READ_AT_ONCE)),
            bytes: Arc::new(Semaphore::new(BODIES * longest)),
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    pub(super) fn enter(self: &Arc<Self>, from: IpAddr, now: BootTime) -> Result<Visit, Closed> {
        let address = network(from);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if !places.contains_key(&address) && places.len() >= ADDRESSES {
            forget(&mut places, now);
        }
        let place = places.entry(address).or_default();
        let until = place.until.max(now).0.saturating_add(nanos(EACH));
        let over = BootTime(until).since(now) > EACH * IN_A_ROW;
        if place.calls >= AT_ONCE || over {
            return Err(Closed::Often);
        }
        let call = Arc::clone(&self.calls).try_acquire_owned();
        let call = call.map_err(|_| Closed::Full)?;
        place.calls += 1;
        place.until = BootTime(until);
        Ok(Visit {
            gate: Arc::clone(self),
            address,
            bytes: 0,
            _call: call,
            held: None,
        })
    }

    fn at<T>(&self, address: &IpAddr, change: impl FnOnce(&mut Place) -> T) -> Option<T> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get_mut(address).map(change)
    }
}

impl Visit {
    /// The body, once all of it has come.
    pub(super) async fn read(&mut self, body: Body) -> Result<Vec<u8>, Closed> {
        let read = tokio::time::timeout(PATIENCE, self.all_of(body));
        read.await.map_err(|_| Closed::Late)?
    }

    async fn all_of(&mut self, body: Body) -> Result<Vec<u8>, Closed> {
        let mut chunks = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Closed::Late)?;
            if whole.len() + chunk.len() > self.gate.longest {
                return Err(Closed::Long);
            }
            self.hold(chunk.len())?;
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Closed> {
        let longest = self.gate.longest;
        let fits = self.gate.at(&self.address, |place| {
            let fits = place.bytes + bytes <= longest;
            place.bytes += if fits { bytes } else { 0 };
            fits
        });
        if fits != Some(true) {
            return Err(Closed::Often);
        }
        self.bytes += bytes;
        let count = u32::try_from(bytes).map_err(|_| Closed::Long)?;
        let held = Arc::clone(&self.gate.bytes).try_acquire_many_owned(count);
        let held = held.map_err(|_| Closed::Full)?;
        match &mut self.held {
            Some(all) => all.merge(held),
            None => self.held = Some(held),
        }
        Ok(())
    }

    /// To be worked on; only who is whole waits for it.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Closed> {
        let turn = Arc::clone(&self.gate.turns).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn).await;
        turn.map_err(|_| Closed::Full)?.map_err(|_| Closed::Full)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let bytes = self.bytes;
        self.gate.at(&self.address, |place| {
            place.calls = place.calls.saturating_sub(1);
            place.bytes = place.bytes.saturating_sub(bytes);
        });
    }
}

/// Whoever has used up nothing; if all have, the one who has used up least.
fn forget(places: &mut BTreeMap<IpAddr, Place>, now: BootTime) {
    places.retain(|_, place| place.calls > 0 || place.until > now);
    if places.len() >= ADDRESSES {
        let gone = places.iter().filter(|(_, place)| place.calls == 0);
        let least = gone.min_by_key(|(_, place)| place.until);
        if let Some(address) = least.map(|(address, _)| *address) {
            places.remove(&address);
        }
    }
}

/// One line of IPv6 has as many addresses as it likes.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let bits = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        v4 => v4,
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future};

    use axum::body::Bytes;
    use futures_util::stream;

    use super::*;

    const LONGEST: usize = 1000;

    fn address(last: u16) -> IpAddr {
        let [high, low] = last.to_be_bytes();
        IpAddr::from([127, 0, high, low])
    }

    fn second(at: u64) -> BootTime {
        BootTime(at * nanos(EACH))
    }

    /// So many bytes, and then nothing more for ever.
    fn half_sent(bytes: usize) -> Body {
        let begun = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b'x'; bytes]))]);
        Body::from_stream(begun.chain(stream::once(future::pending())))
    }

    #[tokio::test]
    async fn half_sent_bodies_keep_nobody_else_out() {
        let gate = Gate::new(LONGEST);
        let mut waiting = Vec::new();
        // As many as may be, of ten addresses.
        for at in 0..10 {
            for _ in 0..AT_ONCE {
                let mut visit = gate.enter(address(at), second(0)).unwrap();
                waiting.push(tokio::spawn(async move { visit.read(half_sent(50)).await }));
            }
            assert!(matches!(
                gate.enter(address(at), second(0)),
                Err(Closed::Often)
            ));
        }
        // Each has sent its half.
        let sent = 10 * AT_ONCE * 50;
        while gate.bytes.available_permits() > BODIES * LONGEST - sent {
            tokio::task::yield_now().await;
        }
        for _ in 0..TURNS {
            let mut other = gate.enter(address(77), second(0)).unwrap();
            let whole = other.read(Body::from(vec![b'x'; LONGEST])).await.unwrap();
            assert_eq!(whole.len(), LONGEST);
            drop(other.turn().await.unwrap());
        }
        for task in &waiting {
            task.abort();
        }
        for task in waiting {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        // All was given back.
        assert_eq!(gate.bytes.available_permits(), BODIES * LONGEST);
        assert_eq!(gate.calls.available_permits(), READ_AT_ONCE);
        assert!(gate.enter(address(0), second(0)).is_ok());
    }

    #[tokio::test]
    async fn one_address_holds_one_body_and_all_hold_a_few() {
        let gate = Gate::new(LONGEST);
        let mut visits = Vec::new();
        for at in 0..BODIES {
            let from = address(u16::try_from(at).unwrap());
            let mut visit = gate.enter(from, second(0)).unwrap();
            visit.read(Body::from(vec![b'x'; LONGEST])).await.unwrap();
            let mut second = gate.enter(from, second(0)).unwrap();
            assert_eq!(second.read(Body::from("x")).await, Err(Closed::Often));
            visits.push(visit);
        }
        let mut other = gate.enter(address(99), second(0)).unwrap();
        assert_eq!(other.read(Body::from("x")).await, Err(Closed::Full));
        visits.pop();
        let mut other = gate.enter(address(99), second(0)).unwrap();
        assert_eq!(other.read(Body::from("x")).await, Ok(b"x".to_vec()));
        let long = Body::from(vec![b'x'; LONGEST + 1]);
        let mut visit = gate.enter(address(98), second(0)).unwrap();
        assert_eq!(visit.read(long).await, Err(Closed::Long));
    }

    #[test]
    fn an_address_comes_so_often() {
        let gate = Gate::new(LONGEST);
        let taken = |from: IpAddr, at: u64| {
            let visits = (0..IN_A_ROW * 2).map(|_| gate.enter(from, second(at)).map(drop));
            visits.filter(Result::is_ok).count()
        };
        let first = address(1);
        assert_eq!(taken(first, 1), 60);
        assert_eq!(taken(first, 1), 0);
        assert_eq!(taken(address(2), 1), 60);
        assert_eq!(taken(first, 4), 3);
        assert_eq!(taken(first, 1000), 60);
        // The same as IPv6 writes it; and one line of IPv6 is one.
        assert_eq!(taken("::ffff:127.0.0.1".parse().unwrap(), 1000), 0);
        assert_eq!(taken("2001:db8::1".parse().unwrap(), 1), 60);
        assert_eq!(taken("2001:db8::2".parse().unwrap(), 1), 0);
        assert_eq!(taken("2001:db8:0:1::2".parse().unwrap(), 1), 60);
    }

    #[test]
    fn addresses_are_remembered_up_to_a_bound() {
        let gate = Gate::new(LONGEST);
        let flooding = address(7);
        for _ in 0..IN_A_ROW {
            drop(gate.enter(flooding, second(1)));
        }
        for at in 0..2 * ADDRESSES {
            let from = address(u16::try_from(at + 256).unwrap());
            assert!(gate.enter(from, second(1)).is_ok());
        }
        assert!(gate.places.lock().unwrap().len() <= ADDRESSES);
        // Those who have used up most are remembered longest.
        assert!(gate.enter(flooding, second(1)).is_err());
    }
}
