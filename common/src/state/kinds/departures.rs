//! Handles the counts of ended memberships. This file must not know what they make void.

use tokenward_proto::internal as pb;

use crate::{
    id::AccountId,
    state::{
        ApplyError, State,
        codec::{DecodeError, Stored, id},
        held::Held,
    },
};

/// Counts the memberships of a user in an org that have ended. The count never falls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departures {
    /// Names the org that was left.
    pub org: AccountId,
    /// Names the user who left the org, or was removed from it.
    pub user: AccountId,
    /// The count is at most [`MAX_DEPARTURES`]. Whatever depends on a membership that ended is void.
    pub count: u32,
}

/// Limits the count of a [`Departures`].
pub const MAX_DEPARTURES: u32 = (1 << 24) - 1;

impl Held for Departures {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let org = directory.accounts.intern(&self.org)?;
        let user = directory.accounts.intern(&self.user)?;
        directory.departures.put((org, user), self.count);
        Ok(())
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn stored(state: &State, (org, user): (&AccountId, &AccountId)) -> Option<Self> {
        Some(Self {
            org: org.clone(),
            user: user.clone(),
            count: state.departures(org, user)?,
        })
    }

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

impl Stored for Departures {
    type Message = pb::Departures;

    fn to_message(&self) -> Self::Message {
        pb::Departures {
            count: self.count,
            ..pb::Departures::default()
        }
    }

    fn name_message(message: &mut Self::Message, (org, user): (&AccountId, &AccountId)) {
        (message.org_id, message.user_id) = (org.to_string(), user.to_string());
    }

    fn from_message(it: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            org: id("departures.org_id", &it.org_id)?,
            user: id("departures.user_id", &it.user_id)?,
            count: membership(it.count)?,
        })
    }
}

/// Checks that the number of a membership is within its bound.
pub(super) fn membership(number: u32) -> Result<u32, DecodeError> {
    if number > MAX_DEPARTURES {
        return Err(DecodeError::Unknown("so many memberships"));
    }
    Ok(number)
}
