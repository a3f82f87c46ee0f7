//! The directory's messages to records. Past here a record is right by its type.

use std::time::Duration;

use prost::Message;
use tokenward_common::{
    id::{AccountId, GroupId, IdError, Name, RepoId},
    state::record::{
        GateGrant, GateMode, GrantState, Group, GroupMember, GroupRole, Member, Org, OrgPolicy,
        OrgRole, Record, RecordKey, Repo, RepoKind, TokenPolicy, User, Visibility,
    },
    text::{RULE, is_shown_as_it_is},
};
use tokenward_proto::v1 as pb;

use super::mask::Update;
use crate::error::Problem;

/// Longest text for people, in bytes.
const MAX_DISPLAY: usize = 1024;

/// Longest limit on tokens' lives.
const MAX_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// One write of the directory.
#[derive(Clone, PartialEq, Debug)]
pub enum Operation {
    Put(Record),
    Delete(RecordKey),
    /// What it comes to depends on the record as it is.
    Update(Box<Update>),
}

/// The operation at this index of a request.
pub(super) fn operation(index: usize, operation: pb::Operation) -> Result<Operation, Problem> {
    use pb::operation::Operation as Pb;
    let at = |name| Path { index, name };
    let paths = operation.update_mask.map(|mask| mask.paths);
    let paths = paths.unwrap_or_default();
    let operation = operation
        .operation
        .ok_or_else(|| Problem::invalid(format!("operations[{index}]"), "must be set"))?;
    if !paths.is_empty() {
        let update = Update::new(index, operation, paths)?;
        return Ok(Operation::Update(Box::new(update)));
    }
    Ok(match operation {
        Pb::PutUser(user) => Operation::Put(put_user(&at("put_user"), user)?),
        Pb::PutOrg(org) => Operation::Put(put_org(&at("put_org"), org)?),
        Pb::PutMember(member) => Operation::Put(put_member(&at("put_member"), member)?),
        Pb::PutRepo(repo) => Operation::Put(put_repo(&at("put_repo"), repo)?),
        Pb::PutGateGrant(grant) => Operation::Put(put_grant(&at("put_gate_grant"), grant)?),
        Pb::PutGroup(group) => Operation::Put(put_group(&at("put_group"), &group)?),
        Pb::PutGroupMember(member) => {
            Operation::Put(put_group_member(&at("put_group_member"), &member)?)
        }
        Pb::PutOrgPolicy(policy) => Operation::Put(put_org_policy(&at("put_org_policy"), &policy)?),
        Pb::DeleteGroup(id) => {
            let id = GroupId::parse(&id).map_err(|rule| at("delete_group").itself(rule))?;
            Operation::Delete(RecordKey::Group(id))
        }
        Pb::DeleteGroupMember(key) => {
            let path = at("delete_group_member");
            Operation::Delete(RecordKey::GroupMember {
                group: path.group("group_id", &key.group_id)?,
                user: path.account("user_id", &key.user_id)?,
            })
        }
        Pb::DeleteOrgPolicy(id) => {
            let id = AccountId::parse(&id).map_err(|rule| at("delete_org_policy").itself(rule))?;
            Operation::Delete(RecordKey::OrgPolicy(id))
        }
        Pb::DeleteUser(id) => {
            let id = AccountId::parse(&id).map_err(|rule| at("delete_user").itself(rule))?;
            Operation::Delete(RecordKey::User(id))
        }
        Pb::DeleteOrg(id) => {
            let id = AccountId::parse(&id).map_err(|rule| at("delete_org").itself(rule))?;
            Operation::Delete(RecordKey::Org(id))
        }
        Pb::DeleteRepo(id) => {
            let id = RepoId::parse(&id).map_err(|rule| at("delete_repo").itself(rule))?;
            Operation::Delete(RecordKey::Repo(id))
        }
        Pb::DeleteMember(key) => {
            let path = at("delete_member");
            Operation::Delete(RecordKey::Member {
                org: path.account("org_id", &key.org_id)?,
                user: path.account("user_id", &key.user_id)?,
            })
        }
        Pb::DeleteGateGrant(key) => {
            let path = at("delete_gate_grant");
            Operation::Delete(RecordKey::GateGrant {
                repo: path.repo("repo_id", &key.repo_id)?,
                user: path.account("user_id", &key.user_id)?,
            })
        }
    })
}

/// The record that a put's ids name.
pub(super) fn key(index: usize, put: &pb::operation::Operation) -> Result<RecordKey, Problem> {
    use pb::operation::Operation as Pb;
    let at = |name| Path { index, name };
    Ok(match put {
        Pb::PutUser(user) => RecordKey::User(at("put_user").account("id", &user.id)?),
        Pb::PutOrg(org) => RecordKey::Org(at("put_org").account("id", &org.id)?),
        Pb::PutRepo(repo) => RecordKey::Repo(at("put_repo").repo("id", &repo.id)?),
        Pb::PutGroup(group) => RecordKey::Group(at("put_group").group("id", &group.id)?),
        Pb::PutOrgPolicy(policy) => {
            RecordKey::OrgPolicy(at("put_org_policy").account("org_id", &policy.org_id)?)
        }
        Pb::PutMember(member) => {
            let path = at("put_member");
            RecordKey::Member {
                org: path.account("org_id", &member.org_id)?,
                user: path.account("user_id", &member.user_id)?,
            }
        }
        Pb::PutGroupMember(member) => {
            let path = at("put_group_member");
            RecordKey::GroupMember {
                group: path.group("group_id", &member.group_id)?,
                user: path.account("user_id", &member.user_id)?,
            }
        }
        Pb::PutGateGrant(grant) => {
            let path = at("put_gate_grant");
            RecordKey::GateGrant {
                repo: path.repo("repo_id", &grant.repo_id)?,
                user: path.account("user_id", &grant.user_id)?,
            }
        }
        _ => return Err(Problem::Internal),
    })
}

/// Where in a request a field stands.
pub(super) struct Path {
    index: usize,
    name: &'static str,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operations[{}].{}", self.index, self.name)
    }
}

impl Path {
    fn invalid(&self, field: &str, rule: impl ToString) -> Problem {
        Problem::invalid(format!("{self}.{field}"), rule)
    }

    fn itself(&self, rule: IdError) -> Problem {
        Problem::invalid(self.to_string(), rule)
    }

    fn account(&self, field: &str, text: &str) -> Result<AccountId, Problem> {
        AccountId::parse(text).map_err(|rule| self.invalid(field, rule))
    }

    fn optional(&self, field: &str, text: &str) -> Result<Option<AccountId>, Problem> {
        if text.is_empty() {
            return Ok(None);
        }
        self.account(field, text).map(Some)
    }

    fn repo(&self, field: &str, text: &str) -> Result<RepoId, Problem> {
        RepoId::parse(text).map_err(|rule| self.invalid(field, rule))
    }

    fn group(&self, field: &str, text: &str) -> Result<GroupId, Problem> {
        GroupId::parse(text).map_err(|rule| self.invalid(field, rule))
    }

    fn name(&self, text: &str) -> Result<Name, Problem> {
        Name::parse(text).map_err(|rule| self.invalid("name", rule))
    }

    /// An enum's number; 0 and unknown ones are refused.
    fn number<T>(
        &self,
        field: &str,
        number: i32,
        from: impl Fn(u32) -> Option<T>,
    ) -> Result<T, Problem> {
        u32::try_from(number)
            .ok()
            .and_then(from)
            .ok_or_else(|| self.invalid(field, "must be set to a known value"))
    }

    /// `texts`: its fields that people read.
    fn display<T: Message>(
        &self,
        display: Option<&T>,
        texts: impl Fn(&T) -> Vec<(&'static str, &String)>,
    ) -> Result<Box<[u8]>, Problem> {
        for (field, text) in display.map(texts).unwrap_or_default() {
            if !is_shown_as_it_is(text) {
                return Err(self.invalid(&format!("display.{field}"), RULE));
            }
        }
        let bytes = display.map(Message::encode_to_vec).unwrap_or_default();
        if bytes.len() > MAX_DISPLAY {
            let rule = format!("must be at most {MAX_DISPLAY} bytes in all");
            return Err(self.invalid("display", rule));
        }
        Ok(bytes.into())
    }
}

fn put_user(path: &Path, user: pb::User) -> Result<Record, Problem> {
    Ok(Record::User(User {
        id: path.account("id", &user.id)?,
        name: path.name(&user.name)?,
        disabled: user.disabled,
        service_account_of: path.optional("service_account_of", &user.service_account_of)?,
        display: path.display(user.display.as_ref(), |it| {
            vec![
                ("full_name", &it.full_name),
                ("email", &it.email),
                ("avatar_url", &it.avatar_url),
            ]
        })?,
    }))
}

fn put_org(path: &Path, org: pb::Org) -> Result<Record, Problem> {
    Ok(Record::Org(Org {
        id: path.account("id", &org.id)?,
        name: path.name(&org.name)?,
        display: path.display(org.display.as_ref(), |it| {
            vec![
                ("full_name", &it.full_name),
                ("avatar_url", &it.avatar_url),
                ("plan", &it.plan),
            ]
        })?,
    }))
}

fn put_member(path: &Path, member: pb::Member) -> Result<Record, Problem> {
    Ok(Record::Member(Member {
        org: path.account("org_id", &member.org_id)?,
        user: path.account("user_id", &member.user_id)?,
        role: path.number("role", member.role, OrgRole::from_number)?,
    }))
}

fn put_group(path: &Path, group: &pb::Group) -> Result<Record, Problem> {
    Ok(Record::Group(Group {
        id: path.group("id", &group.id)?,
        org: path.account("org_id", &group.org_id)?,
        name: path.name(&group.name)?,
    }))
}

fn put_group_member(path: &Path, member: &pb::GroupMember) -> Result<Record, Problem> {
    Ok(Record::GroupMember(GroupMember {
        group: path.group("group_id", &member.group_id)?,
        user: path.account("user_id", &member.user_id)?,
        role: path.number("role", member.role, GroupRole::from_number)?,
        // The plan says which.
        membership: 0,
    }))
}

fn put_org_policy(path: &Path, policy: &pb::OrgPolicy) -> Result<Record, Problem> {
    let longest = policy.max_token_lifetime.map(|longest| {
        let whole = Duration::try_from(longest).ok().filter(|longest| {
            let seconds = longest.subsec_nanos() == 0;
            seconds && !longest.is_zero() && *longest <= MAX_LIFETIME
        });
        let rule = "must be whole seconds, at least one and at most ten years";
        whole.ok_or_else(|| path.invalid("max_token_lifetime", rule))
    });
    Ok(Record::OrgPolicy(OrgPolicy {
        org: path.account("org_id", &policy.org_id)?,
        policy: path.number("policy", policy.policy, TokenPolicy::from_number)?,
        max_lifetime: longest.transpose()?,
    }))
}

fn put_repo(path: &Path, repo: pb::Repo) -> Result<Record, Problem> {
    Ok(Record::Repo(Repo {
        id: path.repo("id", &repo.id)?,
        kind: path.number("kind", repo.kind, RepoKind::from_number)?,
        owner: path.account("owner_id", &repo.owner_id)?,
        name: path.name(&repo.name)?,
        visibility: path.number("visibility", repo.visibility, Visibility::from_number)?,
        gate: path.number("gate", repo.gate, GateMode::from_number)?,
        creator: path.optional("creator_id", &repo.creator_id)?,
        disabled: repo.disabled,
        group: match repo.group_id.as_str() {
            "" => None,
            id => Some(path.group("group_id", id)?),
        },
        org_members_gated: repo.org_members_gated,
    }))
}

fn put_grant(path: &Path, grant: pb::GateGrant) -> Result<Record, Problem> {
    Ok(Record::GateGrant(GateGrant {
        repo: path.repo("repo_id", &grant.repo_id)?,
        user: path.account("user_id", &grant.user_id)?,
        state: path.number("state", grant.state, GrantState::from_number)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longest_lifetime_is_whole_seconds_up_to_ten_years() {
        const DECADE: i64 = 3650 * 24 * 3600;
        let put = |seconds, nanos| {
            let policy = pb::OrgPolicy {
                org_id: "acme".into(),
                policy: pb::TokenPolicy::Allow.into(),
                max_token_lifetime: Some(prost_types::Duration { seconds, nanos }),
            };
            let put = pb::operation::Operation::PutOrgPolicy(policy);
            let put = pb::Operation {
                operation: Some(put),
                ..pb::Operation::default()
            };
            operation(0, put)
        };
        for (seconds, nanos) in [(1, 0), (DECADE, 0)] {
            assert!(put(seconds, nanos).is_ok(), "{seconds}");
        }
        for (seconds, nanos) in [
            (0, 0),
            (-1, 0),
            (1, 1),
            (0, 500_000_000),
            (DECADE + 1, 0),
            (i64::MAX, 0),
        ] {
            let refused = put(seconds, nanos).err().map(|it| it.to_string());
            let rule = "put_org_policy.max_token_lifetime: must be whole seconds, at least one and \
                        at most ten years";
            assert!(
                refused.as_ref().is_some_and(|it| it.contains(rule)),
                "{refused:?}"
            );
        }
    }
}
