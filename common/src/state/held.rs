//! Handles each kind of records in the state: every kind implements [`Held`]. The state's writes, counts and
//! listings are made of it.
//!
//! What a record of a kind changes stands in its file in `kinds/`. This file must not know entries, nor their
//! order.

use crate::{
    id::KeyId,
    state::{
        ApplyError,
        Counts,
        State,
        kinds::{Keyed, for_each_kind},
        // This imports the types of all records, whichever the table lists.
        record::*,
    },
};

/// Handles one kind of records in the state.
pub(super) trait Held: Keyed {
    /// Writes a record in place of the old one. Floors never fall, however, and an org's revocation stays.
    fn put(&self, state: &mut State) -> Result<(), ApplyError>;

    /// Deletes a record; kept kinds ignore it. The codec refuses to delete a kept record; if such a deletion
    /// arrived another way, it still must not allow anything.
    fn delete(state: &mut State, key: Self::Key<'_>);

    /// Returns the record, if it and all that it depends on exist. Callers request only the hub's records.
    fn find(_state: &State, _key: Self::Key<'_>) -> Option<Self> {
        None
    }

    /// Returns the record under this key, including an inert one.
    fn stored(state: &State, key: Self::Key<'_>) -> Option<Self>;

    /// Returns every record, including inert ones, in an arbitrary order.
    fn all(state: &State) -> impl Iterator<Item = Self>;

    /// Returns how many records there are, as a store counts them.
    fn count(state: &State) -> u64;
}

macro_rules! dispatch {
    ($($(#[$doc:meta])* [$kind:ident($record:ty) = $number:literal, $stays:ident, |$it:ident|
        $(($one:ident: $one_type:ty = $one_value:expr))?
        $({ $($(#[$note:meta])* $part:ident: $part_type:ty = $part_value:expr),+ $(,)? })?
        $(=> $space:ident)?])+) => {
        impl State {
            pub(super) fn put(&mut self, record: &Record) -> Result<(), ApplyError> {
                match record {
                    $(Record::$kind(record) => record.put(self)),+
                }
            }

            pub(super) fn delete(&mut self, key: &RecordKey) {
                match key {
                    $(RecordKey::$kind $(($one))? $({ $($part),+ })? => {
                        <$record as Held>::delete(self, $($one)? $(($($part),+))?);
                    })+
                }
            }

            /// Returns the whole record of the directory that this key names.
            pub fn record(&self, key: &RecordKey) -> Option<Record> {
                match key {
                    $(RecordKey::$kind $(($one))? $({ $($part),+ })? => {
                        let found = <$record as Held>::find(self, $($one)? $(($($part),+))?);
                        found.map(Record::$kind)
                    })+
                }
            }

            /// Returns the record under this key of any kind, including an inert one, as a store holds it.
            pub fn stored(&self, key: &RecordKey) -> Option<Record> {
                match key {
                    $(RecordKey::$kind $(($one))? $({ $($part),+ })? => {
                        let found = <$record as Held>::stored(self, $($one)? $(($($part),+))?);
                        found.map(Record::$kind)
                    })+
                }
            }

            /// Returns every record of a kind, including inert ones, in an arbitrary order; none of an
            /// issuer-only kind.
            pub fn records_of(&self, kind: Kind) -> Box<dyn Iterator<Item = Record> + '_> {
                match kind {
                    $(Kind::$kind => Box::new(<$record as Held>::all(self).map(Record::$kind)),)+
                    Kind::Name | Kind::HistoryOpened | Kind::Token | Kind::Owner => {
                        Box::new(std::iter::empty())
                    }
                }
            }

            /// Returns every record, including inert ones, in an arbitrary order. It doesn't include revoked
            /// serials.
            pub fn records(&self) -> impl Iterator<Item = Record> {
                std::iter::empty()$(.chain(<$record as Held>::all(self).map(Record::$kind)))+
            }

            /// Returns the counts as a store's head has them.
            pub fn counts(&self) -> Counts {
                let mut counts = Counts {
                    revoked: self.revocations.revoked,
                    ..Counts::default()
                };
                for (kind, count) in [$((Kind::$kind, <$record as Held>::count(self))),+] {
                    if let Some(slot) = counts.kinds.get_mut(kind.number() as usize) {
                        *slot = count;
                    }
                }
                counts
            }
        }
    };
}

for_each_kind!(dispatch);
