//! Names as they are compared: without ASCII case, within a space.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use crate::id::MAX_NAME;

/// Of a name as names are compared, without ASCII case; `None` for what no name is.
pub(super) fn hash_name(hasher: &RandomState, space: u64, name: &str) -> Option<u64> {
    let mut folded = [0; MAX_NAME];
    let folded = folded.get_mut(..name.len())?;
    folded.copy_from_slice(name.as_bytes());
    folded.make_ascii_lowercase();
    let mut hasher = hasher.build_hasher();
    hasher.write_u64(space);
    hasher.write(folded);
    Some(hasher.finish())
}
