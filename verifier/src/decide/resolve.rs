//! What a question is asked of: by id at once, a repo by its names in steps (`state::RepoLookUp`).

use tokenward_common::{
    access::Target,
    state::{RepoHandle, RepoLookUp, State},
};

use super::Resource;

/// What is there, or that nothing is.
#[derive(Clone, Copy)]
pub(super) enum Resolved {
    Found(Target),
    /// And a repo that is something else: see [`RepoLookUp::beside`].
    Missing(Option<RepoHandle>),
}

/// On the way from a name or an id to the thing.
pub(super) enum Resolving<'a> {
    Steps(RepoLookUp<'a>),
    Known(Resolved),
}

impl<'a> Resolving<'a> {
    pub(super) fn begin(state: &'a State, resource: Resource<'a>) -> Self {
        let account = |found: Option<_>| match found {
            Some(account) => Resolved::Found(Target::Account(account)),
            // Which accounts there are is no secret.
            None => Resolved::Missing(None),
        };
        Self::Known(match resource {
            Resource::RepoName { kind, owner, name } => {
                return Self::Steps(state.look_up_repo(kind, owner, name));
            }
            Resource::RepoId { kind, id } => {
                let of_kind = |repo: &_| state.repo(*repo).is_some_and(|it| it.kind == kind);
                match state.repo_by_id(id).filter(of_kind) {
                    Some(repo) => Resolved::Found(Target::Repo(repo)),
                    None => Resolved::Missing(state.repo_beside(id)),
                }
            }
            Resource::AccountName(name) => account(state.account_by_name(name)),
            Resource::AccountId(id) => account(state.account_by_id(id)),
        })
    }

    pub(super) fn first_step(&self) {
        if let Self::Steps(steps) = self {
            steps.look_for_owner();
        }
    }

    pub(super) fn second_step(&mut self) {
        if let Self::Steps(steps) = self {
            steps.look_for_repo();
        }
    }

    /// `user`: where they were found last.
    pub(super) fn third_step(&self, user: u32) {
        if let Self::Steps(steps) = self {
            steps.look_at_repo(user);
        }
    }

    pub(super) fn end(&self) -> Resolved {
        match self {
            Self::Steps(steps) => match steps.found() {
                Some(repo) => Resolved::Found(Target::Repo(repo)),
                None => Resolved::Missing(steps.beside()),
            },
            Self::Known(resolved) => *resolved,
        }
    }
}

pub(super) fn resolve(state: &State, resource: Resource<'_>) -> Resolved {
    Resolving::begin(state, resource).end()
}
