//! One line of an import: a JSON object with one operation, checked whole before anything is sent.
//! A message names the field and the rule; the caller adds the line.

use serde_json::{Map, Value};
use tokenward_common::id::{AccountId, GroupId, IdError, Name, RepoId};
use tokenward_proto::v1::{
    GateGrant, GateGrantKey, Group, GroupMember, GroupMemberKey, GroupRole, Member, MemberKey,
    Operation, Org, OrgDisplay, OrgPolicy, Repo, TokenPolicy, User, UserDisplay,
    operation::Operation as Op,
};

use crate::words::Word;

pub(crate) fn parse(line: &str) -> Result<Operation, String> {
    let object: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| not_json(&error))?;
    let mut entries = object.into_iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err("must hold exactly one operation".into());
    };
    let operation = match name.as_str() {
        "put_user" => Op::PutUser(read(&name, value, user)?),
        "put_org" => Op::PutOrg(read(&name, value, org)?),
        "put_member" => Op::PutMember(read(&name, value, |fields| {
            Ok(Member {
                org_id: fields.id("org_id", account)?,
                user_id: fields.id("user_id", account)?,
                role: fields.word::<tokenward_proto::v1::OrgRole>("role")?,
            })
        })?),
        "put_group" => Op::PutGroup(read(&name, value, |fields| {
            Ok(Group {
                id: fields.id("id", group_id)?,
                org_id: fields.id("org_id", account)?,
                name: fields.id("name", self::name)?,
            })
        })?),
        "put_group_member" => Op::PutGroupMember(read(&name, value, |fields| {
            Ok(GroupMember {
                group_id: fields.id("group_id", group_id)?,
                user_id: fields.id("user_id", account)?,
                role: fields.word::<GroupRole>("role")?,
            })
        })?),
        "put_org_policy" => Op::PutOrgPolicy(read(&name, value, |fields| {
            Ok(OrgPolicy {
                org_id: fields.id("org_id", account)?,
                policy: fields.word::<TokenPolicy>("policy")?,
                max_token_lifetime: fields.seconds("max_token_lifetime_seconds")?,
            })
        })?),
        "put_repo" => Op::PutRepo(read(&name, value, repo)?),
        "put_gate_grant" => Op::PutGateGrant(read(&name, value, |fields| {
            Ok(GateGrant {
                repo_id: fields.id("repo_id", repo_id)?,
                user_id: fields.id("user_id", account)?,
                state: fields.word::<tokenward_proto::v1::GrantState>("state")?,
            })
        })?),
        "delete_user" => Op::DeleteUser(read_id(&name, value, account)?),
        "delete_org" => Op::DeleteOrg(read_id(&name, value, account)?),
        "delete_member" => Op::DeleteMember(read(&name, value, |fields| {
            Ok(MemberKey {
                org_id: fields.id("org_id", account)?,
                user_id: fields.id("user_id", account)?,
            })
        })?),
        "delete_group" => Op::DeleteGroup(read_id(&name, value, group_id)?),
        "delete_group_member" => Op::DeleteGroupMember(read(&name, value, |fields| {
            Ok(GroupMemberKey {
                group_id: fields.id("group_id", group_id)?,
                user_id: fields.id("user_id", account)?,
            })
        })?),
        "delete_org_policy" => Op::DeleteOrgPolicy(read_id(&name, value, account)?),
        "delete_repo" => Op::DeleteRepo(read_id(&name, value, repo_id)?),
        "delete_gate_grant" => Op::DeleteGateGrant(read(&name, value, |fields| {
            Ok(GateGrantKey {
                repo_id: fields.id("repo_id", repo_id)?,
                user_id: fields.id("user_id", account)?,
            })
        })?),
        _ => {
            return Err(format!(
                "{name}: is no operation; they are put_ and delete_ with user, org, member, group, \
                 group_member, org_policy, repo or gate_grant"
            ));
        }
    };
    Ok(Operation {
        operation: Some(operation),
        ..Operation::default()
    })
}

fn user(fields: &mut Fields) -> Result<User, String> {
    Ok(User {
        id: fields.id("id", account)?,
        name: fields.id("name", name)?,
        disabled: fields.flag("disabled")?,
        service_account_of: fields.optional_id("service_account_of", account)?,
        display: fields.nested("display", |fields| {
            Ok(UserDisplay {
                full_name: fields.text("full_name")?,
                email: fields.text("email")?,
                avatar_url: fields.text("avatar_url")?,
                is_pro: fields.flag("is_pro")?,
            })
        })?,
    })
}

fn org(fields: &mut Fields) -> Result<Org, String> {
    Ok(Org {
        id: fields.id("id", account)?,
        name: fields.id("name", name)?,
        display: fields.nested("display", |fields| {
            Ok(OrgDisplay {
                full_name: fields.text("full_name")?,
                avatar_url: fields.text("avatar_url")?,
                plan: fields.text("plan")?,
            })
        })?,
    })
}

fn repo(fields: &mut Fields) -> Result<Repo, String> {
    Ok(Repo {
        id: fields.id("id", repo_id)?,
        kind: fields.word::<tokenward_proto::v1::RepoKind>("kind")?,
        owner_id: fields.id("owner_id", account)?,
        name: fields.id("name", name)?,
        visibility: fields.word::<tokenward_proto::v1::Visibility>("visibility")?,
        gate: fields.word::<tokenward_proto::v1::GateMode>("gate")?,
        creator_id: fields.optional_id("creator_id", account)?,
        disabled: fields.flag("disabled")?,
        group_id: fields.optional_id("group_id", group_id)?,
        org_members_gated: fields.flag("org_members_gated")?,
    })
}

fn account(text: &str) -> Result<(), IdError> {
    AccountId::parse(text).map(drop)
}

fn group_id(text: &str) -> Result<(), IdError> {
    GroupId::parse(text).map(drop)
}

fn repo_id(text: &str) -> Result<(), IdError> {
    RepoId::parse(text).map(drop)
}

fn name(text: &str) -> Result<(), IdError> {
    Name::parse(text).map(drop)
}

type Rule = fn(&str) -> Result<(), IdError>;

/// All fields of one object, and none but those.
fn read<T>(
    at: &str,
    value: Value,
    take: impl FnOnce(&mut Fields) -> Result<T, String>,
) -> Result<T, String> {
    let Value::Object(object) = value else {
        return Err(format!("{at}: must be an object"));
    };
    let mut fields = Fields {
        at: at.to_owned(),
        object,
        known: Vec::new(),
    };
    let message = take(&mut fields)?;
    match fields.object.keys().next() {
        Some(unknown) => Err(format!(
            "{at}.{unknown}: is no field; they are {}",
            fields.known.join(", ")
        )),
        None => Ok(message),
    }
}

fn read_id(at: &str, value: Value, rule: Rule) -> Result<String, String> {
    let Value::String(text) = value else {
        return Err(format!("{at}: must be the id, a string"));
    };
    match rule(&text) {
        Ok(()) => Ok(text),
        Err(rule) => Err(format!("{at}: {rule}")),
    }
}

/// What is left to read of an object.
struct Fields {
    at: String,
    object: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    /// `null` is the same as absent.
    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.object.remove(field).filter(|value| !value.is_null())
    }

    fn fault(&self, field: &str, rule: impl std::fmt::Display) -> String {
        format!("{}.{field}: {rule}", self.at)
    }

    fn text(&mut self, field: &'static str) -> Result<String, String> {
        match self.take(field) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.fault(field, "must be a string")),
        }
    }

    fn id(&mut self, field: &'static str, rule: Rule) -> Result<String, String> {
        let text = self.text(field)?;
        rule(&text).map_err(|rule| self.fault(field, rule))?;
        Ok(text)
    }

    fn optional_id(&mut self, field: &'static str, rule: Rule) -> Result<String, String> {
        let text = self.text(field)?;
        if !text.is_empty() {
            rule(&text).map_err(|rule| self.fault(field, rule))?;
        }
        Ok(text)
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, String> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.fault(field, "must be true or false")),
        }
    }

    /// 0 is the same as absent.
    fn seconds(&mut self, field: &'static str) -> Result<Option<prost_types::Duration>, String> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let seconds = value.as_i64().filter(|seconds| *seconds >= 0);
        match seconds.ok_or_else(|| self.fault(field, "must be a whole number of seconds"))? {
            0 => Ok(None),
            seconds => Ok(Some(prost_types::Duration { seconds, nanos: 0 })),
        }
    }

    fn word<W: Word + Into<i32>>(&mut self, field: &'static str) -> Result<i32, String> {
        let text = self.text(field)?;
        W::parse_word(&text)
            .map(Into::into)
            .ok_or_else(|| self.fault(field, format!("must be one of {}", W::words())))
    }

    fn nested<T>(
        &mut self,
        field: &'static str,
        take: impl FnOnce(&mut Fields) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let at = format!("{}.{field}", self.at);
        self.take(field)
            .map(|value| read(&at, value, take))
            .transpose()
    }
}

/// The parser counts lines from its own input, which is one line: only the column says something.
fn not_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("is not a JSON object: {what} at column {}", error.column())
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
