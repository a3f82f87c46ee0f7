//! Converts records and changes to and from their stored bytes. The codec is strict: anything that it doesn't
//! know is an error. The bytes of one kind stand in its file in `kinds/`. It must not know what the state holds.

mod scopes;

use std::str::FromStr;

use prost::Message;
use tokenward_proto::internal::{self as pb, record::Record as Pb};

use crate::{
    id::{IdError, KeyId, Serial},
    state::{
        key::{Key, KeyError},
        kinds::{Keyed, for_each_kind, target_from_proto, target_to_proto},
        // This imports the types of all records, whichever the table lists.
        record::*,
    },
};

pub use crate::state::record::Settings;
pub use scopes::{scopes_from_proto, scopes_to_proto};

/// Reports bytes that this version doesn't write: corrupt, or written by a later version. A reader must stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a protobuf message of the expected type.
    #[error("not the expected message")]
    Wire(#[from] prost::DecodeError),
    /// A kind, a number or a form is unknown to this version; the text names it.
    #[error("{0} is not known to this version")]
    Unknown(&'static str),
    /// An id or a name breaks its rule.
    #[error("{field} {rule}")]
    Id {
        /// States the field's path in `record.proto`.
        field: &'static str,
        /// States the rule that the field breaks.
        rule: IdError,
    },
    /// The bytes of a key are not the canonical encoding for its kind.
    #[error("a record's key is malformed")]
    Key(#[from] KeyError),
    /// A change deletes a record that is kept for ever ([`RecordKey::is_kept`]).
    #[error("what is kept for ever can't be deleted")]
    Undeletable,
}

/// Parses an id or a name of the type that the record needs.
pub(in crate::state) fn id<T: FromStr<Err = IdError>>(
    field: &'static str,
    text: &str,
) -> Result<T, DecodeError> {
    let id = text.parse();
    id.map_err(|rule| DecodeError::Id { field, rule })
}

/// Parses an optional id or name: an empty text stands for `None`.
pub(in crate::state) fn optional<T: FromStr<Err = IdError>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, DecodeError> {
    let some = !text.is_empty();
    some.then(|| id(field, text)).transpose()
}

pub(in crate::state) fn text(id: Option<&impl ToString>) -> String {
    id.map(ToString::to_string).unwrap_or_default()
}

/// Encodes the whole record as a message, key fields included.
pub fn record_to_proto(record: &Record) -> pb::Record {
    let mut message = value_of(record);
    name_by_key(&mut message, &record.key());
    whole(message)
}

fn whole(message: pb::record::Record) -> pb::Record {
    pb::Record {
        record: Some(message),
        mac: Vec::new(),
    }
}

/// Converts the records of one kind to and from their message in `record.proto`.
pub(in crate::state) trait Stored: Keyed {
    /// Holds such a record.
    type Message;

    /// Encodes the record without the fields of its key.
    fn to_message(&self) -> Self::Message;

    /// Fills in the fields of the key.
    fn name_message(message: &mut Self::Message, key: Self::Key<'_>);

    /// Decodes a whole message. An unknown number, or a text that isn't a valid id, is an error.
    fn from_message(message: Self::Message) -> Result<Self, DecodeError>;
}

macro_rules! dispatch {
    ($($(#[$doc:meta])* [$kind:ident($record:ty) = $number:literal, $stays:ident, |$it:ident|
        $(($one:ident: $one_type:ty = $one_value:expr))?
        $({ $($(#[$note:meta])* $part:ident: $part_type:ty = $part_value:expr),+ $(,)? })?
        $(=> $space:ident)?])+) => {
        /// Encodes the record without the fields of its key, which [`name_by_key`] fills in.
        fn value_of(record: &Record) -> Pb {
            match record {
                $(Record::$kind(record) => Pb::$kind(record.to_message())),+
            }
        }

        /// Fills in the fields of the key; returns `false` if the message is not of the key's kind.
        fn name_by_key(message: &mut Pb, key: &RecordKey) -> bool {
            match (message, key) {
                $((Pb::$kind(message), RecordKey::$kind $(($one))? $({ $($part),+ })?) => {
                    <$record as Stored>::name_message(message, $($one)? $(($($part),+))?);
                })+
                _ => return false,
            }
            true
        }

        /// Decodes a message. An unknown kind or number, or a text that isn't a valid id, is an error.
        pub fn record_from_proto(record: pb::Record) -> Result<Record, DecodeError> {
            Ok(match record.record.ok_or(DecodeError::Unknown("a record"))? {
                $(Pb::$kind(message) => Record::$kind(Stored::from_message(message)?),)+
                Pb::HistoryOpened(_) => return Err(DecodeError::Unknown("a record's kind")),
            })
        }
    };
}

for_each_kind!(dispatch);

/// Encodes a record as stores keep it: its key, and the bytes of the fields that aren't in the key.
pub fn split(record: &Record) -> (Key, Vec<u8>) {
    let value = whole(value_of(record)).encode_to_vec();
    (Key::from_record_key(&record.key()), value)
}

/// Decodes what [`split`] encoded.
pub fn join(key: &Key, value: &[u8]) -> Result<Record, DecodeError> {
    let mut message = pb::Record::decode(value)?;
    let key = key.decode()?;
    if !(message.record.as_mut()).is_some_and(|message| name_by_key(message, &key)) {
        return Err(DecodeError::Unknown("a record under another kind's key"));
    }
    record_from_proto(message)
}

fn key_from_proto(key: pb::RecordKey) -> Result<RecordKey, DecodeError> {
    let kind = Kind::from_number(key.kind).ok_or(DecodeError::Unknown("a kind"))?;
    let bytes = key.key;
    Ok((Key { kind, bytes }).decode()?)
}

/// Encodes the bytes of an entry's `changes`.
pub fn encode_changes(changes: &[Change]) -> Vec<u8> {
    use pb::change::Change as Pb;
    let changes = changes
        .iter()
        .map(|change| pb::Change {
            change: Some(match change {
                Change::Put(record) => Pb::Put(record_to_proto(record)),
                Change::Delete(key) => {
                    let key = Key::from_record_key(key);
                    Pb::Delete(pb::RecordKey {
                        kind: key.kind.number(),
                        key: key.bytes,
                    })
                }
                Change::Retire(key) => {
                    let key = Key::from_record_key(key);
                    Pb::Retire(pb::RecordKey {
                        kind: key.kind.number(),
                        key: key.bytes,
                    })
                }
                Change::Revoke(serials) => Pb::Revoke(pb::RevokedSerials {
                    serials: serials.iter().map(|serial| serial.0).collect(),
                }),
                Change::RaiseFloor(target) => Pb::RaiseFloor(target_to_proto(target)),
            }),
        })
        .collect();
    pb::Changes { changes }.encode_to_vec()
}

/// Decodes the bytes of an entry's `changes`; one unknown change makes all of them an error.
pub fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, DecodeError> {
    use pb::change::Change as Pb;
    pb::Changes::decode(bytes)?
        .changes
        .into_iter()
        .map(|change| {
            Ok(
                match change.change.ok_or(DecodeError::Unknown("a change"))? {
                    Pb::Put(record) => Change::Put(record_from_proto(record)?),
                    Pb::Delete(key) => {
                        let key = key_from_proto(key)?;
                        if key.is_kept() {
                            return Err(DecodeError::Undeletable);
                        }
                        Change::Delete(key)
                    }
                    Pb::Retire(key) => {
                        let key = key_from_proto(key)?;
                        if key.retired().is_none() {
                            return Err(DecodeError::Unknown("to retire such a record"));
                        }
                        Change::Retire(key)
                    }
                    Pb::Revoke(revoked) => {
                        Change::Revoke(revoked.serials.into_iter().map(Serial).collect())
                    }
                    Pb::RaiseFloor(target) => Change::RaiseFloor(target_from_proto(target)?),
                },
            )
        })
        .collect()
}
