//! The ceiling is the most that a token may do, compiled from its role and scopes. It must not know the
//! state, so it stays true for the token's life, whatever is renamed or rebuilt.

use std::cmp::Ordering;

use super::{pattern::Patterns, permissions::Permission, set::PermissionSet};
use crate::{
    state::{packed::PackedId, short::Short},
    token::{EntityKind, Role, Scopes},
};

#[derive(Debug)]
struct Grant {
    kind: EntityKind,
    packed_id: Short<22, 0>,
    held: Held,
}

/// Holds the permissions that the scopes on one entity grant.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Holds the permissions on the entity and on everything under it.
    pub(super) everywhere: PermissionSet,
    /// Holds the part of `everywhere` that a service account's token may hold.
    pub(super) for_service_accounts: PermissionSet,
    /// Lists what holds only on endpoints with matching names: all permissions, the part for service
    /// accounts, and the name patterns.
    by_name: Vec<(PermissionSet, PermissionSet, Patterns)>,
}

impl Held {
    fn add(&mut self, more: Self) {
        self.everywhere = self.everywhere.union(more.everywhere);
        self.for_service_accounts = self.for_service_accounts.union(more.for_service_accounts);
        self.by_name.extend(more.by_name);
    }

    pub(super) fn on_account(&self, service_account: bool) -> PermissionSet {
        if service_account {
            self.for_service_accounts
        } else {
            self.everywhere
        }
    }

    /// Returns the permissions on the endpoint with this name.
    pub(super) fn on_endpoint(&self, name: &str, service_account: bool) -> PermissionSet {
        let mut set = self.on_account(service_account);
        for (all, for_service_accounts, patterns) in &self.by_name {
            if patterns.match_name(name) {
                set = set.union(if service_account {
                    *for_service_accounts
                } else {
                    *all
                });
            }
        }
        set
    }
}

impl Grant {
    fn order(&self, kind: EntityKind, packed_id: &[u8]) -> Ordering {
        (self.kind, self.packed_id.whole()).cmp(&(kind, packed_id))
    }
}

/// States the most that a token may do, compiled from its role and scopes.
#[derive(Debug)]
pub struct Ceiling {
    role: Role,
    /// The grants are sorted by entity, and each entity occurs once. A grant without permissions counts too:
    /// on a repo it takes away what the scope on the repo's owner would give.
    grants: Box<[Grant]>,
    global: PermissionSet,
    can_read_gated_repos: bool,
}

/// Collects scopes one by one; [`CeilingBuilder::build`] makes the ceiling from them.
#[derive(Debug)]
pub struct CeilingBuilder(Ceiling, Vec<Grant>);

impl Ceiling {
    /// Starts without scopes. The roles read and write have their permissions already; fine-grained has none.
    pub fn builder(role: Role) -> CeilingBuilder {
        let ceiling = Self {
            role,
            grants: Box::default(),
            global: PermissionSet::EMPTY,
            can_read_gated_repos: false,
        };
        CeilingBuilder(ceiling, Vec::new())
    }

    /// Makes the ceiling of a token without scopes.
    pub fn from_role(role: Role) -> Self {
        Self::builder(role).build()
    }

    /// Makes the ceiling of a token from its claims or from its amendment.
    pub fn compile(role: Role, scopes: Option<&Scopes>) -> Self {
        let mut ceiling = Self::builder(role);
        if let Some(scopes) = scopes {
            for scope in &scopes.scoped {
                let permissions = scope.permissions.iter().map(AsRef::as_ref);
                let patterns = scope.patterns.iter().map(AsRef::as_ref);
                ceiling = ceiling.scope_by_name(scope.kind, &scope.id, permissions, patterns);
            }
            ceiling = ceiling
                .global(scopes.global.iter().map(AsRef::as_ref))
                .can_read_gated_repos(scopes.can_read_gated_repos);
        }
        ceiling.build()
    }

    /// Returns the token's role, which gives it permissions without a scope.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns whether a fine-grained token may read gated repos; its owner still needs a gate grant.
    pub fn can_read_gated_repos(&self) -> bool {
        self.can_read_gated_repos
    }

    /// Returns the permissions that belong to no entity. Each applies only where its own rule says so.
    pub(super) fn global(&self) -> PermissionSet {
        self.global
    }

    /// Returns what the scopes on exactly this entity grant; `None` if there is no such scope.
    pub(super) fn on(&self, kind: EntityKind, packed_id: &[u8]) -> Option<&Held> {
        let at = self
            .grants
            .binary_search_by(|grant| grant.order(kind, packed_id))
            .ok()?;
        self.grants.get(at).map(|grant| &grant.held)
    }

    /// Returns whether any scope is on an entity of this kind.
    pub(super) fn names_any(&self, kind: EntityKind) -> bool {
        self.grants.iter().any(|grant| grant.kind == kind)
    }
}

impl CeilingBuilder {
    /// Adds a scope. Unknown permissions, and those that don't apply to such an entity, grant nothing. A
    /// second scope on the same entity adds to the first.
    #[must_use]
    pub fn scope<'a>(
        self,
        kind: EntityKind,
        id: &str,
        permissions: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.scope_by_name(kind, id, permissions, [])
    }

    /// Adds a scope as [`Self::scope`] does, but its endpoint permissions hold only for endpoints whose names
    /// match a pattern. Without a pattern they hold for all endpoints.
    #[must_use]
    pub fn scope_by_name<'a>(
        mut self,
        kind: EntityKind,
        id: &str,
        permissions: impl IntoIterator<Item = &'a str>,
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let Some(packed_id) = PackedId::pack(id) else {
            return self;
        };
        let mut patterns = patterns.into_iter().peekable();
        let restricted = patterns.peek().is_some();
        let mut held = Held::default();
        let (mut named, mut named_for_service_accounts) = Default::default();
        for permission in permissions.into_iter().filter_map(Permission::parse) {
            if !permission.in_scope(kind) {
                continue;
            }
            let (all, for_service_accounts) = if restricted && permission.is_for_endpoints() {
                (&mut named, &mut named_for_service_accounts)
            } else {
                (&mut held.everywhere, &mut held.for_service_accounts)
            };
            *all = all.with(permission);
            if permission.for_service_accounts(kind) {
                *for_service_accounts = for_service_accounts.with(permission);
            }
        }
        if named != PermissionSet::EMPTY
            && let Some(patterns) = Patterns::parse(patterns)
        {
            held.by_name
                .push((named, named_for_service_accounts, patterns));
        }
        self.1.push(Grant {
            kind,
            packed_id: Short::from_bytes(packed_id.as_bytes()),
            held,
        });
        self
    }

    /// Adds permissions that belong to no entity. Unknown ones, and those that need an entity, grant nothing.
    #[must_use]
    pub fn global<'a>(mut self, permissions: impl IntoIterator<Item = &'a str>) -> Self {
        let known = permissions.into_iter().filter_map(Permission::parse);
        let held: PermissionSet = known.filter(|known| known.in_global()).collect();
        self.0.global = self.0.global.union(held);
        self
    }

    /// Sets whether the token may read the content of public gated repos to which its owner has a gate grant.
    #[must_use]
    pub fn can_read_gated_repos(mut self, can: bool) -> Self {
        self.0.can_read_gated_repos = can;
        self
    }

    /// Sorts the scopes and merges those on the same entity.
    pub fn build(self) -> Ceiling {
        let Self(mut ceiling, mut grants) = self;
        grants.sort_by(|a, b| a.order(b.kind, b.packed_id.whole()));
        grants.dedup_by(|later, first| {
            let same = first.order(later.kind, later.packed_id.whole()).is_eq();
            if same {
                first.held.add(std::mem::take(&mut later.held));
            }
            same
        });
        ceiling.grants = grants.into_boxed_slice();
        ceiling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_found_by_entity_and_id() {
        let ceiling = Ceiling::builder(Role::FineGrained)
            .scope(EntityKind::Model, "0b", ["repo.write"])
            .scope(EntityKind::User, "0a", ["repo.content.read", "no.such"])
            .scope(EntityKind::Model, "0a", [])
            .scope(EntityKind::User, "0a", ["repo.write"])
            .scope(EntityKind::Collection, "0a", ["repo.write"])
            .build();
        let on = |kind, id: &str| {
            let held = ceiling.on(kind, PackedId::pack(id).unwrap().as_bytes());
            held.map(|held| held.everywhere)
        };
        let write = |set: PermissionSet| set.contains(Permission::RepoWrite);
        assert!(on(EntityKind::Model, "0b").is_some_and(write));
        assert!(on(EntityKind::User, "0a").is_some_and(write));
        assert_eq!(on(EntityKind::Model, "0a"), Some(PermissionSet::EMPTY));
        assert_eq!(on(EntityKind::Collection, "0a"), Some(PermissionSet::EMPTY));
        assert_eq!(on(EntityKind::Dataset, "0b"), None);
        assert_eq!(on(EntityKind::Model, "0B"), None);
    }

    #[test]
    fn patterns_bind_the_endpoint_permissions_of_their_own_scope() {
        let ceiling = Ceiling::builder(Role::FineGrained)
            .scope_by_name(
                EntityKind::Org,
                "0a",
                ["inference.endpoints.write", "job.write"],
                ["prod-*"],
            )
            .scope(EntityKind::Org, "0a", ["inference.endpoints.infer.write"])
            .build();
        let held = ceiling.on(EntityKind::Org, PackedId::pack("0a").unwrap().as_bytes());
        let held = held.unwrap();
        let infers = Permission::InferenceEndpointsInferWrite;
        let writes = Permission::InferenceEndpointsWrite;
        assert!(held.on_account(false).contains(Permission::JobWrite));
        assert!(held.on_account(false).contains(infers));
        assert!(!held.on_account(false).contains(writes));
        assert!(held.on_endpoint("prod-1", false).contains(writes));
        assert!(!held.on_endpoint("test-1", false).contains(writes));
        assert!(held.on_endpoint("prod-1", true).contains(writes));
    }
}
