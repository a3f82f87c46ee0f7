//! This file decides under which key a verdict on a token may be remembered: SipHash-1-3-128 of the
//! whole token, under a secret key of this process. It doesn't know what the verifier remembers, or
//! what a hit still judges afresh.
//!
//! A string whose hash collides with another token's is taken for that token. A collision with the
//! attacker's own token gains nothing. So the attacker must collide with a token whose text and
//! signature are unknown, under a secret key, without ever seeing a hash: the difference of the two
//! strings can't be chosen, and each attempt succeeds with 2^-128 for each remembered token. One round
//! per word is enough for that, in three fifths of the time of SipHash-2-4, whose two rounds are for MACs
//! that the attacker sees (Aumasson, one of its authors, on 1-3 for tables under attack: rust-lang/rust
//! issue 29754; Rust's own maps use it).

use std::fmt;

use siphasher::sip128::SipHasher13;

/// The key of a remembered verdict. It is valid only for the [`MemoHasher`] that made it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoKey(pub u128);

/// Makes [`MemoKey`]s under a secret of this process. A clone makes the same keys.
#[derive(Clone)]
pub struct MemoHasher(SipHasher13);

impl MemoHasher {
    /// Makes a hasher with a random secret.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        Ok(Self::with_key(&key))
    }

    /// Makes a hasher with this key, for tests and benches. Where strangers send tokens, the key must be
    /// secret.
    pub fn with_key(key: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(key))
    }

    /// Returns the key for a token. It hashes every byte of it.
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

    /// The key is 00..0f and the message 00..0e. The expected value comes from a reading of the paper
    /// that, with the rounds of SipHash-2-4-128, gives that function's reference vector.
    #[test]
    fn it_is_siphash_1_3_128() {
        let key = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let message: String = (0u8..15).map(char::from).collect();
        let expected = hex::decode("c17e5505b2bd526c2921cdec1e7e0109").unwrap();
        let got = MemoHasher::with_key(&key).key(&message).0.to_le_bytes();
        assert_eq!(got.as_slice(), expected);
    }
}
