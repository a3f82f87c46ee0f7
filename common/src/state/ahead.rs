//! Look-ups in steps, so that memory answers several at once. What no near cache holds costs a
//! decision more than all that it computes, if each read waits for the one before; a caller that has
//! two ways to go takes a step on each by turns.
//!
//! A step reads what the next one needs, and waits for none of it. Nothing is true before the last.

use std::hint::black_box;

use super::{
    accounts::Account, apply::State, directory::Directory, record::RepoKind, repos::RepoHandle,
};
use crate::id::Serial;

/// The way to a repo by its owner's name and its own.
pub struct RepoLookUp<'a> {
    directory: &'a Directory,
    kind: RepoKind,
    owner: &'a str,
    name: &'a str,
    /// Of the owner's name.
    hash: Option<u64>,
    /// The first that may be the owner, and the hash of a repo of theirs of this name.
    likely: Option<(Account, u64)>,
}

impl<'a> RepoLookUp<'a> {
    pub(super) fn new(
        directory: &'a Directory,
        kind: RepoKind,
        owner: &'a str,
        name: &'a str,
    ) -> Self {
        let hash = directory.accounts.name_hash(owner);
        if let Some(hash) = hash {
            directory.accounts.names.read_where(hash);
        }
        Self {
            directory,
            kind,
            owner,
            name,
            hash,
            likely: None,
        }
    }

    /// Step one of three.
    pub fn look_for_owner(&self) {
        if let Some(hash) = self.hash {
            self.directory.accounts.names.read_ahead(hash);
        }
    }

    /// Step two.
    pub fn look_for_repo(&mut self) {
        let Directory {
            accounts, repos, ..
        } = self.directory;
        let Some(owner) = self.hash.and_then(|hash| accounts.names.first(hash)) else {
            return;
        };
        accounts.read_ahead(owner);
        let owner = Account(owner);
        if let Some(hash) = repos.name_hash(self.kind, owner, self.name) {
            repos.names.read_ahead(hash);
            self.likely = Some((owner, hash));
        }
    }

    /// Step three. Reads what this user is in the owning org, too: by where they were found last.
    pub fn look_at_repo(&self, user: u32) {
        let Directory { repos, members, .. } = self.directory;
        if let Some((owner, hash)) = self.likely {
            let repo = repos.names.first(hash);
            if let Some(repo) = repo.or_else(|| self.row_beside()) {
                repos.read_ahead(repo);
            }
            members.read_ahead(owner.0, user);
        }
    }

    /// What has these names, whichever steps were taken.
    pub fn found(&self) -> Option<RepoHandle> {
        let Directory {
            accounts, repos, ..
        } = self.directory;
        let owner = Account(accounts.named_by(self.hash?, self.owner)?);
        let hash = match self.likely {
            Some((of, hash)) if of == owner => hash,
            _ => repos.name_hash(self.kind, owner, self.name)?,
        };
        let found = repos.named_by(hash, self.kind, owner, self.name);
        found.map(RepoHandle)
    }

    /// Where nothing has these names: a repo that has nothing to do with them, and for each name is
    /// another, as far away in memory as one that had it.
    pub fn beside(&self) -> Option<RepoHandle> {
        self.row_beside().map(RepoHandle)
    }

    fn row_beside(&self) -> Option<u32> {
        let place = match self.likely {
            Some((_, hash)) => hash,
            None => spread(self.name),
        };
        row_at(place, self.directory)
    }
}

/// Some place for a text: no more is asked of it than that another text has another.
fn spread(text: &str) -> u64 {
    let step = |place: u64, byte: u8| (place ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

fn row_at(place: u64, directory: &Directory) -> Option<u32> {
    let row = place.checked_rem(directory.repos.rows().into())?;
    u32::try_from(row).ok()
}

impl State {
    /// No step is taken.
    pub fn look_up_repo<'a>(
        &'a self,
        kind: RepoKind,
        owner: &'a str,
        name: &'a str,
    ) -> RepoLookUp<'a> {
        RepoLookUp::new(&self.directory, kind, owner, name)
    }

    /// As [`RepoLookUp::beside`], of an id.
    pub fn repo_beside(&self, id: &str) -> Option<RepoHandle> {
        row_at(spread(id), &self.directory).map(RepoHandle)
    }

    /// What says whether a token is revoked.
    pub fn read_revocation_ahead(&self, serial: Serial) {
        black_box(self.is_revoked(serial));
    }

    /// The row of an account, where it was found last.
    pub fn read_account_ahead(&self, hint: u32) {
        self.directory.accounts.read_ahead(hint);
    }
}
