//! What a plan knows beyond the state: records of its own batch and of earlier batches in flight, as far as
//! other records depend on them. It decides who holds a name by the state.

use foldhash::HashMap;
use tokenward_common::{
    id::{AccountId, GroupId, Name, RepoId},
    state::{State, key::Key, record::RepoKind, reserved},
};

#[derive(Clone, PartialEq, Eq)]
pub(super) struct AccountDraft {
    pub(super) is_org: bool,
    /// A service account belongs to this org.
    pub(super) of: Option<AccountId>,
    pub(super) name: Name,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct RepoDraft {
    pub(super) kind: RepoKind,
    pub(super) owner: AccountId,
    pub(super) name: Name,
    pub(super) group: Option<GroupId>,
}

/// A name that only one record may hold.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    Account {
        folded: String,
    },
    Repo {
        kind: RepoKind,
        owner: AccountId,
        folded: String,
    },
}

impl Claim {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Account { folded } => Key::account_name(folded),
            Self::Repo {
                kind,
                owner,
                folded,
            } => Key::repo_name(*kind, owner, folded),
        }
    }

    /// Tells whether no path of the doors uses the name as a word of its own.
    pub(super) fn is_free_of_words(&self) -> bool {
        match self {
            Self::Account { folded } => reserved::is_for_account(folded),
            Self::Repo { kind, folded, .. } => reserved::is_for_repo(*kind, folded),
        }
    }

    /// Returns the name's holder by the state. As in the store, a service account that ended with its org
    /// counts.
    pub(super) fn holder(&self, state: &State) -> Option<String> {
        match self {
            Self::Account { folded } => {
                let live = state.account_by_name(folded);
                match live.and_then(|account| state.account(account)) {
                    Some(account) => Some(account.id().to_string()),
                    None => self.ended_holder(state).map(|id| id.to_string()),
                }
            }
            Self::Repo {
                kind,
                owner,
                folded,
            } => {
                let owner = state.account(state.account_by_id(owner.as_str())?)?;
                let repo = state.repo_by_name(*kind, owner.name, folded)?;
                Some(state.repo(repo)?.id().to_string())
            }
        }
    }

    /// Returns the service account that ended with its org, and keeps its name until it is deleted.
    pub(super) fn ended_holder(&self, state: &State) -> Option<AccountId> {
        match self {
            Self::Account { folded } => state.ended_account_by_name(folded),
            Self::Repo { .. } => None,
        }
    }
}

/// Records written by batches that the state doesn't show yet. `None` means deleted, for ever.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) accounts: HashMap<AccountId, Option<AccountDraft>>,
    pub(super) repos: HashMap<RepoId, Option<RepoDraft>>,
    /// Maps each group to its org.
    pub(super) groups: HashMap<GroupId, Option<AccountId>>,
    /// Tells by org and user whether the user is a member.
    pub(super) members: HashMap<(AccountId, AccountId), bool>,
    /// Counts by org and user the memberships that have ended, where a batch ends one more.
    pub(super) departures: HashMap<(AccountId, AccountId), u32>,
    /// Maps each name to its holder; `None` means that nobody holds it.
    pub(super) names: HashMap<Claim, Option<String>>,
}

impl Drafts {
    fn is_empty(&self) -> bool {
        self.accounts.is_empty()
            && self.repos.is_empty()
            && self.groups.is_empty()
            && self.members.is_empty()
            && self.departures.is_empty()
            && self.names.is_empty()
    }
}

/// The drafts of one stream of batches, in two generations. The older one is forgotten once the state shows
/// what it holds.
#[derive(Default)]
pub(super) struct Earlier {
    newer: Drafts,
    older: Drafts,
}

impl Earlier {
    /// Tells whether no record is in flight that others depend on.
    pub(super) fn is_empty(&self) -> bool {
        self.newer.is_empty() && self.older.is_empty()
    }

    pub(super) fn turn(&mut self) {
        self.older = std::mem::take(&mut self.newer);
    }

    pub(super) fn account(&self, id: &AccountId) -> Option<&Option<AccountDraft>> {
        let newer = self.newer.accounts.get(id);
        newer.or_else(|| self.older.accounts.get(id))
    }

    pub(super) fn repo(&self, id: &RepoId) -> Option<&Option<RepoDraft>> {
        let newer = self.newer.repos.get(id);
        newer.or_else(|| self.older.repos.get(id))
    }

    pub(super) fn group(&self, id: &GroupId) -> Option<&Option<AccountId>> {
        let newer = self.newer.groups.get(id);
        newer.or_else(|| self.older.groups.get(id))
    }

    pub(super) fn member(&self, pair: &(AccountId, AccountId)) -> Option<bool> {
        let newer = self.newer.members.get(pair);
        newer.or_else(|| self.older.members.get(pair)).copied()
    }

    pub(super) fn departures(&self, pair: &(AccountId, AccountId)) -> Option<u32> {
        let newer = self.newer.departures.get(pair);
        newer.or_else(|| self.older.departures.get(pair)).copied()
    }

    pub(super) fn holds(&self, name: &Claim) -> bool {
        self.newer.names.contains_key(name) || self.older.names.contains_key(name)
    }

    pub(super) fn extend(&mut self, drafts: Drafts) {
        self.newer.accounts.extend(drafts.accounts);
        self.newer.repos.extend(drafts.repos);
        self.newer.groups.extend(drafts.groups);
        self.newer.members.extend(drafts.members);
        self.newer.departures.extend(drafts.departures);
        self.newer.names.extend(drafts.names);
    }
}
