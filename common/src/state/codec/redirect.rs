//! Converts redirects, and the old names of repos and accounts, to and from their stored form. This file must
//! not know where a lookup follows them.

use tokenward_proto::internal as pb;

use super::{DecodeError, id};
use crate::{
    id::Name,
    state::record::{OldName, Redirect, RepoKind},
};

pub(super) fn old_name_to_proto(old: &OldName) -> pb::Redirect {
    let (kind, owner_id, name) = match old {
        OldName::Account(name) => (0, String::new(), name),
        OldName::Repo { kind, owner, name } => (kind.number(), owner.to_string(), name),
    };
    pb::Redirect {
        kind,
        owner_id,
        name: name.to_string(),
        target_id: String::new(),
    }
}

pub(super) fn redirect_from_proto(redirect: &pb::Redirect) -> Result<Redirect, DecodeError> {
    let old: Name = id("redirect.name", &redirect.name)?;
    if old.to_folded() != old {
        return Err(DecodeError::Unknown("an old name with capitals"));
    }
    let target = redirect.target_id.as_str();
    Ok(match (redirect.kind, redirect.owner_id.as_str()) {
        (0, "") => Redirect::Account {
            name: old,
            to: id("redirect.target_id", target)?,
        },
        (0, _) => return Err(DecodeError::Unknown("an account's old name under an owner")),
        (kind, owner) => Redirect::Repo {
            kind: RepoKind::from_number(kind).ok_or(DecodeError::Unknown("a repo kind"))?,
            owner: id("redirect.owner_id", owner)?,
            name: old,
            to: id("redirect.target_id", target)?,
        },
    })
}
