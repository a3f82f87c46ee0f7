//! Holds the vocabulary of permissions as one table. A name that isn't in it grants nothing. This file must
//! not know who holds a permission.

use crate::{state::record::OrgRole, token::EntityKind};

/// States what a token's owner must be able to do with a repo (a collection, an endpoint) by their own
/// standing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// The token's owner may see the repo; everybody may see what is public.
    See,
    /// The token's owner may read the repo as its owner or as a member, whether it is public or not.
    Read,
    /// The token's owner may write the repo as its owner, by a role in its org or group, or as a contributor
    /// who created it.
    Write,
}

/// States the least role by which a token without scopes has a permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Classic {
    /// The roles read and write both grant the permission.
    Read,
    /// The role write grants the permission, the role read doesn't.
    Write,
    /// No token without scopes has the permission.
    Never,
}

/// States where a fine-grained token may name a permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NamedIn {
    Scope,
    Global,
    Both,
    /// No fine-grained token can name or hold the permission.
    Never,
}

/// Classifies permissions: each class has its own bound on the age of the view that judges it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PermissionClass {
    /// The permission only reads.
    Read,
    /// The permission changes something.
    Write,
    /// The permission calls inference: an operator can set its bound separately from that of other writes.
    Infer,
}

/// Holds the rules of one permission.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Lists the kinds of entities that the permission applies to, as bits of [`kinds`]. On another kind of
    /// entity it grants nothing and is never held.
    pub(super) kinds: u16,
    pub(super) right: Right,
    /// Names the least role in an org for the org as a whole; `None` if the permission is about one's own
    /// account.
    pub(super) org_role: Option<OrgRole>,
    pub(super) classic: Classic,
    pub(super) named: NamedIn,
    pub(super) class: PermissionClass,
    /// Lists the permissions that this one implies; they may imply others in turn.
    pub(super) implies: &'static [Permission],
    /// States what the permission is for, as a sentence.
    pub(super) about: &'static str,
}

macro_rules! permissions {
    ($(
        $permission:ident $name:literal $kinds:ident $right:ident $org_role:ident $classic:ident
        $named:ident $class:ident [$($implied:ident)*] $about:literal;
    )+) => {
        /// Names one of the known permissions.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Permission {
            $(#[doc = concat!("`", $name, "`: ", $about)] $permission),+
        }

        impl Permission {
            /// Lists every permission, in the order of the table; a permission's number is its index here.
            pub const ALL: &[Self] = &[$(Self::$permission),+];
        }

        /// Holds the rules of each permission, indexed by its number.
        pub(super) const TABLE: &[Row] = &[$(Row {
            name: $name,
            kinds: $kinds,
            right: Right::$right,
            org_role: $org_role,
            classic: Classic::$classic,
            named: NamedIn::$named,
            class: PermissionClass::$class,
            implies: &[$(Permission::$implied),*],
            about: $about,
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
/// Lists the kinds of repos with content, and the kinds of entities that contain them.
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

// The columns are: permission, name, kinds, right on a repo, role in an org, classic role, named in, class,
// implies, what it is for. `repo.metadata.read` is requested but never held: it needs only that the repo is
// visible. On a namespace, `.write` of repos and collections means to create them there, which a contributor
// may. Nobody holds `user.tokens.write`: no token may mint a token.
permissions! {
    RepoMetadataRead "repo.metadata.read" THINGS See OWN Read Never Read []
        "See that a repo is there, what it is called and what it holds.";
    RepoContentRead "repo.content.read" REPOS See READ Read Scope Read []
        "Read and download a repo's content.";
    RepoContentWrite "repo.content.write" REPOS Write WRITE Write Scope Write [RepoContentRead]
        "Change a repo's content: commit and push.";
    RepoWrite "repo.write" REPOS Write CONTRIBUTE Write Scope Write
        [RepoContentWrite RepoAccessWrite RepoConfigWrite RepoLfsRead RepoDevModeRead]
        "All writing of a repo; on an account, create repos there.";
    RepoAccessRead "repo.access.read" REPOS Write WRITE Write Scope Read []
        "See who asked for access to a gated repo, and who has it.";
    RepoAccessWrite "repo.access.write" REPOS Write WRITE Write Scope Write [RepoAccessRead]
        "Decide on requests for access to a gated repo.";
    RepoConfigRead "repo.config.read" REPOS Write WRITE Write Scope Read []
        "See a repo's settings.";
    RepoConfigWrite "repo.config.write" REPOS Write WRITE Write Scope Write
        [RepoConfigRead RepoConfigVisibilityWrite RepoConfigVariablesWrite RepoConfigSecretsWrite
         RepoConfigDoiWrite]
        "Change all of a repo's settings.";
    RepoConfigVisibilityWrite "repo.config.visibility.write" REPOS Write WRITE Write Scope Write []
        "Make a repo public or private.";
    RepoConfigVariablesWrite "repo.config.variables.write" SPACES Write WRITE Write Scope Write []
        "Set a space's variables.";
    RepoConfigSecretsWrite "repo.config.secrets.write" SPACES Write WRITE Write Scope Write []
        "Set a space's secrets.";
    RepoConfigDoiWrite "repo.config.doi.write" REPOS Write WRITE Write Scope Write []
        "Give a repo a DOI.";
    RepoLfsRead "repo.lfs.read" REPOS Write WRITE Write Scope Read []
        "List a repo's LFS files.";
    RepoDevModeRead "repo.devMode.read" SPACES Write WRITE Write Scope Read []
        "Enter a space in dev mode.";

    DiscussionWrite "discussion.write" TALKS See READ Write Both Write []
        "Open and comment discussions and pull requests.";
    PostWrite "post.write" USER Write OWN Write Global Write []
        "Write posts.";

    InferenceServerlessWrite "inference.serverless.write" BOTH Read READ Read Both Infer []
        "Call inference providers, billed to the account.";
    InferenceEndpointsInferWrite "inference.endpoints.infer.write" ENDPOINTS Read READ Read Scope
        Infer []
        "Call inference endpoints.";
    InferenceEndpointsRead "inference.endpoints.read" ENDPOINTS Read READ Read Scope Read []
        "See inference endpoints.";
    InferenceEndpointsWrite "inference.endpoints.write" ENDPOINTS Write WRITE Write Scope Write
        [InferenceEndpointsRead InferenceEndpointsInferWrite]
        "Create, change and call inference endpoints.";

    CollectionRead "collection.read" COLLECTIONS See READ Read Scope Read []
        "See collections.";
    CollectionWrite "collection.write" COLLECTIONS Write CONTRIBUTE Write Scope Write
        [CollectionRead]
        "Change collections; on an account, create them there.";

    JobRead "job.read" BOTH Read READ Read Scope Read []
        "See jobs and their logs.";
    JobWrite "job.write" BOTH Write WRITE Write Scope Write [JobRead]
        "Start and stop jobs.";
    SqlConsoleEmbedRead "sql-console.embed.read" BOTH Read READ Read Scope Read []
        "See embedded SQL consoles.";
    SqlConsoleEmbedWrite "sql-console.embed.write" BOTH Write WRITE Write Scope Write
        [SqlConsoleEmbedRead]
        "Create and change embedded SQL consoles.";

    UserWebhooksRead "user.webhooks.read" USER Read OWN Read Scope Read []
        "See a user's webhooks.";
    UserWebhooksWrite "user.webhooks.write" USER Write OWN Write Scope Write [UserWebhooksRead]
        "Create and change a user's webhooks.";
    UserBillingRead "user.billing.read" USER Read OWN Read Scope Read []
        "See a user's billing and usage.";
    UserBillingWrite "user.billing.write" USER Write OWN Write Scope Write [UserBillingRead]
        "Change a user's billing.";
    UserNotificationsRead "user.notifications.read" USER Read OWN Read Scope Read []
        "Read a user's notifications.";
    UserNotificationsWrite "user.notifications.write" USER Write OWN Write Scope Write
        [UserNotificationsRead]
        "Mark and delete a user's notifications.";
    UserMcpRead "user.mcp.read" USER Read OWN Read Scope Read []
        "See a user's MCP settings.";
    UserPapersWrite "user.papers.write" USER Write OWN Write Scope Write []
        "Claim and change a user's papers.";
    UserPreferencesWrite "user.preferences.write" USER Write OWN Write Scope Write []
        "Change a user's preferences.";
    UserSettingsNotificationsWrite "user.settings.notifications.write" USER Write OWN Write Scope
        Write []
        "Change what a user is notified of.";
    UserSocialLikesWrite "user.social.likes.write" USER Write OWN Write Scope Write []
        "Like and unlike in a user's name.";
    UserInferenceProvidersWrite "user.inference-providers.write" USER Write OWN Write Scope Write []
        "Change a user's settings of inference providers.";
    UserTokensRead "user.tokens.read" USER Read OWN Never Scope Read []
        "List a user's tokens.";
    UserTokensWrite "user.tokens.write" USER Write OWN Never Never Write []
        "Make tokens: no token may, so nobody holds it.";

    OrgRead "org.read" ORG Read READ Read Scope Read [OrgMembersRead OrgReposRead]
        "See an org with its members and repos.";
    OrgWrite "org.write" ORG Write ADMIN Write Scope Write
        [OrgRead OrgMembersWrite ResourceGroupWrite]
        "Change an org, its members and its resource groups.";
    OrgMembersRead "org.members.read" ORG Read READ Read Scope Read []
        "See an org's members.";
    OrgMembersWrite "org.members.write" ORG Write ADMIN Write Scope Write [OrgMembersRead]
        "Add, change and remove an org's members.";
    OrgReposRead "org.repos.read" ORG Read READ Read Scope Read []
        "List an org's repos.";
    OrgBillingRead "org.billing.read" ORG Read ADMIN Read Scope Read []
        "See an org's billing and usage.";
    OrgBillingWrite "org.billing.write" ORG Write ADMIN Write Scope Write [OrgBillingRead]
        "Change an org's billing.";
    OrgAuditLogWrite "org.auditLog.write" ORG Write ADMIN Write Scope Write []
        "Use an org's audit log.";
    OrgServiceAccountsRead "org.serviceAccounts.read" ORG Read ADMIN Read Scope Read []
        "See an org's service accounts.";
    OrgServiceAccountsWrite "org.serviceAccounts.write" ORG Write ADMIN Write Scope Write
        [OrgServiceAccountsRead]
        "Create and change an org's service accounts.";
    OrgNetworkSecurityRead "org.networkSecurity.read" ORG Read ADMIN Read Scope Read []
        "See an org's network security settings.";
    OrgNetworkSecurityWrite "org.networkSecurity.write" ORG Write ADMIN Write Scope Write
        [OrgNetworkSecurityRead]
        "Change an org's network security settings.";
    ResourceGroupRead "resourceGroup.read" ORG Read READ Read Scope Read []
        "See an org's resource groups.";
    ResourceGroupSettingsWrite "resourceGroup.settings.write" ORG Write ADMIN Write Scope Write []
        "Change the settings of an org's resource groups.";
    ResourceGroupReposWrite "resourceGroup.repos.write" ORG Write ADMIN Write Scope Write []
        "Move repos into and out of an org's resource groups.";
    ResourceGroupWrite "resourceGroup.write" ORG Write ADMIN Write Scope Write
        [ResourceGroupRead ResourceGroupSettingsWrite ResourceGroupReposWrite]
        "All writing of an org's resource groups.";
}
