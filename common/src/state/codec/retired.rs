//! Converts deleted ids and ended memberships to and from their stored form. This file must not know what
//! they make void.

use tokenward_proto::internal as pb;

use super::{DecodeError, id};
use crate::state::record::{
    Departures, MAX_DEPARTURES, RetiredId,
    part::{ACCOUNTS, GROUPS, REPOS},
};

pub(super) fn retired_to_proto(id: &RetiredId) -> pb::Retired {
    let (space, id) = match id {
        RetiredId::Account(id) => (ACCOUNTS, id.to_string()),
        RetiredId::Group(id) => (GROUPS, id.to_string()),
        RetiredId::Repo(id) => (REPOS, id.to_string()),
    };
    let space = space.into();
    pb::Retired { space, id }
}

pub(super) fn retired_from_proto(retired: &pb::Retired) -> Result<RetiredId, DecodeError> {
    let text = retired.id.as_str();
    Ok(match u8::try_from(retired.space) {
        Ok(ACCOUNTS) => RetiredId::Account(id("retired.id", text)?),
        Ok(GROUPS) => RetiredId::Group(id("retired.id", text)?),
        Ok(REPOS) => RetiredId::Repo(id("retired.id", text)?),
        _ => return Err(DecodeError::Unknown("a space of ids")),
    })
}

pub(super) fn departures_from_proto(it: &pb::Departures) -> Result<Departures, DecodeError> {
    Ok(Departures {
        org: id("departures.org_id", &it.org_id)?,
        user: id("departures.user_id", &it.user_id)?,
        count: membership(it.count)?,
    })
}

/// Checks that the number of a membership is within its bound.
pub(super) fn membership(number: u32) -> Result<u32, DecodeError> {
    if number > MAX_DEPARTURES {
        return Err(DecodeError::Unknown("so many memberships"));
    }
    Ok(number)
}
