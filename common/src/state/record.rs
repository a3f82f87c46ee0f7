//! Names the records that make up the state, and the changes that the log carries. What a record of one kind is
//! stands in that kind's file in `kinds/`. This file must not know what the state does with records.

mod numbered;
pub(super) mod part;

use crate::id::Serial;

pub use super::kinds::*;
pub use numbered::*;

/// Describes one step of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Writes a whole record in place of the old one. Floors never fall, however, and an org's revocation
    /// stays.
    Put(Record),
    /// Deletes a record, but never one of a kind that [`is_kept`](RecordKey::is_kept).
    Delete(RecordKey),
    /// Deletes a record and retires its id; the key must have one ([`RecordKey::retired`]).
    Retire(RecordKey),
    /// Revokes the values with these serials for ever.
    Revoke(Vec<Serial>),
    /// Raises a floor to the serial counter that the entry states, if that is higher.
    RaiseFloor(FloorTarget),
}

impl Change {
    /// Returns what this change does in an entry that states this serial counter, for an entry that states
    /// another: a floor that is raised to the counter goes to this one.
    #[must_use]
    pub fn at(self, counter: Serial) -> Self {
        match self {
            Self::RaiseFloor(target) => Self::Put(Record::Floor(Floor {
                target,
                serial: counter,
            })),
            other => other,
        }
    }

    /// Returns whether this change is a fact that only grows: nothing undoes it, and it gives nobody anything.
    pub fn only_takes_away(&self) -> bool {
        match self {
            Self::Revoke(_) | Self::RaiseFloor(_) | Self::Retire(_) => true,
            Self::Delete(_) => false,
            Self::Put(record) => match record {
                Record::Floor(_)
                | Record::WithdrawnKey(_)
                | Record::Retired(_)
                | Record::Departures(_) => true,
                Record::OrgTokenView(view) => view.state == Approval::Revoked,
                _ => false,
            },
        }
    }
}
