//! Indexes the rows that had an old name of a repo or an account, by kind, owner and folded name. This file
//! must not know whether such a row is live, or may be seen.
//!
//! There is one item per rename, which are few compared to the repos, so each item holds its own name.

use foldhash::quality::RandomState;

use crate::state::{
    accounts::Account,
    names::{hash_name, same_name},
    record::RepoKind,
    repos::RepoHandle,
    sharded::{MIDDLE, Shards},
};

pub(super) struct Redirects {
    hasher: RandomState,
    items: Shards<Item>,
    pub(super) len: u64,
}

/// Identifies the set of names that an old name belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Accounts,
    Repos(RepoKind, Account),
}

struct Item {
    space: Space,
    name: Box<str>,
    /// Holds the number of a row of accounts, or of repos.
    to: u32,
}

impl Space {
    /// Returns the number of the space, which is below 2^56.
    fn number(self) -> u64 {
        match self {
            Self::Accounts => 0,
            Self::Repos(kind, owner) => u64::from(kind.number()) << 32 | u64::from(owner.0),
        }
    }
}

impl Redirects {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            items: Shards::new(MIDDLE),
            len: 0,
        }
    }

    pub(super) fn put(&mut self, space: Space, name: &str, to: u32) {
        let Some(hash) = name_hash(&self.hasher, space, name) else {
            return;
        };
        if let Some(item) = self.items.find_mut(hash, |item| item.is(space, name)) {
            item.to = to;
            return;
        }
        let item = Item {
            space,
            name: name.into(),
            to,
        };
        let hasher = &self.hasher;
        self.items.insert(hash, item, |item| {
            name_hash(hasher, item.space, &item.name).unwrap_or_default()
        });
        self.len += 1;
    }

    pub(super) fn remove(&mut self, space: Space, name: &str) {
        let Some(hash) = name_hash(&self.hasher, space, name) else {
            return;
        };
        if self
            .items
            .remove(hash, |item| item.is(space, name))
            .is_some()
        {
            self.len -= 1;
        }
    }

    /// Looks up an account's old name. It ignores the case of ASCII letters.
    pub(super) fn account(&self, name: &str) -> Option<Account> {
        self.find(Space::Accounts, name).map(Account)
    }

    /// Looks up a repo's old name. It ignores the case of ASCII letters.
    pub(super) fn repo(&self, kind: RepoKind, owner: Account, name: &str) -> Option<RepoHandle> {
        self.find(Space::Repos(kind, owner), name).map(RepoHandle)
    }

    pub(super) fn find(&self, space: Space, name: &str) -> Option<u32> {
        let hash = name_hash(&self.hasher, space, name)?;
        let found = self.items.find(hash, |item| item.is(space, name));
        found.map(|item| item.to)
    }

    /// Returns the items of one table; `None` past the last table.
    pub(super) fn items_of(
        &self,
        table: usize,
    ) -> Option<impl Iterator<Item = (Space, &str, u32)>> {
        let items = self.items.table(table)?;
        Some(items.map(|item| (item.space, &*item.name, item.to)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Space, &str, u32)> {
        self.items
            .iter()
            .map(|item| (item.space, &*item.name, item.to))
    }
}

impl Item {
    fn is(&self, space: Space, name: &str) -> bool {
        self.space == space && same_name(self.name.as_bytes(), name.as_bytes())
    }
}

fn name_hash(hasher: &RandomState, space: Space, name: &str) -> Option<u64> {
    hash_name(hasher, space.number(), name.as_bytes())
}
