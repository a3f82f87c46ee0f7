//! The vocabulary of permissions, as one table. A name that isn't in it grants nothing.

use super::{names, set};
use crate::{
    state::record::{OrgRole, RepoKind},
    token::{EntityKind, Role},
};

pub use set::PermissionSet;

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

/// What the holder must be able to do with a repo (a collection, an endpoint) by their own standing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// See it: what is public is anybody's.
    See,
    /// Read it as its owner or as a member, public or not.
    Read,
    Write,
}

/// The least role of a token without scopes that grants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Classic {
    Read,
    Write,
    Never,
}

/// Where a fine-grained token may name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    Scope,
    Global,
    Both,
    /// Nowhere: no fine-grained token ever holds it.
    Never,
}

/// How old a view may be that judges it: each class has a bound of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    Read,
    Write,
    Infer,
}

/// One permission's rules.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Bits of [`kinds`]: where it means something. On another kind of entity it grants nothing and
    /// is never held.
    kinds: u16,
    pub(super) right: Right,
    /// The least role in an org for the org as a whole; `None` where it is about one's own account.
    pub(super) org_role: Option<OrgRole>,
    classic: Classic,
    named: Named,
    class: Class,
    /// Who holds this holds these, and what they imply.
    pub(super) implies: &'static [Permission],
}

macro_rules! permissions {
    ($(
        $permission:ident $name:literal $kinds:ident $right:ident $org_role:ident $classic:ident
        $named:ident $class:ident [$($implied:ident)*];
    )+) => {
        /// One of the known permissions.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Permission { $($permission),+ }

        impl Permission {
            pub const ALL: &[Self] = &[$(Self::$permission),+];
        }

        /// By the permission's number.
        pub(super) const TABLE: &[Row] = &[$(Row {
            name: $name,
            kinds: $kinds,
            right: Right::$right,
            org_role: $org_role,
            classic: Classic::$classic,
            named: Named::$named,
            class: Class::$class,
            implies: &[$(Permission::$implied),*],
        }),+];
    };
}

const fn kinds(kinds: &[EntityKind]) -> u16 {
    let (mut bits, mut rest) = (0, kinds);
    while let [kind, more @ ..] = rest {
        bits |= 1 << *kind as u8;
        rest = more;
    }
    bits
}

const USER: u16 = kinds(&[EntityKind::User]);
const ORG: u16 = kinds(&[EntityKind::Org]);
const BOTH: u16 = USER | ORG;
const CODE: u16 = kinds(&[
    EntityKind::Model,
    EntityKind::Dataset,
    EntityKind::Space,
    EntityKind::Bucket,
    EntityKind::Kernel,
]);
/// Repos with content, and what they lie under.
const REPOS: u16 = BOTH | CODE | kinds(&[EntityKind::ResourceGroup]);
const TALKS: u16 = BOTH | CODE;
const SPACES: u16 = BOTH | kinds(&[EntityKind::Space, EntityKind::ResourceGroup]);
const COLLECTIONS: u16 = BOTH | kinds(&[EntityKind::Collection]);
const ENDPOINTS: u16 = BOTH | kinds(&[EntityKind::Endpoint]);
const THINGS: u16 = CODE | kinds(&[EntityKind::Collection, EntityKind::Endpoint]);

const OWN: Option<OrgRole> = None;
const READ: Option<OrgRole> = Some(OrgRole::Read);
const CONTRIBUTE: Option<OrgRole> = Some(OrgRole::Contributor);
const WRITE: Option<OrgRole> = Some(OrgRole::Write);
const ADMIN: Option<OrgRole> = Some(OrgRole::Admin);

// Columns: permission, name, kinds, right on a repo, role in an org, classic role, named in, class,
// implies. `repo.metadata.read` is asked and never held: it takes seeing the repo, no more.
// A namespace's `.write` of repos and collections is to create there, which a contributor may.
// `user.tokens.write` is held by nobody: no token may make a token.
permissions! {
    RepoMetadataRead "repo.metadata.read" THINGS See OWN Read Never Read [];
    RepoContentRead "repo.content.read" REPOS See READ Read Scope Read [];
    RepoContentWrite "repo.content.write" REPOS Write WRITE Write Scope Write [RepoContentRead];
    RepoWrite "repo.write" REPOS Write CONTRIBUTE Write Scope Write
        [RepoContentWrite RepoAccessWrite RepoConfigWrite RepoLfsRead RepoDevModeRead];
    RepoAccessRead "repo.access.read" REPOS Write WRITE Write Scope Read [];
    RepoAccessWrite "repo.access.write" REPOS Write WRITE Write Scope Write [RepoAccessRead];
    RepoConfigRead "repo.config.read" REPOS Write WRITE Write Scope Read [];
    RepoConfigWrite "repo.config.write" REPOS Write WRITE Write Scope Write
        [RepoConfigRead RepoConfigVisibilityWrite RepoConfigVariablesWrite RepoConfigSecretsWrite
         RepoConfigDoiWrite];
    RepoConfigVisibilityWrite "repo.config.visibility.write" REPOS Write WRITE Write Scope Write [];
    RepoConfigVariablesWrite "repo.config.variables.write" SPACES Write WRITE Write Scope Write [];
    RepoConfigSecretsWrite "repo.config.secrets.write" SPACES Write WRITE Write Scope Write [];
    RepoConfigDoiWrite "repo.config.doi.write" REPOS Write WRITE Write Scope Write [];
    RepoLfsRead "repo.lfs.read" REPOS Write WRITE Write Scope Read [];
    RepoDevModeRead "repo.devMode.read" SPACES Write WRITE Write Scope Read [];

    DiscussionWrite "discussion.write" TALKS See READ Write Both Write [];
    PostWrite "post.write" USER Write OWN Write Global Write [];

    InferenceServerlessWrite "inference.serverless.write" BOTH Read READ Read Both Infer [];
    InferenceEndpointsInferWrite "inference.endpoints.infer.write" ENDPOINTS Read READ Read Scope
        Infer [];
    InferenceEndpointsRead "inference.endpoints.read" ENDPOINTS Read READ Read Scope Read [];
    InferenceEndpointsWrite "inference.endpoints.write" ENDPOINTS Write WRITE Write Scope Write
        [InferenceEndpointsRead InferenceEndpointsInferWrite];

    CollectionRead "collection.read" COLLECTIONS See READ Read Scope Read [];
    CollectionWrite "collection.write" COLLECTIONS Write CONTRIBUTE Write Scope Write
        [CollectionRead];

    JobRead "job.read" BOTH Read READ Read Scope Read [];
    JobWrite "job.write" BOTH Write WRITE Write Scope Write [JobRead];
    SqlConsoleEmbedRead "sql-console.embed.read" BOTH Read READ Read Scope Read [];
    SqlConsoleEmbedWrite "sql-console.embed.write" BOTH Write WRITE Write Scope Write
        [SqlConsoleEmbedRead];

    UserWebhooksRead "user.webhooks.read" USER Read OWN Read Scope Read [];
    UserWebhooksWrite "user.webhooks.write" USER Write OWN Write Scope Write [UserWebhooksRead];
    UserBillingRead "user.billing.read" USER Read OWN Read Scope Read [];
    UserBillingWrite "user.billing.write" USER Write OWN Write Scope Write [UserBillingRead];
    UserNotificationsRead "user.notifications.read" USER Read OWN Read Scope Read [];
    UserNotificationsWrite "user.notifications.write" USER Write OWN Write Scope Write
        [UserNotificationsRead];
    UserMcpRead "user.mcp.read" USER Read OWN Read Scope Read [];
    UserPapersWrite "user.papers.write" USER Write OWN Write Scope Write [];
    UserPreferencesWrite "user.preferences.write" USER Write OWN Write Scope Write [];
    UserSettingsNotificationsWrite "user.settings.notifications.write" USER Write OWN Write Scope
        Write [];
    UserSocialLikesWrite "user.social.likes.write" USER Write OWN Write Scope Write [];
    UserInferenceProvidersWrite "user.inference-providers.write" USER Write OWN Write Scope Write [];
    UserTokensRead "user.tokens.read" USER Read OWN Never Scope Read [];
    UserTokensWrite "user.tokens.write" USER Write OWN Never Never Write [];

    OrgRead "org.read" ORG Read READ Read Scope Read [OrgMembersRead OrgReposRead];
    OrgWrite "org.write" ORG Write ADMIN Write Scope Write
        [OrgRead OrgMembersWrite ResourceGroupWrite];
    OrgMembersRead "org.members.read" ORG Read READ Read Scope Read [];
    OrgMembersWrite "org.members.write" ORG Write ADMIN Write Scope Write [OrgMembersRead];
    OrgReposRead "org.repos.read" ORG Read READ Read Scope Read [];
    OrgBillingRead "org.billing.read" ORG Read ADMIN Read Scope Read [];
    OrgBillingWrite "org.billing.write" ORG Write ADMIN Write Scope Write [OrgBillingRead];
    OrgAuditLogWrite "org.auditLog.write" ORG Write ADMIN Write Scope Write [];
    OrgServiceAccountsRead "org.serviceAccounts.read" ORG Read ADMIN Read Scope Read [];
    OrgServiceAccountsWrite "org.serviceAccounts.write" ORG Write ADMIN Write Scope Write
        [OrgServiceAccountsRead];
    OrgNetworkSecurityRead "org.networkSecurity.read" ORG Read ADMIN Read Scope Read [];
    OrgNetworkSecurityWrite "org.networkSecurity.write" ORG Write ADMIN Write Scope Write
        [OrgNetworkSecurityRead];
    ResourceGroupRead "resourceGroup.read" ORG Read READ Read Scope Read [];
    ResourceGroupSettingsWrite "resourceGroup.settings.write" ORG Write ADMIN Write Scope Write [];
    ResourceGroupReposWrite "resourceGroup.repos.write" ORG Write ADMIN Write Scope Write [];
    ResourceGroupWrite "resourceGroup.write" ORG Write ADMIN Write Scope Write
        [ResourceGroupRead ResourceGroupSettingsWrite ResourceGroupReposWrite];
}

/// What a service account's token may name on its org; on a repo, the first two.
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

/// All that the classic roles grant.
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
    pub fn parse(name: &str) -> Option<Self> {
        names::find(name)
    }

    #[expect(clippy::indexing_slicing, reason = "one row per variant, in order")]
    pub(super) const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether it means anything on this kind of entity.
    pub fn applies_to(self, kind: EntityKind) -> bool {
        self.row().kinds & (1 << kind as u8) != 0
    }

    pub fn class(self) -> Class {
        self.row().class
    }

    pub fn right(self) -> Right {
        self.row().right
    }

    /// The least role in an org that has it for the org as a whole; `None`: only one's own account.
    pub fn org_role(self) -> Option<OrgRole> {
        self.row().org_role
    }

    pub fn classic(self) -> Classic {
        self.row().classic
    }

    /// Whether a scope on such an entity grants it.
    pub fn in_scope(self, kind: EntityKind) -> bool {
        matches!(self.row().named, Named::Scope | Named::Both) && self.applies_to(kind)
    }

    /// Restricted by a scope's patterns.
    pub(super) fn is_of_endpoints(self) -> bool {
        self.applies_to(EntityKind::Endpoint) && self != Self::RepoMetadataRead
    }

    /// Of a public thing, anybody's, with no token too; the gate aside.
    pub fn is_anybodys(self) -> bool {
        OF_ANYBODY.contains(self)
    }

    /// Any of these in reach makes a private repo visible to a token whose owner may read it.
    pub(super) fn that_show(kind: RepoKind) -> PermissionSet {
        match kind {
            RepoKind::Collection => SHOW_A_COLLECTION,
            RepoKind::Endpoint => SHOW_AN_ENDPOINT,
            _ => SHOW_A_REPO,
        }
    }

    pub fn in_global(self) -> bool {
        matches!(self.row().named, Named::Global | Named::Both)
    }

    /// Whether a service account's scope on such an entity grants it.
    pub fn for_service_accounts(self, kind: EntityKind) -> bool {
        let named = match kind {
            EntityKind::Org => SERVICE_ACCOUNTS.contains(&self),
            _ => matches!(self, Self::RepoContentRead | Self::RepoWrite),
        };
        named && kind != EntityKind::User && self.in_scope(kind)
    }
}

impl PermissionSet {
    /// All that a token without scopes may do at most.
    pub(super) fn of_role(role: Role) -> Self {
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
                "read" => Class::Read,
                _ if infers => Class::Infer,
                _ => Class::Write,
            };
            assert_eq!(permission.class(), class, "{name}");
        }
    }
}
