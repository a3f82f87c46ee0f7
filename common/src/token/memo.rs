//! The key under which a token's facts may be remembered.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// SipHash-2-4 with 128 bits of output over the whole token. A collision would let one token pass
/// for another; without the process's secret nobody can look for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoKey(u64, u64);

/// Secretly keyed, by chance drawn when the process starts.
#[derive(Clone)]
pub struct MemoHasher(SipHasher24);

impl MemoHasher {
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self(SipHasher24::new_with_key(&key)))
    }

    pub fn key(&self, token: &str) -> MemoKey {
        let mut hasher = self.0;
        hasher.write(token.as_bytes());
        let hash = hasher.finish128();
        MemoKey(hash.h1, hash.h2)
    }
}
