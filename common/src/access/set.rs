//! Stores a set of permissions in one word. A table that is computed at compile time adds what a permission
//! implies. This file must not know tokens or roles.

use super::permissions::{Permission, TABLE};

/// Holds permissions together with all that they imply.
///
/// ```
/// use tokenward_common::access::{Permission, PermissionSet};
///
/// let held: PermissionSet = [Permission::RepoWrite].into_iter().collect();
/// assert!(held.contains(Permission::RepoContentRead));
/// assert!(!held.contains(Permission::JobRead));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PermissionSet(u64);

const COUNT: usize = Permission::ALL.len();
const _: () = assert!(COUNT <= 64 && COUNT == TABLE.len());

/// Maps each permission to itself and all that it implies.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CLOSED: [u64; COUNT] = {
    let mut closed = [0; COUNT];
    let mut at = 0;
    while at < COUNT {
        closed[at] = close(Permission::ALL[at]);
        at += 1;
    }
    closed
};

const fn close(permission: Permission) -> u64 {
    let (mut bits, mut rest) = (bit(permission), permission.row().implies);
    while let [implied, more @ ..] = rest {
        bits |= close(*implied);
        rest = more;
    }
    bits
}

const fn bit(permission: Permission) -> u64 {
    1 << permission as u8
}

impl PermissionSet {
    /// This set holds no permission.
    pub const EMPTY: Self = Self(0);

    /// Adds this permission and all that it implies.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "one entry per variant")]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | CLOSED[permission as usize])
    }

    /// Adds only this permission, for sets that already contain what their permissions imply.
    #[must_use]
    pub(super) const fn with_only(self, permission: Permission) -> Self {
        Self(self.0 | bit(permission))
    }

    /// Returns all permissions that are in at least one of the two sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether this permission is in the set, by itself or because another one implies it.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// Returns whether the two sets have a permission in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the permissions in the set, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        let all = Permission::ALL.iter().copied();
        all.filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::EMPTY, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_implies_reading_and_never_the_reverse() {
        for permission in Permission::ALL {
            let name = permission.name();
            let held = PermissionSet::EMPTY.with(*permission);
            if let Some(stem) = name.strip_suffix(".write")
                && let Some(read) = Permission::parse(&format!("{stem}.read"))
                && *permission != Permission::UserTokensWrite
            {
                assert!(held.contains(read), "{name}");
            }
            if name.ends_with(".read") {
                let writes = held.iter().find(|held| !held.name().ends_with(".read"));
                assert_eq!(writes, None, "{name}");
            }
        }
    }

    #[test]
    fn a_stem_implies_what_lies_under_it() {
        for (whole, stem) in [
            (Permission::RepoWrite, "repo."),
            (Permission::RepoConfigWrite, "repo.config."),
            (Permission::InferenceEndpointsWrite, "inference.endpoints."),
            (Permission::ResourceGroupWrite, "resourceGroup."),
        ] {
            let held = PermissionSet::EMPTY.with(whole);
            for permission in Permission::ALL {
                let under = permission.name().starts_with(stem)
                    && *permission != Permission::RepoMetadataRead;
                assert_eq!(held.contains(*permission), under, "{permission:?}");
            }
        }
    }
}
