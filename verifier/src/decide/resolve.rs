//! What a question is asked of: by id at once, a repo by its names in steps (`state::RepoLookUp`).

use tokenward_common::{
    access::Target,
    state::{RepoLookUp, State},
};

use super::Resource;

/// On the way from a name or an id to the thing.
pub(super) enum Resolving<'a> {
    Steps(RepoLookUp<'a>),
    Known(Option<Target>),
}

impl<'a> Resolving<'a> {
    pub(super) fn begin(state: &'a State, resource: Resource<'a>) -> Self {
        Self::Known(match resource {
            Resource::RepoName { kind, owner, name } => {
                return Self::Steps(state.look_up_repo(kind, owner, name));
            }
            Resource::RepoId { kind, id } => {
                let of_kind = |repo: &_| state.repo(*repo).is_some_and(|it| it.kind == kind);
                state.repo_by_id(id).filter(of_kind).map(Target::Repo)
            }
            Resource::AccountName(name) => state.account_by_name(name).map(Target::Account),
            Resource::AccountId(id) => state.account_by_id(id).map(Target::Account),
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

    pub(super) fn end(&self) -> Option<Target> {
        match self {
            Self::Steps(steps) => steps.found().map(Target::Repo),
            Self::Known(target) => *target,
        }
    }
}

pub(super) fn resolve(state: &State, resource: Resource<'_>) -> Option<Target> {
    Resolving::begin(state, resource).end()
}
