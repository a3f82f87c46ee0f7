//! Handles the records that the hub doesn't feed: what is in force for tokens, and what is never undone. This
//! file must not know what the hub's records hold.

use crate::{
    id::{KeyId, TokenId},
    state::{
        Account, ApplyError, Decided, State,
        held::Held,
        record::{Amendment, Departures, Floor, FloorTarget, OrgTokenView, RetiredId},
    },
};

impl Held for Amendment {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let owner = state.directory.accounts.intern(&self.owner)?;
        state.amendments.put(self, owner)
    }

    fn delete(state: &mut State, token: &TokenId) {
        state.amendments.remove(*token);
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        let all = state.amendments.iter();
        all.filter_map(|(token, owner, expiries, settings)| {
            Some(Self {
                token,
                owner: accounts.id(owner)?,
                settings,
                expiries: expiries.to_vec(),
            })
        })
    }

    fn count(state: &State) -> u64 {
        state.amendments.len
    }
}

impl Held for OrgTokenView {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let org = state.directory.accounts.intern(&self.org)?;
        let owner = state.directory.accounts.intern(&self.owner)?;
        let decided = Decided {
            state: self.state,
            owner: Account(owner),
            membership: self.membership,
        };
        state.org_tokens.put_view(org, self.token, decided);
        Ok(())
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        state
            .org_tokens
            .views()
            .filter_map(|(org, token, decided)| {
                Some(Self {
                    org: accounts.id(org)?,
                    token,
                    owner: accounts.id(decided.owner.0)?,
                    state: decided.state,
                    membership: decided.membership,
                })
            })
    }

    fn count(state: &State) -> u64 {
        state.org_tokens.view_count
    }
}

impl Held for Floor {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.raise_floor(&self.target, self.serial)
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        let realm = state.revocations.realm_floor().map(|serial| Self {
            target: FloorTarget::Realm,
            serial,
        });
        let others = state.revocations.floors();
        let others = others.filter_map(|(owner, org, serial)| {
            let owner = accounts.id(owner)?;
            let target = match org {
                Some(org) => FloorTarget::OwnerInOrg {
                    owner,
                    org: accounts.id(org)?,
                },
                None => FloorTarget::Owner(owner),
            };
            Some(Self { target, serial })
        });
        realm.into_iter().chain(others)
    }

    fn count(state: &State) -> u64 {
        state.revocations.floor_count()
    }
}

/// The record is a withdrawn signing key.
impl Held for KeyId {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.revocations.withdraw(self);
        Ok(())
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.withdrawn_keys()
    }

    fn count(state: &State) -> u64 {
        state.revocations.withdrawn.len() as u64
    }
}

impl Held for RetiredId {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.directory.retire(self)
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.directory.retired_ids()
    }

    fn count(state: &State) -> u64 {
        let directory = &state.directory;
        directory.accounts.retired + directory.groups.retired + directory.repos.retired
    }
}

impl Held for Departures {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let org = directory.accounts.intern(&self.org)?;
        let user = directory.accounts.intern(&self.user)?;
        directory.departures.put((org, user), self.count);
        Ok(())
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        let all = state.directory.departures.iter();
        all.filter_map(|((org, user), count)| {
            Some(Self {
                org: accounts.id(org)?,
                user: accounts.id(user)?,
                count,
            })
        })
    }

    fn count(state: &State) -> u64 {
        state.directory.departures.len
    }
}
