//! The decision. Every path that isn't a stated permit ends in a refusal; the first is the reason.
//!
//! Order: the resource exists and is visible to this principal with this token → its owner's right
//! → the token's ceiling → the gate → the resource isn't disabled.

use super::{
    ceiling::Ceiling,
    permissions::{Permission, PermissionSet},
    refusal::Refusal,
    trace::{NoTrace, Trace},
};
use crate::{
    state::{
        Account, AccountView, RepoHandle, RepoView, Standing, State,
        record::{GateMode, GrantState, OrgRole, Visibility},
    },
    token::{EntityKind, Role},
};

/// Who asks. That a token is genuine and live, and its owner not disabled, was judged before.
#[derive(Clone, Copy)]
pub enum Principal<'a> {
    Anonymous,
    Token {
        owner: Account,
        ceiling: &'a Ceiling,
    },
}

/// Of what. What doesn't resolve is refused by the caller as [`Refusal::NotFound`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    Repo(RepoHandle),
    /// A user's or an org's namespace.
    Account(Account),
}

/// May the principal do this on that, now?
pub fn evaluate(
    state: &State,
    principal: &Principal<'_>,
    target: Target,
    permission: Permission,
) -> Result<(), Refusal> {
    evaluate_traced(state, principal, target, permission, &mut NoTrace)
}

/// The same, with each step told.
pub fn evaluate_traced(
    state: &State,
    principal: &Principal<'_>,
    target: Target,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    match (target, principal) {
        (Target::Repo(repo), Principal::Anonymous) => {
            let repo = existing(state, repo, permission, trace)?;
            anonymous_on_repo(&repo, permission, trace)
        }
        (Target::Repo(repo), Principal::Token { owner, ceiling }) => {
            let repo = Repo {
                handle: repo,
                view: existing(state, repo, permission, trace)?,
            };
            let caller = Caller::new(state, *owner, ceiling)?;
            token_on_repo(state, &caller, &repo, permission, trace)
        }
        // That an account exists is public; what may be done under it never is.
        (Target::Account(account), Principal::Anonymous) => {
            let view = state.account(account).ok_or(Refusal::NotFound)?;
            trace.step("resource", || of_account(&view));
            trace.step("login", || "nobody is logged in".into());
            Err(Refusal::LoginRequired)
        }
        (Target::Account(account), Principal::Token { owner, ceiling }) => {
            let view = state.account(account).ok_or(Refusal::NotFound)?;
            let caller = Caller::new(state, *owner, ceiling)?;
            token_on_account(state, &caller, account, &view, permission, trace)
        }
    }
}

struct Caller<'a> {
    owner: Account,
    ceiling: &'a Ceiling,
}

impl<'a> Caller<'a> {
    /// Tokens belong to users and service accounts; one whose owner is gone finds nothing.
    fn new(state: &State, owner: Account, ceiling: &'a Ceiling) -> Result<Self, Refusal> {
        match state.standing(owner) {
            Some(Standing::User { .. }) => Ok(Self { owner, ceiling }),
            Some(Standing::Org) | None => Err(Refusal::NotFound),
        }
    }
}

struct Repo<'a> {
    handle: RepoHandle,
    view: RepoView<'a>,
}

/// A permission that means nothing on such a repo is held by nobody, whatever its visibility.
fn existing<'s>(
    state: &'s State,
    repo: RepoHandle,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<RepoView<'s>, Refusal> {
    let view = state.repo(repo).ok_or(Refusal::NotFound)?;
    trace.step("resource", || of_repo(state, &view));
    if !permission.applies_to(EntityKind::of_repo(view.kind)) {
        return Err(Refusal::NotFound);
    }
    Ok(view)
}

fn anonymous_on_repo(
    repo: &RepoView<'_>,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    trace.step("visibility", || format!("{:?}", repo.visibility));
    if repo.visibility != Visibility::Public {
        return Err(Refusal::NotFound);
    }
    trace.step("login", || {
        format!("nobody is logged in; the gate is {:?}", repo.gate)
    });
    if permission != Permission::RepoContentRead || repo.gate != GateMode::None {
        return Err(Refusal::LoginRequired);
    }
    not_disabled(repo, trace)
}

fn token_on_repo(
    state: &State,
    caller: &Caller<'_>,
    repo: &Repo<'_>,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    let view = &repo.view;
    let rights = Rights::on(state, caller.owner, view);
    let ceiling = Reach::on_repo(state, caller.ceiling, view);
    let public = view.visibility == Visibility::Public;
    let gated = view.gate != GateMode::None;

    // A private repo that the token doesn't reach is invisible to it, though its owner may read it.
    trace.step("visibility", || {
        format!(
            "{:?}; the owner may read it if private: {}; the token reaches: {}",
            view.visibility,
            rights.read,
            ceiling.text()
        )
    });
    let visible = public || (rights.read && ceiling.allows(Permission::RepoContentRead));
    if !visible {
        return Err(Refusal::NotFound);
    }
    match permission {
        Permission::RepoContentRead => {
            if gated {
                trace.step("ceiling", || {
                    format!(
                        "{}; can_read_gated_repos: {}",
                        ceiling.text(),
                        caller.ceiling.can_read_gated_repos()
                    )
                });
                let reached = ceiling.allows(Permission::RepoContentRead)
                    || caller.ceiling.can_read_gated_repos();
                if !reached {
                    return Err(Refusal::TokenGatedFlag);
                }
                let grant = state.grant(repo.handle, caller.owner);
                trace.step("gate", || {
                    format!(
                        "{:?}; the owner needs no grant: {}; their grant: {}",
                        view.gate,
                        rights.past_the_gate,
                        or_none(grant)
                    )
                });
                if !rights.past_the_gate {
                    admitted(grant)?;
                }
            }
        }
        Permission::RepoWrite => {
            trace.step("rights", || {
                let role = state.org_role(view.owner, caller.owner);
                format!(
                    "the repo is the owner's own: {}; their role in its org: {}; they may write: {}",
                    view.owner == caller.owner,
                    or_none(role),
                    rights.write
                )
            });
            if !rights.write {
                return Err(Refusal::OwnerRole);
            }
            trace.step("ceiling", || ceiling.text());
            ceiling.require(permission)?;
        }
    }
    not_disabled(view, trace)
}

fn token_on_account(
    state: &State,
    caller: &Caller<'_>,
    account: Account,
    view: &AccountView<'_>,
    permission: Permission,
    trace: &mut impl Trace,
) -> Result<(), Refusal> {
    trace.step("resource", || of_account(view));
    let kind = entity_kind(view);
    if !permission.applies_to(kind) {
        return Err(Refusal::NotFound);
    }
    let role = state.org_role(account, caller.owner);
    trace.step("rights", || {
        format!(
            "the namespace is the owner's own: {}; their role in the org: {}",
            account == caller.owner,
            or_none(role)
        )
    });
    let least = match permission {
        Permission::RepoContentRead => OrgRole::Read,
        // Creating repos is all that a contributor may do with those of others.
        Permission::RepoWrite => OrgRole::Contributor,
    };
    let entitled = account == caller.owner || role.is_some_and(|role| role >= least);
    if !entitled {
        return Err(Refusal::OwnerRole);
    }
    let reach = Reach::on_account(caller.ceiling, view);
    trace.step("ceiling", || reach.text());
    reach.require(permission)
}

fn entity_kind(view: &AccountView<'_>) -> EntityKind {
    if view.is_org {
        EntityKind::Org
    } else {
        EntityKind::User
    }
}

/// What an account may do on a repo by its own standing, whatever the token.
#[derive(Clone, Copy, Default)]
struct Rights {
    /// Even if it is private.
    read: bool,
    write: bool,
    /// Reads gated content without a grant.
    past_the_gate: bool,
}

impl Rights {
    fn on(state: &State, account: Account, repo: &RepoView<'_>) -> Self {
        if repo.owner == account {
            return Self {
                read: true,
                write: true,
                past_the_gate: true,
            };
        }
        let Some(role) = state.org_role(repo.owner, account) else {
            return Self::default();
        };
        // A resource group admits its own members only, and groups aren't known yet: until they
        // are, that is the org's admins.
        if repo.group.is_some() && role != OrgRole::Admin {
            return Self::default();
        }
        let creator = repo.creator == Some(account);
        match role {
            OrgRole::NoAccess => Self::default(),
            OrgRole::Read | OrgRole::Contributor | OrgRole::Write | OrgRole::Admin => Self {
                read: true,
                write: match role {
                    OrgRole::Write | OrgRole::Admin => true,
                    OrgRole::Contributor => creator,
                    OrgRole::Read | OrgRole::NoAccess => false,
                },
                past_the_gate: !repo.org_members_gated || role == OrgRole::Admin || creator,
            },
        }
    }
}

/// What a token's ceiling leaves on one resource, whatever its owner's rights.
#[derive(Clone, Copy)]
enum Reach {
    Reads,
    ReadsAndWrites,
    Scoped(PermissionSet),
}

impl Reach {
    /// A scope on the repo replaces the one on its owner, for more or for less.
    fn on_repo(state: &State, ceiling: &Ceiling, repo: &RepoView<'_>) -> Self {
        Self::of(ceiling, || {
            ceiling
                .on(EntityKind::of_repo(repo.kind), repo.packed_id())
                .or_else(|| {
                    let owner = state.account(repo.owner)?;
                    ceiling.on(entity_kind(&owner), owner.packed_id())
                })
        })
    }

    fn on_account(ceiling: &Ceiling, account: &AccountView<'_>) -> Self {
        Self::of(ceiling, || {
            ceiling.on(entity_kind(account), account.packed_id())
        })
    }

    fn of(ceiling: &Ceiling, scope: impl FnOnce() -> Option<PermissionSet>) -> Self {
        match ceiling.role() {
            Role::Read => Self::Reads,
            Role::Write => Self::ReadsAndWrites,
            Role::FineGrained => Self::Scoped(scope().unwrap_or_default()),
        }
    }

    /// For people.
    fn text(self) -> String {
        match self {
            Self::Reads => "role read".into(),
            Self::ReadsAndWrites => "role write".into(),
            Self::Scoped(set) => {
                let held = Permission::all().filter(|held| set.contains(*held));
                let names: Vec<_> = held.map(|held| held.name()).collect();
                format!("fine-grained, in force here: [{}]", names.join(", "))
            }
        }
    }

    fn allows(self, permission: Permission) -> bool {
        self.require(permission).is_ok()
    }

    fn require(self, permission: Permission) -> Result<(), Refusal> {
        match (self, permission) {
            (Self::Reads | Self::ReadsAndWrites, Permission::RepoContentRead) => Ok(()),
            (Self::ReadsAndWrites, Permission::RepoWrite) => Ok(()),
            (Self::Reads, Permission::RepoWrite) => Err(Refusal::TokenRole),
            (Self::Scoped(set), _) if set.contains(permission) => Ok(()),
            (Self::Scoped(_), _) => Err(Refusal::TokenScope),
        }
    }
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

fn of_repo(state: &State, view: &RepoView<'_>) -> String {
    let owner = state.account(view.owner);
    format!(
        "{:?} {}/{}, id {}, {:?}, gate {:?}, in a resource group: {}",
        view.kind,
        owner.as_ref().map_or("?", |owner| owner.name),
        view.name,
        view.id(),
        view.visibility,
        view.gate,
        view.group.is_some()
    )
}

fn of_account(view: &AccountView<'_>) -> String {
    let kind = if view.is_org { "org" } else { "user" };
    format!("{kind} {}, id {}", view.name, view.id())
}

fn or_none(record: Option<impl std::fmt::Debug>) -> String {
    record.map_or_else(|| "none".into(), |record| format!("{record:?}"))
}
