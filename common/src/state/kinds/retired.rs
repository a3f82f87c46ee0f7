//! Handles ids that were deleted, and are never used again.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, GroupId, RepoId},
    state::{
        ApplyError, State,
        codec::{DecodeError, Stored, id},
        held::Held,
        record::{
            RecordKey,
            part::{ACCOUNTS, GROUPS, REPOS},
        },
    },
};

/// Identifies what was deleted by an id that is never assigned again. Users and orgs share one id space.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RetiredId {
    /// The id was a user's or an org's.
    Account(AccountId),
    /// The id was a resource group's.
    Group(GroupId),
    /// The id was a repo's, of any kind.
    Repo(RepoId),
}

impl RetiredId {
    /// Returns the keys of all records that end with this id.
    pub(in crate::state) fn keys(&self) -> Vec<RecordKey> {
        match self {
            Self::Account(id) => vec![RecordKey::User(id.clone()), RecordKey::Org(id.clone())],
            Self::Group(id) => vec![RecordKey::Group(id.clone())],
            Self::Repo(id) => vec![RecordKey::Repo(id.clone())],
        }
    }
}

impl Held for RetiredId {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.directory.retire(self)
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn stored(state: &State, id: &RetiredId) -> Option<Self> {
        state.is_retired(id).then(|| id.clone())
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.directory.retired_ids()
    }

    fn count(state: &State) -> u64 {
        let directory = &state.directory;
        directory.accounts.retired + directory.groups.retired + directory.repos.retired
    }
}

impl Stored for RetiredId {
    type Message = pb::Retired;

    fn to_message(&self) -> Self::Message {
        pb::Retired::default()
    }

    fn name_message(message: &mut Self::Message, id: &RetiredId) {
        let (space, id) = match id {
            Self::Account(id) => (ACCOUNTS, id.to_string()),
            Self::Group(id) => (GROUPS, id.to_string()),
            Self::Repo(id) => (REPOS, id.to_string()),
        };
        (message.space, message.id) = (space.into(), id);
    }

    fn from_message(retired: Self::Message) -> Result<Self, DecodeError> {
        let text = retired.id.as_str();
        Ok(match u8::try_from(retired.space) {
            Ok(ACCOUNTS) => Self::Account(id("retired.id", text)?),
            Ok(GROUPS) => Self::Group(id("retired.id", text)?),
            Ok(REPOS) => Self::Repo(id("retired.id", text)?),
            _ => return Err(DecodeError::Unknown("a space of ids")),
        })
    }
}
