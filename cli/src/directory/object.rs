//! Maps messages to JSON. One table of fields defines both what an import reads and what is shown; those of the
//! directory's kinds stand in `kinds`.

use std::str::FromStr;

use serde_json::{Map, Value};
use tokenward_common::id::IdError;

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
        impl $crate::directory::object::Object for $message {
            fn read(fields: &mut $crate::directory::object::Fields) -> Result<Self, String> {
                use $crate::directory::object::name;
                Ok(Self {
                    $($field: fields.$how$(::<$of>)?(name!($field $($name)?))?),+
                })
            }

            fn show(&self) -> serde_json::Value {
                use $crate::directory::object::{name, shown};
                let fields = [
                    $((name!($field $($name)?).to_owned(), shown!($how $(<$of>)?, &self.$field))),+
                ];
                serde_json::Value::Object(fields.into_iter().collect())
            }
        }
    )+};
}

macro_rules! shown {
    (word<$of:ty>, $value:expr) => {
        $crate::directory::object::show::word::<$of>($value)
    };
    ($how:ident $(<$of:ty>)?, $value:expr) => {
        $crate::directory::object::show::$how($value)
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

pub(super) use {name, objects, shown};

/// Reads all fields of one object, and refuses unknown ones.
pub(super) fn read<T: Object>(at: &str, value: Value) -> Result<T, String> {
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

pub(super) fn read_id<T: FromStr<Err = IdError>>(at: &str, value: Value) -> Result<String, String> {
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

    pub(super) fn text(&mut self, field: &'static str) -> Result<String, String> {
        match self.take(field) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.fault(field, "must be a string")),
        }
    }

    /// Reads the text of an id or a name.
    pub(super) fn id<T: FromStr<Err = IdError>>(
        &mut self,
        field: &'static str,
    ) -> Result<String, String> {
        let text = self.text(field)?;
        let parsed = text.parse::<T>();
        parsed.map_err(|rule| self.fault(field, rule))?;
        Ok(text)
    }

    /// Reads the text of an id or a name. An absent one is the empty text.
    pub(super) fn optional_id<T: FromStr<Err = IdError>>(
        &mut self,
        field: &'static str,
    ) -> Result<String, String> {
        match self.object.get(field) {
            None | Some(Value::Null) => self.text(field),
            Some(Value::String(text)) if text.is_empty() => self.text(field),
            Some(_) => self.id::<T>(field),
        }
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, String> {
        match self.take(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.fault(field, "must be true or false")),
        }
    }

    /// Reads a duration in seconds. 0 is treated as absent.
    pub(super) fn seconds(
        &mut self,
        field: &'static str,
    ) -> Result<Option<prost_types::Duration>, String> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let seconds = value.as_i64().filter(|seconds| *seconds >= 0);
        match seconds.ok_or_else(|| self.fault(field, "must be a whole number of seconds"))? {
            0 => Ok(None),
            seconds => Ok(Some(prost_types::Duration { seconds, nanos: 0 })),
        }
    }

    pub(super) fn word<W: Word + Into<i32>>(&mut self, field: &'static str) -> Result<i32, String> {
        let text = self.text(field)?;
        W::parse_word(&text)
            .map(Into::into)
            .ok_or_else(|| self.fault(field, format!("must be one of {}", W::words())))
    }

    pub(super) fn nested<T: Object>(&mut self, field: &'static str) -> Result<Option<T>, String> {
        let at = format!("{}.{field}", self.at);
        let value = self.take(field);
        value.map(|value| read(&at, value)).transpose()
    }
}

/// Shows each kind of field. Each function is the inverse of the method of [`Fields`] with its name.
pub(super) mod show {
    use super::{Object, Value};
    use crate::words::{Word, word_of};

    pub(in crate::directory) fn text(text: &str) -> Value {
        text.into()
    }

    pub(in crate::directory) fn id(id: &str) -> Value {
        id.into()
    }

    pub(in crate::directory) fn optional_id(id: &str) -> Value {
        id.into()
    }

    pub(in crate::directory) fn flag(flag: &bool) -> Value {
        (*flag).into()
    }

    pub(in crate::directory) fn word<W: Word>(number: &i32) -> Value {
        word_of::<W>(*number).into()
    }

    pub(in crate::directory) fn seconds(time: &Option<prost_types::Duration>) -> Value {
        time.map_or(0, |time| time.seconds).into()
    }

    pub(in crate::directory) fn nested<T: Object>(message: &Option<T>) -> Value {
        message.as_ref().map_or(Value::Null, Object::show)
    }
}
