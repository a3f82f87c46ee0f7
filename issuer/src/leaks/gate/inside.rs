//! What everybody inside holds, by network and in all.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokenward_common::clock::BootTime;
use tokio_util::sync::CancellationToken;

use super::{Closed, READ_AT_ONCE};

/// Calls of one address at once, and the bytes of all their bodies, as many as one may have.
pub(super) const AT_ONCE: usize = 4;
/// Of one address: so many in a row, and then one in each of these spans.
pub(super) const IN_A_ROW: u32 = 60;
pub(super) const EACH: Duration = Duration::from_secs(1);
/// Networks that are remembered.
pub(super) const NETWORKS: usize = 4096;
/// A site's /48 may do so many times what one of its 65,536 lines, each a /64, may do.
const LINES_OF_A_SITE: u32 = 4;
/// And hold so many bodies of the longest.
const BODIES_OF_A_SITE: usize = 2;

/// An IPv4 address, a line of IPv6 or a site of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Network {
    address: IpAddr,
    is_site: bool,
}

/// All that it comes from. One line of IPv6 has as many addresses as it likes, and many a site as
/// many lines.
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

/// What a network has used up.
#[derive(Default)]
struct Place {
    calls: usize,
    bytes: usize,
    /// Until when it has used up what it may.
    until: BootTime,
}

/// A body that isn't small.
struct Large {
    bytes: usize,
    /// While it isn't whole: told when its place is another's.
    reading: Option<CancellationToken>,
}

#[derive(Default)]
pub(super) struct Inside {
    places: BTreeMap<Network, Place>,
    /// Whose small bodies are read, in the order of their coming.
    small: BTreeMap<u64, CancellationToken>,
    large: BTreeMap<u64, Large>,
    /// Of all large ones.
    bytes: usize,
    next: u64,
}

impl Inside {
    /// The call's number.
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

    /// Whether its networks may hold so many more.
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

    /// Whether it has its place among the small ones.
    pub(super) fn still(&self, number: u64) -> Result<(), Closed> {
        let is = self.small.contains_key(&number);
        is.then_some(()).ok_or(Closed::Full)
    }

    /// Of a large one, so many bytes; all together have `most`.
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

    /// It has come whole, and its place is its own.
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

    /// Whoever has used up nothing; if all have, the one who has used up least.
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

    /// Small ones that are read, large ones, and their bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize, usize) {
        (self.small.len(), self.large.len(), self.bytes)
    }
}

/// One more call.
fn after(place: &Place, network: &Network, now: BootTime) -> u64 {
    let span = nanos(EACH) / u64::from(network.times());
    place.until.max(now).0.saturating_add(span)
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
