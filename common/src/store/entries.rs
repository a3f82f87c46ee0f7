//! This file puts any number of changes into as few entries as take them in their order. It must not know what
//! the changes mean.

use crate::{
    state::{codec::encode_changes, record::Change},
    store::{MAX_CHANGE_BYTES, MAX_CHANGES, weight},
};

/// Groups changes so that each group fits one commit: it has at most [`MAX_CHANGES`] changes, each revoked
/// serial counted, and at most [`MAX_CHANGE_BYTES`] encoded. It holds one group at a time. A single change
/// beyond these limits is a group of its own, which every store refuses.
pub fn entries(changes: impl Iterator<Item = Change>) -> impl Iterator<Item = Vec<Change>> {
    let mut changes = changes.peekable();
    std::iter::from_fn(move || {
        let mut group = vec![changes.next()?];
        let mut size = Size::of(&group);
        while let Some(change) = changes.next_if(|next| {
            let with = size.plus(&Size::of(std::slice::from_ref(next)));
            let fits = with.fits();
            if fits {
                size = with;
            }
            fits
        }) {
            group.push(change);
        }
        Some(group)
    })
}

/// What changes take of an entry's limits.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    weight: usize,
    bytes: usize,
}

impl Size {
    /// The bytes of several changes are those of each, one after the other.
    pub(super) fn of(changes: &[Change]) -> Self {
        Self {
            weight: changes.iter().map(weight).sum(),
            bytes: encode_changes(changes).len(),
        }
    }

    pub(super) fn plus(self, more: &Self) -> Self {
        Self {
            weight: self.weight + more.weight,
            bytes: self.bytes + more.bytes,
        }
    }

    pub(super) fn fits(&self) -> bool {
        self.weight <= MAX_CHANGES && self.bytes <= MAX_CHANGE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        id::{AccountId, Name, Serial},
        state::record::{Org, Record},
    };

    fn change() -> impl Strategy<Value = Change> {
        let org = |size: usize| Org {
            id: AccountId::parse("acme").unwrap(),
            name: Name::parse("acme").unwrap(),
            display: vec![7; size].into(),
        };
        prop_oneof![
            (0..40_usize, prop::bool::weighted(0.2)).prop_map(move |(size, large)| {
                let size = if large { size * 3_000 } else { size };
                Change::Put(Record::Org(org(size)))
            }),
            vec((1..1_u64 << 40).prop_map(Serial), 0..65).prop_map(Change::Revoke),
        ]
    }

    proptest! {
        #[test]
        fn every_group_fits_and_none_could_take_the_next_change(changes in vec(change(), 0..120)) {
            let groups: Vec<Vec<Change>> = entries(changes.iter().cloned()).collect();
            prop_assert_eq!(groups.concat(), changes);
            for group in &groups {
                prop_assert!(!group.is_empty() && Size::of(group).fits());
            }
            for pair in groups.windows(2) {
                let mut more = pair[0].clone();
                more.push(pair[1][0].clone());
                prop_assert!(!Size::of(&more).fits());
            }
        }
    }

    #[test]
    fn what_is_too_large_stands_alone() {
        let large = || Change::Revoke((0..MAX_CHANGES as u64 + 1).map(Serial).collect());
        let small = || Change::Revoke(vec![Serial(1)]);
        let groups = entries([small(), large(), small()].into_iter());
        assert_eq!(
            groups.map(|group| group.len()).collect::<Vec<_>>(),
            [1, 1, 1]
        );
        assert_eq!(entries(std::iter::empty()).count(), 0);
    }
}
