//! What a question is asked of: by id at once, a repo by its names in steps (`state::RepoLookUp`).

use tokenward_common::{
    access::Target,
    state::{KnownAccount, RepoLookUp, State},
};

use super::Resource;

/// On the way from a name or an id to the thing.
pub(super) enum Resolving<'a> {
    Steps(RepoLookUp<'a>),
    AtOnce(Resource<'a>),
}

impl<'a> Resolving<'a> {
    pub(super) fn begin(state: &'a State, resource: Resource<'a>) -> Self {
        match resource {
            Resource::RepoName { kind, owner, name } => {
                Self::Steps(state.look_up_repo(kind, owner, name))
            }
            other => Self::AtOnce(other),
        }
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

    pub(super) fn third_step(&self, asker: &KnownAccount) {
        if let Self::Steps(steps) = self {
            steps.look_at_repo(asker);
        }
    }

    pub(super) fn end(&self, state: &State) -> Option<Target> {
        match self {
            Self::Steps(steps) => steps.found().map(Target::Repo),
            Self::AtOnce(resource) => at_once(state, resource),
        }
    }
}

pub(super) fn resolve(state: &State, resource: Resource<'_>) -> Option<Target> {
    Resolving::begin(state, resource).end(state)
}

fn at_once(state: &State, resource: &Resource<'_>) -> Option<Target> {
    match *resource {
        Resource::RepoName { kind, owner, name } => {
            state.repo_by_name(kind, owner, name).map(Target::Repo)
        }
        Resource::RepoId { kind, id } => {
            let repo = state.repo_by_id(id)?;
            (state.repo(repo)?.kind == kind).then_some(Target::Repo(repo))
        }
        Resource::AccountName(name) => state.account_by_name(name).map(Target::Account),
        Resource::AccountId(id) => state.account_by_id(id).map(Target::Account),
    }
}
