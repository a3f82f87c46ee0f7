//! Answers the questions that decisions ask of the permission table. It decides only the few sets that are no
//! column of the table, and must not know the state.

use super::{
    names,
    permissions::{Classic, NamedIn, Permission, PermissionClass, Right, Row, TABLE},
    set::PermissionSet,
};
use crate::{
    state::record::{OrgRole, RepoKind},
    token::{EntityKind, Role},
};

impl EntityKind {
    /// Returns the kind of entity by which scopes name such a repo.
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

/// Lists the permissions that a service account's token may name on its org; on a repo, only the first two.
const SERVICE_ACCOUNTS: [Permission; 13] = {
    use Permission::*;
    [
        RepoContentRead,
        RepoWrite,
        InferenceServerlessWrite,
        InferenceEndpointsInferWrite,
        InferenceEndpointsWrite,
        CollectionRead,
        CollectionWrite,
        JobWrite,
        OrgRead,
        OrgWrite,
        ResourceGroupWrite,
        OrgServiceAccountsRead,
        OrgServiceAccountsWrite,
    ]
};

/// These are the permissions that the classic roles grant: first the role read, then the role write.
const OF_READ: PermissionSet = classic(false);
const OF_WRITE: PermissionSet = classic(true);

const OF_ANYBODY: PermissionSet = PermissionSet::EMPTY
    .with_only(Permission::RepoMetadataRead)
    .with_only(Permission::RepoContentRead)
    .with_only(Permission::CollectionRead);
const SHOW_A_REPO: PermissionSet = PermissionSet::EMPTY.with_only(Permission::RepoContentRead);
const SHOW_A_COLLECTION: PermissionSet = PermissionSet::EMPTY.with_only(Permission::CollectionRead);
const SHOW_AN_ENDPOINT: PermissionSet = PermissionSet::EMPTY
    .with_only(Permission::InferenceEndpointsRead)
    .with_only(Permission::InferenceEndpointsInferWrite);

const fn classic(write: bool) -> PermissionSet {
    let (mut set, mut rest) = (PermissionSet::EMPTY, Permission::ALL);
    while let [permission, more @ ..] = rest {
        if match permission.row().classic {
            Classic::Read => true,
            Classic::Write => write,
            Classic::Never => false,
        } {
            set = set.with_only(*permission);
        }
        rest = more;
    }
    set
}

impl Permission {
    /// Finds a permission by its full name, case-sensitively; `None` if the name isn't known.
    pub fn parse(name: &str) -> Option<Self> {
        names::find(name)
    }

    #[expect(clippy::indexing_slicing, reason = "one row per variant, in order")]
    pub(super) const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Returns the dotted name that tokens and requests carry, such as `repo.content.read`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns whether the permission applies to this kind of entity.
    pub fn applies_to(self, kind: EntityKind) -> bool {
        self.row().kinds & (1 << kind as u8) != 0
    }

    /// Returns the class, which selects the bound on the age of the view for a decision.
    pub fn class(self) -> PermissionClass {
        self.row().class
    }

    /// Returns what the token's owner must be able to do with a repo to use the permission.
    pub fn right(self) -> Right {
        self.row().right
    }

    /// Returns the least role in an org that has it for the org as a whole; `None` if it is about one's own
    /// account.
    pub fn org_role(self) -> Option<OrgRole> {
        self.row().org_role
    }

    /// Returns which tokens without scopes have the permission.
    pub fn classic(self) -> Classic {
        self.row().classic
    }

    /// Returns whether a scope on such an entity grants the permission.
    pub fn in_scope(self, kind: EntityKind) -> bool {
        matches!(self.row().named, NamedIn::Scope | NamedIn::Both) && self.applies_to(kind)
    }

    /// Returns whether a scope's patterns restrict the permission.
    pub(super) fn is_for_endpoints(self) -> bool {
        self.applies_to(EntityKind::Endpoint) && self != Self::RepoMetadataRead
    }

    /// Returns whether anybody may use the permission on a public resource, even without a token. A gate
    /// still applies.
    pub fn is_anybodys(self) -> bool {
        OF_ANYBODY.contains(self)
    }

    /// Returns the permissions of which any one, in reach, makes a private repo visible to a token whose
    /// owner may read it.
    pub(super) fn that_show(kind: RepoKind) -> PermissionSet {
        match kind {
            RepoKind::Collection => SHOW_A_COLLECTION,
            RepoKind::Endpoint => SHOW_AN_ENDPOINT,
            _ => SHOW_A_REPO,
        }
    }

    /// Returns whether no token at all holds the permission.
    pub(super) fn is_nobodys(self) -> bool {
        self.row().named == NamedIn::Never && self.row().classic == Classic::Never
    }

    /// Returns whether a fine-grained token may have the permission without naming an entity.
    pub fn in_global(self) -> bool {
        matches!(self.row().named, NamedIn::Global | NamedIn::Both)
    }

    /// Returns whether a service account's scope on such an entity grants the permission.
    pub fn for_service_accounts(self, kind: EntityKind) -> bool {
        let named = match kind {
            EntityKind::Org => SERVICE_ACCOUNTS.contains(&self),
            _ => matches!(self, Self::RepoContentRead | Self::RepoWrite),
        };
        named && kind != EntityKind::User && self.in_scope(kind)
    }
}

impl PermissionSet {
    /// Returns all that a token without scopes may do at most.
    pub(super) fn from_role(role: Role) -> Self {
        match role {
            Role::Read => OF_READ,
            Role::Write => OF_WRITE,
            Role::FineGrained => Self::EMPTY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_unique() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.name()), Some(*permission));
        }
        for unknown in [
            "",
            "repo",
            "repo.write.",
            "REPO.WRITE",
            "repo.*",
            "repo.writ",
        ] {
            assert_eq!(Permission::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_is_held_nowhere_is_granted_by_nothing() {
        let tokens = Permission::UserTokensWrite;
        assert!(!tokens.in_global() && !tokens.in_scope(EntityKind::User));
        assert!(!OF_WRITE.contains(tokens));
        for other in Permission::ALL {
            let held = PermissionSet::EMPTY.with(*other).contains(tokens);
            assert!(!held || *other == tokens, "{other:?}");
        }
    }

    #[test]
    fn what_a_role_or_a_global_grants_includes_what_that_implies() {
        for role in [OF_READ, OF_WRITE] {
            let held = Permission::ALL.iter().filter(|held| role.contains(**held));
            let closed = held.fold(PermissionSet::EMPTY, |set, held| set.with(*held));
            assert_eq!(closed, role);
        }
        assert!(!OF_READ.contains(Permission::RepoWrite));
    }

    #[test]
    fn a_name_says_its_class() {
        for permission in Permission::ALL {
            let name = permission.name();
            let infers = name == "inference.serverless.write" || name.ends_with(".infer.write");
            let class = match name.rsplit_once('.').unwrap().1 {
                "read" => PermissionClass::Read,
                _ if infers => PermissionClass::Infer,
                _ => PermissionClass::Write,
            };
            assert_eq!(permission.class(), class, "{name}");
        }
    }
}
