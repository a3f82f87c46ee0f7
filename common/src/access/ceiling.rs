//! What a token may do at most, compiled from its role and scopes. Knows no state: it stays true
//! for the token's life, whatever is renamed or rebuilt.

use std::cmp::Ordering;

use super::permissions::{Permission, PermissionSet};
use crate::{
    state::packed::PackedId,
    token::{EntityKind, Role},
};

#[derive(Debug)]
struct Grant {
    kind: EntityKind,
    packed_id: Box<[u8]>,
    permissions: PermissionSet,
}

impl Grant {
    fn order(&self, kind: EntityKind, packed_id: &[u8]) -> Ordering {
        (self.kind, &*self.packed_id).cmp(&(kind, packed_id))
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Ceiling {
    role: Role,
    /// Sorted by entity, each entity once. One without permissions counts too: on a repo it takes
    /// away what its owner's entity would give.
    grants: Box<[Grant]>,
    can_read_gated_repos: bool,
}

#[derive(Debug)]
pub struct CeilingBuilder(Ceiling, Vec<Grant>);

impl Ceiling {
    pub fn builder(role: Role) -> CeilingBuilder {
        let ceiling = Self {
            role,
            grants: Box::default(),
            can_read_gated_repos: false,
        };
        CeilingBuilder(ceiling, Vec::new())
    }

    /// Of a token without scopes.
    pub fn of_role(role: Role) -> Self {
        Self::builder(role).build()
    }

    pub fn role(&self) -> Role {
        self.role
    }

    pub fn can_read_gated_repos(&self) -> bool {
        self.can_read_gated_repos
    }

    /// Of the scope on exactly this entity; `None` when there is no such scope.
    pub(super) fn on(&self, kind: EntityKind, packed_id: &[u8]) -> Option<PermissionSet> {
        let at = self
            .grants
            .binary_search_by(|grant| grant.order(kind, packed_id))
            .ok()?;
        self.grants.get(at).map(|grant| grant.permissions)
    }
}

impl CeilingBuilder {
    /// Unknown permissions, and those that mean nothing on such an entity, grant nothing. A second
    /// scope on the same entity adds to the first.
    #[must_use]
    pub fn scope<'a>(
        mut self,
        kind: EntityKind,
        id: &str,
        permissions: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let Some(id) = PackedId::of(id) else {
            return self;
        };
        let mut set = PermissionSet::default();
        for permission in permissions.into_iter().filter_map(Permission::parse) {
            if permission.applies_to(kind) {
                set.insert(permission);
            }
        }
        self.1.push(Grant {
            kind,
            packed_id: id.as_bytes().into(),
            permissions: set,
        });
        self
    }

    #[must_use]
    pub fn can_read_gated_repos(mut self, can: bool) -> Self {
        self.0.can_read_gated_repos = can;
        self
    }

    pub fn build(self) -> Ceiling {
        let Self(mut ceiling, mut grants) = self;
        grants.sort_by(|a, b| a.order(b.kind, &b.packed_id));
        grants.dedup_by(|later, first| {
            let same = first.order(later.kind, &later.packed_id).is_eq();
            if same {
                first.permissions = first.permissions.union(later.permissions);
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
        let on = |kind, id: &str| ceiling.on(kind, PackedId::of(id).unwrap().as_bytes());
        let write = |set: PermissionSet| set.contains(Permission::RepoWrite);
        assert!(on(EntityKind::Model, "0b").is_some_and(write));
        assert!(on(EntityKind::User, "0a").is_some_and(write));
        assert_eq!(on(EntityKind::Model, "0a"), Some(PermissionSet::default()));
        assert_eq!(
            on(EntityKind::Collection, "0a"),
            Some(PermissionSet::default())
        );
        assert_eq!(on(EntityKind::Dataset, "0b"), None);
        assert_eq!(on(EntityKind::Model, "0B"), None);
    }
}
