//! Says what the directory must know of what belongs to an org: its members, its policy.

use tokenward_common::state::{
    State,
    record::{Member, OrgPolicy, RecordKey, TokenPolicy},
};
use tokenward_proto::v1 as pb;

use super::{At, Fed, Field, fields};
use crate::directory::plan::{NoPlan, Planner};

impl Fed for Member {
    type Message = pb::Member;

    const FIELDS: &'static [Field<pb::Member>] = fields![org_id, user_id, role];
    const MISSING: &'static str = "there is no such member";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        planner.need_org(&self.org, || at("org_id"))?;
        planner.need_user(&self.user, || at("user_id"))?;
        planner.may_join(&self.org, &self.user, || at("user_id"))?;
        let pair = (self.org.clone(), self.user.clone());
        planner.drafts.members.insert(pair, true);
        Ok(self.clone())
    }

    fn delete(planner: &mut Planner<'_>, key: &RecordKey, _at: &str) -> Result<bool, NoPlan> {
        planner.delete_member(key)
    }

    fn put_takes(&self, old: Option<&Self>, _state: &State) -> bool {
        old.is_some_and(|old| self.role < old.role)
    }

    fn deletion_takes(&self) -> bool {
        true
    }
}

impl Fed for OrgPolicy {
    type Message = pb::OrgPolicy;

    const FIELDS: &'static [Field<pb::OrgPolicy>] = fields![org_id, policy, max_token_lifetime];
    const MISSING: &'static str = "there is no policy of such an org";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        planner.need_org(&self.org, || at("org_id"))?;
        Ok(self.clone())
    }

    fn delete(_: &mut Planner<'_>, _: &RecordKey, _at: &str) -> Result<bool, NoPlan> {
        Ok(true)
    }

    fn put_takes(&self, old: Option<&Self>, state: &State) -> bool {
        let old = old.map_or(TokenPolicy::Allow, |old| old.policy);
        self.policy < old && state.account_by_id(self.org.as_str()).is_some()
    }

    /// An org without a policy allows all tokens.
    fn deletion_takes(&self) -> bool {
        false
    }
}
