//! The vocabulary of permissions, as one table. A name that isn't in it grants nothing.

use crate::{state::record::OrgRole, token::EntityKind};

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
    pub(super) kinds: u16,
    pub(super) right: Right,
    /// The least role in an org for the org as a whole; `None` where it is about one's own account.
    pub(super) org_role: Option<OrgRole>,
    pub(super) classic: Classic,
    pub(super) named: Named,
    pub(super) class: Class,
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
