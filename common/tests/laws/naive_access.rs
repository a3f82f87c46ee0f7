//! The naive model of the decision, written from the facts of the hub, rule after rule, and one
//! seeded bug for each. Knows nothing of the library's decision.

use std::collections::BTreeSet;

use tokenward_common::state::record::{
    Approval, GateMode, GrantState, GroupRole, OrgRole, Repo, RepoKind, TokenPolicy, Visibility,
};

use crate::{
    bugs::Bug,
    naive::Naive,
    naive_vocabulary::{
        DISCUSS, METADATA, Need, READ, SERVERLESS, least_role, means_something, need,
    },
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    FineGrained,
    Read,
    Write,
}

#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub kind: &'static str,
    pub id: &'static str,
    pub permissions: Vec<&'static str>,
    pub patterns: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub owner: &'static str,
    pub id: u64,
    /// Of its value.
    pub serial: u64,
    pub role: Role,
    pub scopes: Vec<Scope>,
    pub global: Vec<&'static str>,
    pub gated: bool,
}

impl Token {
    pub fn from_role(owner: &'static str, role: Role) -> Self {
        Self {
            owner,
            id: crate::random_tokens::own_id(owner),
            serial: crate::random_tokens::own_id(owner),
            role,
            scopes: Vec::new(),
            global: Vec::new(),
            gated: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Thing {
    Repo(&'static str),
    Account(&'static str),
}

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
const ORG_POLICY: Verdict = Err(70);
const ORG_APPROVAL_PENDING: Verdict = Err(71);
const ORG_DENIED: Verdict = Err(72);
const ORG_REVOKED: Verdict = Err(73);

pub fn kind_name(kind: RepoKind) -> &'static str {
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

/// What somebody may do on a repo by their own standing.
struct Standing {
    own: bool,
    /// In the org, or in the repo's group.
    role: Option<OrgRole>,
    creator: bool,
    reads: bool,
    writes: bool,
}

impl Naive {
    pub fn judge(
        &self,
        token: Option<&Token>,
        thing: Thing,
        permission: &'static str,
        bug: Option<Bug>,
    ) -> Verdict {
        match thing {
            Thing::Repo(id) => self.judge_repo(token, id, permission, bug),
            Thing::Account(id) => self.judge_account(token, id, permission, bug),
        }
    }

    /// The org that a service account acts for.
    pub fn acts_for(&self, user: &str) -> Option<&str> {
        let org = self.users.get(user)?.service_account_of.as_ref()?;
        Some(org.as_str())
    }

    fn judge_repo(
        &self,
        token: Option<&Token>,
        id: &str,
        permission: &'static str,
        bug: Option<Bug>,
    ) -> Verdict {
        let is = |seeded: Bug| bug == Some(seeded);
        let Some(repo) = self.repo(id, bug) else {
            return NOT_FOUND;
        };
        let kind = kind_name(repo.kind);
        if !means_something(permission, kind) && !is(Bug::ForeignPermissionHeld) {
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
        let behind_the_gate = permission == READ
            || (permission == METADATA && is(Bug::MetadataIsGated))
            || (permission == DISCUSS && is(Bug::DiscussionsAreGated))
            || (permission == "collection.read" && is(Bug::CollectionsAreGated));
        let gated = repo.gate != GateMode::None && behind_the_gate && !is(Bug::GateIgnored);
        let free = [READ, METADATA, "collection.read"].contains(&permission);

        let Some(token) = token else {
            let shown = public || (is(Bug::PrivateMetadataIsFree) && permission == METADATA);
            if !shown {
                return NOT_FOUND;
            }
            if !free && !is(Bug::AnonymousWritesPublic) {
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

        let standing = self.standing(repo, token.owner, bug);
        let held = self.held_on_repo(token, repo, bug);

        // Missing, or private and invisible.
        let shows = match kind {
            "collection" => held.contains("collection.read"),
            "endpoint" => {
                held.contains("inference.endpoints.read")
                    || held.contains("inference.endpoints.infer.write")
            }
            _ => held.contains(READ),
        };
        let scoped = token.role == Role::FineGrained;
        let shows = shows || (scoped && is(Bug::UnscopedTokenSeesPrivate));
        let visible = public || (standing.reads && shows);
        if !visible {
            return NOT_FOUND;
        }

        // Public content is anybody's, whatever the token.
        if free && public && !gated {
            if scoped && !shows && is(Bug::UnscopedTokenReadsNothing) {
                return TOKEN_SCOPE;
            }
            return disabled(repo, bug);
        }

        let org = self.org_says(repo.owner.as_str(), token, bug);
        if standing.reads || is(Bug::PoliciesBindOutsiders) {
            org?;
        }
        let entitled = match need(permission) {
            Need::See => permission != DISCUSS || standing.writes || !is(Bug::OnlyWritersDiscuss),
            Need::Read => standing.reads || (public && is(Bug::PublicEndpointsAreAnybodys)),
            Need::Write => {
                let global = token.global.contains(&DISCUSS);
                standing.writes || (global && is(Bug::GlobalDiscussionWrites))
            }
        };
        let ceiling = self.ceiling_on_repo(token, repo, permission, gated, &held, &standing, bug);
        if is(Bug::CeilingBeforeRole) {
            ceiling?;
        }
        if !entitled {
            return OWNER_ROLE;
        }
        let through = if gated {
            self.through_the_gate(repo, token.owner, &standing, bug)
        } else {
            Ok(())
        };
        if is(Bug::GateBeforeFlag) {
            through?;
        }
        ceiling?;
        if !(is(Bug::GatedFlagOpensGate) && token.gated) {
            through?;
        }
        disabled(repo, bug)
    }

    #[allow(clippy::too_many_arguments, reason = "one rule, spelled out")]
    fn ceiling_on_repo(
        &self,
        token: &Token,
        repo: &Repo,
        permission: &'static str,
        gated: bool,
        held: &BTreeSet<&'static str>,
        standing: &Standing,
        bug: Option<Bug>,
    ) -> Verdict {
        let is = |seeded: Bug| bug == Some(seeded);
        let service_account = self.acts_for(token.owner).is_some();
        if token.role != Role::FineGrained {
            if gated && is(Bug::ClassicTokenNeedsFlag) && !token.gated {
                return TOKEN_GATED_FLAG;
            }
            if gated && token.gated && service_account {
                return Ok(());
            }
            return if held.contains(permission) || permission == METADATA {
                Ok(())
            } else {
                TOKEN_ROLE
            };
        }
        if gated {
            let scope = held.contains(permission) && !is(Bug::ScopeDoesNotReplaceFlag);
            return if token.gated || scope || is(Bug::GatedFlagIgnored) {
                Ok(())
            } else {
                TOKEN_GATED_FLAG
            };
        }
        if held.contains(permission) || permission == METADATA || is(Bug::UnscopedTokenWrites) {
            return Ok(());
        }
        // Discussions on the public repos of others.
        let foreign = repo.visibility == Visibility::Public && !standing.reads;
        let counts = (foreign || is(Bug::GlobalDiscussesAtHome)) && !is(Bug::GlobalIgnored);
        let asked = permission == DISCUSS || is(Bug::GlobalDiscussionWrites);
        let may = !service_account || is(Bug::ServiceAccountGlobals);
        if asked && counts && may && token.global.contains(&DISCUSS) {
            return Ok(());
        }
        TOKEN_SCOPE
    }

    fn standing(&self, repo: &Repo, user: &str, bug: Option<Bug>) -> Standing {
        let is = |seeded: Bug| bug == Some(seeded);
        let owner = repo.owner.as_str();
        let acts = self.acts_for(user);
        // A service account has its org's rights, and is a member of none.
        let serves = acts == Some(owner) && !is(Bug::ServiceAccountIsStranger);
        let own = (owner == user && !is(Bug::OwnerNeedsRole)) || serves;
        let member = acts.is_none() || is(Bug::ServiceAccountIsMember);
        let role = self.role_on(repo, user, bug).filter(|_| member);
        let creator = repo.creator.as_ref().map(|id| id.as_str()) == Some(user);
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
        Standing {
            own,
            role,
            creator,
            reads,
            writes,
        }
    }

    /// The role that counts on this repo: in a group it is the group's, but for the org's admins.
    fn role_on(&self, repo: &Repo, user: &str, bug: Option<Bug>) -> Option<OrgRole> {
        let is = |seeded: Bug| bug == Some(seeded);
        let role = self.role(repo.owner.as_str(), user, bug)?;
        let Some(group) = repo.group.as_ref().filter(|_| !is(Bug::GroupIgnored)) else {
            return Some(role);
        };
        if role == OrgRole::Admin && !is(Bug::GroupStopsAdmins) {
            return Some(role);
        }
        let foreign = self
            .group(group.as_str(), None)
            .is_none_or(|known| known.org != repo.owner);
        if foreign && !is(Bug::ForeignGroupsAdmit) {
            return None;
        }
        let key = (group.to_string(), user.to_owned());
        let member = self.group_members.get(&key)?;
        let left = member.membership != self.ended(repo.owner.as_str(), user);
        if left && !foreign && !is(Bug::GroupRoleComesBack) {
            return None;
        }
        Some(match member.role {
            GroupRole::Read => OrgRole::Read,
            GroupRole::Contributor => OrgRole::Contributor,
            GroupRole::Write => OrgRole::Write,
            GroupRole::Admin => OrgRole::Admin,
        })
    }

    /// What an org says of a token.
    fn org_says(&self, org: &str, token: &Token, bug: Option<Bug>) -> Verdict {
        let is = |seeded: Bug| bug == Some(seeded);
        if !self.is_org(org) || is(Bug::OrgsAskedNothing) {
            return Ok(());
        }
        for (owner, ignored) in [
            (token.owner, Bug::OrgFloorIgnored),
            ("", Bug::WholeOrgFloorIgnored),
        ] {
            let floor = self.floors.get(&format!("{owner} {org}"));
            if floor.is_some_and(|floor| token.serial <= floor.serial.0) && !is(ignored) {
                return ORG_REVOKED;
            }
        }
        let view = self.views.get(&(org.to_owned(), token.id));
        let others = view.is_some_and(|view| view.owner.as_str() != token.owner);
        if others && !is(Bug::OthersApprovalCounts) {
            return ORG_DENIED;
        }
        let state = self.approval(org, token.id, bug);
        if state == Some(Approval::Revoked) && !is(Bug::OrgRevocationNeedsPolicy) {
            return ORG_REVOKED;
        }
        let policy = self.policies.get(org).map(|policy| policy.policy);
        let classic = token.role != Role::FineGrained;
        match policy {
            None | Some(TokenPolicy::Allow) => Ok(()),
            Some(_) if classic && !is(Bug::ClassicTokensPassPolicies) => ORG_POLICY,
            Some(TokenPolicy::FineGrainedOnly) => Ok(()),
            Some(TokenPolicy::AdminApproval) if self.acts_for(token.owner) == Some(org) => {
                match is(Bug::ServiceAccountsNeedApproval) {
                    true => ORG_APPROVAL_PENDING,
                    false => Ok(()),
                }
            }
            Some(TokenPolicy::AdminApproval) => match state {
                Some(Approval::Approved) => Ok(()),
                Some(Approval::Denied) if is(Bug::DeniedCountsAsApproved) => Ok(()),
                Some(Approval::Denied) => ORG_DENIED,
                Some(Approval::Revoked) => ORG_REVOKED,
                None if is(Bug::UnaskedCountsAsApproved) => Ok(()),
                Some(Approval::Pending) | None => ORG_APPROVAL_PENDING,
            },
        }
    }

    fn through_the_gate(
        &self,
        repo: &Repo,
        user: &str,
        standing: &Standing,
        bug: Option<Bug>,
    ) -> Verdict {
        let is = |seeded: Bug| bug == Some(seeded);
        if standing.own && !is(Bug::OwnerIsGated) {
            return Ok(());
        }
        let member = standing.role >= Some(OrgRole::Read) && !is(Bug::MembersNeverBypass);
        let strict = repo.org_members_gated && !is(Bug::MembersGatedIgnored);
        let admin = standing.role == Some(OrgRole::Admin) && !is(Bug::MembersGatedStopsAdmins);
        let creator = standing.creator && !is(Bug::MembersGatedStopsCreators);
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
        permission: &'static str,
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
        let kind = if self.is_org(id) { "org" } else { "user" };
        if !means_something(permission, kind) && !is(Bug::ForeignPermissionHeld) {
            return NOT_FOUND;
        }
        let acts = self.acts_for(token.owner);
        let serves = acts == Some(id) && !is(Bug::ServiceAccountIsStranger);
        let own = id == token.owner;
        let member = acts.is_none() || is(Bug::ServiceAccountIsMember);
        let role = self.role(id, token.owner, bug).filter(|_| member);
        let least = least_role(permission, bug);
        let billed = is(Bug::AnyoneBillsOrgs) && permission == SERVERLESS;
        if own || serves || role.is_some() {
            self.org_says(id, token, bug)?;
        }
        let entitled = own
            || serves
            || billed
            || is(Bug::AnyoneUsesNamespace)
            || (kind == "org" && role >= Some(least));
        if !entitled {
            return OWNER_ROLE;
        }
        if token.role != Role::FineGrained {
            return if self.classic_set(token, bug).contains(permission) {
                Ok(())
            } else {
                TOKEN_ROLE
            };
        }
        let held = self.held_by_scopes(token, kind, id, None, bug);
        if held.is_some_and(|held| held.contains(permission)) {
            return Ok(());
        }
        let may = acts.is_none() || is(Bug::ServiceAccountGlobals);
        let place = match permission {
            "post.write" => own,
            SERVERLESS => own || is(Bug::GlobalBillsOrgs),
            DISCUSS => is(Bug::GlobalDiscussesAtHome),
            _ => is(Bug::GlobalHoldsAll),
        };
        if may && place && token.global.contains(&permission) && !is(Bug::GlobalIgnored) {
            return Ok(());
        }
        TOKEN_SCOPE
    }
}

fn disabled(repo: &Repo, bug: Option<Bug>) -> Verdict {
    if repo.disabled && bug != Some(Bug::DisabledIgnored) {
        return RESOURCE_DISABLED;
    }
    Ok(())
}
