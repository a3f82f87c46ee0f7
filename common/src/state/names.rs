//! Compares and hashes names, ignoring ASCII case, within a space of names. This file must not know what has
//! a name.
//!
//! Every look-up by name runs this code, so a name is folded eight bytes at a time.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use crate::id::MAX_NAME;

/// Returns the hash of a name, ignoring ASCII case; `None` if the bytes can't be a name. `space` must be
/// below 2^56.
pub(super) fn hash_name(hasher: &RandomState, space: u64, name: &[u8]) -> Option<u64> {
    if name.len() > MAX_NAME {
        return None;
    }
    let mut hasher = hasher.build_hasher();
    // Hashing the length ensures that no name's input is the beginning of another's.
    hasher.write_u64((name.len() as u64) << 56 | space);
    let (words, last) = words(name);
    for word in words {
        hasher.write_u64(folded(u64::from_le_bytes(*word)));
    }
    hasher.write_u64(folded(last));
    Some(hasher.finish())
}

/// Returns whether two names are equal, ignoring ASCII case.
pub(super) fn same_name(one: &[u8], other: &[u8]) -> bool {
    let (ones, last_of_one) = words(one);
    let (others, last_of_other) = words(other);
    let mut pairs = ones.iter().zip(others);
    let word = |bytes: &[u8; 8]| folded(u64::from_le_bytes(*bytes));
    one.len() == other.len()
        && pairs.all(|(one, other)| word(one) == word(other))
        && folded(last_of_one) == folded(last_of_other)
}

/// Splits a name into whole words, and one more word for the rest.
fn words(name: &[u8]) -> (&[[u8; 8]], u64) {
    let (whole, rest) = name.as_chunks();
    let last = match (name.last_chunk(), rest.first_chunk(), rest.last_chunk()) {
        // This reads some bytes twice, which is cheaper than separating them.
        (Some(last), ..) => u64::from_le_bytes(*last),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
        }
        _ => rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    (whole, last)
}

/// Converts ASCII capitals to small letters in each of the eight bytes.
fn folded(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let ascii = word & (0x7f * EACH);
    // The highest bit of each byte says: above 'Z' in `above`, at or above 'A' in `from`, a capital in
    // `capital`.
    let above = ascii + (0x7f - u64::from(b'Z')) * EACH;
    let from = ascii + (0x80 - u64::from(b'A')) * EACH;
    let capital = (from ^ above) & !word & (0x80 * EACH);
    word | capital >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_itself_in_any_case_and_no_other() {
        let hasher = RandomState::default();
        let hash = |space, name: &str| hash_name(&hasher, space, name.as_bytes());
        let same = |one: &str, other: &str| same_name(one.as_bytes(), other.as_bytes());
        let long = "Org-0.B_z".repeat(20);
        for len in 0..=MAX_NAME {
            let name = &long[..len];
            assert_eq!(hash(0, name), hash(0, &name.to_ascii_lowercase()));
            assert!(same(name, &name.to_ascii_uppercase()));
            assert_ne!(hash(0, name), hash(1, name));
            assert_ne!(hash(0, name), hash(0, &long[..len + 1]));
            assert!(!same(name, &long[..len + 1]));
            for at in 0..len {
                let other = [&name[..at], "~", &name[at + 1..]].concat();
                assert_ne!(hash(0, name), hash(0, &other));
                assert!(!same(name, &other), "{name} {other}");
            }
        }
        assert_eq!(hash(0, &long), None);
    }

    #[test]
    fn only_ascii_capitals_are_folded() {
        for byte in 0..=u8::MAX {
            let word = u64::from_le_bytes([byte, 0, b'Z', byte, 0xff, b'a', 0x80, byte]);
            let small = word.to_le_bytes().map(|byte| byte.to_ascii_lowercase());
            assert_eq!(folded(word).to_le_bytes(), small);
        }
    }
}
