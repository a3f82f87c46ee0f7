//! Handles redirects: old names of repos and accounts. This file must not know where a lookup follows them.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, Name, RepoId},
    state::{
        Account, ApplyError, State,
        codec::{DecodeError, Stored, id},
        held::Held,
        record::RepoKind,
        redirects::Space,
    },
};

/// Identifies an account or a repo by a name that it once had. Names are folded.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum OldName {
    /// Holds the name that a user or an org had.
    Account(Name),
    /// Holds the name that a repo had, or that it still has under an old name of its owner.
    Repo {
        /// States the repo's kind.
        kind: RepoKind,
        /// Identifies the account that owned the repo then.
        owner: AccountId,
        /// Holds the name without the owner's.
        name: Name,
    },
}

/// Points from an old name to the account or repo that had it. No decision follows it: it only leads a caller
/// that uses an old name to the present one, if that caller may see the account or repo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Redirect {
    /// Leads from an account's old name.
    Account {
        /// Holds the old name, folded.
        name: Name,
        /// Identifies the user or the org that had the name.
        to: AccountId,
    },
    /// Leads from a repo's old name.
    Repo {
        /// States the repo's kind.
        kind: RepoKind,
        /// Identifies the account that owned the repo when the repo had the name.
        owner: AccountId,
        /// Holds the old name, folded.
        name: Name,
        /// Identifies the repo that had the name.
        to: RepoId,
    },
}

impl Redirect {
    /// Returns the name that the redirect leads from, which is also its record's key.
    pub fn old_name(&self) -> OldName {
        match self {
            Self::Account { name, .. } => OldName::Account(name.clone()),
            Self::Repo {
                kind, owner, name, ..
            } => OldName::Repo {
                kind: *kind,
                owner: owner.clone(),
                name: name.clone(),
            },
        }
    }
}

impl Redirect {
    /// Returns the record of an item, if what it names is known by an id.
    pub(in crate::state) fn of_item(
        state: &State,
        (space, name, to): (Space, &str, u32),
    ) -> Option<Self> {
        let directory = &state.directory;
        let accounts = &directory.accounts;
        let name = Name::parse(name).ok()?;
        Some(match space {
            Space::Accounts => Self::Account {
                name,
                to: accounts.id(to)?,
            },
            Space::Repos(kind, owner) => Self::Repo {
                kind,
                owner: accounts.id(owner.0)?,
                name,
                to: directory.repos.id(to)?,
            },
        })
    }
}

impl Held for Redirect {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let accounts = &mut directory.accounts;
        let (space, name, to) = match self {
            Self::Account { name, to } => (Space::Accounts, name, accounts.intern(to)?),
            Self::Repo {
                kind,
                owner,
                name,
                to,
            } => {
                let owner = Account(accounts.intern(owner)?);
                let to = directory.repos.intern(to)?;
                (Space::Repos(*kind, owner), name, to)
            }
        };
        directory.redirects.put(space, name.as_str(), to);
        Ok(())
    }

    fn delete(state: &mut State, old: &OldName) {
        if let Some((space, name)) = state.directory.space_of(old) {
            state.directory.redirects.remove(space, name.as_str());
        }
    }

    fn stored(state: &State, old: &OldName) -> Option<Self> {
        let directory = &state.directory;
        let (space, name) = directory.space_of(old)?;
        let to = directory.redirects.find(space, name.as_str())?;
        Some(match old {
            OldName::Account(name) => Self::Account {
                name: name.clone(),
                to: directory.accounts.id(to)?,
            },
            OldName::Repo { kind, owner, name } => Self::Repo {
                kind: *kind,
                owner: owner.clone(),
                name: name.clone(),
                to: directory.repos.id(to)?,
            },
        })
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let items = state.directory.redirects.iter();
        items.filter_map(|item| Self::of_item(state, item))
    }

    fn count(state: &State) -> u64 {
        state.directory.redirects.len
    }
}

impl Stored for Redirect {
    type Message = pb::Redirect;

    fn to_message(&self) -> Self::Message {
        pb::Redirect {
            target_id: match self {
                Self::Account { to, .. } => to.to_string(),
                Self::Repo { to, .. } => to.to_string(),
            },
            ..pb::Redirect::default()
        }
    }

    fn name_message(message: &mut Self::Message, old: &OldName) {
        (message.kind, message.owner_id, message.name) = match old {
            OldName::Account(name) => (0, String::new(), name.to_string()),
            OldName::Repo { kind, owner, name } => {
                (kind.number(), owner.to_string(), name.to_string())
            }
        };
    }

    fn from_message(redirect: Self::Message) -> Result<Self, DecodeError> {
        let old: Name = id("redirect.name", &redirect.name)?;
        if old.to_folded() != old {
            return Err(DecodeError::Unknown("an old name with capitals"));
        }
        let target = redirect.target_id.as_str();
        Ok(match (redirect.kind, redirect.owner_id.as_str()) {
            (0, "") => Self::Account {
                name: old,
                to: id("redirect.target_id", target)?,
            },
            (0, _) => return Err(DecodeError::Unknown("an account's old name under an owner")),
            (kind, owner) => Self::Repo {
                kind: RepoKind::from_number(kind).ok_or(DecodeError::Unknown("a repo kind"))?,
                owner: id("redirect.owner_id", owner)?,
                name: old,
                to: id("redirect.target_id", target)?,
            },
        })
    }
}
