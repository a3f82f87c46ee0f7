//! Says what the directory must know of resource groups and their members.

use tokenward_common::state::{
    State,
    record::{Group, GroupMember, RecordKey},
};
use tokenward_proto::v1 as pb;

use super::{At, Fed, Field, fields};
use crate::directory::plan::{NoPlan, Planner};

impl Fed for Group {
    type Message = pb::Group;

    const FIELDS: &'static [Field<pb::Group>] = fields![id, org_id, name];
    const MISSING: &'static str = "there is no such group";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        planner.put_group(self, at)?;
        Ok(self.clone())
    }

    fn delete(planner: &mut Planner<'_>, key: &RecordKey, _at: &str) -> Result<bool, NoPlan> {
        planner.delete_group(key)
    }

    fn put_takes(&self, _old: Option<&Self>, _state: &State) -> bool {
        false
    }

    fn deletion_takes(&self) -> bool {
        true
    }
}

impl Fed for GroupMember {
    type Message = pb::GroupMember;

    const FIELDS: &'static [Field<pb::GroupMember>] = fields![group_id, user_id, role];
    const MISSING: &'static str = "there is no such member of the group";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        planner.put_group_member(self, at)
    }

    fn delete(_: &mut Planner<'_>, _: &RecordKey, _at: &str) -> Result<bool, NoPlan> {
        Ok(true)
    }

    /// A group role whose membership has ended gives nothing, but a put would give it again.
    fn put_takes(&self, old: Option<&Self>, state: &State) -> bool {
        let (group, user) = (self.group.as_str(), self.user.as_str());
        let both = state.group_by_id(group).zip(state.account_by_id(user));
        let role = both.and_then(|(group, user)| state.group_role(group, user));
        old.is_some() && role.is_some_and(|role| self.role < role)
    }

    fn deletion_takes(&self) -> bool {
        true
    }
}
