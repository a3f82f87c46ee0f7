//! Converts the directory's records to and from the messages of the API; a record that was read is valid by
//! its type.
//!
//! This file decides which text and which numbers a record of the directory may hold. Which fields a kind has
//! stands in its file in `kinds/`. It must not know the request that a message came in, nor what the state holds.

use std::time::Duration;

use prost::Message;
use tokenward_proto::v1::{
    self as pb, operation::Operation, record::Record as Pb, record_key::Key,
};

use crate::{
    id::{AccountId, GroupId, Name, RepoId},
    // This imports the types of all records, whichever the hub feeds.
    state::record::*,
    text::{RULE, is_shown_as_it_is},
    token::{Scope, Scopes},
};

/// Limits the encoded display of an account, in bytes.
const MAX_DISPLAY: usize = 1024;
/// Limits the maximum lifetime of tokens that an org may set.
const MAX_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Reports a field of a message, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct FieldError {
    /// States the field's path in the message; it is empty for a key that is only an id.
    pub field: String,
    /// States the rule, worded so that it follows the field's name.
    pub rule: String,
}

fn wrong(field: &str, rule: impl ToString) -> FieldError {
    FieldError {
        field: field.to_owned(),
        rule: rule.to_string(),
    }
}

/// Converts the records of one kind that the hub feeds to and from their message. [`fed`] implements it.
pub(in crate::state) trait Fed: Sized {
    /// Holds such a record.
    type Message: From<Self>;
    /// Names such a record: its id, or a message of several.
    type Named;

    /// Reads a message: fields in their order, and the first that breaks its rule is reported.
    fn read(message: Self::Message) -> Result<Self, FieldError>;

    /// Reads the key.
    fn read_key(named: &Self::Named) -> Result<RecordKey, FieldError>;
}

/// Implements [`Fed`] for a kind by its fields, `field = its name in the message`, in both directions, by the
/// [`Field`] of their types; then `; field: its value` for one that the message doesn't hold. It is `named by
/// id`, which is the text of an id alone, or by a message of several parts of the key.
macro_rules! fed {
    ($kind:ident { $($fields:tt)+ } named by id) => {
        $crate::state::public::fed!(@ $kind { $($fields)+ } String, named {
            use $crate::state::public::Field;
            Ok($crate::state::record::RecordKey::$kind(Field::read("", named)?))
        });
    };
    ($kind:ident { $($fields:tt)+ } named by $named:ident { $($part:ident = $name:ident),+ }) => {
        $crate::state::public::fed!(@ $kind { $($fields)+ } tokenward_proto::v1::$named, named {
            use $crate::state::public::Field;
            Ok($crate::state::record::RecordKey::$kind {
                $($part: Field::read(stringify!($name), &named.$name)?),+
            })
        });
    };
    (@ $kind:ident { $($field:ident = $name:ident),+ $(; $own:ident: $value:expr)? } $named:ty, $it:ident $key:block) => {
        impl From<$kind> for tokenward_proto::v1::$kind {
            fn from(record: $kind) -> Self {
                use $crate::state::public::Field;
                Self {
                    $($name: record.$field.write()),+
                }
            }
        }

        impl $crate::state::public::Fed for $kind {
            type Message = tokenward_proto::v1::$kind;
            type Named = $named;

            fn read(message: Self::Message) -> Result<Self, $crate::state::public::FieldError> {
                use $crate::state::public::Field;
                Ok(Self {
                    $($field: Field::read(stringify!($name), &message.$name)?,)+
                    $($own: $value,)?
                })
            }

            fn read_key(
                $it: &Self::Named,
            ) -> Result<$crate::state::record::RecordKey, $crate::state::public::FieldError> $key
        }
    };
}
pub(in crate::state) use fed;

macro_rules! dispatch {
    ($($kind:ident $key:ident $more:tt)+) => {
        /// Lists the kinds that the hub feeds: parents before what hangs on them, as an export orders them.
        pub const FED: &[Kind] = &[$(Kind::$kind),+];

        /// Converts a record to a message; `None` if the hub doesn't feed its kind.
        pub fn record_to_message(record: Record) -> Option<pb::Record> {
            let record = Some(match record {
                $(Record::$kind(it) => Pb::$kind(it.into()),)+
                _ => return None,
            });
            Some(pb::Record { record })
        }

        /// Converts a message to a record. A group member gets the user's first membership of the org.
        pub fn record_from_message(message: Pb) -> Result<Record, FieldError> {
            Ok(match message {
                $(Pb::$kind(it) => Record::$kind(Fed::read(it)?),)+
            })
        }

        /// Converts a message to a record's key; `None` if the message names the record by its name.
        pub fn key_from_message(key: &Key) -> Result<Option<RecordKey>, FieldError> {
            Ok(Some(match key {
                $(Key::$key(named) => <$kind as Fed>::read_key(named)?,)+
                Key::AccountName(_) | Key::RepoName(_) => return Ok(None),
            }))
        }

        /// Converts the kind that a question names; `None` if it names none.
        pub fn kind_from_message(kind: pb::RecordKind) -> Option<Kind> {
            match kind {
                $(pb::RecordKind::$kind => Some(Kind::$kind),)+
                pb::RecordKind::Unspecified => None,
            }
        }
    };
}

tokenward_proto::for_each_fed_kind!(dispatch);

/// Makes the operation that writes the record again; `None` if it is not one of the directory.
pub fn record_to_put(record: Record) -> Option<pb::Operation> {
    let message = record_to_message(record)?.record?;
    Some(Operation::from(message).into())
}

/// Converts a field of a record that a message holds as `M`.
pub(in crate::state) trait Field<M>: Sized {
    /// Reads the field; `field` is its name in the message.
    fn read(field: &str, from: &M) -> Result<Self, FieldError>;
    fn write(&self) -> M;
}

impl Field<bool> for bool {
    fn read(_field: &str, from: &bool) -> Result<Self, FieldError> {
        Ok(*from)
    }

    fn write(&self) -> bool {
        *self
    }
}

macro_rules! texts {
    ($($id:ident)+) => {$(
        impl Field<String> for $id {
            fn read(field: &str, from: &String) -> Result<Self, FieldError> {
                from.parse().map_err(|rule| wrong(field, rule))
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }

        /// An empty text stands for `None`.
        impl Field<String> for Option<$id> {
            fn read(field: &str, from: &String) -> Result<Self, FieldError> {
                let some = !from.is_empty();
                some.then(|| Field::read(field, from)).transpose()
            }

            fn write(&self) -> String {
                self.as_ref().map(Field::write).unwrap_or_default()
            }
        }
    )+};
}

texts!(AccountId GroupId Name RepoId);

/// An enum's number is the same in the API and in the domain. 0 and unknown numbers are refused.
macro_rules! numbers {
    ($($list:ident)+) => {$(
        impl Field<i32> for $list {
            fn read(field: &str, from: &i32) -> Result<Self, FieldError> {
                let found = u32::try_from(*from).ok().and_then(Self::from_number);
                found.ok_or_else(|| wrong(field, "must be set to a known value"))
            }

            fn write(&self) -> i32 {
                (*self).into()
            }
        }
    )+};
}

numbers!(GateMode GrantState GroupRole OrgRole RepoKind TokenPolicy Visibility);

/// `None` means that there is no limit.
impl Field<Option<prost_types::Duration>> for Option<Duration> {
    fn read(field: &str, from: &Option<prost_types::Duration>) -> Result<Self, FieldError> {
        let whole = |longest: &Duration| {
            let seconds = longest.subsec_nanos() == 0;
            seconds && !longest.is_zero() && *longest <= MAX_LIFETIME
        };
        let read = |longest| {
            let longest = Duration::try_from(longest).ok().filter(whole);
            let rule = "must be whole seconds, at least one and at most ten years";
            longest.ok_or_else(|| wrong(field, rule))
        };
        from.map(read).transpose()
    }

    fn write(&self) -> Option<prost_types::Duration> {
        self.and_then(|longest| longest.try_into().ok())
    }
}

/// Describes the display of an account, which records keep encoded.
trait Display: Message + Default {
    /// Returns the display's fields that people read.
    fn texts(&self) -> [(&'static str, &str); 3];
}

impl Display for pb::UserDisplay {
    fn texts(&self) -> [(&'static str, &str); 3] {
        [
            ("full_name", &self.full_name),
            ("email", &self.email),
            ("avatar_url", &self.avatar_url),
        ]
    }
}

impl Display for pb::OrgDisplay {
    fn texts(&self) -> [(&'static str, &str); 3] {
        [
            ("full_name", &self.full_name),
            ("avatar_url", &self.avatar_url),
            ("plan", &self.plan),
        ]
    }
}

/// Empty bytes stand for `None`. Bytes that can't be decoded are shown as `None` too: no decision reads them.
impl<D: Display> Field<Option<D>> for Box<[u8]> {
    fn read(field: &str, from: &Option<D>) -> Result<Self, FieldError> {
        let Some(display) = from else {
            return Ok(Self::default());
        };
        let mut texts = display.texts().into_iter();
        if let Some((name, _)) = texts.find(|(_, text)| !is_shown_as_it_is(text)) {
            return Err(wrong(&format!("{field}.{name}"), RULE));
        }
        let bytes = display.encode_to_vec();
        if bytes.len() > MAX_DISPLAY {
            let rule = format!("must be at most {MAX_DISPLAY} bytes in all");
            return Err(wrong(field, rule));
        }
        Ok(bytes.into())
    }

    fn write(&self) -> Option<D> {
        let some = !self.is_empty();
        some.then(|| D::decode(&**self).ok()).flatten()
    }
}

impl From<Scopes> for pb::Scopes {
    fn from(scopes: Scopes) -> Self {
        let texts = |texts: Vec<Box<str>>| texts.into_iter().map(String::from).collect();
        let scope = |scope: Scope| pb::Scope {
            entity_kind: scope.kind.into(),
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
