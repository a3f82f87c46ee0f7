//! This file decides which connections one listener holds, by the address that they come from, and
//! which of them are closed to make room. It must not know what the connections carry.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

/// At most one in 16 of a listener's connections may be closing at once, but at least 4 may be.
const CLOSING: usize = 16;
const CLOSING_LEAST: usize = 4;

/// The states of a connection. `SILENT`: no request yet. Below `BUSY`: idle since so many nanoseconds
/// (plus one) after the register's start. From `BUSY` on: `BUSY` plus the calls in flight. `UNWANTED`:
/// must close.
const SILENT: u64 = 0;
const BUSY: u64 = 1 << 63;
const UNWANTED: u64 = u64::MAX;

/// Where a connection comes from. An IPv6 address counts as its /64, which one client can use as a
/// whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    Address(IpAddr),
    /// A Unix socket: the file's permissions decide who connects, and all clients look alike.
    Local,
}

impl From<SocketAddr> for Origin {
    fn from(address: SocketAddr) -> Self {
        Self::Address(match address.ip().to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            ip @ IpAddr::V4(_) => ip,
        })
    }
}

/// The admission of one listener. Clones are cheap and count the same connections.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Register>);

#[derive(Debug)]
struct Register {
    most: usize,
    most_of_one: usize,
    begun: Instant,
    table: Mutex<Table>,
    turned_away: AtomicU64,
}

#[derive(Default, Debug)]
struct Table {
    /// The number of open connections, without those that are closing.
    open: usize,
    closing: usize,
    next: u64,
    of: HashMap<Origin, Held>,
}

#[derive(Default, Debug)]
struct Held {
    open: usize,
    /// The connections without a request yet, in the order of their arrival.
    silent: BTreeMap<u64, Arc<Guest>>,
    /// The connections that have sent a request.
    asked: BTreeMap<u64, Arc<Guest>>,
}

/// One connection and its state.
#[derive(Debug)]
struct Guest {
    register: Arc<Register>,
    origin: Origin,
    number: u64,
    /// The connection's state. Calls change it without the table's lock, except the first one: they
    /// begin and end far more often than a listener is full.
    at: AtomicU64,
    waker: AtomicWaker,
}

/// A connection's place, which is held until this is dropped.
#[derive(Debug)]
pub struct Admitted(Arc<Guest>);

/// The handle by which the code that sees a connection's requests reports them.
#[derive(Clone, Debug)]
pub struct RequestNotice(Arc<Guest>);

/// A call in flight. While this is held the connection isn't closed to make room.
#[derive(Debug)]
pub struct InFlight(Arc<Guest>);

impl Admission {
    /// Makes the admission of a listener for `most` connections, of which `most_of_one` may come from
    /// one address. `None`: half, so that one address can't fill a listener, and a proxy for all
    /// callers has room.
    pub fn new(most: usize, most_of_one: Option<usize>) -> Self {
        let most = most.max(1);
        let half = most.div_ceil(2);
        Self(Arc::new(Register {
            most,
            most_of_one: most_of_one.unwrap_or(half).clamp(1, most),
            begun: Instant::now(),
            table: Mutex::default(),
            turned_away: AtomicU64::new(0),
        }))
    }

    /// Gives a new connection a place. `None`: there is no room, and no connection may be closed for
    /// it.
    ///
    /// If the address holds its share, its longest silent connection is closed, but never one that has
    /// sent a request: its next request may be on its way. If the listener is full, the addresses that
    /// hold the most make room: with their longest silent connection, or the longest idle one for an
    /// address that holds less. A connection with a call in flight is never closed.
    pub fn admit(&self, origin: Origin) -> Option<Admitted> {
        let admitted = self.0.admit(origin);
        if admitted.is_none() {
            self.0.turned_away.fetch_add(1, Relaxed);
        }
        admitted
    }

    /// Returns the number of open connections, without those that must close.
    pub fn open(&self) -> usize {
        self.0.table().open
    }

    /// Returns how many connections were refused, or closed to make room.
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.load(Relaxed)
    }
}

impl Register {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change under the lock is complete before anything can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>, origin: Origin) -> Option<Admitted> {
        let mut table = self.table();
        let shared = matches!(origin, Origin::Local);
        let own = table.of.get(&origin).map_or(0, |held| held.open);
        if !shared && own >= self.most_of_one {
            self.make_room(&mut table, origin, false)?;
        } else if table.open >= self.most {
            // An address with idle connections of its own takes nothing from addresses that hold less.
            let spare = table.of.get(&origin).is_some_and(Held::has_idle);
            let gives = |held: &Held| {
                let silent = !held.silent.is_empty() && (held.open >= own || !spare);
                silent || held.open > own && held.has_idle()
            };
            let heaviest = table.of.iter().filter(|(_, held)| gives(held));
            let heaviest = heaviest.max_by_key(|(_, held)| held.open);
            let (heaviest, idle_too) = heaviest.map(|it| (*it.0, it.1.open > own))?;
            self.make_room(&mut table, heaviest, idle_too)?;
        }
        table.open += 1;
        table.next += 1;
        let guest = Arc::new(Guest {
            register: Arc::clone(self),
            origin,
            number: table.next,
            at: AtomicU64::new(SILENT),
            waker: AtomicWaker::new(),
        });
        let held = table.of.entry(origin).or_default();
        held.open += 1;
        held.silent.insert(guest.number, Arc::clone(&guest));
        Some(Admitted(guest))
    }

    fn make_room(&self, table: &mut Table, origin: Origin, idle_too: bool) -> Option<()> {
        // Closing connections still hold their files.
        if table.closing >= CLOSING_LEAST.max(self.most / CLOSING) {
            return None;
        }
        let held = table.of.get_mut(&origin)?;
        let guest = match held.silent.pop_first() {
            Some((_, guest)) => {
                guest.at.store(UNWANTED, SeqCst);
                guest
            }
            None if idle_too => held.take_idle()?,
            None => return None,
        };
        held.open -= 1;
        if held.open == 0 {
            table.of.remove(&origin);
        }
        table.open -= 1;
        table.closing += 1;
        guest.waker.wake();
        self.turned_away.fetch_add(1, Relaxed);
        Some(())
    }

    fn leave(&self, guest: &Guest) {
        let mut table = self.table();
        if guest.is_unwanted() {
            table.closing -= 1;
            return;
        }
        table.open -= 1;
        if let Some(held) = table.of.get_mut(&guest.origin) {
            held.silent.remove(&guest.number);
            held.asked.remove(&guest.number);
            held.open -= 1;
            if held.open == 0 {
                table.of.remove(&guest.origin);
            }
        }
    }
}

impl Held {
    fn has_idle(&self) -> bool {
        self.asked
            .values()
            .any(|guest| guest.idle_since().is_some())
    }

    /// Takes out the connection that was idle for longest, and marks it as unwanted.
    fn take_idle(&mut self) -> Option<Arc<Guest>> {
        loop {
            let idle = |guest: &Arc<Guest>| Some((guest.idle_since()?, guest.number));
            let (since, number) = self.asked.values().filter_map(idle).min()?;
            let guest = self.asked.get(&number)?;
            let taken = guest.at.compare_exchange(since, UNWANTED, SeqCst, SeqCst);
            // Otherwise it has just sent a request, and another connection is chosen.
            if taken.is_ok() {
                return self.asked.remove(&number);
            }
        }
    }
}

impl Guest {
    fn is_unwanted(&self) -> bool {
        self.at.load(SeqCst) == UNWANTED
    }

    fn idle_since(&self) -> Option<u64> {
        let at = self.at.load(SeqCst);
        (SILENT + 1..BUSY).contains(&at).then_some(at)
    }

    /// Counts one more call in flight. `false`: the connection must close, or has sent no request yet.
    fn more(&self) -> bool {
        let more = |at| match at {
            SILENT | UNWANTED => None,
            at => Some(at.max(BUSY) + 1),
        };
        self.at.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    fn first(&self) -> bool {
        let mut table = self.register.table();
        if let Some(held) = table.of.get_mut(&self.origin)
            && let Some(guest) = held.silent.remove(&self.number)
        {
            held.asked.insert(self.number, guest);
            self.at.store(BUSY + 1, SeqCst);
            return true;
        }
        false
    }

    fn fewer(&self) {
        let now = self.register.begun.elapsed().as_nanos();
        let now = u64::try_from(now)
            .unwrap_or(BUSY)
            .clamp(SILENT + 1, BUSY - 1);
        let fewer = |at| match at {
            UNWANTED => None,
            at if at == BUSY + 1 => Some(now),
            at if at > BUSY => Some(at - 1),
            _ => None,
        };
        // For a closing connection there is nothing to count.
        let _ = self.at.fetch_update(SeqCst, SeqCst, fewer);
    }
}

impl Admitted {
    /// Whether the connection must close to make room for another.
    pub fn is_unwanted(&self) -> bool {
        self.0.is_unwanted()
    }

    /// Is ready once the connection must close.
    pub fn poll_unwanted(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.waker.register(context.waker());
        match self.is_unwanted() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    pub fn asked(&self) -> RequestNotice {
        RequestNotice(Arc::clone(&self.0))
    }
}

impl RequestNotice {
    /// Reports a request, which is in flight as long as the result is held. `None`: it is too late,
    /// because the connection is closing.
    pub fn now(&self) -> Option<InFlight> {
        let guest = &self.0;
        (guest.more() || guest.first()).then(|| InFlight(Arc::clone(guest)))
    }

    /// Reports other work as in flight. `None`: the connection is closing, or has had no request yet.
    pub fn still(&self) -> Option<InFlight> {
        self.0.more().then(|| InFlight(Arc::clone(&self.0)))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fewer();
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.register.leave(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Origin {
        SocketAddr::new(text.parse().unwrap(), 1).into()
    }

    fn unwanted(admitted: &Admitted) -> bool {
        let waker = std::task::Waker::noop();
        admitted
            .poll_unwanted(&mut Context::from_waker(waker))
            .is_ready()
    }

    /// A connection with a call in flight.
    fn asking(admission: &Admission, origin: Origin) -> Option<(Admitted, InFlight)> {
        let admitted = admission.admit(origin)?;
        let call = admitted.asked().now()?;
        Some((admitted, call))
    }

    /// A connection whose call is answered.
    fn idle(admission: &Admission, origin: Origin) -> Option<Admitted> {
        asking(admission, origin).map(|it| it.0)
    }

    #[test]
    fn one_address_takes_its_share_and_no_more() {
        let admission = Admission::new(8, None);
        let mut held: Vec<_> = (0..4)
            .map(|_| asking(&admission, from("10.0.0.1")).unwrap())
            .collect();
        assert!(admission.admit(from("10.0.0.1")).is_none());
        assert!(admission.admit(from("::ffff:10.0.0.1")).is_none());
        let others = ["10.0.0.2", "2001:db8::1", "::1"];
        let others = others.map(|it| asking(&admission, from(it)).unwrap());
        assert_eq!((admission.open(), admission.turned_away()), (7, 2));
        held.pop();
        assert!(admission.admit(from("10.0.0.1")).is_some());
        drop((held, others));
        assert_eq!(admission.open(), 0);
        assert!(admission.0.table().of.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(from("2001:db8::1"), from("2001:db8::ffff:1"));
        assert_ne!(from("2001:db8::1"), from("2001:db8:0:1::1"));
        let admission = Admission::new(4, None);
        let _held = ["2001:db8::1", "2001:db8::2"].map(|it| asking(&admission, from(it)).unwrap());
        assert!(admission.admit(from("2001:db8::3")).is_none());
        assert!(admission.admit(from("2001:db8:0:1::3")).is_some());
    }

    #[test]
    fn a_unix_socket_has_the_whole_listener() {
        let admission = Admission::new(4, None);
        let held: Vec<_> = (0..4)
            .map(|_| asking(&admission, Origin::Local).unwrap())
            .collect();
        assert!(admission.admit(Origin::Local).is_none());
        drop(held);
    }

    #[test]
    fn the_longest_silent_makes_room_and_who_has_asked_stays() {
        let admission = Admission::new(4, Some(3));
        let asked = idle(&admission, from("10.0.0.1")).unwrap();
        let silent = [(); 2].map(|()| admission.admit(from("10.0.0.1")).unwrap());
        // The address's share is full.
        let third = admission.admit(from("10.0.0.1")).unwrap();
        assert!(unwanted(&silent[0]) && !unwanted(&silent[1]) && !unwanted(&asked));
        // The listener is full, so the heaviest address makes room, not the oldest connection.
        let other = admission.admit(from("10.0.0.2")).unwrap();
        let another = admission.admit(from("10.0.0.3")).unwrap();
        assert!(unwanted(&silent[1]) && !unwanted(&third) && !unwanted(&other));
        // A request of a closing connection comes too late.
        assert!(silent[1].asked().now().is_none());
        assert!(unwanted(&silent[1]));
        assert_eq!((admission.open(), admission.turned_away()), (4, 2));
        drop((silent, third, other, another, asked));
        let table = admission.0.table();
        assert_eq!((table.open, table.closing), (0, 0));
    }

    /// Two addresses that are idle after one request keep no other address out, and no call is cut.
    #[test]
    fn the_longest_idle_of_the_heaviest_makes_room() {
        let admission = Admission::new(8, Some(8));
        let call = asking(&admission, from("10.0.0.1")).unwrap();
        let first = [(); 2].map(|()| idle(&admission, from("10.0.0.1")).unwrap());
        let second = [(); 5].map(|()| idle(&admission, from("10.0.0.2")).unwrap());
        // This connection sends a request again, so it is no longer the longest idle one.
        drop(first[0].asked().now());
        let new = [3, 4, 5].map(|last| idle(&admission, from(&format!("10.0.0.{last}"))).unwrap());
        let silent = admission.admit(from("10.0.0.6")).unwrap();
        assert_eq!(first.each_ref().map(unwanted), [false, true]);
        let gone = [true, true, true, false, false];
        assert_eq!(second.each_ref().map(unwanted), gone);
        assert!(!unwanted(&call.0));
        assert_eq!((admission.open(), admission.turned_away()), (8, 4));
        // A connection that must close can report no more requests.
        assert!(first[1].asked().now().is_none() && first[1].asked().still().is_none());
        let mut first: Vec<_> = first.into();
        let mut second: Vec<_> = second.into();
        first.truncate(1);
        second.drain(..3);
        // The addresses that hold the most take nothing, not even from the silent one.
        for heavy in ["10.0.0.1", "10.0.0.2"] {
            assert!(admission.admit(from(heavy)).is_none());
        }
        assert!(!unwanted(&silent) && !new.iter().any(unwanted));
        drop((call, first, second, new, silent));
        let table = admission.0.table();
        assert_eq!((table.open, table.closing, table.of.len()), (0, 0, 0));
    }

    #[test]
    fn a_call_in_flight_is_never_cut() {
        let admission = Admission::new(4, None);
        let mut held: Vec<_> = [1, 1, 2, 2]
            .map(|last| asking(&admission, from(&format!("10.0.0.{last}"))).unwrap())
            .into();
        // One of two concurrent calls ends, and the other goes on.
        let second = held[0].0.asked().now().unwrap();
        drop(second);
        assert!(admission.admit(from("10.0.0.3")).is_none());
        assert!(held.iter().all(|it| !unwanted(&it.0)));
        let (connection, call) = held.remove(0);
        drop(call);
        let _third = admission.admit(from("10.0.0.3")).unwrap();
        assert!(unwanted(&connection));
        assert!(held.iter().all(|it| !unwanted(&it.0)));
    }

    #[test]
    fn no_more_than_a_few_are_closing_at_once() {
        let admission = Admission::new(8, Some(8));
        let mut held: Vec<_> = (0..8 + CLOSING_LEAST)
            .map(|_| admission.admit(from("10.0.0.1")).unwrap())
            .collect();
        assert!(admission.admit(from("10.0.0.1")).is_none());
        held.retain(|it| !unwanted(it));
        assert!(admission.admit(from("10.0.0.1")).is_some());
    }
}
