//! Where is a repo now that was asked for by a name that it had, or in another case? Decides nothing of
//! the question: only whether its caller may be told.

use tokenward_common::{
    access::{Permission, Target},
    clock::BootTime,
    state::record::RepoKind,
};

use super::{Caller, Decider, Decision, Facts, NoTrace, Question, Resolved, Resource, live};

/// A repo's present name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    pub owner: Box<str>,
    pub name: Box<str>,
}

impl Decider {
    /// `None`: that is its name, or nothing ever had it, or this caller may not see what has it now.
    /// A name that something has was never another's.
    pub fn present_name(
        &self,
        (kind, owner, name): (RepoKind, &str, &str),
        facts: &Facts,
        now: BootTime,
    ) -> Option<Present> {
        let view = self.replica.view()?;
        let state = &view.state;
        let target = state
            .repo_by_name(kind, owner, name)
            .or_else(|| state.renamed_repo(kind, owner, name))?;
        let repo = state.repo(target)?;
        let target = Resolved::Found(Target::Repo(target));
        let present = (state.account(repo.owner)?.name, repo.name());
        if present == (owner, name) {
            return None;
        }
        let (owner, name) = present;
        let id = repo.id();
        let question = Question {
            // Whose the facts are.
            caller: Caller::Anonymous,
            resource: Resource::RepoId {
                kind,
                id: id.as_str(),
            },
            permission: Permission::RepoMetadataRead,
            min_revision: None,
            max_staleness: None,
        };
        let judging = self.judging(&question, &view, now, &mut NoTrace).ok()?;
        let decision: Decision<()> = match facts {
            Facts::Anonymous => judging.anonymous(target, &mut NoTrace),
            Facts::Genuine(genuine) => {
                let live = live(state, genuine, judging.time, &mut NoTrace).ok()?;
                judging.token(&live, genuine, target, &mut NoTrace)
            }
            Facts::Refused(_) => return None,
        };
        decision.verdict.ok()?;
        Some(Present {
            owner: owner.into(),
            name: name.into(),
        })
    }
}
