//! Tokens found genuine, by a secretly keyed 128-bit hash of the whole token. Bounded; holds no
//! token's text. Only positive facts are kept: a flood of bad tokens fills nothing.
//!
//! A look-up waits for no lock, and reads a line of memory and then the facts: what is in no near
//! cache costs the more, the more such reads wait for each other. So the line also says where the
//! token's owner was found last, to be read beside the facts.

#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering::{Equal, Greater, Less},
    hint::black_box,
    sync::{
        Arc,
        atomic::{
            AtomicU8, AtomicU16, AtomicU32, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use arc_swap::{ArcSwapOption, Guard};
use tokenward_common::token::{MemoHasher, MemoKey};

use crate::genuine::Genuine;

/// Tokens in a line.
const WAYS: usize = 4;
/// Places for each token that it is for: with half as many again, next to none finds both of its
/// lines full.
const ROOM: (usize, usize) = (3, 2);

pub struct Memo {
    hasher: MemoHasher,
    lines: Box<[Line]>,
    len: AtomicUsize,
}

/// Of a cache's line. What is written by halves, by two at once, is found by nobody: a token's facts
/// say under which key they are known.
#[derive(Default)]
#[repr(align(64))]
struct Line {
    facts: [ArcSwapOption<Genuine>; WAYS],
    /// Where each one's owner was found last, as [`KnownAccount::hint`] says: may be wrong.
    ///
    /// [`KnownAccount::hint`]: tokenward_common::state::KnownAccount::hint
    owners: [AtomicU32; WAYS],
    /// Sixteen bits of each one's key.
    tags: [AtomicU16; WAYS],
    /// A bit for each that was found since it came, or since the hand took that.
    found: AtomicU8,
    /// Whose turn it is to be forgotten.
    hand: AtomicU8,
}

impl Line {
    /// A bit for each place that may have this key.
    fn having(&self, key: MemoKey) -> u8 {
        let tag = tag(key);
        let bit = |(way, own): (usize, &AtomicU16)| u8::from(own.load(Acquire) == tag) << way;
        self.tags
            .iter()
            .enumerate()
            .map(bit)
            .fold(0, |all, bit| all | bit)
    }

    fn find(&self, mut having: u8, key: MemoKey) -> Option<Remembered<'_>> {
        while having != 0 {
            let way = having.trailing_zeros() as usize;
            having &= having - 1;
            if let Some(found) = self.at(way)
                && found.is(key)
            {
                return Some(found);
            }
        }
        None
    }

    fn at(&self, way: usize) -> Option<Remembered<'_>> {
        let known = self.facts.get(way)?.load();
        known.as_ref()?.read();
        Some(Remembered {
            line: self,
            way,
            known,
        })
    }

    fn note(&self, way: usize, genuine: &Genuine) {
        // Seldom written: many threads read this line.
        let bit = 1 << way;
        if self.found.load(Relaxed) & bit == 0 {
            self.found.fetch_or(bit, Relaxed);
        }
        self.place_owner(way, genuine);
    }

    fn place_owner(&self, way: usize, genuine: &Genuine) {
        let now = genuine.account.hint();
        if let Some(owner) = self.owners.get(way)
            && owner.load(Relaxed) != now
        {
            owner.store(now, Relaxed);
        }
    }

    /// Whether the place was empty before.
    fn put(&self, way: usize, genuine: Arc<Genuine>) -> bool {
        let (Some(facts), Some(own)) = (self.facts.get(way), self.tags.get(way)) else {
            return false;
        };
        let tag = tag(genuine.key);
        self.place_owner(way, &genuine);
        let empty = facts.swap(Some(genuine)).is_none();
        own.store(tag, Release);
        self.found.fetch_and(!(1 << way), Relaxed);
        empty
    }

    /// How many places are empty, and one of them.
    fn empty(&self) -> (usize, Option<usize>) {
        let empty = |(_, facts): &(usize, &ArcSwapOption<Genuine>)| facts.load().is_none();
        let mut empty = self.facts.iter().enumerate().filter(empty);
        let first = empty.next().map(|(way, _)| way);
        (usize::from(first.is_some()) + empty.count(), first)
    }

    /// How many were found since they came, or since the hand took that.
    fn asked_again(&self) -> u32 {
        self.found.load(Relaxed).count_ones()
    }

    /// The one that it is the turn of.
    fn turn(&self) -> usize {
        let hand = self.hand.load(Relaxed) % WAYS as u8;
        self.hand.store(hand + 1, Relaxed);
        hand.into()
    }

    /// One that was not found since it came, or any.
    fn forgettable(&self) -> usize {
        let turn = self.turn();
        let found = self.found.load(Relaxed);
        let mut ways = (turn..turn + WAYS).map(|way| way % WAYS);
        ways.find(|way| found >> way & 1 == 0).unwrap_or(turn)
    }

    /// Who was found long ago makes room in the end: whoever comes asks one of them to be found again.
    fn age(&self) {
        self.found.fetch_and(!(1 << self.turn()), Relaxed);
    }
}

/// Where a token would be.
pub struct Near<'a> {
    key: MemoKey,
    lines: [(&'a Line, u8); 2],
}

impl<'a> Near<'a> {
    /// What most often is the token that is looked for. Whether it is, only [`Self::find`] tells: that
    /// needs the facts, which memory may be long in giving.
    pub fn likely(&self) -> Option<Likely<'a>> {
        let [(one, ones), (other, others)] = self.lines;
        let likely = match ones {
            0 if others == 0 => None,
            0 => other.at(others.trailing_zeros() as usize),
            _ => one.at(ones.trailing_zeros() as usize),
        };
        likely.map(Likely)
    }

    pub fn find(&self, likely: Option<Likely<'a>>) -> Option<Remembered<'a>> {
        if let Some(Likely(found)) = likely
            && found.is(self.key)
        {
            return Some(found);
        }
        let found = |(line, having): (&'a Line, u8)| line.find(having, self.key);
        self.lines.into_iter().find_map(found)
    }
}

/// Facts of a token whose key may be another's.
pub struct Likely<'a>(Remembered<'a>);

impl Likely<'_> {
    /// Where the owner was found last; may be wrong.
    pub fn owner(&self) -> u32 {
        let owner = self.0.line.owners.get(self.0.way);
        owner.map_or(u32::MAX, |owner| owner.load(Relaxed))
    }
}

/// A token that the memo has.
pub struct Remembered<'a> {
    line: &'a Line,
    way: usize,
    known: Guard<Option<Arc<Genuine>>>,
}

impl Remembered<'_> {
    pub fn genuine(&self) -> Option<&Genuine> {
        self.known.as_deref()
    }

    /// Notes that it was asked for again.
    pub fn take(self) -> Option<Arc<Genuine>> {
        self.line.note(self.way, self.known.as_ref()?);
        Guard::into_inner(self.known)
    }

    fn is(&self, key: MemoKey) -> bool {
        self.known.as_ref().is_some_and(|known| known.key == key)
    }
}

impl Memo {
    /// For about this many tokens.
    pub fn new(hasher: MemoHasher, capacity: usize) -> Self {
        let lines = capacity.saturating_mul(ROOM.0) / (ROOM.1 * WAYS) + 1;
        Self {
            hasher,
            lines: (0..lines).map(|_| Line::default()).collect(),
            len: AtomicUsize::new(0),
        }
    }

    pub fn key(&self, token: &str) -> MemoKey {
        self.hasher.key(token)
    }

    /// The two lines of a token.
    fn lines(&self, key: MemoKey) -> Option<[&Line; 2]> {
        let at = |word: u32| (u64::from(word) * self.lines.len() as u64) >> u32::BITS;
        let line = |word| self.lines.get(at(word) as usize);
        Some([line(key.0 as u32)?, line((key.0 >> 32) as u32)?])
    }

    pub fn get(&self, key: MemoKey) -> Option<Arc<Genuine>> {
        self.find(key)?.take()
    }

    /// Reads where a token would be, and uses nothing of it.
    pub fn read_ahead(&self, key: MemoKey) {
        if let Some(lines) = self.lines(key) {
            black_box(lines.map(|line| line.found.load(Relaxed)));
        }
    }

    pub fn near(&self, key: MemoKey) -> Option<Near<'_>> {
        // Both are read before either is waited for.
        let lines = self.lines(key)?.map(|line| (line, line.having(key)));
        Some(Near { key, lines })
    }

    pub fn find(&self, key: MemoKey) -> Option<Remembered<'_>> {
        self.near(key)?.find(None)
    }

    /// Under its key: in the emptier of its lines, or in place of one that was not found again, where
    /// there are more of those.
    pub fn insert(&self, genuine: Arc<Genuine>) {
        let key = genuine.key;
        let Some([one, other]) = self.lines(key) else {
            return;
        };
        let known = [one, other].into_iter().find_map(|line| {
            let known = line.find(line.having(key), key)?;
            Some((line, known.way))
        });
        let (line, way) = known.unwrap_or_else(|| match (one.empty(), other.empty()) {
            ((ones, Some(way)), (others, _)) if ones >= others => (one, way),
            (_, (_, Some(way))) => (other, way),
            _ => {
                let (less, more) = match one.asked_again().cmp(&other.asked_again()) {
                    Less => (one, other),
                    Greater => (other, one),
                    // By bits that chose neither line.
                    Equal if key.0 >> 96 & 1 == 0 => (one, other),
                    Equal => (other, one),
                };
                more.age();
                (less, less.forgettable())
            }
        });
        if line.put(way, genuine) {
            self.len.fetch_add(1, Relaxed);
        }
    }

    /// Says in its line where this token's owner was found.
    pub fn place_owner(&self, genuine: &Genuine) {
        if let Some(known) = self.find(genuine.key) {
            known.line.place_owner(known.way, genuine);
        }
    }

    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Other bits than choose the lines.
fn tag(key: MemoKey) -> u16 {
    (key.0 >> 64) as u16
}
