//! The naive model of the decision, written from the facts of the hub, rule after rule, and one
//! seeded bug for each. Knows nothing of the library's decision.

use tokenward_common::state::record::{GateMode, GrantState, OrgRole, Repo, RepoKind, Visibility};

use crate::{bugs::Bug, naive::Naive};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    FineGrained,
    Read,
    Write,
}

#[derive(Clone, Debug)]
pub struct Scope {
    pub kind: &'static str,
    pub id: &'static str,
    pub permissions: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub owner: &'static str,
    pub role: Role,
    pub scopes: Vec<Scope>,
    pub gated: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Thing {
    Repo(&'static str),
    Account(&'static str),
}

pub const READ: &str = "repo.content.read";
pub const WRITE: &str = "repo.write";

/// Reasons by their numbers on the wire.
pub type Verdict = Result<(), i32>;
const LOGIN_REQUIRED: Verdict = Err(10);
const NOT_FOUND: Verdict = Err(20);
const OWNER_ROLE: Verdict = Err(30);
const TOKEN_ROLE: Verdict = Err(40);
const TOKEN_SCOPE: Verdict = Err(41);
const TOKEN_GATED_FLAG: Verdict = Err(42);
const GATE_NOT_REQUESTED: Verdict = Err(50);
const GATE_PENDING: Verdict = Err(51);
const GATE_REJECTED: Verdict = Err(52);
const RESOURCE_DISABLED: Verdict = Err(60);

fn kind_name(kind: RepoKind) -> &'static str {
    match kind {
        RepoKind::Model => "model",
        RepoKind::Dataset => "dataset",
        RepoKind::Space => "space",
        RepoKind::Bucket => "bucket",
        RepoKind::Kernel => "kernel",
        RepoKind::Collection => "collection",
        RepoKind::Endpoint => "endpoint",
    }
}

impl Naive {
    pub fn judge(
        &self,
        token: Option<&Token>,
        thing: Thing,
        permission: &str,
        bug: Option<Bug>,
    ) -> Verdict {
        match thing {
            Thing::Repo(id) => self.judge_repo(token, id, permission, bug),
            Thing::Account(id) => self.judge_account(token, id, permission, bug),
        }
    }

    fn judge_repo(
        &self,
        token: Option<&Token>,
        id: &str,
        permission: &str,
        bug: Option<Bug>,
    ) -> Verdict {
        let is = |seeded: Bug| bug == Some(seeded);
        let Some(repo) = self.repo(id, bug) else {
            return NOT_FOUND;
        };
        let kind = kind_name(repo.kind);
        let contentless = kind == "collection" || kind == "endpoint";
        if contentless && !is(Bug::ForeignPermissionHeld) {
            return NOT_FOUND;
        }
        if is(Bug::DisabledFirst) && repo.disabled {
            return RESOURCE_DISABLED;
        }
        let public = match repo.visibility {
            Visibility::Public => true,
            Visibility::Protected => is(Bug::ProtectedIsPublic) || is(Bug::IgnoreVisibility),
            Visibility::Private => is(Bug::IgnoreVisibility),
        };
        let gated = repo.gate != GateMode::None && !is(Bug::GateIgnored);

        let Some(token) = token else {
            if !public {
                return NOT_FOUND;
            }
            if permission == WRITE && !is(Bug::AnonymousWritesPublic) {
                return LOGIN_REQUIRED;
            }
            if gated && !is(Bug::AnonymousReadsGated) {
                return LOGIN_REQUIRED;
            }
            return disabled(repo, bug);
        };
        if !self.is_user(token.owner, bug) {
            return NOT_FOUND;
        }

        let own = repo.owner.as_str() == token.owner && !is(Bug::OwnerNeedsRole);
        let role = self.role_on(repo, token.owner, bug);
        let creator = repo.creator.as_ref().map(|id| id.as_str()) == Some(token.owner);
        let kept = is(Bug::CreatorKeepsRights) && creator;
        let reads = own
            || kept
            || role >= Some(OrgRole::Read)
            || (is(Bug::NoAccessReads) && role.is_some())
            || is(Bug::StrangerSeesPrivate);
        let writes = own
            || kept
            || match role {
                Some(OrgRole::Admin) => true,
                Some(OrgRole::Write) => !is(Bug::WriteRoleWritesOwnOnly) || creator,
                Some(OrgRole::Contributor) => {
                    (creator && !is(Bug::ContributorWritesNothing)) || is(Bug::ContributorWritesAll)
                }
                Some(OrgRole::Read) => is(Bug::ReadRoleWrites),
                Some(OrgRole::NoAccess) | None => false,
            };

        let scoped = token.role == Role::FineGrained;
        let held = self.held(token, repo, bug);
        let reading = !scoped
            || is(Bug::UnscopedTokenSeesPrivate)
            || held.contains(&READ)
            || (held.contains(&WRITE) && !is(Bug::WriteScopeDoesNotRead));

        // Missing, or private and invisible.
        let visible = public || (reads && reading);
        if !visible {
            return NOT_FOUND;
        }

        if permission == WRITE {
            let ceiling = match token.role {
                Role::Write if is(Bug::WriteTokenReadsOnly) => TOKEN_ROLE,
                Role::Write => Ok(()),
                Role::Read if is(Bug::ReadTokenMayWrite) => Ok(()),
                Role::Read => TOKEN_ROLE,
                Role::FineGrained if is(Bug::UnscopedTokenWrites) => Ok(()),
                Role::FineGrained if held.contains(&WRITE) => Ok(()),
                Role::FineGrained if held.contains(&READ) && is(Bug::ReadScopeWrites) => Ok(()),
                Role::FineGrained => TOKEN_SCOPE,
            };
            if is(Bug::CeilingBeforeRole) {
                ceiling?;
            }
            if !writes {
                return OWNER_ROLE;
            }
            ceiling?;
            return disabled(repo, bug);
        }

        if scoped && !reading && is(Bug::UnscopedTokenReadsNothing) {
            return TOKEN_SCOPE;
        }
        if gated {
            let through = self.through_the_gate(repo, token.owner, own, role, creator, bug);
            if is(Bug::GateBeforeFlag) {
                through?;
            }
            let flagged = token.gated
                || (reading && !is(Bug::ScopeDoesNotReplaceFlag))
                || is(Bug::GatedFlagIgnored);
            if (scoped || is(Bug::ClassicTokenNeedsFlag)) && !(flagged && (scoped || token.gated)) {
                return TOKEN_GATED_FLAG;
            }
            if !(is(Bug::GatedFlagOpensGate) && token.gated) {
                through?;
            }
        }
        disabled(repo, bug)
    }

    /// The role that counts on this repo. A group admits only its members: so far, the org's admins.
    fn role_on(&self, repo: &Repo, user: &str, bug: Option<Bug>) -> Option<OrgRole> {
        let role = self.role(repo.owner.as_str(), user, bug)?;
        let admitted = match (&repo.group, role) {
            (None, _) => true,
            (Some(_), OrgRole::Admin) => bug != Some(Bug::GroupStopsAdmins),
            (Some(_), _) => bug == Some(Bug::GroupIgnored),
        };
        admitted.then_some(role)
    }

    /// What the scopes give on this repo, before implications.
    fn held(&self, token: &Token, repo: &Repo, bug: Option<Bug>) -> Vec<&'static str> {
        let is = |seeded: Bug| bug == Some(seeded);
        let on = |kind: &str, id: &str| -> Option<Vec<&'static str>> {
            let scopes: Vec<&Scope> = token
                .scopes
                .iter()
                .filter(|scope| scope.kind == kind || is(Bug::ScopeKindIgnored))
                .filter(|scope| scope.id == id || is(Bug::ScopeIdIgnored))
                .filter(|scope| scope.kind != "collection")
                .collect();
            let permissions = scopes.iter().flat_map(|scope| &scope.permissions).copied();
            (!scopes.is_empty()).then(|| permissions.collect())
        };
        let owner = repo.owner.as_str();
        let owner_kind = if self.is_org(owner) { "org" } else { "user" };
        let mut general = on(owner_kind, owner).unwrap_or_default();
        if is(Bug::OwnerScopeIgnored) {
            general.clear();
        }
        let specific = on(kind_name(repo.kind), repo.id.as_str());
        let mut held = match specific {
            Some(_) if is(Bug::RepoScopeIgnored) => general,
            Some(more) if is(Bug::RepoScopeAdds) => [general, more].concat(),
            Some(instead) => instead,
            None => general,
        };
        if is(Bug::UnknownPermissionGrants) && !held.is_empty() {
            held.push(WRITE);
        }
        held
    }

    fn through_the_gate(
        &self,
        repo: &Repo,
        user: &str,
        own: bool,
        role: Option<OrgRole>,
        creator: bool,
        bug: Option<Bug>,
    ) -> Verdict {
        let is = |seeded: Bug| bug == Some(seeded);
        if own && !is(Bug::OwnerIsGated) {
            return Ok(());
        }
        let member = role >= Some(OrgRole::Read) && !is(Bug::MembersNeverBypass);
        let strict = repo.org_members_gated && !is(Bug::MembersGatedIgnored);
        let admin = role == Some(OrgRole::Admin) && !is(Bug::MembersGatedStopsAdmins);
        let creator = creator && !is(Bug::MembersGatedStopsCreators);
        if member && (!strict || admin || creator) {
            return Ok(());
        }
        match self.grant(repo.id.as_str(), user) {
            None => GATE_NOT_REQUESTED,
            Some(GrantState::Accepted) => Ok(()),
            Some(GrantState::Pending) if is(Bug::GatePendingCounts) => Ok(()),
            Some(GrantState::Pending) => GATE_PENDING,
            Some(GrantState::Rejected) if is(Bug::GateRejectedCounts) => Ok(()),
            Some(GrantState::Rejected) => GATE_REJECTED,
        }
    }

    fn judge_account(
        &self,
        token: Option<&Token>,
        id: &str,
        permission: &str,
        bug: Option<Bug>,
    ) -> Verdict {
        let is = |seeded: Bug| bug == Some(seeded);
        if !self.is_account(id, bug) {
            return NOT_FOUND;
        }
        let Some(token) = token else {
            if is(Bug::AnonymousReadsNamespace) && permission == READ {
                return Ok(());
            }
            return LOGIN_REQUIRED;
        };
        if !self.is_user(token.owner, bug) {
            return NOT_FOUND;
        }
        let role = self.role(id, token.owner, bug);
        let least = match permission {
            READ if is(Bug::NoAccessReadsNamespace) => OrgRole::NoAccess,
            READ => OrgRole::Read,
            _ if is(Bug::ReaderCreatesRepos) => OrgRole::Read,
            _ if is(Bug::ContributorCreatesNothing) => OrgRole::Write,
            _ => OrgRole::Contributor,
        };
        if id != token.owner && role < Some(least) && !is(Bug::AnyoneUsesNamespace) {
            return OWNER_ROLE;
        }
        let kind = if self.is_org(id) { "org" } else { "user" };
        let held = |wanted: &str| {
            token.scopes.iter().any(|scope| {
                scope.kind == kind && scope.id == id && scope.permissions.contains(&wanted)
            })
        };
        match (token.role, permission) {
            (Role::Write, _) | (Role::Read, READ) => Ok(()),
            (Role::Read, _) => TOKEN_ROLE,
            (Role::FineGrained, READ) if held(READ) || held(WRITE) => Ok(()),
            (Role::FineGrained, WRITE) if held(WRITE) => Ok(()),
            (Role::FineGrained, _) => TOKEN_SCOPE,
        }
    }
}

fn disabled(repo: &Repo, bug: Option<Bug>) -> Verdict {
    if repo.disabled && bug != Some(Bug::DisabledIgnored) {
        return RESOURCE_DISABLED;
    }
    Ok(())
}
