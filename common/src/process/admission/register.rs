//! The connections of one listener, by where they come from.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

/// Connections that were told to close and haven't yet, at most: one of so many, and a few.
const CLOSING: usize = 16;
const CLOSING_LEAST: usize = 4;

/// Where a connection comes from: whoever has one IPv6 address has its /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Origin {
    Address(IpAddr),
    /// A Unix socket: the file's permissions decide who connects, and all look alike.
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

/// Of one listener. Cheap to clone; every clone counts the same connections.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Register>);

#[derive(Debug)]
struct Register {
    most: usize,
    most_of_one: usize,
    table: Mutex<Table>,
    turned_away: AtomicU64,
}

#[derive(Default, Debug)]
struct Table {
    /// Without those that are closing.
    open: usize,
    closing: usize,
    next: u64,
    of: HashMap<Origin, Held>,
}

#[derive(Default, Debug)]
struct Held {
    open: usize,
    /// Who has asked nothing yet, in the order of their coming.
    silent: BTreeMap<u64, Arc<Guest>>,
}

/// One connection.
#[derive(Debug)]
struct Guest {
    register: Arc<Register>,
    origin: Origin,
    number: u64,
    asked: AtomicBool,
    closing: AtomicBool,
    waker: AtomicWaker,
}

/// A connection's place, until this is dropped.
#[derive(Debug)]
pub struct Admitted(Arc<Guest>);

/// Whoever sees a connection's first request says so here.
#[derive(Clone, Debug)]
pub struct Asked(Arc<Guest>);

impl Admission {
    /// `most_of_one`: from one address. `None`: half, so that one address can't fill a listener, and
    /// a proxy that all callers come through still finds room for what it opens.
    pub fn new(most: usize, most_of_one: Option<usize>) -> Self {
        let most = most.max(1);
        let half = most.div_ceil(2);
        Self(Arc::new(Register {
            most,
            most_of_one: most_of_one.unwrap_or(half).clamp(1, most),
            table: Mutex::default(),
            turned_away: AtomicU64::new(0),
        }))
    }

    /// `None`: there is no room, and nobody to make it. Where a limit is reached, of those who hold
    /// the most (or of the one address that holds its share) whoever has been silent for longest is
    /// closed instead. Never one that has asked: its next request may be on its way.
    pub fn admit(&self, origin: Origin) -> Option<Admitted> {
        let admitted = self.0.admit(origin);
        if admitted.is_none() {
            self.0.turned_away.fetch_add(1, Relaxed);
        }
        admitted
    }

    /// Now, without those that were told to close.
    pub fn open(&self) -> usize {
        self.0.table().open
    }

    /// Refused, or closed to make room.
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.load(Relaxed)
    }
}

impl Register {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change under it is whole before anything that could panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>, origin: Origin) -> Option<Admitted> {
        let mut table = self.table();
        let shared = matches!(origin, Origin::Local);
        let own = table.of.get(&origin).map_or(0, |held| held.open);
        if !shared && own >= self.most_of_one {
            self.make_room(&mut table, origin)?;
        } else if table.open >= self.most {
            let heaviest = table.of.iter().filter(|(_, held)| !held.silent.is_empty());
            let heaviest = heaviest.max_by_key(|(_, held)| held.open).map(|it| *it.0)?;
            self.make_room(&mut table, heaviest)?;
        }
        table.open += 1;
        table.next += 1;
        let guest = Arc::new(Guest {
            register: Arc::clone(self),
            origin,
            number: table.next,
            asked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        let held = table.of.entry(origin).or_default();
        held.open += 1;
        held.silent.insert(guest.number, Arc::clone(&guest));
        Some(Admitted(guest))
    }

    fn make_room(&self, table: &mut Table, origin: Origin) -> Option<()> {
        // They still have their files.
        if table.closing >= CLOSING_LEAST.max(self.most / CLOSING) {
            return None;
        }
        let held = table.of.get_mut(&origin)?;
        let (_, guest) = held.silent.pop_first()?;
        held.open -= 1;
        if held.open == 0 {
            table.of.remove(&origin);
        }
        table.open -= 1;
        table.closing += 1;
        guest.closing.store(true, SeqCst);
        guest.waker.wake();
        self.turned_away.fetch_add(1, Relaxed);
        Some(())
    }

    fn leave(&self, guest: &Guest) {
        let mut table = self.table();
        if guest.closing.load(SeqCst) {
            table.closing -= 1;
            return;
        }
        table.open -= 1;
        if let Some(held) = table.of.get_mut(&guest.origin) {
            held.silent.remove(&guest.number);
            held.open -= 1;
            if held.open == 0 {
                table.of.remove(&guest.origin);
            }
        }
    }
}

impl Admitted {
    /// Ready once the connection must close to make room for another.
    pub fn poll_unwanted(&self, context: &mut Context<'_>) -> Poll<()> {
        let guest = &self.0;
        // Never again after the first request.
        if guest.asked.load(Relaxed) {
            return Poll::Pending;
        }
        guest.waker.register(context.waker());
        match guest.closing.load(SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    pub fn asked(&self) -> Asked {
        Asked(Arc::clone(&self.0))
    }
}

impl Asked {
    /// Its first request is there: from now on it stays.
    pub fn now(&self) {
        let guest = &self.0;
        if guest.asked.load(Relaxed) {
            return;
        }
        let mut table = guest.register.table();
        // One that is closing already stays so.
        if !guest.closing.load(SeqCst) {
            guest.asked.store(true, Relaxed);
            if let Some(held) = table.of.get_mut(&guest.origin) {
                held.silent.remove(&guest.number);
            }
        }
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

    fn asking(admission: &Admission, origin: Origin) -> Option<Admitted> {
        let admitted = admission.admit(origin)?;
        admitted.asked().now();
        Some(admitted)
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
        let asked = asking(&admission, from("10.0.0.1")).unwrap();
        let silent = [(); 2].map(|()| admission.admit(from("10.0.0.1")).unwrap());
        // The address's share is full.
        let third = admission.admit(from("10.0.0.1")).unwrap();
        assert!(unwanted(&silent[0]) && !unwanted(&silent[1]) && !unwanted(&asked));
        // The listener is full: the heaviest address makes room, not whoever came first.
        let other = admission.admit(from("10.0.0.2")).unwrap();
        let another = admission.admit(from("10.0.0.3")).unwrap();
        assert!(unwanted(&silent[1]) && !unwanted(&third) && !unwanted(&other));
        // Too late to ask.
        silent[1].asked().now();
        assert!(unwanted(&silent[1]));
        assert_eq!((admission.open(), admission.turned_away()), (4, 2));
        drop((silent, third, other, another, asked));
        let table = admission.0.table();
        assert_eq!((table.open, table.closing), (0, 0));
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
