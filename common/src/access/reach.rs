//! Decides what a token's ceiling allows on one resource. This file must not judge the owner's rights.

use super::{permissions::Permission, refusal::Refusal, rights::Holder, set::PermissionSet};
use crate::{
    state::{AccountStatus, AccountView, RepoView, State, record::RepoKind},
    token::{EntityKind, Role},
};

#[derive(Clone, Copy)]
pub(super) struct Reach {
    role: Role,
    /// States whether this is a service account's token that isn't fine-grained: it reaches nothing.
    misfit: bool,
    set: PermissionSet,
}

impl Reach {
    /// Only the most specific scope counts: the one on the repo, else on its resource group, else on its
    /// owner. It replaces the less specific ones, whether it grants more or less.
    pub(super) fn on_repo(state: &State, caller: &Holder<'_>, repo: &RepoView<'_>) -> Self {
        Self::from_scopes(caller, || {
            let ceiling = caller.ceiling;
            let held = ceiling
                .on(EntityKind::of_repo(repo.kind), repo.packed_id())
                .or_else(|| {
                    let group = group_of(state, caller, repo)?;
                    ceiling.on(EntityKind::ResourceGroup, group)
                })
                .or_else(|| {
                    let kind = match state.standing(repo.owner)? {
                        AccountStatus::User { .. } => EntityKind::User,
                        AccountStatus::Org => EntityKind::Org,
                    };
                    ceiling.on(kind, state.packed_account_id(repo.owner))
                })?;
            let service_account = caller.is_service_account();
            Some(match repo.kind {
                RepoKind::Endpoint => held.on_endpoint(repo.name(), service_account),
                _ => held.on_account(service_account),
            })
        })
    }

    pub(super) fn on_account(caller: &Holder<'_>, account: &AccountView<'_>) -> Self {
        Self::from_scopes(caller, || {
            let held = caller
                .ceiling
                .on(entity_kind(account), account.packed_id())?;
            Some(held.on_account(caller.is_service_account()))
        })
    }

    fn from_scopes(caller: &Holder<'_>, scopes: impl FnOnce() -> Option<PermissionSet>) -> Self {
        let role = caller.ceiling.role();
        let misfit = role != Role::FineGrained && caller.is_service_account();
        let set = match role {
            Role::FineGrained => scopes().unwrap_or_default(),
            Role::Read | Role::Write if misfit => PermissionSet::EMPTY,
            Role::Read | Role::Write => PermissionSet::from_role(role),
        };
        Self { role, misfit, set }
    }

    pub(super) fn allows(self, permission: Permission) -> bool {
        self.set.contains(permission)
    }

    /// Returns whether the reach makes a private repo of this kind visible.
    pub(super) fn sees(self, kind: RepoKind) -> bool {
        self.set.meets(Permission::that_show(kind))
    }

    /// Returns the reason why the reach doesn't allow something.
    pub(super) fn refusal(self) -> Refusal {
        match self.role {
            Role::FineGrained => Refusal::TokenScope,
            Role::Read | Role::Write if self.misfit => Refusal::ServiceAccountRole,
            Role::Read | Role::Write => Refusal::TokenRole,
        }
    }

    /// Returns a text for people.
    pub(super) fn text(self) -> String {
        if self.misfit {
            return "nothing: a service account's token must be fine-grained".into();
        }
        if self.role != Role::FineGrained {
            return format!("role {}", self.role.word());
        }
        let names: Vec<_> = self.set.iter().map(Permission::name).collect();
        format!("fine-grained, in force here: [{}]", names.join(", "))
    }
}

/// Returns the group's id. It is looked up only for a token that has a scope on some group.
fn group_of<'s>(state: &'s State, caller: &Holder<'_>, repo: &RepoView<'_>) -> Option<&'s [u8]> {
    let group = repo.group?;
    let names_any = caller.ceiling.names_any(EntityKind::ResourceGroup);
    names_any.then(|| state.packed_group_id(group))
}

pub(super) fn entity_kind(view: &AccountView<'_>) -> EntityKind {
    if view.is_org {
        EntityKind::Org
    } else {
        EntityKind::User
    }
}
