//! Puts with a mask: they change only the fields that the mask names, and keep the others of the record.
//!
//! Decides which paths there are, and which record a masked put results in. The result is written only if the
//! old record is still the same, so two concurrent updates of different fields lose neither.

use std::borrow::Cow;

use tokenward_common::state::{
    State,
    public::record_to_put,
    record::{Record, RecordKey},
};
use tokenward_proto::v1::{self as pb, operation::Operation as Put};

use super::wire::{self, Operation};
use crate::error::Problem;

/// A mask has at most this many paths, which is enough to name all fields of any put.
const MAX_PATHS: usize = 32;
/// An error repeats at most this many characters of an unknown path.
const TOLD: usize = 64;

/// One field of a message: its path, whether it identifies the record, and how it is copied.
type Field<M> = (&'static str, Is, fn(&mut M, &M));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    /// The field identifies the record, so it always comes from the request.
    Id,
    Part,
}

macro_rules! take {
    ($($field:ident).+) => { |old, new| old.$($field).+ = new.$($field).+.clone() };
}

macro_rules! take_shown {
    ($field:ident) => {
        |old, new| {
            let new = new.display.clone().unwrap_or_default();
            old.display.get_or_insert_default().$field = new.$field;
        }
    };
}

const USER: &[Field<pb::User>] = &[
    ("id", Is::Id, take!(id)),
    ("name", Is::Part, take!(name)),
    ("disabled", Is::Part, take!(disabled)),
    ("display", Is::Part, take!(display)),
    ("display.full_name", Is::Part, take_shown!(full_name)),
    ("display.email", Is::Part, take_shown!(email)),
    ("display.avatar_url", Is::Part, take_shown!(avatar_url)),
    ("display.is_pro", Is::Part, take_shown!(is_pro)),
    ("service_account_of", Is::Part, take!(service_account_of)),
];

const ORG: &[Field<pb::Org>] = &[
    ("id", Is::Id, take!(id)),
    ("name", Is::Part, take!(name)),
    ("display", Is::Part, take!(display)),
    ("display.full_name", Is::Part, take_shown!(full_name)),
    ("display.avatar_url", Is::Part, take_shown!(avatar_url)),
    ("display.plan", Is::Part, take_shown!(plan)),
];

const MEMBER: &[Field<pb::Member>] = &[
    ("org_id", Is::Id, take!(org_id)),
    ("user_id", Is::Id, take!(user_id)),
    ("role", Is::Part, take!(role)),
];

const GROUP: &[Field<pb::Group>] = &[
    ("id", Is::Id, take!(id)),
    ("org_id", Is::Part, take!(org_id)),
    ("name", Is::Part, take!(name)),
];

const GROUP_MEMBER: &[Field<pb::GroupMember>] = &[
    ("group_id", Is::Id, take!(group_id)),
    ("user_id", Is::Id, take!(user_id)),
    ("role", Is::Part, take!(role)),
];

const ORG_POLICY: &[Field<pb::OrgPolicy>] = &[
    ("org_id", Is::Id, take!(org_id)),
    ("policy", Is::Part, take!(policy)),
    ("max_token_lifetime", Is::Part, take!(max_token_lifetime)),
];

const REPO: &[Field<pb::Repo>] = &[
    ("id", Is::Id, take!(id)),
    ("kind", Is::Part, take!(kind)),
    ("owner_id", Is::Part, take!(owner_id)),
    ("name", Is::Part, take!(name)),
    ("visibility", Is::Part, take!(visibility)),
    ("gate", Is::Part, take!(gate)),
    ("creator_id", Is::Part, take!(creator_id)),
    ("disabled", Is::Part, take!(disabled)),
    ("group_id", Is::Part, take!(group_id)),
    ("org_members_gated", Is::Part, take!(org_members_gated)),
];

const GRANT: &[Field<pb::GateGrant>] = &[
    ("repo_id", Is::Id, take!(repo_id)),
    ("user_id", Is::Id, take!(user_id)),
    ("state", Is::Part, take!(state)),
];

/// A put with a mask whose paths are all known.
#[derive(Clone, PartialEq, Debug)]
pub struct Update {
    index: usize,
    key: RecordKey,
    put: Put,
    paths: Vec<String>,
}

impl Update {
    pub(super) fn new(index: usize, put: Put, paths: Vec<String>) -> Result<Self, Problem> {
        let field = format!("operations[{index}].update_mask");
        if paths.len() > MAX_PATHS {
            let rule = format!("must be at most {MAX_PATHS} paths");
            return Err(Problem::invalid(field, rule));
        }
        let Some(known) = known(&put) else {
            return Err(Problem::invalid(field, "is for puts alone"));
        };
        let is = |path: &String| known.iter().find(|it| it.0 == path).map(|it| it.1);
        if let Some(unknown) = paths.iter().find(|it| is(it).is_none()) {
            let told: String = unknown.escape_debug().take(TOLD).collect();
            let known: Vec<_> = known.iter().map(|it| it.0).collect();
            let rule = format!(
                "there is no path `{told}` here; there are {}",
                known.join(", ")
            );
            return Err(Problem::invalid(field, rule));
        }
        // A mask of ids alone would write the old record again, even after the same batch has ended it.
        if !paths.iter().any(|it| is(it) == Some(Is::Part)) {
            return Err(Problem::invalid(field, "must name a field besides the ids"));
        }
        let key = wire::key(index, &put)?;
        Ok(Self {
            index,
            key,
            put,
            paths,
        })
    }

    /// Returns the old record with the fields that the mask names taken from the put.
    fn over(&self, old: Option<Record>) -> Result<Record, Problem> {
        let at = |what: &str| format!("operations[{}].{what}", self.index);
        let Some(old) = old.and_then(record_to_put) else {
            let text = "there is nothing to update; a put without a mask makes it";
            return Err(Problem::NotFound(format!("{}: {text}", at("update_mask"))));
        };
        let mut merged = old.operation.ok_or(Problem::Internal)?;
        let paths = &self.paths;
        match (&mut merged, &self.put) {
            (Put::PutUser(old), Put::PutUser(new)) => lay(USER, paths, old, new),
            (Put::PutOrg(old), Put::PutOrg(new)) => lay(ORG, paths, old, new),
            (Put::PutMember(old), Put::PutMember(new)) => lay(MEMBER, paths, old, new),
            (Put::PutGroup(old), Put::PutGroup(new)) => lay(GROUP, paths, old, new),
            (Put::PutGroupMember(old), Put::PutGroupMember(new)) => {
                lay(GROUP_MEMBER, paths, old, new);
            }
            (Put::PutOrgPolicy(old), Put::PutOrgPolicy(new)) => lay(ORG_POLICY, paths, old, new),
            (Put::PutRepo(old), Put::PutRepo(new)) => lay(REPO, paths, old, new),
            (Put::PutGateGrant(old), Put::PutGateGrant(new)) => lay(GRANT, paths, old, new),
            _ => return Err(Problem::Internal),
        }
        let merged = pb::Operation {
            operation: Some(merged),
            update_mask: None,
        };
        match wire::operation(self.index, merged)? {
            Operation::Put(record) => Ok(record),
            _ => Err(Problem::Internal),
        }
    }
}

fn lay<M>(fields: &[Field<M>], paths: &[String], old: &mut M, new: &M) {
    for (path, is, take) in fields {
        if *is == Is::Id || paths.iter().any(|it| it == path) {
            take(old, new);
        }
    }
}

/// Returns the paths of a put, or `None` for an operation that is no put.
fn known(put: &Put) -> Option<Vec<(&'static str, Is)>> {
    fn paths<M>(fields: &[Field<M>]) -> Option<Vec<(&'static str, Is)>> {
        Some(fields.iter().map(|field| (field.0, field.1)).collect())
    }
    match put {
        Put::PutUser(_) => paths(USER),
        Put::PutOrg(_) => paths(ORG),
        Put::PutMember(_) => paths(MEMBER),
        Put::PutGroup(_) => paths(GROUP),
        Put::PutGroupMember(_) => paths(GROUP_MEMBER),
        Put::PutOrgPolicy(_) => paths(ORG_POLICY),
        Put::PutRepo(_) => paths(REPO),
        Put::PutGateGrant(_) => paths(GRANT),
        _ => None,
    }
}

/// A batch whose updates are whole puts.
pub(super) struct Whole<'a> {
    pub(super) operations: Cow<'a, [Operation]>,
    /// The records of the state that updates were laid over; they must be unchanged when this is written.
    pub(super) over: Vec<RecordKey>,
}

/// Makes every update whole by the state, and by what the batch itself has written before it.
pub(super) fn whole<'a>(state: &State, operations: &'a [Operation]) -> Result<Whole<'a>, Problem> {
    if !operations.iter().any(is_update) {
        return Ok(Whole {
            operations: Cow::Borrowed(operations),
            over: Vec::new(),
        });
    }
    let mut done: Vec<Operation> = Vec::with_capacity(operations.len());
    let mut over = Vec::new();
    for operation in operations {
        let Operation::Update(update) = operation else {
            done.push(operation.clone());
            continue;
        };
        let key = &update.key;
        let before = done.iter().rev().find_map(|it| match it {
            Operation::Put(record) if record.key() == *key => Some(Some(record.clone())),
            Operation::Delete(gone) if gone == key => Some(None),
            _ => None,
        });
        let old = match before {
            Some(before) => before,
            None => {
                over.push(key.clone());
                state.record(key)
            }
        };
        done.push(Operation::Put(update.over(old)?));
    }
    Ok(Whole {
        operations: Cow::Owned(done),
        over,
    })
}

pub(super) fn is_update(operation: &Operation) -> bool {
    matches!(operation, Operation::Update(_))
}

#[cfg(test)]
mod tests;
