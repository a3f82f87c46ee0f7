//! The vocabulary of permissions, as one table. A name that isn't in it grants nothing.

use crate::{state::record::RepoKind, token::EntityKind};

impl EntityKind {
    pub fn of_repo(kind: RepoKind) -> Self {
        match kind {
            RepoKind::Model => Self::Model,
            RepoKind::Dataset => Self::Dataset,
            RepoKind::Space => Self::Space,
            RepoKind::Bucket => Self::Bucket,
            RepoKind::Kernel => Self::Kernel,
            RepoKind::Collection => Self::Collection,
            RepoKind::Endpoint => Self::Endpoint,
        }
    }
}

/// One of the known permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Permission {
    /// Read the content of a repo.
    RepoContentRead,
    /// Write a repo's content and settings; on a namespace, create repos there.
    RepoWrite,
}

struct Row {
    permission: Permission,
    name: &'static str,
    /// Where it means something: on another kind of entity it grants nothing and is never held.
    kinds: &'static [EntityKind],
    /// Who holds one of these holds it too.
    implied_by: &'static [Permission],
}

/// Repos with content, and what they lie under.
const REPOS: &[EntityKind] = &[
    EntityKind::User,
    EntityKind::Org,
    EntityKind::Model,
    EntityKind::Dataset,
    EntityKind::Space,
    EntityKind::Bucket,
    EntityKind::Kernel,
    EntityKind::ResourceGroup,
];

const TABLE: [Row; 2] = [
    Row {
        permission: Permission::RepoContentRead,
        name: "repo.content.read",
        kinds: REPOS,
        implied_by: &[Permission::RepoWrite],
    },
    Row {
        permission: Permission::RepoWrite,
        name: "repo.write",
        kinds: REPOS,
        implied_by: &[],
    },
];

impl Permission {
    pub fn parse(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.permission)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.permission)
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.permission == self)
    }

    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    /// Whether it means anything on this kind of entity.
    pub fn applies_to(self, kind: EntityKind) -> bool {
        self.row().is_some_and(|row| row.kinds.contains(&kind))
    }

    fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Permissions with all that they imply.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PermissionSet(u64);

impl PermissionSet {
    pub fn insert(&mut self, permission: Permission) {
        self.0 |= permission.bit();
        // Once per row is enough for a chain of any shape.
        for _ in &TABLE {
            for row in &TABLE {
                if row.implied_by.iter().any(|by| self.contains(*by)) {
                    self.0 |= row.permission.bit();
                }
            }
        }
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_unique() {
        for permission in Permission::all() {
            assert_eq!(Permission::parse(permission.name()), Some(permission));
        }
        for unknown in ["", "repo", "repo.write.", "REPO.WRITE", "repo.*"] {
            assert_eq!(Permission::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn write_implies_read_and_never_the_reverse() {
        let mut set = PermissionSet::default();
        assert!(!set.contains(Permission::RepoContentRead));
        set.insert(Permission::RepoContentRead);
        assert!(!set.contains(Permission::RepoWrite));
        let mut set = PermissionSet::default();
        set.insert(Permission::RepoWrite);
        assert!(set.contains(Permission::RepoContentRead));
    }
}
