//! The directory's kinds, once for all who handle its messages: a record, the operations that put and
//! delete it, the key that names it, and the word for its kind.
//!
//! Decides nothing: it only says which variants of the generated enums belong together.

use crate::v1::{
    GateGrantKey, GroupMemberKey, MemberKey, Operation, operation::Operation as Op, record::Record,
    record_key::Key,
};

macro_rules! kinds {
    ($($kind:ident $word:literal $put:ident $delete:ident $key:ident $field:literal
       $(($id:ident))? $($pair:ident { $($part:ident),+ })?;)+) => {
        impl Record {
            /// The name of its kind, as `put_` and `delete_` are followed by.
            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $word),+
                }
            }

            /// The names of the fields that say which record it is.
            pub fn key_fields(&self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind(_) => &[$(stringify!($id))? $($(stringify!($part)),+)?]),+
                }
            }

            /// What names it within the directory.
            pub fn key(&self) -> Key {
                match self {
                    $(Self::$kind(it) => Key::$key(
                        $(it.$id.clone())? $($pair { $($part: it.$part.clone()),+ })?
                    )),+
                }
            }
        }

        impl From<Record> for Op {
            /// The operation that writes it.
            fn from(record: Record) -> Self {
                match record {
                    $(Record::$kind(it) => Self::$put(it)),+
                }
            }
        }

        impl Op {
            /// The record of a put, or else the key of a deletion.
            pub fn split(self) -> Result<Record, Key> {
                match self {
                    $(Self::$put(it) => Ok(Record::$kind(it)),
                      Self::$delete(key) => Err(Key::$key(key)),)+
                }
            }
        }

        impl Key {
            /// The name of the field that holds it.
            pub fn field(&self) -> &'static str {
                match self {
                    $(Self::$key(_) => $field,)+
                    Self::AccountName(_) => "account_name",
                    Self::RepoName(_) => "repo_name",
                }
            }

            /// The name of the kind that it names a record of; `None`: it may name records of several kinds.
            pub fn word(&self) -> Option<&'static str> {
                match self {
                    $(Self::$key(_) => Some($word),)+
                    Self::AccountName(_) | Self::RepoName(_) => None,
                }
            }

            /// The operation that deletes what it names; `None`: it names no record by its ids.
            pub fn deletion(self) -> Option<Op> {
                match self {
                    $(Self::$key(key) => Some(Op::$delete(key)),)+
                    Self::AccountName(_) | Self::RepoName(_) => None,
                }
            }
        }
    };
}

kinds! {
    User "user" PutUser DeleteUser UserId "user_id" (id);
    Org "org" PutOrg DeleteOrg OrgId "org_id" (id);
    Member "member" PutMember DeleteMember Member "member" MemberKey { org_id, user_id };
    Group "group" PutGroup DeleteGroup GroupId "group_id" (id);
    GroupMember "group_member" PutGroupMember DeleteGroupMember GroupMember "group_member"
        GroupMemberKey { group_id, user_id };
    OrgPolicy "org_policy" PutOrgPolicy DeleteOrgPolicy OrgPolicy "org_policy" (org_id);
    Repo "repo" PutRepo DeleteRepo RepoId "repo_id" (id);
    GateGrant "gate_grant" PutGateGrant DeleteGateGrant GateGrant "gate_grant" GateGrantKey { repo_id, user_id };
}

impl From<Op> for Operation {
    /// Of all its fields.
    fn from(operation: Op) -> Self {
        Self {
            operation: Some(operation),
            update_mask: None,
        }
    }
}
