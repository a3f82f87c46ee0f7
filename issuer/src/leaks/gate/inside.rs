//! Decides how much each network and all networks together may hold, and which call makes room. It must not
//! know what the bodies contain.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokenward_common::clock::BootTime;
use tokio_util::sync::CancellationToken;

use super::{Closed, READ_AT_ONCE};

/// One address may have this many calls at once. All their bodies together may be as long as one largest
/// body.
pub(super) const AT_ONCE: usize = 4;
/// One address may send this many calls in a row, and after that one call in each span of [`EACH`].
pub(super) const IN_A_ROW: u32 = 60;
pub(super) const EACH: Duration = Duration::from_secs(1);
/// At most this many networks are remembered.
pub(super) const NETWORKS: usize = 4096;
/// An IPv6 site (/48) may send this many times the calls of one of its 65,536 lines (each a /64).
const LINES_OF_A_SITE: u32 = 4;
/// An IPv6 site may hold the bytes of this many largest bodies.
const BODIES_OF_A_SITE: usize = 2;

/// A network is an IPv4 address, or a line (/64) or a site (/48) of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Network {
    address: IpAddr,
    is_site: bool,
}

/// Returns all networks that an address belongs to. A line of IPv6 has as many addresses as it likes, and
/// many a site has as many lines.
pub(super) fn networks(from: IpAddr) -> Vec<Network> {
    let of = |address, is_site| Network { address, is_site };
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let first = |bits: u32| {
                let rest = 128 - bits;
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> rest << rest))
            };
            vec![of(first(64), false), of(first(48), true)]
        }
        v4 => vec![of(v4, false)],
    }
}

impl Network {
    fn times(&self) -> u32 {
        if self.is_site { LINES_OF_A_SITE } else { 1 }
    }

    fn at_once(&self) -> usize {
        AT_ONCE
            * if self.is_site {
                LINES_OF_A_SITE as usize
            } else {
                1
            }
    }

    fn bodies(&self) -> usize {
        if self.is_site { BODIES_OF_A_SITE } else { 1 }
    }
}

/// Counts what a network has used up.
#[derive(Default)]
struct Place {
    calls: usize,
    bytes: usize,
    /// The network has used up its allowed calls until this time.
    until: BootTime,
}

/// This is a body that isn't small.
struct Large {
    bytes: usize,
    /// Set until the body is whole, and cancelled when another call takes its place.
    reading: Option<CancellationToken>,
}

#[derive(Default)]
pub(super) struct Inside {
    places: BTreeMap<Network, Place>,
    /// Holds the calls that are sending small bodies, in the order of their arrival.
    small: BTreeMap<u64, CancellationToken>,
    large: BTreeMap<u64, Large>,
    /// Counts the bytes of all large bodies.
    bytes: usize,
    next: u64,
}

impl Inside {
    /// Admits a call, and returns its number.
    pub(super) fn enter(
        &mut self,
        networks: &[Network],
        now: BootTime,
        gone: CancellationToken,
    ) -> Result<u64, Closed> {
        for network in networks {
            if !self.places.contains_key(network) && self.places.len() >= NETWORKS {
                self.forget(now);
            }
            let place = self.places.entry(*network).or_default();
            let over = BootTime(after(place, network, now)).since(now) > EACH * IN_A_ROW;
            if place.calls >= network.at_once() || over {
                return Err(Closed::Often);
            }
        }
        for network in networks {
            let place = self.places.entry(*network).or_default();
            place.calls += 1;
            place.until = BootTime(after(place, network, now));
        }
        if self.small.len() >= READ_AT_ONCE
            && let Some((_, longest)) = self.small.pop_first()
        {
            longest.cancel();
        }
        self.next += 1;
        self.small.insert(self.next, gone);
        Ok(self.next)
    }

    /// Adds these bytes to the call's networks, if each may hold so many more.
    pub(super) fn charge(
        &mut self,
        networks: &[Network],
        bytes: usize,
        longest: usize,
    ) -> Result<(), Closed> {
        let fits = networks.iter().all(|network| {
            let held = self.places.get(network).map_or(0, |place| place.bytes);
            held + bytes <= longest * network.bodies()
        });
        if !fits {
            return Err(Closed::Often);
        }
        for network in networks {
            if let Some(place) = self.places.get_mut(network) {
                place.bytes += bytes;
            }
        }
        Ok(())
    }

    /// Checks that the call still has its place among the small ones.
    pub(super) fn still(&self, number: u64) -> Result<(), Closed> {
        let is = self.small.contains_key(&number);
        is.then_some(()).ok_or(Closed::Full)
    }

    /// Notes that a large body holds this many bytes; all large bodies together may hold `most`.
    pub(super) fn hold(&mut self, number: u64, bytes: usize, most: usize) -> Result<(), Closed> {
        if let Some(gone) = self.small.remove(&number) {
            let reading = Some(gone);
            self.large.insert(number, Large { bytes: 0, reading });
        }
        let held = self.large.get(&number).ok_or(Closed::Full)?.bytes;
        let more = bytes.saturating_sub(held);
        while self.bytes + more > most {
            let others = self.large.iter().filter(|(other, _)| **other != number);
            let mut reading = others.filter(|(_, large)| large.reading.is_some());
            let longest = *reading.next().ok_or(Closed::Full)?.0;
            self.put_out(longest);
        }
        let large = self.large.get_mut(&number).ok_or(Closed::Full)?;
        large.bytes = bytes;
        self.bytes += more;
        Ok(())
    }

    fn put_out(&mut self, number: u64) {
        if let Some(large) = self.large.remove(&number) {
            self.bytes = self.bytes.saturating_sub(large.bytes);
            if let Some(gone) = large.reading {
                gone.cancel();
            }
        }
    }

    /// Notes that the body is whole, so that no other call can take its place.
    pub(super) fn is_whole(&mut self, number: u64) -> Result<(), Closed> {
        if self.small.remove(&number).is_some() {
            return Ok(());
        }
        let large = self.large.get_mut(&number).ok_or(Closed::Full)?;
        large.reading = None;
        Ok(())
    }

    pub(super) fn leave(&mut self, networks: &[Network], number: u64, bytes: usize) {
        self.small.remove(&number);
        self.put_out(number);
        for network in networks {
            if let Some(place) = self.places.get_mut(network) {
                place.calls = place.calls.saturating_sub(1);
                place.bytes = place.bytes.saturating_sub(bytes);
            }
        }
    }

    /// Forgets networks that have used up nothing; if there are none, the one that has used up least.
    fn forget(&mut self, now: BootTime) {
        let places = &mut self.places;
        places.retain(|_, place| place.calls > 0 || place.until > now);
        if places.len() >= NETWORKS {
            let gone = places.iter().filter(|(_, place)| place.calls == 0);
            let least = gone.min_by_key(|(_, place)| place.until);
            if let Some(network) = least.map(|(network, _)| *network) {
                places.remove(&network);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.places.len()
    }

    /// Returns the number of small bodies being read, of large ones, and the bytes of the large ones.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize, usize) {
        (self.small.len(), self.large.len(), self.bytes)
    }
}

/// Returns when the network's use has passed if one more call is counted.
fn after(place: &Place, network: &Network, now: BootTime) -> u64 {
    let span = nanos(EACH) / u64::from(network.times());
    place.until.max(now).0.saturating_add(span)
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
