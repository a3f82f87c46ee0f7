//! Finds the permission of a name with one look-up and one comparison, because every request runs it. This
//! file must not know the rules of a permission.

use super::permissions::{Permission, TABLE};

const SHORTEST: usize = 8;

/// Returns the slot of a name. No two known names share one: the factors were found by trial, and the
/// compiler checks them below.
const fn slot(name: &[u8]) -> Option<usize> {
    let len = name.len();
    if len < SHORTEST {
        return None;
    }
    let [_, _, _, early, ..] = name else {
        return None;
    };
    let Some((_, [late, ..])) = name.split_at_checked(len - SHORTEST) else {
        return None;
    };
    let Some((_, [middle, ..])) = name.split_at_checked(len / 2) else {
        return None;
    };
    let sum = len * 33 + *early as usize * 205 + *late as usize * 43 + *middle as usize * 7;
    Some(sum % SLOTS)
}

const SLOTS: usize = 256;
const EMPTY: u8 = u8::MAX;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const NUMBERS: [u8; SLOTS] = {
    let mut numbers = [EMPTY; SLOTS];
    let mut at = 0;
    while at < TABLE.len() {
        match slot(TABLE[at].name.as_bytes()) {
            Some(slot) if numbers[slot] == EMPTY => numbers[slot] = at as u8,
            _ => panic!("a name needs another slot: try other factors"),
        }
        at += 1;
    }
    numbers
};

pub(super) fn find(name: &str) -> Option<Permission> {
    let number = NUMBERS.get(slot(name.as_bytes())?)?;
    let permission = *Permission::ALL.get(usize::from(*number))?;
    (permission.name() == name).then_some(permission)
}
