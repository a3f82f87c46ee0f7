//! Says what the directory must know of repos and their gate grants.

use tokenward_common::state::{
    State,
    record::{GateGrant, GrantState, RecordKey, Repo, Visibility},
};
use tokenward_proto::v1 as pb;

use super::{At, Fed, Field, fields};
use crate::directory::plan::{NoPlan, Planner, draft_of, missing};

impl Fed for Repo {
    type Message = pb::Repo;

    const FIELDS: &'static [Field<pb::Repo>] = fields![
        id,
        kind,
        owner_id,
        name,
        visibility,
        gate,
        creator_id,
        disabled,
        group_id,
        org_members_gated,
    ];
    const MISSING: &'static str = "there is no such repo";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        if planner.is_org(&self.owner).is_none() {
            return Err(missing(at("owner_id"), "account"));
        }
        planner.check_group_of(self, || at("group_id"))?;
        planner.put_repo(&self.id, draft_of(self), at)?;
        Ok(self.clone())
    }

    fn delete(planner: &mut Planner<'_>, key: &RecordKey, _at: &str) -> Result<bool, NoPlan> {
        planner.delete_repo(key)
    }

    /// A disabled repo is closed to everybody. A repo that becomes private must keep its other fields: a move,
    /// or another group, could open it to others.
    fn put_takes(&self, old: Option<&Self>, _state: &State) -> bool {
        let Some(old) = old else {
            return false;
        };
        if self.disabled || old.disabled {
            return self.disabled && !old.disabled;
        }
        let private = Self {
            visibility: Visibility::Private,
            ..old.clone()
        };
        old.visibility != Visibility::Private && *self == private
    }

    fn deletion_takes(&self) -> bool {
        true
    }
}

impl Fed for GateGrant {
    type Message = pb::GateGrant;

    const FIELDS: &'static [Field<pb::GateGrant>] = fields![repo_id, user_id, state];
    const MISSING: &'static str = "there is no such gate grant";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        if !planner.is_repo(&self.repo) {
            return Err(missing(at("repo_id"), "repo"));
        }
        planner.need_user(&self.user, || at("user_id"))?;
        Ok(self.clone())
    }

    fn delete(_: &mut Planner<'_>, _: &RecordKey, _at: &str) -> Result<bool, NoPlan> {
        Ok(true)
    }

    fn put_takes(&self, old: Option<&Self>, _state: &State) -> bool {
        let accepted = |grant: &Self| grant.state == GrantState::Accepted;
        old.is_some_and(accepted) && !accepted(self)
    }

    fn deletion_takes(&self) -> bool {
        self.state == GrantState::Accepted
    }
}
