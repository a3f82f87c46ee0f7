//! Handles repos of every kind, with collections and endpoints.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, GroupId, Name, RepoId},
    state::{
        ApplyError, RepoHandle, State,
        codec::{DecodeError, Stored, id, optional, text},
        held::Held,
        public::fed,
        record::{GateMode, Record, RepoKind, Visibility},
        repos::RepoRows,
        scan::{Filter, Listed, Page, Question},
    },
};

/// Holds a repo, a collection or an endpoint, as the hub's back end wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repo {
    /// Identifies the repo, whatever its kind; an id is never used again.
    pub id: RepoId,
    /// States the repo's kind; two repos of different kinds may have the same owner and name.
    pub kind: RepoKind,
    /// Names the user or the org that owns the repo. If that account was deleted, the repo isn't found.
    pub owner: AccountId,
    /// Holds the name without the owner's. It is unique for each kind and owner, compared without ASCII case.
    pub name: Name,
    /// States who may see the repo without being its owner or a member.
    pub visibility: Visibility,
    /// States whether a gate grant is needed to read the repo's content.
    pub gate: GateMode,
    /// Names the user who created the repo, and who may write it as a mere contributor; `None` if unknown.
    pub creator: Option<AccountId>,
    /// States whether the repo is disabled: it is then closed to every token, and to every caller without
    /// one.
    pub disabled: bool,
    /// Names the resource group that the repo lies in.
    pub group: Option<GroupId>,
    /// States whether the owning org's members need a gate grant too.
    pub org_members_gated: bool,
}

fed!(Repo {
    id = id,
    kind = kind,
    owner = owner_id,
    name = name,
    visibility = visibility,
    gate = gate,
    creator = creator_id,
    disabled = disabled,
    group = group_id,
    org_members_gated = org_members_gated
} named by id);

impl Held for Repo {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let directory = &mut state.directory;
        let creator = self
            .creator
            .as_ref()
            .map(|id| directory.accounts.intern(id));
        let group = self.group.as_ref().map(|id| directory.groups.intern(id));
        let rows = RepoRows {
            owner: directory.accounts.intern(&self.owner)?,
            creator: creator.transpose()?,
            group: group.transpose()?,
        };
        directory.repos.put(self, &rows)
    }

    fn delete(state: &mut State, id: &RepoId) {
        state.directory.repos.delete(id);
    }

    fn find(state: &State, id: &RepoId) -> Option<Self> {
        let repo = state.repo_by_id(id.as_str())?;
        state.directory.repo_record(&state.repo(repo)?)
    }

    fn stored(state: &State, id: &RepoId) -> Option<Self> {
        let repos = &state.directory.repos;
        let view = repos.stored(repos.find(id.as_str())?)?;
        state.directory.repo_record(&view)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let repos = state.directory.repos.iter();
        repos.filter_map(|view| state.directory.repo_record(&view))
    }

    fn count(state: &State) -> u64 {
        state.directory.repos.len
    }
}

impl Stored for Repo {
    type Message = pb::Repo;

    fn to_message(&self) -> Self::Message {
        pb::Repo {
            kind: self.kind.number(),
            owner_id: self.owner.to_string(),
            name: self.name.to_string(),
            visibility: self.visibility.number(),
            gate: self.gate.number(),
            creator_id: text(self.creator.as_ref()),
            disabled: self.disabled,
            group_id: text(self.group.as_ref()),
            org_members_gated: self.org_members_gated,
            ..pb::Repo::default()
        }
    }

    fn name_message(message: &mut Self::Message, id: &RepoId) {
        message.id = id.to_string();
    }

    fn from_message(repo: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            id: id("repo.id", &repo.id)?,
            kind: RepoKind::from_number(repo.kind).ok_or(DecodeError::Unknown("a repo kind"))?,
            owner: id("repo.owner_id", &repo.owner_id)?,
            name: id("repo.name", &repo.name)?,
            visibility: Visibility::from_number(repo.visibility)
                .ok_or(DecodeError::Unknown("a visibility"))?,
            gate: GateMode::from_number(repo.gate).ok_or(DecodeError::Unknown("a gate mode"))?,
            creator: optional("repo.creator_id", &repo.creator_id)?,
            disabled: repo.disabled,
            group: optional("repo.group_id", &repo.group_id)?,
            org_members_gated: repo.org_members_gated,
        })
    }
}

/// A repo is listed only while its owner, and its group if it lies in one, are within the horizon.
impl Listed for Repo {
    const FILTERS: &'static [Filter] = &[Filter::Owner];

    fn page(ask: &Question<'_>) -> Option<Page> {
        let directory = &ask.state.directory;
        let owner = ask.account(ask.filters.owner.as_ref())?;
        Some(ask.rows(ask.within.repos, &|row| {
            let repo = directory.repo(RepoHandle(row))?;
            let wanted = owner.is_none_or(|owner| owner == repo.owner.0)
                && repo.owner.0 < ask.within.accounts
                && repo.group.is_none_or(|group| group.0 < ask.within.groups);
            wanted.then(|| directory.repo_record(&repo).map(Record::Repo))?
        }))
    }
}
