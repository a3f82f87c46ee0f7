//! The name that a repo has now, for who asked by a name that it had, or in another case. It decides
//! nothing of the question: only whether its caller may be told the name.

use tokenward_common::{
    access::{self, Permission, Principal, Target},
    state::State,
};

use super::Resource;

/// A repo's present name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    pub owner: Box<str>,
    pub name: Box<str>,
}

/// `None`: that is its name, nothing ever had that name, or this principal may not see what had it.
/// A name that something has now was never another's.
pub(super) fn present_name(
    state: &State,
    resource: Resource<'_>,
    principal: &Principal<'_>,
) -> Option<Present> {
    let Resource::RepoName { kind, owner, name } = resource else {
        return None;
    };
    let repo = state
        .repo_by_name(kind, owner, name)
        .or_else(|| state.renamed_repo(kind, owner, name))?;
    let view = state.repo(repo)?;
    let present = (state.account(view.owner)?.name, view.name());
    if present == (owner, name) {
        return None;
    }
    let target = Target::Repo(repo);
    access::evaluate(state, principal, target, Permission::RepoMetadataRead).ok()?;
    let (owner, name) = present;
    Some(Present {
        owner: owner.into(),
        name: name.into(),
    })
}
