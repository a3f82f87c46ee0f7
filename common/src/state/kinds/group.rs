//! Handles resource groups.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, GroupId, Name},
    state::{
        ApplyError, GroupHandle, State,
        codec::{DecodeError, Stored, id},
        held::Held,
        public::fed,
        record::Record,
        scan::{Filter, Listed, Page, Question},
    },
};

/// Holds a resource group, which closes the org's private repos that lie in it to everyone but its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Names the group in an id space of its own; an id is never used again.
    pub id: GroupId,
    /// Names the org that the group belongs to for ever: a group never moves to another org.
    pub org: AccountId,
    /// The name is for people only: two groups may have the same name.
    pub name: Name,
}

fed!(Group { id = id, org = org_id, name = name } named by id);

impl Held for Group {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let org = state.directory.accounts.intern(&self.org)?;
        state.directory.groups.put(self, org)
    }

    fn delete(state: &mut State, id: &GroupId) {
        state.directory.groups.delete(id);
    }

    fn find(state: &State, id: &GroupId) -> Option<Self> {
        let group = state.group_by_id(id.as_str())?;
        state.directory.group_record(group.0)
    }

    fn stored(state: &State, id: &GroupId) -> Option<Self> {
        state.group_record(id.as_str())
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let rows = 0..state.directory.groups.rows();
        rows.filter_map(|row| state.directory.group_record(row))
    }

    fn count(state: &State) -> u64 {
        state.directory.groups.len
    }
}

impl Stored for Group {
    type Message = pb::Group;

    fn to_message(&self) -> Self::Message {
        pb::Group {
            org_id: self.org.to_string(),
            name: self.name.to_string(),
            ..pb::Group::default()
        }
    }

    fn name_message(message: &mut Self::Message, id: &GroupId) {
        message.id = id.to_string();
    }

    fn from_message(group: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            id: id("group.id", &group.id)?,
            org: id("group.org_id", &group.org_id)?,
            name: id("group.name", &group.name)?,
        })
    }
}

impl Listed for Group {
    const FILTERS: &'static [Filter] = &[Filter::Org];

    fn page(ask: &Question<'_>) -> Option<Page> {
        let directory = &ask.state.directory;
        let org = ask.account(ask.filters.org.as_ref())?;
        Some(ask.rows(ask.within.groups, &|row| {
            let of = directory.group(GroupHandle(row))?.org.0;
            let wanted = org.is_none_or(|org| org == of) && of < ask.within.accounts;
            wanted.then(|| directory.group_record(row).map(Record::Group))?
        }))
    }
}
