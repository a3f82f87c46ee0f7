//! Handles users' roles in resource groups.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, GroupId},
    state::{
        Account, ApplyError, GroupHandle, State,
        codec::{DecodeError, Stored, id},
        directory::STAMPED,
        held::Held,
        public::fed,
        record::{GroupRole, Record},
        scan::{Filter, Listed, Page, Question},
    },
};

use super::departures::membership;

/// Holds a user's role in a resource group; it counts only while the user is a member of the group's org.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    /// Names the group. The role has no effect if that group was deleted.
    pub group: GroupId,
    /// Names the user, who must be a member of the group's org.
    pub user: AccountId,
    /// States what the user may do with the repos in the group.
    pub role: GroupRole,
    /// Identifies the membership of the group's org that this role depends on: how many of the user's
    /// memberships of that org had ended before it.
    pub membership: u32,
}

// A message doesn't say which membership the role depends on; the writer adds it.
fed!(GroupMember {
    group = group_id,
    user = user_id,
    role = role;
    membership: 0
} named by GroupMemberKey { group = group_id, user = user_id });

impl GroupMember {
    /// Returns the group role of these rows, if both exist and the user is in the group's org by the same
    /// membership.
    fn at(state: &State, group: u32, user: u32) -> Option<Self> {
        let directory = &state.directory;
        let role = directory.group_role(GroupHandle(group), Account(user))?;
        let org = directory.group(GroupHandle(group))?.org;
        Some(Self {
            group: directory.groups.id(group)?,
            user: directory.accounts.id(user)?,
            role,
            membership: directory.ended(org.0, user),
        })
    }
}

impl Held for GroupMember {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let group = directory.groups.intern(&self.group)?;
        let user = directory.accounts.intern(&self.user)?;
        let stamped = if self.membership == 0 {
            directory.stamps.remove((group, user));
            0
        } else {
            directory.stamps.put((group, user), self.membership);
            STAMPED
        };
        let value = self.role.number() | stamped;
        directory.group_members.put(group, user, value);
        Ok(())
    }

    fn delete(state: &mut State, (group, user): (&GroupId, &AccountId)) {
        let directory = &mut state.directory;
        let group = directory.groups.find(group.as_str());
        let user = directory.accounts.find(user.as_str());
        if let Some((group, user)) = group.zip(user) {
            directory.group_members.remove(group, user);
            directory.stamps.remove((group, user));
        }
    }

    fn find(state: &State, (group, user): (&GroupId, &AccountId)) -> Option<Self> {
        let group = state.directory.groups.find(group.as_str())?;
        let user = state.directory.accounts.find(user.as_str())?;
        Self::at(state, group, user)
    }

    fn stored(state: &State, (group, user): (&GroupId, &AccountId)) -> Option<Self> {
        let directory = &state.directory;
        let of = directory.groups.find(group.as_str())?;
        let member = directory.accounts.find(user.as_str())?;
        let value = directory.group_members.find(of, member)?;
        Some(Self {
            group: group.clone(),
            user: user.clone(),
            role: GroupRole::from_number(value & !STAMPED)?,
            membership: directory.stamp(of, member, value),
        })
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let directory = &state.directory;
        directory
            .group_members
            .iter()
            .filter_map(|(group, user, value)| {
                Some(Self {
                    group: directory.groups.id(group)?,
                    user: directory.accounts.id(user)?,
                    role: GroupRole::from_number(value & !STAMPED)?,
                    membership: directory.stamp(group, user, value),
                })
            })
    }

    fn count(state: &State) -> u64 {
        state.directory.group_members.len()
    }
}

impl Stored for GroupMember {
    type Message = pb::GroupMember;

    fn to_message(&self) -> Self::Message {
        pb::GroupMember {
            role: self.role.number(),
            membership: self.membership,
            ..pb::GroupMember::default()
        }
    }

    fn name_message(message: &mut Self::Message, (group, user): (&GroupId, &AccountId)) {
        (message.group_id, message.user_id) = (group.to_string(), user.to_string());
    }

    fn from_message(member: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            group: id("group_member.group_id", &member.group_id)?,
            user: id("group_member.user_id", &member.user_id)?,
            role: GroupRole::from_number(member.role)
                .ok_or(DecodeError::Unknown("a group role"))?,
            membership: membership(member.membership)?,
        })
    }
}

/// A group member is listed only while the group's org is within the horizon.
impl Listed for GroupMember {
    const FILTERS: &'static [Filter] = &[Filter::Group, Filter::User];

    fn page(ask: &Question<'_>) -> Option<Page> {
        let directory = &ask.state.directory;
        let group = match &ask.filters.group {
            Some(group) => Some(directory.groups.find(group.as_str())?),
            None => None,
        };
        let only = (group, ask.account(ask.filters.user.as_ref())?);
        let end = (ask.within.groups, ask.within.accounts);
        let find = |group, user| {
            let org = directory.group(GroupHandle(group))?.org.0;
            let member = Self::at(ask.state, group, user);
            let listed = member.filter(|_| org < ask.within.accounts);
            listed.map(Record::GroupMember)
        };
        Some(ask.pairs(&directory.group_members, only, end, &find))
    }
}
