//! Maps the directory's messages to JSON. One table defines both what an import reads and what is shown.

use std::str::FromStr;

use serde_json::{Map, Value};
use tokenward_common::id::{AccountId, GroupId, IdError, Name, RepoId};
use tokenward_proto::v1::{
    GateGrant, GateGrantKey, GateMode, GrantState, Group, GroupMember, GroupMemberKey, GroupRole,
    Member, MemberKey, Org, OrgDisplay, OrgPolicy, OrgRole, Repo, RepoKind, TokenPolicy, User,
    UserDisplay, Visibility, record::Record, record_key::Key,
};

use crate::words::Word;

/// A message that JSON represents as an object.
pub(super) trait Object: Sized {
    fn read(fields: &mut Fields) -> Result<Self, String>;
    fn show(&self) -> Value;
}

/// Each field is `field: how`, or `field as name in JSON: how`. `how` names the methods that read and show
/// it.
macro_rules! objects {
    ($($message:ident { $($field:ident $(as $name:ident)?: $how:ident $(<$of:ty>)?),+ $(,)? })+) => {$(
        impl Object for $message {
            fn read(fields: &mut Fields) -> Result<Self, String> {
                Ok(Self {
                    $($field: fields.$how$(::<$of>)?(name!($field $($name)?))?),+
                })
            }

            fn show(&self) -> Value {
                let fields = [
                    $((name!($field $($name)?).to_owned(), show!($how $(<$of>)?, &self.$field))),+
                ];
                Value::Object(fields.into_iter().collect())
            }
        }
    )+};
}

macro_rules! show {
    (word<$of:ty>, $value:expr) => {
        show::word::<$of>($value)
    };
    ($how:ident $(<$of:ty>)?, $value:expr) => {
        show::$how($value)
    };
}

macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:ident) => {
        stringify!($name)
    };
}

objects! {
    User {
        id: id<AccountId>,
        name: id<Name>,
        disabled: flag,
        service_account_of: optional_id<AccountId>,
        display: nested<UserDisplay>,
    }
    UserDisplay { full_name: text, email: text, avatar_url: text, is_pro: flag }
    Org { id: id<AccountId>, name: id<Name>, display: nested<OrgDisplay> }
    OrgDisplay { full_name: text, avatar_url: text, plan: text }
    Member { org_id: id<AccountId>, user_id: id<AccountId>, role: word<OrgRole> }
    Group { id: id<GroupId>, org_id: id<AccountId>, name: id<Name> }
    GroupMember { group_id: id<GroupId>, user_id: id<AccountId>, role: word<GroupRole> }
    OrgPolicy {
        org_id: id<AccountId>,
        policy: word<TokenPolicy>,
        max_token_lifetime as max_token_lifetime_seconds: seconds,
    }
    Repo {
        id: id<RepoId>,
        kind: word<RepoKind>,
        owner_id: id<AccountId>,
        name: id<Name>,
        visibility: word<Visibility>,
        gate: word<GateMode>,
        creator_id: optional_id<AccountId>,
        disabled: flag,
        group_id: optional_id<GroupId>,
        org_members_gated: flag,
    }
    GateGrant { repo_id: id<RepoId>, user_id: id<AccountId>, state: word<GrantState> }
    MemberKey { org_id: id<AccountId>, user_id: id<AccountId> }
    GroupMemberKey { group_id: id<GroupId>, user_id: id<AccountId> }
    GateGrantKey { repo_id: id<RepoId>, user_id: id<AccountId> }
}

/// Reads the record of a put. `None`: there is no such kind.
pub(super) fn read_record(word: &str, at: &str, value: Value) -> Result<Option<Record>, String> {
    Ok(Some(match word {
        "user" => Record::User(read(at, value)?),
        "org" => Record::Org(read(at, value)?),
        "member" => Record::Member(read(at, value)?),
        "group" => Record::Group(read(at, value)?),
        "group_member" => Record::GroupMember(read(at, value)?),
        "org_policy" => Record::OrgPolicy(read(at, value)?),
        "repo" => Record::Repo(read(at, value)?),
        "gate_grant" => Record::GateGrant(read(at, value)?),
        _ => return Ok(None),
    }))
}

/// Reads the key that a deletion names. `None`: there is no such kind.
pub(super) fn read_key(word: &str, at: &str, value: Value) -> Result<Option<Key>, String> {
    Ok(Some(match word {
        "user" => Key::UserId(read_id::<AccountId>(at, value)?),
        "org" => Key::OrgId(read_id::<AccountId>(at, value)?),
        "member" => Key::Member(read(at, value)?),
        "group" => Key::GroupId(read_id::<GroupId>(at, value)?),
        "group_member" => Key::GroupMember(read(at, value)?),
        "org_policy" => Key::OrgPolicy(read_id::<AccountId>(at, value)?),
        "repo" => Key::RepoId(read_id::<RepoId>(at, value)?),
        "gate_grant" => Key::GateGrant(read(at, value)?),
        _ => return Ok(None),
    }))
}

/// Shows the record, without the name of its kind.
pub(super) fn show_record(record: &Record) -> Value {
    match record {
        Record::User(it) => it.show(),
        Record::Org(it) => it.show(),
        Record::Member(it) => it.show(),
        Record::Group(it) => it.show(),
        Record::GroupMember(it) => it.show(),
        Record::OrgPolicy(it) => it.show(),
        Record::Repo(it) => it.show(),
        Record::GateGrant(it) => it.show(),
    }
}

/// Reads all fields of one object, and refuses unknown ones.
fn read<T: Object>(at: &str, value: Value) -> Result<T, String> {
    let Value::Object(object) = value else {
        return Err(format!("{at}: must be an object"));
    };
    let mut fields = Fields {
        at: at.to_owned(),
        object,
        known: Vec::new(),
    };
    let message = T::read(&mut fields)?;
    match fields.object.keys().next() {
        Some(unknown) => Err(format!(
            "{at}.{unknown}: is no field; they are {}",
            fields.known.join(", ")
        )),
        None => Ok(message),
    }
}

fn read_id<T: FromStr<Err = IdError>>(at: &str, value: Value) -> Result<String, String> {
    let Value::String(text) = value else {
        return Err(format!("{at}: must be the id, a string"));
    };
    match text.parse::<T>() {
        Ok(_) => Ok(text),
        Err(rule) => Err(format!("{at}: {rule}")),
    }
}

/// The fields of an object that are not read yet.
pub(super) struct Fields {
    at: String,
    object: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    /// Takes one field's value. `null` is treated as absent.
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

    /// Reads the text of an id or a name.
    fn id<T: FromStr<Err = IdError>>(&mut self, field: &'static str) -> Result<String, String> {
        let text = self.text(field)?;
        let parsed = text.parse::<T>();
        parsed.map_err(|rule| self.fault(field, rule))?;
        Ok(text)
    }

    /// Reads the text of an id or a name. An absent one is the empty text.
    fn optional_id<T: FromStr<Err = IdError>>(
        &mut self,
        field: &'static str,
    ) -> Result<String, String> {
        match self.object.get(field) {
            None | Some(Value::Null) => self.text(field),
            Some(Value::String(text)) if text.is_empty() => self.text(field),
            Some(_) => self.id::<T>(field),
        }
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, String> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.fault(field, "must be true or false")),
        }
    }

    /// Reads a duration in seconds. 0 is treated as absent.
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

    fn nested<T: Object>(&mut self, field: &'static str) -> Result<Option<T>, String> {
        let at = format!("{}.{field}", self.at);
        let value = self.take(field);
        value.map(|value| read(&at, value)).transpose()
    }
}

/// Shows each kind of field. Each function is the inverse of the method of [`Fields`] with its name.
mod show {
    use super::{Object, Value};
    use crate::words::{Word, word_of};

    pub(super) fn text(text: &str) -> Value {
        text.into()
    }

    pub(super) fn id(id: &str) -> Value {
        id.into()
    }

    pub(super) fn optional_id(id: &str) -> Value {
        id.into()
    }

    pub(super) fn flag(flag: &bool) -> Value {
        (*flag).into()
    }

    pub(super) fn word<W: Word>(number: &i32) -> Value {
        word_of::<W>(*number).into()
    }

    pub(super) fn seconds(time: &Option<prost_types::Duration>) -> Value {
        time.map_or(0, |time| time.seconds).into()
    }

    pub(super) fn nested<T: Object>(message: &Option<T>) -> Value {
        message.as_ref().map_or(Value::Null, Object::show)
    }
}
