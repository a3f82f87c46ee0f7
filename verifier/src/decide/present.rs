//! Finds the name that a repo has now, for a caller that used an earlier name or another case. It
//! decides nothing of the question, only whether its caller may learn the name.

use tokenward_common::{
    access::{self, Permission, Principal, Target},
    state::State,
};

use super::Resource;

/// The name that a repo has now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    pub owner: Box<str>,
    pub name: Box<str>,
}

/// Returns `None` if the repo has that name now, if no repo ever had it, or if this principal may not
/// see the repo that had it. A name in use now counts only for the repo that has it.
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
