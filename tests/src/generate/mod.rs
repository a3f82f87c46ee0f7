//! Makes a hub of any size with a realistic shape, the same each time: a few orgs and owners have most of
//! the members and repos, and a few models have most of the gate grants.
//!
//! | module | decides |
//! |---|---|
//! | `tail` | how many things the n-th holder has |
//! | `record` | the n-th record of each kind |
//! | [`store`] | how a hub is written into a store |
//! | `lines` | how a record is written in a file for `tokenward directory import` |
//!
//! Sizes are fractions of the full hub of `docs/performance.md`. Nothing is stored: any record can be
//! computed from its number.

mod lines;
mod record;
pub mod store;
mod tail;

pub use lines::line;

use tail::Tail;

/// These are the sizes of the design's hub, at scale 1.
const USERS: f64 = 13e6;
const ORGS: f64 = 400e3;
const REPOS: f64 = 3e6;
const MEMBERS: f64 = 20e6;
const GRANTS: f64 = 50e6;
const SERIALS: f64 = 100e6;
/// One in this many repos has a gate.
const GATED: u64 = 50;
/// One in this many serials is revoked.
const REVOKED: u64 = 10;

#[derive(Clone, Debug)]
pub struct Shape {
    pub users: u64,
    pub orgs: u64,
    pub repos: u64,
    /// The number of serials given out.
    pub serials: u64,
    /// Whether records have the texts that who-am-I shows.
    pub display: bool,
    members: Tail,
    grants: Tail,
}

/// The parts of a hub; parents come before their children.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Users,
    Orgs,
    Repos,
    Members,
    Grants,
}

impl Part {
    pub const ALL: [Self; 5] = [
        Self::Users,
        Self::Orgs,
        Self::Repos,
        Self::Members,
        Self::Grants,
    ];
}

impl Shape {
    /// Makes a shape; `scale` 1 is the design's hub.
    pub fn new(scale: f64, display: bool) -> Self {
        let of = |full: f64| ((full * scale).round() as u64).max(1);
        let (users, orgs, repos) = (of(USERS).max(100), of(ORGS), of(REPOS).max(GATED));
        Self {
            users,
            orgs,
            repos,
            serials: of(SERIALS),
            display,
            // The limit ensures that nobody is a member twice, nor has two grants for one gate.
            members: Tail::new(orgs, of(MEMBERS), users / 2),
            grants: Tail::new(repos / GATED, of(GRANTS), users / 2),
        }
    }

    pub fn count(&self, part: Part) -> u64 {
        match part {
            Part::Users => self.users,
            Part::Orgs => self.orgs,
            Part::Repos => self.repos,
            Part::Members => self.members.total(),
            Part::Grants => self.grants.total(),
        }
    }

    pub fn total(&self) -> u64 {
        Part::ALL.iter().map(|part| self.count(*part)).sum()
    }

    /// Returns a page of the revoked bitmap: `bits` serials, beginning with `first`.
    pub fn revoked(&self, first: u64, bits: u64) -> Vec<u8> {
        let mut page = vec![0_u8; bits.div_ceil(8) as usize];
        for bit in 0..bits {
            let serial = first + bit;
            let revoked = serial != 0
                && serial <= self.serials
                && crate::bench::spread(serial).is_multiple_of(REVOKED);
            if let Some(byte) = page.get_mut((bit / 8) as usize).filter(|_| revoked) {
                *byte |= 1 << (bit % 8);
            }
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokenward_common::{
        id::LogId,
        state::{State, record::Kind},
    };

    use super::*;

    #[test]
    fn every_record_is_there_once_and_in_order() {
        let shape = Shape::new(0.001, true);
        let mut state = State::new(LogId([1; 16]));
        for part in Part::ALL {
            for record in shape.records(part) {
                // A child without its parent, or a name in use, would be refused here.
                state.load(record.unwrap()).unwrap();
            }
        }
        let counts = state.counts();
        for (kind, part) in [
            (Kind::User, Part::Users),
            (Kind::Org, Part::Orgs),
            (Kind::Repo, Part::Repos),
            (Kind::Member, Part::Members),
            (Kind::GateGrant, Part::Grants),
        ] {
            assert_eq!(counts.get(kind), shape.count(part), "{part:?}");
        }
    }

    #[test]
    fn the_sizes_are_the_designs_and_long_tailed() {
        let shape = Shape::new(0.01, false);
        assert_eq!(shape.users, 130_000);
        for (part, full) in [(Part::Members, MEMBERS), (Part::Grants, GRANTS)] {
            let near = shape.count(part) as f64 / (full * 0.01);
            assert!((0.98..1.02).contains(&near), "{part:?}: {near}");
        }
        // The largest hundredth of the orgs has at least a fifth of all members.
        let largest: u64 = (0..shape.orgs / 100)
            .map(|org| shape.members.size(org))
            .sum();
        assert!(largest * 5 > shape.members.total(), "{largest}");
        assert!(shape.members.size(0) < shape.users);
        let names: HashSet<_> = shape
            .records(Part::Users)
            .map(|user| format!("{:?}", user.unwrap()))
            .collect();
        assert_eq!(names.len() as u64, shape.users);
    }

    #[test]
    fn a_tenth_of_the_serials_is_revoked() {
        let shape = Shape::new(0.001, false);
        let bits = shape.revoked(0, shape.serials + 64);
        let set: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
        let near = f64::from(set) / shape.serials as f64;
        assert!((0.09..0.11).contains(&near), "{near}");
        assert_eq!(bits[0] & 1, 0, "there is no serial 0");
    }

    #[test]
    fn every_line_is_one_that_an_import_takes() {
        let shape = Shape::new(0.0005, true);
        for part in Part::ALL {
            let record = shape.records(part).next().unwrap().unwrap();
            let line = line(&record).unwrap();
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value.as_object().unwrap().len(), 1, "{line}");
        }
    }
}
