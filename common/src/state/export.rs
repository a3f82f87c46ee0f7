//! Decides what a rebuilt state takes over from the old one, and whether two states hold the same records.
//! This file must not know stores or the feed.

use std::collections::BTreeMap;

use crate::{
    id::KeyId,
    state::{
        ApplyError, State,
        held::Held,
        key::Key,
        record::{Approval, Departures, Floor, OrgTokenView, Record, RetiredId},
    },
};

impl State {
    /// Takes over from `old` what is never undone: every revoked serial, withdrawn key and deleted id, every
    /// token that an org revoked for itself, the higher of the floors, and the highest count of ended
    /// memberships. The counts may then be above the store's, so a rebuild must be compared with the store's
    /// counts before this call.
    pub fn keep_monotone_of(&mut self, old: &State) -> Result<(), ApplyError> {
        self.revocations.keep_bits(&old.revocations);
        for floor in Floor::all(old) {
            self.load(Record::Floor(floor))?;
        }
        let views = OrgTokenView::all(old);
        for view in views.filter(|view| view.state == Approval::Revoked) {
            self.load(Record::OrgTokenView(view))?;
        }
        for id in RetiredId::all(old) {
            self.load(Record::Retired(id))?;
        }
        for ended in Departures::all(old) {
            let known = self.departures_of(&ended.org, &ended.user);
            if ended.count > known {
                self.load(Record::Departures(ended))?;
            }
        }
        for kid in KeyId::all(old) {
            self.load(Record::WithdrawnKey(kid))?;
        }
        Ok(())
    }

    /// Returns whether both states hold the same records and revoked serials, whatever their cursors. It is
    /// slow, and meant for tests and audits.
    pub fn same_facts(&self, other: &State) -> bool {
        let sorted = |state: &State| -> BTreeMap<Key, Record> {
            state
                .records()
                .map(|record| (Key::from_record_key(&record.key()), record))
                .collect()
        };
        self.revoked_serials().eq(other.revoked_serials()) && sorted(self) == sorted(other)
    }
}
