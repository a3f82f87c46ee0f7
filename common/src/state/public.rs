//! The directory's records to and from the messages of the API: what is read is right by its type.
//!
//! Decides which text and which numbers a record of the directory may hold. Must not know the request
//! that a message came in, nor what the state holds.

use std::{str::FromStr, time::Duration};

use prost::Message;
use tokenward_proto::v1::{
    self as pb, operation::Operation, record::Record as Pb, record_key::Key,
};

use crate::{
    id::IdError,
    state::record::{
        GateGrant, GateMode, GrantState, Group, GroupMember, GroupRole, Member, Org, OrgPolicy,
        OrgRole, Record, RecordKey, Repo, RepoKind, TokenPolicy, User, Visibility,
    },
    text::{RULE, is_shown_as_it_is},
    token::{Scope, Scopes},
};

/// Longest display of an account, encoded, in bytes.
const MAX_DISPLAY: usize = 1024;
/// Longest limit that an org sets to the lives of tokens.
const MAX_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// A field of a message, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct FieldError {
    /// The field's path in the message; empty for a key that is a mere id.
    pub field: String,
    /// The rule, as it follows the field's name.
    pub rule: String,
}

fn wrong(field: &str, rule: impl ToString) -> FieldError {
    FieldError {
        field: field.to_owned(),
        rule: rule.to_string(),
    }
}

/// The record as a message; `None`: it is not of the directory.
pub fn record_to_message(record: Record) -> Option<pb::Record> {
    let record = Some(match record {
        Record::User(it) => Pb::User(it.into()),
        Record::Org(it) => Pb::Org(it.into()),
        Record::Member(it) => Pb::Member(it.into()),
        Record::Group(it) => Pb::Group(it.into()),
        Record::GroupMember(it) => Pb::GroupMember(it.into()),
        Record::OrgPolicy(it) => Pb::OrgPolicy(it.into()),
        Record::Repo(it) => Pb::Repo(it.into()),
        Record::GateGrant(it) => Pb::GateGrant(it.into()),
        _ => return None,
    });
    Some(pb::Record { record })
}

/// The operation that writes the record again; `None`: it is not of the directory.
pub fn record_to_put(record: Record) -> Option<pb::Operation> {
    let message = record_to_message(record)?.record?;
    Some(Operation::from(message).into())
}

/// The record that a message is. A group member is of the user's first membership of the org.
pub fn record_from_message(message: Pb) -> Result<Record, FieldError> {
    Ok(match message {
        Pb::User(it) => Record::User(it.try_into()?),
        Pb::Org(it) => Record::Org(it.try_into()?),
        Pb::Member(it) => Record::Member(it.try_into()?),
        Pb::Group(it) => Record::Group(it.try_into()?),
        Pb::GroupMember(it) => Record::GroupMember(it.try_into()?),
        Pb::OrgPolicy(it) => Record::OrgPolicy(it.try_into()?),
        Pb::Repo(it) => Record::Repo(it.try_into()?),
        Pb::GateGrant(it) => Record::GateGrant(it.try_into()?),
    })
}

/// The key that a message is; `None`: it names a record by what people call it.
pub fn key_from_message(key: &Key) -> Result<Option<RecordKey>, FieldError> {
    Ok(Some(match key {
        Key::UserId(it) => RecordKey::User(id("", it)?),
        Key::OrgId(it) => RecordKey::Org(id("", it)?),
        Key::Member(it) => RecordKey::Member {
            org: id("org_id", &it.org_id)?,
            user: id("user_id", &it.user_id)?,
        },
        Key::GroupId(it) => RecordKey::Group(id("", it)?),
        Key::GroupMember(it) => RecordKey::GroupMember {
            group: id("group_id", &it.group_id)?,
            user: id("user_id", &it.user_id)?,
        },
        Key::OrgPolicy(it) => RecordKey::OrgPolicy(id("", it)?),
        Key::RepoId(it) => RecordKey::Repo(id("", it)?),
        Key::GateGrant(it) => RecordKey::GateGrant {
            repo: id("repo_id", &it.repo_id)?,
            user: id("user_id", &it.user_id)?,
        },
        Key::AccountName(_) | Key::RepoName(_) => return Ok(None),
    }))
}

/// An id or a name, of whatever type the record asks for.
fn id<T: FromStr<Err = IdError>>(field: &str, text: &str) -> Result<T, FieldError> {
    text.parse().map_err(|rule| wrong(field, rule))
}

/// The empty text is none.
fn optional<T: FromStr<Err = IdError>>(field: &str, text: &str) -> Result<Option<T>, FieldError> {
    let some = !text.is_empty();
    some.then(|| id(field, text)).transpose()
}

fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

/// An enum's number is the same in the API and in the domain. 0 and unknown ones are refused.
fn from_number<T>(
    field: &str,
    number: i32,
    known: impl Fn(u32) -> Option<T>,
) -> Result<T, FieldError> {
    let found = u32::try_from(number).ok().and_then(known);
    found.ok_or_else(|| wrong(field, "must be set to a known value"))
}

/// As [`from_number`] reads it.
pub fn to_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or_default()
}

/// `texts` are the fields of it that people read.
fn display_to_bytes<T: Message>(
    display: Option<&T>,
    texts: impl Fn(&T) -> Vec<(&'static str, &String)>,
) -> Result<Box<[u8]>, FieldError> {
    for (field, text) in display.map(texts).unwrap_or_default() {
        if !is_shown_as_it_is(text) {
            return Err(wrong(&format!("display.{field}"), RULE));
        }
    }
    let bytes = display.map(Message::encode_to_vec).unwrap_or_default();
    if bytes.len() > MAX_DISPLAY {
        let rule = format!("must be at most {MAX_DISPLAY} bytes in all");
        return Err(wrong("display", rule));
    }
    Ok(bytes.into())
}

/// No bytes are no display. What can't be read is shown as none: no decision looks at it.
fn display_from_bytes<D: Message + Default>(bytes: &[u8]) -> Option<D> {
    let some = !bytes.is_empty();
    some.then(|| D::decode(bytes).ok()).flatten()
}

impl TryFrom<pb::User> for User {
    type Error = FieldError;

    fn try_from(user: pb::User) -> Result<Self, FieldError> {
        Ok(Self {
            id: id("id", &user.id)?,
            name: id("name", &user.name)?,
            disabled: user.disabled,
            service_account_of: optional("service_account_of", &user.service_account_of)?,
            display: display_to_bytes(user.display.as_ref(), |it| {
                vec![
                    ("full_name", &it.full_name),
                    ("email", &it.email),
                    ("avatar_url", &it.avatar_url),
                ]
            })?,
        })
    }
}

impl From<User> for pb::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.to_string(),
            disabled: user.disabled,
            display: display_from_bytes(&user.display),
            service_account_of: text(user.service_account_of.as_ref()),
        }
    }
}

impl TryFrom<pb::Org> for Org {
    type Error = FieldError;

    fn try_from(org: pb::Org) -> Result<Self, FieldError> {
        Ok(Self {
            id: id("id", &org.id)?,
            name: id("name", &org.name)?,
            display: display_to_bytes(org.display.as_ref(), |it| {
                vec![
                    ("full_name", &it.full_name),
                    ("avatar_url", &it.avatar_url),
                    ("plan", &it.plan),
                ]
            })?,
        })
    }
}

impl From<Org> for pb::Org {
    fn from(org: Org) -> Self {
        Self {
            id: org.id.to_string(),
            name: org.name.to_string(),
            display: display_from_bytes(&org.display),
        }
    }
}

impl TryFrom<pb::Member> for Member {
    type Error = FieldError;

    fn try_from(member: pb::Member) -> Result<Self, FieldError> {
        Ok(Self {
            org: id("org_id", &member.org_id)?,
            user: id("user_id", &member.user_id)?,
            role: from_number("role", member.role, OrgRole::from_number)?,
        })
    }
}

impl From<Member> for pb::Member {
    fn from(member: Member) -> Self {
        Self {
            org_id: member.org.to_string(),
            user_id: member.user.to_string(),
            role: to_number(member.role.number()),
        }
    }
}

impl TryFrom<pb::Group> for Group {
    type Error = FieldError;

    fn try_from(group: pb::Group) -> Result<Self, FieldError> {
        Ok(Self {
            id: id("id", &group.id)?,
            org: id("org_id", &group.org_id)?,
            name: id("name", &group.name)?,
        })
    }
}

impl From<Group> for pb::Group {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.to_string(),
            org_id: group.org.to_string(),
            name: group.name.to_string(),
        }
    }
}

impl TryFrom<pb::GroupMember> for GroupMember {
    type Error = FieldError;

    fn try_from(member: pb::GroupMember) -> Result<Self, FieldError> {
        Ok(Self {
            group: id("group_id", &member.group_id)?,
            user: id("user_id", &member.user_id)?,
            role: from_number("role", member.role, GroupRole::from_number)?,
            membership: 0,
        })
    }
}

impl From<GroupMember> for pb::GroupMember {
    fn from(member: GroupMember) -> Self {
        Self {
            group_id: member.group.to_string(),
            user_id: member.user.to_string(),
            role: to_number(member.role.number()),
        }
    }
}

impl TryFrom<pb::OrgPolicy> for OrgPolicy {
    type Error = FieldError;

    fn try_from(policy: pb::OrgPolicy) -> Result<Self, FieldError> {
        let longest = policy.max_token_lifetime.map(|longest| {
            let whole = Duration::try_from(longest).ok().filter(|longest| {
                let seconds = longest.subsec_nanos() == 0;
                seconds && !longest.is_zero() && *longest <= MAX_LIFETIME
            });
            let rule = "must be whole seconds, at least one and at most ten years";
            whole.ok_or_else(|| wrong("max_token_lifetime", rule))
        });
        Ok(Self {
            org: id("org_id", &policy.org_id)?,
            policy: from_number("policy", policy.policy, TokenPolicy::from_number)?,
            max_lifetime: longest.transpose()?,
        })
    }
}

impl From<OrgPolicy> for pb::OrgPolicy {
    fn from(policy: OrgPolicy) -> Self {
        let longest = policy.max_lifetime.map(TryInto::try_into);
        Self {
            org_id: policy.org.to_string(),
            policy: to_number(policy.policy.number()),
            max_token_lifetime: longest.and_then(Result::ok),
        }
    }
}

impl TryFrom<pb::Repo> for Repo {
    type Error = FieldError;

    fn try_from(repo: pb::Repo) -> Result<Self, FieldError> {
        Ok(Self {
            id: id("id", &repo.id)?,
            kind: from_number("kind", repo.kind, RepoKind::from_number)?,
            owner: id("owner_id", &repo.owner_id)?,
            name: id("name", &repo.name)?,
            visibility: from_number("visibility", repo.visibility, Visibility::from_number)?,
            gate: from_number("gate", repo.gate, GateMode::from_number)?,
            creator: optional("creator_id", &repo.creator_id)?,
            disabled: repo.disabled,
            group: optional("group_id", &repo.group_id)?,
            org_members_gated: repo.org_members_gated,
        })
    }
}

impl From<Repo> for pb::Repo {
    fn from(repo: Repo) -> Self {
        Self {
            id: repo.id.to_string(),
            kind: to_number(repo.kind.number()),
            owner_id: repo.owner.to_string(),
            name: repo.name.to_string(),
            visibility: to_number(repo.visibility.number()),
            gate: to_number(repo.gate.number()),
            creator_id: text(repo.creator.as_ref()),
            disabled: repo.disabled,
            group_id: text(repo.group.as_ref()),
            org_members_gated: repo.org_members_gated,
        }
    }
}

impl TryFrom<pb::GateGrant> for GateGrant {
    type Error = FieldError;

    fn try_from(grant: pb::GateGrant) -> Result<Self, FieldError> {
        Ok(Self {
            repo: id("repo_id", &grant.repo_id)?,
            user: id("user_id", &grant.user_id)?,
            state: from_number("state", grant.state, GrantState::from_number)?,
        })
    }
}

impl From<GateGrant> for pb::GateGrant {
    fn from(grant: GateGrant) -> Self {
        Self {
            repo_id: grant.repo.to_string(),
            user_id: grant.user.to_string(),
            state: to_number(grant.state.number()),
        }
    }
}

impl From<Scopes> for pb::Scopes {
    fn from(scopes: Scopes) -> Self {
        let texts = |texts: Vec<Box<str>>| texts.into_iter().map(String::from).collect();
        let scope = |scope: Scope| pb::Scope {
            entity_kind: to_number(scope.kind.number()),
            entity_id: scope.id.into(),
            permissions: texts(scope.permissions),
            endpoint_patterns: texts(scope.patterns),
        };
        Self {
            scoped: scopes.scoped.into_iter().map(scope).collect(),
            global: texts(scopes.global),
            can_read_gated_repos: scopes.can_read_gated_repos,
        }
    }
}
