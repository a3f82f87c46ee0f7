//! Under which key a verdict on a token may be remembered.
//!
//! SipHash-2-4-128 of the whole token under a key of this process: whoever doesn't know the key
//! can't aim a forged token at a genuine one's entry. What is remembered, and what a hit still
//! judges afresh, is the verifier's business.

use std::fmt;

use siphasher::sip128::SipHasher24;

/// Means nothing outside the [`MemoHasher`] that made it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoKey(pub u128);

#[derive(Clone)]
pub struct MemoHasher(SipHasher24);

impl MemoHasher {
    /// With a key drawn at random.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self::with_key(&key))
    }

    /// For tests and benches: the key must be secret where tokens come from strangers.
    pub fn with_key(key: &[u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(key))
    }

    /// Of every byte of the token.
    pub fn key(&self, token: &str) -> MemoKey {
        MemoKey(self.0.hash(token.as_bytes()).as_u128())
    }
}

impl fmt::Debug for MemoHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoHasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_the_key_count() {
        let hasher = MemoHasher::with_key(&[7; 16]);
        let token = "tw_eyJ".repeat(60);
        let key = hasher.key(&token);
        assert_eq!(key, hasher.clone().key(&token));
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] ^= 1;
            assert_ne!(hasher.key(std::str::from_utf8(&other).unwrap()), key);
        }
        assert_ne!(hasher.key(&token[1..]), key);
        assert_ne!(MemoHasher::with_key(&[8; 16]).key(&token), key);
        let (one, two) = (MemoHasher::random().unwrap(), MemoHasher::random().unwrap());
        assert_ne!(one.key(&token), two.key(&token));
        assert_eq!(format!("{hasher:?}"), "MemoHasher { .. }");
    }

    /// The reference vector of SipHash-2-4-128: key 00..0f, message 00..0e.
    #[test]
    fn it_is_siphash_2_4_128() {
        let key = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let message: String = (0u8..15).map(char::from).collect();
        let expected = hex::decode("5493e99933b0a8117e08ec0f97cfc3d9").unwrap();
        let got = MemoHasher::with_key(&key).key(&message).0.to_le_bytes();
        assert_eq!(got.as_slice(), expected);
    }
}
