//! Reads `CheckRequest` in place, as clients commonly write it, and copies no string.
//!
//! Messages with `max_staleness`, `explain` or an unknown field are rare, so prost reads them. A
//! message that this module reads gives the same question as with prost.

use tokenward_proto::v1 as pb;

use super::question::{RawCaller, RawQuestion, RawResource};
use crate::protobuf::{Fields, Value, pair, text};

/// Returns `None` if prost must read the message.
pub(super) fn read(message: &[u8]) -> Option<RawQuestion<'_>> {
    let mut asked = RawQuestion::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(token)) => asked.caller = Some(RawCaller::Token(text(token)?)),
            // A message with both `token` and `anonymous` is left to prost.
            (2, Value::Bytes([])) if asked.caller.is_none() => {
                asked.caller = Some(RawCaller::Anonymous);
            }
            (3, Value::Bytes(resource)) => asked.resource = read_resource(resource)?,
            (4, Value::Bytes(permission)) => asked.permission = text(permission)?,
            (5, Value::Bytes(revision)) => asked.min_revision = text(revision)?,
            _ => return None,
        }
    }
    Some(asked)
}

fn read_resource(message: &[u8]) -> Option<Option<RawResource<'_>>> {
    let mut fields = Fields::new(message);
    let Some(field) = fields.next()? else {
        return Some(None);
    };
    let named = match field {
        (1, Value::Bytes(repo)) => {
            let (mut kind, mut name, mut id) = (pb::RepoKind::Unspecified.into(), "", "");
            let mut fields = Fields::new(repo);
            while let Some(field) = fields.next()? {
                match field {
                    (1, Value::Number(number)) => kind = number.into(),
                    (2, Value::Bytes(bytes)) => name = text(bytes)?,
                    (3, Value::Bytes(bytes)) => id = text(bytes)?,
                    _ => return None,
                }
            }
            RawResource::Repo { kind, name, id }
        }
        (2, Value::Bytes(account)) => {
            let (name, id) = pair(account)?;
            RawResource::Account { name, id }
        }
        _ => return None,
    };
    // A resource has one field, a repo or an account. A message with more is left to prost.
    fields.next()?.is_none().then_some(Some(named))
}
