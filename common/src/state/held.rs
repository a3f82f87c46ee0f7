//! What the state does with each kind of records: [`Held`], once for every kind. The state's writes,
//! counts and whole contents are made of it.
//!
//! Decides what a record of a kind changes. Must not know entries, nor their order.

mod hub;
mod own;

use crate::{
    id::KeyId,
    state::{
        ApplyError,
        Counts,
        State,
        // With all types of records, whatever there are.
        record::*,
    },
};

/// A kind of records, as the state holds it.
pub(super) trait Held: Keyed {
    /// Writes a record in place of the old one; but floors never fall, and what an org revoked stays.
    fn put(&self, state: &mut State) -> Result<(), ApplyError>;

    /// Kinds that are kept ignore it. The codec refuses such a deletion; were one to come another way, it
    /// must not allow anything.
    fn delete(state: &mut State, key: Self::Key<'_>);

    /// The record, if it and all that it hangs on are there. Only the hub's records are asked for.
    fn find(_state: &State, _key: Self::Key<'_>) -> Option<Self> {
        None
    }

    /// Every record there is, inert ones too, in no order.
    fn all(state: &State) -> impl Iterator<Item = Self>;

    /// How many there are, as a store counts them.
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

            /// The whole record of the directory that this names.
            pub fn record(&self, key: &RecordKey) -> Option<Record> {
                match key {
                    $(RecordKey::$kind $(($one))? $({ $($part),+ })? => {
                        let found = <$record as Held>::find(self, $($one)? $(($($part),+))?);
                        found.map(Record::$kind)
                    })+
                }
            }

            /// Every record, inert ones too, in no order. Revoked serials are not among them.
            pub fn records(&self) -> impl Iterator<Item = Record> {
                std::iter::empty()$(.chain(<$record as Held>::all(self).map(Record::$kind)))+
            }

            /// As a store's head counts them.
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
