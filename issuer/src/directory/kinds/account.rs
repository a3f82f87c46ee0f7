//! Says what the directory must know of users, service accounts and orgs.

use tokenward_common::state::{
    State,
    record::{Org, RecordKey, User},
};
use tokenward_proto::v1 as pb;

use super::{At, Fed, Field, fields};
use crate::directory::plan::{AccountPut, NoPlan, Planner};

impl Fed for User {
    type Message = pb::User;

    const FIELDS: &'static [Field<pb::User>] = fields![
        id,
        name,
        disabled,
        display,
        display.full_name,
        display.email,
        display.avatar_url,
        display.is_pro,
        service_account_of,
    ];
    const MISSING: &'static str = "there is no such user";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        if let Some(org) = &self.service_account_of {
            planner.need_org(org, || at("service_account_of"))?;
        }
        let put = AccountPut {
            id: &self.id,
            name: &self.name,
            is_org: false,
            of: self.service_account_of.as_ref(),
        };
        planner.put_account(put, at)?;
        Ok(self.clone())
    }

    fn delete(planner: &mut Planner<'_>, key: &RecordKey, at: &str) -> Result<bool, NoPlan> {
        planner.delete_account(key, at)
    }

    /// A disabled user may do nothing, so the put's other fields don't matter.
    fn put_takes(&self, old: Option<&Self>, _state: &State) -> bool {
        old.is_some_and(|old| self.disabled && !old.disabled)
    }

    fn deletion_takes(&self) -> bool {
        true
    }
}

impl Fed for Org {
    type Message = pb::Org;

    const FIELDS: &'static [Field<pb::Org>] = fields![
        id,
        name,
        display,
        display.full_name,
        display.avatar_url,
        display.plan,
    ];
    const MISSING: &'static str = "there is no such org";

    fn put(&self, planner: &mut Planner<'_>, at: At<'_>) -> Result<Self, NoPlan> {
        let put = AccountPut {
            id: &self.id,
            name: &self.name,
            is_org: true,
            of: None,
        };
        planner.put_account(put, at)?;
        Ok(self.clone())
    }

    fn delete(planner: &mut Planner<'_>, key: &RecordKey, at: &str) -> Result<bool, NoPlan> {
        planner.delete_account(key, at)
    }

    fn put_takes(&self, _old: Option<&Self>, _state: &State) -> bool {
        false
    }

    fn deletion_takes(&self) -> bool {
        true
    }
}
