//! Finds the thing that a question names by name or id, if there is one. It must not know who asks.

use tokenward_common::{
    access::Target,
    state::{RepoHandle, State},
};

use super::Resource;

#[derive(Clone, Copy)]
pub(super) enum Resolved {
    Found(Target),
    /// Nothing is there. The repo is an unrelated one, which is read so that the answer's timing
    /// reveals nothing.
    Missing(Option<RepoHandle>),
}

pub(super) fn resolve(state: &State, resource: Resource<'_>) -> Resolved {
    let (target, name) = match resource {
        Resource::RepoName { kind, owner, name } => (
            state.repo_by_name(kind, owner, name).map(Target::Repo),
            name,
        ),
        Resource::RepoId { kind, id } => {
            let of_kind = |repo: &RepoHandle| state.repo(*repo).is_some_and(|it| it.kind == kind);
            let repo = state.repo_by_id(id).filter(of_kind);
            (repo.map(Target::Repo), id)
        }
        // Which accounts exist is no secret.
        Resource::AccountName(name) => return account(state.account_by_name(name)),
        Resource::AccountId(id) => return account(state.account_by_id(id)),
    };
    target.map_or_else(
        || Resolved::Missing(state.repo_beside(name)),
        Resolved::Found,
    )
}

fn account(found: Option<tokenward_common::state::Account>) -> Resolved {
    found.map_or(Resolved::Missing(None), |account| {
        Resolved::Found(Target::Account(account))
    })
}
