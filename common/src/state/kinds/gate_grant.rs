//! Handles requests for access to gated repos, and their outcomes.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, RepoId},
    state::{
        Account, ApplyError, RepoHandle, State,
        codec::{DecodeError, Stored, id},
        held::Held,
        public::fed,
        record::{GrantState, Record},
        scan::{Filter, Listed, Page, Question},
    },
};

/// Holds a user's request for access to a gated repo, and its outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateGrant {
    /// Names the gated repo. The record may outlive the gate, and has no effect then.
    pub repo: RepoId,
    /// Names the user who requested access; the grant holds for all of their tokens.
    pub user: AccountId,
    /// States what the repo's authors decided, or the hub on their behalf.
    pub state: GrantState,
}

fed!(GateGrant {
    repo = repo_id,
    user = user_id,
    state = state
} named by GateGrantKey { repo = repo_id, user = user_id });

impl GateGrant {
    /// Returns the gate grant of these rows, if both exist.
    fn at(state: &State, repo: u32, user: u32) -> Option<Self> {
        let answer = state.grant(RepoHandle(repo), Account(user))?;
        Some(Self {
            repo: state.directory.repos.id(repo)?,
            user: state.directory.accounts.id(user)?,
            state: answer,
        })
    }
}

impl Held for GateGrant {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let repo = directory.repos.intern(&self.repo)?;
        let user = directory.accounts.intern(&self.user)?;
        directory.grants.put(repo, user, self.state.number());
        Ok(())
    }

    fn delete(state: &mut State, (repo, user): (&RepoId, &AccountId)) {
        let directory = &mut state.directory;
        let repo = directory.repos.find(repo.as_str());
        let user = directory.accounts.find(user.as_str());
        if let Some((repo, user)) = repo.zip(user) {
            directory.grants.remove(repo, user);
        }
    }

    fn find(state: &State, (repo, user): (&RepoId, &AccountId)) -> Option<Self> {
        let repo = state.directory.repos.find(repo.as_str())?;
        let user = state.directory.accounts.find(user.as_str())?;
        Self::at(state, repo, user)
    }

    fn stored(state: &State, (repo, user): (&RepoId, &AccountId)) -> Option<Self> {
        let directory = &state.directory;
        let of = directory.repos.find(repo.as_str())?;
        let by = directory.accounts.find(user.as_str())?;
        Some(Self {
            repo: repo.clone(),
            user: user.clone(),
            state: GrantState::from_number(directory.grants.find(of, by)?)?,
        })
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let directory = &state.directory;
        directory.grants.iter().filter_map(|(repo, user, answer)| {
            Some(Self {
                repo: directory.repos.id(repo)?,
                user: directory.accounts.id(user)?,
                state: GrantState::from_number(answer)?,
            })
        })
    }

    fn count(state: &State) -> u64 {
        state.directory.grants.len()
    }
}

impl Stored for GateGrant {
    type Message = pb::GateGrant;

    fn to_message(&self) -> Self::Message {
        pb::GateGrant {
            state: self.state.number(),
            ..pb::GateGrant::default()
        }
    }

    fn name_message(message: &mut Self::Message, (repo, user): (&RepoId, &AccountId)) {
        (message.repo_id, message.user_id) = (repo.to_string(), user.to_string());
    }

    fn from_message(grant: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            repo: id("gate_grant.repo_id", &grant.repo_id)?,
            user: id("gate_grant.user_id", &grant.user_id)?,
            state: GrantState::from_number(grant.state)
                .ok_or(DecodeError::Unknown("a grant state"))?,
        })
    }
}

impl Listed for GateGrant {
    const FILTERS: &'static [Filter] = &[Filter::Repo, Filter::User];

    fn page(ask: &Question<'_>) -> Option<Page> {
        let directory = &ask.state.directory;
        let repo = match &ask.filters.repo {
            Some(repo) => Some(directory.repos.find(repo.as_str())?),
            None => None,
        };
        let user = ask.account(ask.filters.user.as_ref())?;
        let end = (ask.within.repos, ask.within.accounts);
        let find = |repo, user| Self::at(ask.state, repo, user).map(Record::GateGrant);
        Some(ask.pairs(&directory.grants, (repo, user), end, &find))
    }
}
