//! Groups the directory's kinds for all code that handles its messages: a record, the operations that put
//! and delete it, the key that names it, and the word for its kind.
//!
//! This file decides nothing: it only declares which variants of the generated enums belong together.

// This imports the messages of all kinds, whichever the table lists.
use crate::v1::{Operation, operation::Operation as Op, record::Record, record_key::Key, *};

/// Passes every kind that the hub feeds to a macro, parents before what hangs on them:
///
/// `Kind Key { "word", operations that put and delete, "field of the key", (the id) or KeyMessage { parts } }`
///
/// A crate that does one thing for each of these kinds makes it with this macro, so that the compiler asks that
/// crate for a new kind.
#[macro_export]
macro_rules! for_each_fed_kind {
    ($then:ident) => {
        $then! {
            User UserId { "user" PutUser DeleteUser "user_id" (id) }
            Org OrgId { "org" PutOrg DeleteOrg "org_id" (id) }
            Member Member {
                "member" PutMember DeleteMember "member" MemberKey { org_id, user_id }
            }
            Group GroupId { "group" PutGroup DeleteGroup "group_id" (id) }
            GroupMember GroupMember {
                "group_member" PutGroupMember DeleteGroupMember "group_member"
                GroupMemberKey { group_id, user_id }
            }
            OrgPolicy OrgPolicy {
                "org_policy" PutOrgPolicy DeleteOrgPolicy "org_policy" (org_id)
            }
            Repo RepoId { "repo" PutRepo DeleteRepo "repo_id" (id) }
            GateGrant GateGrant {
                "gate_grant" PutGateGrant DeleteGateGrant "gate_grant"
                GateGrantKey { repo_id, user_id }
            }
        }
    };
}

macro_rules! kinds {
    ($($kind:ident $key:ident { $word:literal $put:ident $delete:ident $field:literal
       $(($id:ident))? $($pair:ident { $($part:ident),+ })? })+) => {
        impl Record {
            /// Returns the word for the record's kind, such as `org_policy`: what follows `put_` and
            /// `delete_` in the API.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $word),+
                }
            }

            /// Returns the names of the fields that identify the record.
            pub fn key_fields(&self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind(_) => &[$(stringify!($id))? $($(stringify!($part)),+)?]),+
                }
            }

            /// Returns the key that names the record within the directory.
            pub fn key(&self) -> Key {
                match self {
                    $(Self::$kind(it) => Key::$key(
                        $(it.$id.clone())? $($pair { $($part: it.$part.clone()),+ })?
                    )),+
                }
            }
        }

        impl From<Record> for Op {
            /// Returns the operation that writes the record.
            fn from(record: Record) -> Self {
                match record {
                    $(Record::$kind(it) => Self::$put(it)),+
                }
            }
        }

        impl Op {
            /// Returns the record of a put, or the key of a deletion as the error.
            pub fn split(self) -> Result<Record, Key> {
                match self {
                    $(Self::$put(it) => Ok(Record::$kind(it)),
                      Self::$delete(key) => Err(Key::$key(key)),)+
                }
            }
        }

        impl Key {
            /// Returns the name of the field that holds the key.
            pub fn field(&self) -> &'static str {
                match self {
                    $(Self::$key(_) => $field,)+
                    Self::AccountName(_) => "account_name",
                    Self::RepoName(_) => "repo_name",
                }
            }

            /// Returns the word for the kind of record that the key names. `None`: it may name records of
            /// several kinds.
            pub fn word(&self) -> Option<&'static str> {
                match self {
                    $(Self::$key(_) => Some($word),)+
                    Self::AccountName(_) | Self::RepoName(_) => None,
                }
            }

            /// Makes the key of a record of this kind from its parts, in their order; `None` if they are too few or
            /// too many.
            pub fn from_parts(kind: RecordKind, parts: Vec<String>) -> Option<Self> {
                let mut parts = parts.into_iter();
                let key = match kind {
                    $(RecordKind::$kind => Self::$key(
                        $({
                            let $id = parts.next()?;
                            $id
                        })?
                        $($pair { $($part: parts.next()?),+ })?
                    ),)+
                    RecordKind::Unspecified => return None,
                };
                parts.next().is_none().then_some(key)
            }

            /// Returns the operation that deletes the record that the key names. `None`: the key is a
            /// name, not ids.
            pub fn deletion(self) -> Option<Op> {
                match self {
                    $(Self::$key(key) => Some(Op::$delete(key)),)+
                    Self::AccountName(_) | Self::RepoName(_) => None,
                }
            }
        }
    };
}

for_each_fed_kind!(kinds);

impl From<Op> for Operation {
    /// Makes an operation without a mask, so it writes all fields.
    fn from(operation: Op) -> Self {
        Self {
            operation: Some(operation),
            update_mask: None,
        }
    }
}
