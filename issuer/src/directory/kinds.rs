//! Says of each kind that the hub feeds what the directory must know of it: its fields, what a put needs and
//! expects, what ends with it, and what takes access from somebody. The compiler asks here for a new kind.
//! The eight kinds lie in four files: `account` (users and orgs), `org` (members and org policies), `group`
//! (groups and their members) and `repo` (repos and gate grants).
//!
//! Decides nothing of what kinds have in common. Plans that more than one kind needs, or that are long,
//! stand in `plan` and `ends`.

mod account;
mod group;
mod org;
mod repo;

use tokenward_common::state::{
    State,
    // This imports the types of all records, whichever the hub feeds.
    record::*,
};
use tokenward_proto::v1::record::Record as Message;

use crate::{
    directory::plan::{NoPlan, Planner},
    error::Problem,
};

/// One field of a message: its path, and how it is copied.
type Field<M> = (&'static str, fn(&mut M, &M));

/// Makes the path of a field in the request, for an error.
type At<'a> = &'a dyn Fn(&str) -> String;

/// Handles the records of one kind.
trait Fed: Sized {
    /// This is the message of the API that holds such a record.
    type Message: 'static;

    /// Lists the fields, as a mask may name them.
    const FIELDS: &'static [Field<Self::Message>];

    /// Says that the record that was asked for isn't there.
    const MISSING: &'static str;

    /// Checks a put against what is planned so far; returns the record as it is written.
    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan>;

    /// Plans what a deletion ends or expects besides the record; returns whether the record itself, with its id,
    /// remains to be deleted.
    fn delete(planner: &mut Planner<'_>, key: &RecordKey, at: &str) -> Result<bool, NoPlan>;

    /// Tells whether the put surely takes access from somebody, and gives none. `old` is the present record,
    /// which differs.
    fn put_takes(&self, old: Option<&Self>, state: &State) -> bool;

    /// Tells whether the deletion of this record surely takes access from somebody, and gives none.
    fn deletion_takes(&self) -> bool;
}

macro_rules! dispatch {
    ($($kind:ident $key:ident { $word:literal $($more:tt)+ })+) => {
        /// Plans the put of a record; returns it as it is written.
        pub(super) fn put(
            planner: &mut Planner<'_>,
            index: usize,
            record: &Record,
        ) -> Result<Record, NoPlan> {
            match record {
                $(Record::$kind(record) => {
                    let at = |field: &str| {
                        format!(concat!("operations[{}].put_", $word, ".{}"), index, field)
                    };
                    record.put(planner, &at).map(Record::$kind)
                })+
                // The directory's messages hold no other records.
                _ => Err(Problem::Internal.into()),
            }
        }

        /// Plans what the deletion of a record ends; returns whether the record remains to be deleted.
        pub(super) fn delete(
            planner: &mut Planner<'_>,
            index: usize,
            key: &RecordKey,
        ) -> Result<bool, NoPlan> {
            match key.kind() {
                $(Kind::$kind => {
                    let at = format!(concat!("operations[{}].delete_", $word), index);
                    <$kind as Fed>::delete(planner, key, &at)
                })+
                // The directory's messages name no other records.
                _ => Err(Problem::Internal.into()),
            }
        }

        /// Tells whether a put takes access away. `None`: the record is so already.
        pub(super) fn put_takes(state: &State, record: &Record) -> Option<bool> {
            match (record, state.record(&record.key())) {
                $((Record::$kind(new), Some(Record::$kind(old))) => {
                    (*new != old).then(|| new.put_takes(Some(&old), state))
                })+
                $((Record::$kind(new), _) => Some(new.put_takes(None, state)),)+
                _ => Some(false),
            }
        }

        /// Tells whether a deletion takes access away. `None`: there is no such record.
        pub(super) fn deletion_takes(state: &State, key: &RecordKey) -> Option<bool> {
            Some(match state.record(key)? {
                $(Record::$kind(old) => old.deletion_takes(),)+
                _ => false,
            })
        }

        /// Returns the paths that a mask of this put may name.
        pub(super) fn paths(put: &Message) -> Vec<&'static str> {
            match put {
                $(Message::$kind(_) => <$kind as Fed>::FIELDS.iter().map(|it| it.0).collect(),)+
            }
        }

        /// Takes these fields from the new message into the old one; `None` if they are of two kinds.
        pub(super) fn take_fields(
            old: &mut Message,
            new: &Message,
            wanted: impl Fn(&str) -> bool,
        ) -> Option<()> {
            match (old, new) {
                $((Message::$kind(old), Message::$kind(new)) => {
                    let fields = <$kind as Fed>::FIELDS.iter();
                    fields.filter(|it| wanted(it.0)).for_each(|it| it.1(old, new));
                })+
                _ => return None,
            }
            Some(())
        }

        /// Says that there is no record of this kind.
        pub(super) fn missing_text(kind: Kind) -> &'static str {
            match kind {
                $(Kind::$kind => <$kind as Fed>::MISSING,)+
                _ => "there is no such record",
            }
        }
    };
}

tokenward_proto::for_each_fed_kind!(dispatch);

/// Lists fields by their paths; a path of two parts is of a message inside.
macro_rules! fields {
    ($($field:ident $(. $inner:ident)?),+ $(,)?) => {
        &[$((
            concat!(stringify!($field) $(, ".", stringify!($inner))?),
            $crate::directory::kinds::take!($field $($inner)?),
        )),+]
    };
}

macro_rules! take {
    ($field:ident) => {
        |old, new| old.$field = new.$field.clone()
    };
    ($field:ident $inner:ident) => {
        |old, new| {
            let new = new.$field.clone().unwrap_or_default();
            old.$field.get_or_insert_default().$inner = new.$inner;
        }
    };
}
use {fields, take};
