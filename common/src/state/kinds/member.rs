//! Handles memberships of orgs.

use tokenward_proto::internal as pb;

use crate::{
    id::AccountId,
    state::{
        Account, ApplyError, State,
        codec::{DecodeError, Stored, id},
        held::Held,
        public::fed,
        record::{OrgRole, Record},
        scan::{Filter, Listed, Page, Question},
    },
};

/// Holds a user's membership of an org; there is at most one for each pair of org and user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Names the org. The membership has no effect if that org was deleted.
    pub org: AccountId,
    /// Names the user; it is never another org.
    pub user: AccountId,
    /// States what the user may do with everything that the org owns.
    pub role: OrgRole,
}

fed!(Member {
    org = org_id,
    user = user_id,
    role = role
} named by MemberKey { org = org_id, user = user_id });

impl Member {
    /// Returns the membership of these rows, if both accounts exist.
    fn at(state: &State, org: u32, user: u32) -> Option<Self> {
        let role = state.org_role(Account(org), Account(user))?;
        Some(Self {
            org: state.directory.accounts.id(org)?,
            user: state.directory.accounts.id(user)?,
            role,
        })
    }
}

impl Held for Member {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let org = directory.accounts.intern(&self.org)?;
        let user = directory.accounts.intern(&self.user)?;
        directory.members.put(org, user, self.role.number());
        Ok(())
    }

    fn delete(state: &mut State, (org, user): (&AccountId, &AccountId)) {
        let directory = &mut state.directory;
        if let Some((org, user)) = directory.accounts.find_both(org, user) {
            directory.members.remove(org, user);
        }
    }

    fn find(state: &State, (org, user): (&AccountId, &AccountId)) -> Option<Self> {
        let (org, user) = state.directory.accounts.find_both(org, user)?;
        Self::at(state, org, user)
    }

    fn stored(state: &State, (org, user): (&AccountId, &AccountId)) -> Option<Self> {
        let directory = &state.directory;
        let (of, member) = directory.accounts.find_both(org, user)?;
        Some(Self {
            org: org.clone(),
            user: user.clone(),
            role: OrgRole::from_number(directory.members.find(of, member)?)?,
        })
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        state
            .directory
            .members
            .iter()
            .filter_map(|(org, user, role)| {
                Some(Self {
                    org: accounts.id(org)?,
                    user: accounts.id(user)?,
                    role: OrgRole::from_number(role)?,
                })
            })
    }

    fn count(state: &State) -> u64 {
        state.directory.members.len()
    }
}

impl Stored for Member {
    type Message = pb::Member;

    fn to_message(&self) -> Self::Message {
        pb::Member {
            role: self.role.number(),
            ..pb::Member::default()
        }
    }

    fn name_message(message: &mut Self::Message, (org, user): (&AccountId, &AccountId)) {
        (message.org_id, message.user_id) = (org.to_string(), user.to_string());
    }

    fn from_message(member: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            org: id("member.org_id", &member.org_id)?,
            user: id("member.user_id", &member.user_id)?,
            role: OrgRole::from_number(member.role).ok_or(DecodeError::Unknown("an org role"))?,
        })
    }
}

impl Listed for Member {
    const FILTERS: &'static [Filter] = &[Filter::Org, Filter::User];

    fn page(ask: &Question<'_>) -> Option<Page> {
        let org = ask.account(ask.filters.org.as_ref())?;
        let user = ask.account(ask.filters.user.as_ref())?;
        let end = (ask.within.accounts, ask.within.accounts);
        let find = |org, user| Self::at(ask.state, org, user).map(Record::Member);
        Some(ask.pairs(&ask.state.directory.members, (org, user), end, &find))
    }
}
