//! Stores the revocations, which only ever grow: revoked serials, floors and withdrawn keys. This file must
//! not know tokens or their claims.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher,
};

use foldhash::quality::RandomState;

use crate::{
    id::{KeyId, MAX_NUMBER, Serial},
    state::{
        entry::ApplyError,
        sharded::{SMALL, Shards},
    },
};

/// One page of the store and of the feed covers this many serials.
pub const PAGE_SERIALS: u64 = 1 << 18;

/// One page in memory has this many words: 4 KiB, for 32,768 serials.
const PAGE_WORDS: u64 = 512;
/// This many pages are found by index: those of the first 2^32 serials. Serials are dense, so higher ones
/// appear only after a fault; they must be refused all the same, without costing the memory of the gap.
const NEAR_PAGES: u64 = 1 << 17;

type Page = Box<[u64; PAGE_WORDS as usize]>;

#[derive(Clone, Copy)]
struct FloorRow {
    /// Holds the row of the account whose values are refused; `None` for everybody's.
    owner: Option<u32>,
    /// Holds the row of the org that refuses them; `None` if they are refused everywhere.
    org: Option<u32>,
    serial: Serial,
}

pub(super) struct Revocations {
    near: Vec<Option<Page>>,
    far: BTreeMap<u64, Page>,
    pub(super) revoked: u64,
    realm: Option<Serial>,
    hasher: RandomState,
    /// Holds all floors but the realm's.
    floors: Shards<FloorRow>,
    narrower_floors: u64,
    /// Counts those of them that are of a whole org, so that a decision looks for one only if there is any.
    org_floors: u64,
    pub(super) withdrawn: BTreeSet<Box<str>>,
}

impl Revocations {
    pub(super) fn new() -> Self {
        Self {
            near: Vec::new(),
            far: BTreeMap::new(),
            revoked: 0,
            realm: None,
            hasher: RandomState::default(),
            floors: Shards::new(SMALL),
            narrower_floors: 0,
            org_floors: 0,
            withdrawn: BTreeSet::new(),
        }
    }

    pub(super) fn is_revoked(&self, serial: Serial) -> bool {
        self.word(serial.0 / 64) >> (serial.0 % 64) & 1 != 0
    }

    pub(super) fn revoke(&mut self, serial: Serial) {
        self.add(serial.0 / 64, 1 << (serial.0 % 64));
    }

    fn add(&mut self, word: u64, bits: u64) {
        if bits == 0 {
            return;
        }
        let number = word / PAGE_WORDS;
        let page = if number < NEAR_PAGES {
            let index = number as usize;
            if self.near.len() <= index {
                self.near.resize_with(index + 1, || None);
            }
            match self.near.get_mut(index) {
                Some(slot) => slot.get_or_insert_with(empty),
                None => return,
            }
        } else {
            self.far.entry(number).or_insert_with(empty)
        };
        if let Some(slot) = page.get_mut((word % PAGE_WORDS) as usize) {
            self.revoked += u64::from((bits & !*slot).count_ones());
            *slot |= bits;
        }
    }

    /// Loads the bits of [`PAGE_SERIALS`] serials, least significant bit first; trailing zero bytes may be
    /// left out.
    pub(super) fn load_page(&mut self, page: u64, bits: &[u8]) -> Result<(), ApplyError> {
        if page >= MAX_NUMBER / PAGE_SERIALS || bits.len() as u64 > PAGE_SERIALS / 8 {
            return Err(ApplyError::Unstorable);
        }
        let first = page * (PAGE_SERIALS / 64);
        for (word, bytes) in (first..).zip(bits.chunks(8)) {
            let bits = bytes
                .iter()
                .rev()
                .fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            self.add(word, bits);
        }
        Ok(())
    }

    /// Returns the first page from this one on in which a bit is set, with its number. Its bits are those
    /// that [`Self::load_page`] takes, without the zero bytes at the end.
    pub(super) fn page_from(&self, page: u64) -> Option<(u64, Vec<u8>)> {
        const PARTS: u64 = PAGE_SERIALS / 64 / PAGE_WORDS;
        let first = page.checked_mul(PARTS)?;
        let near = self.near.iter().zip(0..);
        let near = near.skip(usize::try_from(first).unwrap_or(usize::MAX));
        let near = near.filter_map(|(part, number)| part.as_ref().map(|_| number));
        let far = self.far.range(first..).map(|(number, _)| *number);
        let page = near.chain(far).next()? / PARTS;
        let mut bits = Vec::new();
        for number in page * PARTS..(page + 1) * PARTS {
            let part = if number < NEAR_PAGES {
                self.near.get(number as usize).and_then(Option::as_ref)
            } else {
                self.far.get(&number)
            };
            let words = part.map_or(&[0; PAGE_WORDS as usize], |part| &**part);
            bits.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        let end = bits.iter().rposition(|byte| *byte != 0);
        bits.truncate(end.map_or(0, |last| last + 1));
        Some((page, bits))
    }

    /// Returns the owners and orgs of one table's floors; `None` past the last table.
    pub(super) fn floors_of(
        &self,
        table: usize,
    ) -> Option<impl Iterator<Item = (Option<u32>, Option<u32>)>> {
        Some(self.floors.table(table)?.map(|row| (row.owner, row.org)))
    }

    /// Returns the words that aren't zero, with their numbers.
    fn words(&self) -> impl Iterator<Item = (u64, u64)> {
        let near = (0..)
            .zip(&self.near)
            .filter_map(|(number, page)| Some((number, page.as_ref()?)));
        let far = self.far.iter().map(|(number, page)| (*number, page));
        near.chain(far).flat_map(|(number, page)| {
            (number * PAGE_WORDS..)
                .zip(page.iter().copied())
                .filter(|(_, bits)| *bits != 0)
        })
    }

    pub(super) fn serials(&self) -> impl Iterator<Item = Serial> {
        self.words().flat_map(|(word, bits)| set_in(word, bits))
    }

    /// Returns the serials whose bit is set here and not in `other`, in ascending order.
    pub(super) fn serials_not_in(&self, other: &Self) -> impl Iterator<Item = Serial> {
        self.words()
            .flat_map(|(word, bits)| set_in(word, bits & !other.word(word)))
    }

    fn word(&self, word: u64) -> u64 {
        let page = self.page(word / PAGE_WORDS);
        let found = page.and_then(|page| page.get((word % PAGE_WORDS) as usize));
        found.copied().unwrap_or_default()
    }

    fn page(&self, page: u64) -> Option<&Page> {
        if page < NEAR_PAGES {
            self.near.get(page as usize).and_then(Option::as_ref)
        } else {
            self.far.get(&page)
        }
    }

    /// Sets every bit that is set in `old`.
    pub(super) fn keep_bits(&mut self, old: &Self) {
        for (word, bits) in old.words() {
            self.add(word, bits);
        }
    }

    pub(super) fn realm_floor(&self) -> Option<Serial> {
        self.realm
    }

    pub(super) fn raise_realm(&mut self, serial: Serial) {
        self.realm = self.realm.max(Some(serial));
    }

    /// Returns a floor other than the realm's.
    pub(super) fn floor(&self, owner: Option<u32>, org: Option<u32>) -> Option<Serial> {
        let floors = match owner {
            Some(_) => self.narrower_floors,
            None => self.org_floors,
        };
        if floors == 0 {
            return None;
        }
        self.floors
            .find(floor_hash(&self.hasher, owner, org), |row| {
                (row.owner, row.org) == (owner, org)
            })
            .map(|row| row.serial)
    }

    /// Raises a floor other than the realm's; it never lowers one.
    pub(super) fn raise(&mut self, owner: Option<u32>, org: Option<u32>, serial: Serial) {
        let hash = floor_hash(&self.hasher, owner, org);
        let same = |row: &FloorRow| (row.owner, row.org) == (owner, org);
        match self.floors.find_mut(hash, same) {
            Some(row) => row.serial = row.serial.max(serial),
            None => {
                let hasher = &self.hasher;
                let row = FloorRow { owner, org, serial };
                self.floors
                    .insert(hash, row, |row| floor_hash(hasher, row.owner, row.org));
                self.narrower_floors += 1;
                self.org_floors += u64::from(owner.is_none());
            }
        }
    }

    /// Returns the owner, the org and the serial of each floor except the realm's.
    pub(super) fn floors(&self) -> impl Iterator<Item = (Option<u32>, Option<u32>, Serial)> {
        self.floors
            .iter()
            .map(|row| (row.owner, row.org, row.serial))
    }

    pub(super) fn floor_count(&self) -> u64 {
        self.narrower_floors + u64::from(self.realm.is_some())
    }

    pub(super) fn withdraw(&mut self, kid: &KeyId) {
        self.withdrawn.insert(kid.as_str().into());
    }
}

/// Hashes both rows in one word. No row has the number that stands for no owner and no org.
fn floor_hash(hasher: &RandomState, owner: Option<u32>, org: Option<u32>) -> u64 {
    let [owner, org] = [owner, org].map(|row| u64::from(row.unwrap_or(u32::MAX)));
    hasher.hash_one(owner << 32 | org)
}

/// Returns the serials whose bits are set in one word.
fn set_in(word: u64, bits: u64) -> impl Iterator<Item = Serial> {
    (0..64)
        .filter(move |bit| bits >> bit & 1 != 0)
        .map(move |bit| Serial(word * 64 + bit))
}

fn empty() -> Page {
    Box::new([0; PAGE_WORDS as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_near_and_far() {
        let mut revocations = Revocations::new();
        let serials = [1, 63, 64, 32_768, (1 << 32) - 1, 1 << 32, MAX_NUMBER - 1].map(Serial);
        for serial in serials.into_iter().chain(serials) {
            revocations.revoke(serial);
        }
        assert_eq!(revocations.revoked, 7);
        assert!(serials.iter().all(|serial| revocations.is_revoked(*serial)));
        assert!(!revocations.is_revoked(Serial(2)));
        assert!(!revocations.is_revoked(Serial((1 << 32) + 1)));
        assert!(revocations.serials().eq(serials));
    }

    #[test]
    fn pages_are_joined_bit_by_bit() {
        let mut revocations = Revocations::new();
        revocations.revoke(Serial(PAGE_SERIALS + 1));
        revocations.load_page(1, &[0b11]).unwrap();
        revocations
            .load_page(1, &vec![0x80; PAGE_SERIALS as usize / 8])
            .unwrap();
        assert_eq!(revocations.revoked, 2 + PAGE_SERIALS / 8);
        assert!(revocations.is_revoked(Serial(2 * PAGE_SERIALS - 1)));
        assert!(!revocations.is_revoked(Serial(2 * PAGE_SERIALS - 2)));
        assert!(revocations.load_page(0, &vec![0; 32_769]).is_err());
        assert!(revocations.load_page(u64::MAX, &[1]).is_err());
    }
}
