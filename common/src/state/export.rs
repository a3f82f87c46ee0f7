//! The state as records again, and what one state hands on to the next.

use std::collections::BTreeMap;

use crate::state::{
    ApplyError, State,
    key::Key,
    record::{
        Amendment, Approval, Departures, Floor, FloorTarget, OrgPolicy, OrgTokenView, Record,
        RetiredId,
    },
};

impl State {
    /// Every record, inert ones too, in no order. Revoked serials are not among them.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let keys = self.withdrawn_keys().map(Record::WithdrawnKey);
        self.directory
            .records()
            .chain(self.org_policies().map(Record::OrgPolicy))
            .chain(self.amendments().map(Record::Amendment))
            .chain(self.org_token_views().map(Record::OrgTokenView))
            .chain(self.floors().map(Record::Floor))
            .chain(self.retired().map(Record::Retired))
            .chain(self.all_departures().map(Record::Departures))
            .chain(keys)
    }

    fn org_policies(&self) -> impl Iterator<Item = OrgPolicy> {
        self.org_tokens.policies().filter_map(|org| {
            let view = self.org_tokens.policy(org)?;
            Some(OrgPolicy {
                org: self.directory.accounts.id(org)?,
                policy: view.policy,
                max_lifetime: view.max_lifetime,
            })
        })
    }

    fn org_token_views(&self) -> impl Iterator<Item = OrgTokenView> {
        let accounts = &self.directory.accounts;
        self.org_tokens.views().filter_map(|(org, token, decided)| {
            Some(OrgTokenView {
                org: accounts.id(org)?,
                token,
                owner: accounts.id(decided.owner.0)?,
                state: decided.state,
                membership: decided.membership,
            })
        })
    }

    fn amendments(&self) -> impl Iterator<Item = Amendment> {
        let accounts = &self.directory.accounts;
        self.amendments
            .iter()
            .filter_map(|(token, owner, expiries, settings)| {
                Some(Amendment {
                    token,
                    owner: accounts.id(owner)?,
                    settings,
                    expiries: expiries.to_vec(),
                })
            })
    }

    fn floors(&self) -> impl Iterator<Item = Floor> {
        let accounts = &self.directory.accounts;
        let realm = self.revocations.realm_floor().map(|serial| Floor {
            target: FloorTarget::Realm,
            serial,
        });
        let others = self
            .revocations
            .floors()
            .filter_map(|(owner, org, serial)| {
                let owner = accounts.id(owner)?;
                let target = match org {
                    Some(org) => FloorTarget::OwnerInOrg {
                        owner,
                        org: accounts.id(org)?,
                    },
                    None => FloorTarget::Owner(owner),
                };
                Some(Floor { target, serial })
            });
        realm.into_iter().chain(others)
    }

    fn all_departures(&self) -> impl Iterator<Item = Departures> {
        let accounts = &self.directory.accounts;
        let all = self.directory.departures.iter();
        all.filter_map(|((org, user), count)| {
            Some(Departures {
                org: accounts.id(org)?,
                user: accounts.id(user)?,
                count,
            })
        })
    }

    fn retired(&self) -> impl Iterator<Item = RetiredId> {
        self.directory.retired_ids()
    }

    /// What is never undone outlives a rebuild: every revoked serial, withdrawn key and deleted id of
    /// `old`, every token that an org revoked for itself, the higher of the floors, and of each
    /// membership the most that ended. The counts may then be above the store's; a rebuild that is held
    /// to the store's counts compares before this.
    pub fn keep_monotone_of(&mut self, old: &State) -> Result<(), ApplyError> {
        self.revocations.keep_bits(&old.revocations);
        for floor in old.floors() {
            self.load(Record::Floor(floor))?;
        }
        let views = old.org_token_views();
        for view in views.filter(|view| view.state == Approval::Revoked) {
            self.load(Record::OrgTokenView(view))?;
        }
        for id in old.retired() {
            self.load(Record::Retired(id))?;
        }
        for ended in old.all_departures() {
            let known = self.departures_of(&ended.org, &ended.user);
            if ended.count > known {
                self.load(Record::Departures(ended))?;
            }
        }
        for kid in old.withdrawn_keys() {
            self.load(Record::WithdrawnKey(kid))?;
        }
        Ok(())
    }

    /// Whether both hold the same records and revoked serials, wherever their cursors stand. Slow:
    /// for tests and audits.
    pub fn same_facts(&self, other: &State) -> bool {
        let sorted = |state: &State| -> BTreeMap<Key, Record> {
            state
                .records()
                .map(|record| (Key::of(&record.key()), record))
                .collect()
        };
        self.revoked_serials().eq(other.revoked_serials()) && sorted(self) == sorted(other)
    }
}
