//! Makes the decision. Every path that isn't an explicit permit ends in a refusal; the first refusal is the
//! reason. This file must not know how a token was verified.
//!
//! The order is: the resource exists and is visible to this principal with this token → the owning org's
//! policy and its decision on the token → its owner's right → the token's ceiling → the gate → the resource
//! isn't disabled.

use std::hint::black_box;

use super::{
    ceiling::Ceiling,
    describe::{debug_or_none, describe_account, describe_repo},
    org_gate::{TokenFacts, org_gate},
    permissions::{Permission, Right},
    reach::{Reach, entity_kind},
    refusal::Refusal,
    rights::{Holder, Place, Rights},
    trace::{NoTrace, Trace},
};
use crate::{
    state::{
        Account, AccountStatus, AccountView, RepoHandle, RepoView, State,
        record::{GateMode, GrantState, Visibility},
    },
    token::{EntityKind, Role},
};

/// Identifies who makes the request. That a token is genuine and live, and its owner not disabled, was judged
/// before.
#[derive(Clone, Copy)]
pub enum Principal<'a> {
    /// Nobody is logged in: only what anybody may do with a public resource is allowed.
    Anonymous,
    /// The request carries a token, and may do only what both the token and its owner may.
    Token {
        /// Names the account that the token acts for; if it was deleted, nothing is found.
        owner: Account,
        /// States the most that the token may do, by its claims or by its amendment.
        ceiling: &'a Ceiling,
        /// Identifies the token to orgs that decide on single tokens.
        token: TokenFacts,
    },
}

/// Identifies the resource of a decision. If it can't be found, the caller refuses the request as
/// [`Refusal::NotFound`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// The resource is a repo, a collection or an endpoint.
    Repo(RepoHandle),
    /// The resource is a user's or an org's namespace, and the account itself.
    Account(Account),
}

/// Decides whether the principal may use this permission on this target, now.
pub fn evaluate(
    state: &State,
    principal: &Principal<'_>,
    target: Target,
    permission: Permission,
) -> Result<(), Refusal> {
    evaluate_traced(state, principal, target, permission, &mut NoTrace)
}

/// Decides as [`evaluate`] does, and reports each step to `trace`.
pub fn evaluate_traced(
    state: &State,
    principal: &Principal<'_>,
    target: Target,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    match (target, principal) {
        (Target::Repo(repo), Principal::Anonymous) => {
            let (repo, _) = existing(state, repo, permission, trace)?;
            anonymous_on_repo(&repo, permission, trace)
        }
        (
            Target::Repo(repo),
            Principal::Token {
                owner,
                ceiling,
                token,
            },
        ) => {
            let (view, owner_standing) = existing(state, repo, permission, trace)?;
            let repo = Repo {
                handle: repo,
                view,
                is_orgs: owner_standing == AccountStatus::Org,
            };
            let caller = Holder::new(state, *owner, ceiling, *token)?;
            token_on_repo(state, &caller, &repo, permission, trace)
        }
        // The existence of an account is public; no action under it ever is.
        (Target::Account(account), Principal::Anonymous) => {
            let view = state.account(account).ok_or(Refusal::NotFound)?;
            trace.step("resource", || describe_account(&view));
            trace.step("login", || "nobody is logged in".into());
            Err(Refusal::LoginRequired)
        }
        (
            Target::Account(account),
            Principal::Token {
                owner,
                ceiling,
                token,
            },
        ) => {
            let view = state.account(account).ok_or(Refusal::NotFound)?;
            let caller = Holder::new(state, *owner, ceiling, *token)?;
            token_on_account(state, &caller, account, &view, permission, trace)
        }
    }
}

/// Refuses a request for a name or an id that doesn't exist. It first does the same work as for a private
/// repo that the caller may not see, on another repo and without using the result, so that the time of the
/// answer doesn't reveal whether the repo exists.
pub fn evaluate_missing(
    state: &State,
    principal: &Principal<'_>,
    beside: Option<RepoHandle>,
    permission: Permission,
) -> Refusal {
    if let Some(beside) = beside {
        let _ = black_box(as_if_private(state, principal, beside, permission));
    }
    Refusal::NotFound
}

fn as_if_private(
    state: &State,
    principal: &Principal<'_>,
    repo: RepoHandle,
    permission: Permission,
) -> Result<(), Refusal> {
    let (mut view, owner_standing) = existing(state, repo, permission, &mut NoTrace)?;
    view.visibility = Visibility::Private;
    match principal {
        Principal::Anonymous => anonymous_on_repo(&view, permission, &mut NoTrace),
        Principal::Token {
            owner,
            ceiling,
            token,
        } => {
            let repo = Repo {
                handle: repo,
                view,
                is_orgs: owner_standing == AccountStatus::Org,
            };
            let caller = Holder::new(state, *owner, ceiling, *token)?;
            token_on_repo(state, &caller, &repo, permission, &mut NoTrace)
        }
    }
}

struct Repo<'a> {
    handle: RepoHandle,
    view: RepoView<'a>,
    is_orgs: bool,
}

impl Repo<'_> {
    fn is_public(&self) -> bool {
        is_public(&self.view)
    }
}

/// A protected space shows its app to everybody, but its source is as closed as that of a private space.
fn is_public(repo: &RepoView<'_>) -> bool {
    repo.visibility == Visibility::Public
}

/// The gate protects only the content: a repo's name and metadata need no grant.
fn is_gated(repo: &RepoView<'_>, permission: Permission) -> bool {
    permission == Permission::RepoContentRead && repo.gate != GateMode::None
}

/// Finds the repo. A permission that doesn't apply to its kind is held by nobody, whatever the visibility.
fn existing<'s>(
    state: &'s State,
    repo: RepoHandle,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(RepoView<'s>, AccountStatus), Refusal> {
    let (view, owner) = state.owned_repo(repo).ok_or(Refusal::NotFound)?;
    trace.step("resource", || describe_repo(state, &view));
    if !permission.applies_to(EntityKind::of_repo(view.kind)) {
        return Err(Refusal::NotFound);
    }
    Ok((view, owner))
}

fn anonymous_on_repo(
    repo: &RepoView<'_>,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    trace.step("visibility", || format!("{:?}", repo.visibility));
    if !is_public(repo) {
        return Err(Refusal::NotFound);
    }
    trace.step("login", || {
        format!("nobody is logged in; the gate is {:?}", repo.gate)
    });
    if !permission.is_anybodys() || is_gated(repo, permission) {
        return Err(Refusal::LoginRequired);
    }
    not_disabled(repo, trace)
}

fn token_on_repo(
    state: &State,
    caller: &Holder<'_>,
    repo: &Repo<'_>,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    let view = &repo.view;
    let gated = is_gated(view, permission);
    if repo.is_public() && permission.is_anybodys() && !gated {
        trace.step("visibility", || {
            format!("Public: {} is anybody's", permission.name())
        });
        return not_disabled(view, trace);
    }

    // A private repo that the token doesn't reach is invisible to it, even though its owner may read it.
    let rights = Rights::on(state, caller, view);
    let reach = Reach::on_repo(state, caller, view);
    trace.step("visibility", || {
        format!(
            "{:?}; the owner may read it if private: {}; the token reaches: {}",
            view.visibility,
            rights.read,
            reach.text()
        )
    });
    let visible = repo.is_public() || (rights.read && reach.sees(view.kind));
    if !visible {
        return Err(Refusal::NotFound);
    }

    // The org's policy doesn't apply to what an outsider may do on a public repo.
    if rights.read && repo.is_orgs {
        within_the_org(state, caller, view.owner, trace)?;
    }

    trace.step("rights", || {
        format!(
            "the repo is the owner's own: {}; their role in its org: {}; they may write: {}",
            view.owner == caller.owner,
            debug_or_none(caller.role_in(state, view.owner)),
            rights.write
        )
    });
    let entitled = match permission.right() {
        Right::See => true,
        Right::Read => rights.read,
        Right::Write => rights.write,
    };
    if !entitled {
        return Err(Refusal::OwnerRole);
    }

    trace.step("ceiling", || {
        let flag = caller.ceiling.can_read_gated_repos();
        format!("{}; can_read_gated_repos: {flag}", reach.text())
    });
    let reached = reach.allows(permission)
        || permission == Permission::RepoMetadataRead
        || (gated && caller.ceiling.can_read_gated_repos())
        || (repo.is_public() && !rights.read && has_global(caller, permission));
    if !reached {
        return Err(if gated && caller.ceiling.role() == Role::FineGrained {
            Refusal::TokenGatedFlag
        } else {
            reach.refusal()
        });
    }

    if gated {
        let grant = || state.grant(repo.handle, caller.owner);
        trace.step("gate", || {
            format!(
                "{:?}; the owner needs no grant: {}; their grant: {}",
                view.gate,
                rights.past_the_gate,
                debug_or_none(grant())
            )
        });
        if !rights.past_the_gate {
            admitted(grant())?;
        }
    }
    not_disabled(view, trace)
}

fn token_on_account(
    state: &State,
    caller: &Holder<'_>,
    account: Account,
    view: &AccountView<'_>,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    trace.step("resource", || describe_account(view));
    if !permission.applies_to(entity_kind(view)) {
        return Err(Refusal::NotFound);
    }

    let place = Place::find(state, caller, account);
    if place != Place::None && view.is_org {
        within_the_org(state, caller, account, trace)?;
    }
    trace.step("rights", || {
        format!(
            "the namespace is the owner's own: {}; their role in the org: {}",
            place == Place::Own,
            debug_or_none(caller.role_in(state, account))
        )
    });
    let entitled = match place {
        Place::Own => true,
        Place::Member(role) => permission.org_role().is_some_and(|least| role >= least),
        Place::None => false,
    };
    if !entitled {
        return Err(Refusal::OwnerRole);
    }

    let reach = Reach::on_account(caller, view);
    trace.step("ceiling", || reach.text());
    // Global discussion permissions apply only to the repos of other accounts.
    let own = account == caller.owner && permission != Permission::DiscussionWrite;
    if reach.allows(permission) || (own && has_global(caller, permission)) {
        return Ok(());
    }
    Err(reach.refusal())
}

/// Applies the owning org's policy and its decision on this token. A user's own namespace has neither.
fn within_the_org(
    state: &State,
    caller: &Holder<'_>,
    org: Account,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    trace.step("org", || {
        format!(
            "policy {:?}; the org's decision on this token: {}; this owner's values up to {} are revoked there",
            state.org_policy(org).policy,
            debug_or_none(state.org_token_view(org, caller.token.id).map(|it| it.state)),
            state.org_floor(org, caller.owner)
        )
    });
    let Holder {
        owner,
        ceiling,
        token,
        acts_for,
    } = *caller;
    org_gate(state, org, owner, acts_for, ceiling, token)
}

/// A service account's token never has global permissions.
fn has_global(caller: &Holder<'_>, permission: Permission) -> bool {
    caller.ceiling.role() == Role::FineGrained
        && !caller.is_service_account()
        && caller.ceiling.global().contains(permission)
}

fn admitted(grant: Option<GrantState>) -> Result<(), Refusal> {
    match grant {
        Some(GrantState::Accepted) => Ok(()),
        Some(GrantState::Pending) => Err(Refusal::GatePending),
        Some(GrantState::Rejected) => Err(Refusal::GateRejected),
        None => Err(Refusal::GateNotRequested),
    }
}

fn not_disabled(repo: &RepoView<'_>, trace: &mut impl Trace) -> Result<(), Refusal> {
    trace.step("disabled", || format!("disabled: {}", repo.disabled));
    if repo.disabled {
        return Err(Refusal::ResourceDisabled);
    }
    Ok(())
}
