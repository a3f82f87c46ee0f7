//! One broken rule each, for the naive model: the comparison must catch them all.

macro_rules! bugs {
    ($($bug:ident),+ $(,)?) => {
        /// A rule, broken.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Bug { $($bug),+ }
        pub const BUGS: &[Bug] = &[$(Bug::$bug),+];
    };
}

bugs!(
    // the fold
    FirstRecordStays,
    FloorsAreLowered,
    GrantsStay,
    FirstAmendmentStays,
    DeletingRemovesChildren,
    LaterRevocationsReplace,
    RevokedViewsReplaced,
    FirstViewStays,
    FirstPolicyStays,
    DeletedPolicyStays,
    FirstRedirectStays,
    DeletedRedirectStays,
    RedirectBeforeTheName,
    RedirectToAnotherKind,
    GroupsStay,
    GroupMembersStay,
    GroupOutlivesOrg,
    GroupRoleOutlivesGroup,
    GroupRoleOutlivesMembership,
    GroupRoleComesBack,
    ApprovalComesBack,
    RetiredAccountComesBack,
    RetiredGroupComesBack,
    RetiredRepoComesBack,
    // what exists
    OrphanReposLive,
    ServiceAccountOutlivesOrg,
    ForeignPermissionHeld,
    // visibility
    IgnoreVisibility,
    ProtectedIsPublic,
    StrangerSeesPrivate,
    NoAccessReads,
    UnscopedTokenSeesPrivate,
    // anonymous
    AnonymousReadsGated,
    AnonymousWritesPublic,
    AnonymousReadsNamespace,
    // the owner's right
    OwnerNeedsRole,
    ReadRoleWrites,
    ContributorWritesAll,
    ContributorWritesNothing,
    WriteRoleWritesOwnOnly,
    CreatorKeepsRights,
    GroupIgnored,
    GroupStopsAdmins,
    ReaderCreatesRepos,
    ContributorCreatesNothing,
    AnyoneUsesNamespace,
    NoAccessReadsNamespace,
    // the token's ceiling
    ReadTokenMayWrite,
    WriteTokenReadsOnly,
    UnscopedTokenWrites,
    UnscopedTokenReadsNothing,
    RepoScopeAdds,
    RepoScopeIgnored,
    OwnerScopeIgnored,
    ScopeKindIgnored,
    ScopeIdIgnored,
    WriteScopeDoesNotRead,
    ReadScopeWrites,
    UnknownPermissionGrants,
    // the gate
    GateIgnored,
    GatePendingCounts,
    GateRejectedCounts,
    GatedFlagIgnored,
    GatedFlagOpensGate,
    ScopeDoesNotReplaceFlag,
    ClassicTokenNeedsFlag,
    OwnerIsGated,
    MembersNeverBypass,
    MembersGatedIgnored,
    MembersGatedStopsAdmins,
    MembersGatedStopsCreators,
    // disabled, and the order
    DisabledIgnored,
    DisabledFirst,
    GateBeforeFlag,
    CeilingBeforeRole,
    // the vocabulary
    TreeIgnored,
    OrgWriteIsAll,
    RepoWriteDiscusses,
    PostByScope,
    TokensMakeTokens,
    ClassicReadsTokens,
    ReadTokenSeesSettings,
    ReadTokenMayNotInfer,
    WritersAdminister,
    ContributorRunsJobs,
    // metadata, discussions, collections
    MetadataIsGated,
    PrivateMetadataIsFree,
    DiscussionsAreGated,
    OnlyWritersDiscuss,
    CollectionsAreGated,
    // global permissions
    GlobalIgnored,
    GlobalDiscussesAtHome,
    GlobalDiscussionWrites,
    GlobalBillsOrgs,
    GlobalHoldsAll,
    // groups
    ForeignGroupsAdmit,
    // what orgs say of tokens
    OrgsAskedNothing,
    OrgFloorIgnored,
    WholeOrgFloorIgnored,
    OthersApprovalCounts,
    OrgRevocationNeedsPolicy,
    ClassicTokensPassPolicies,
    ServiceAccountsNeedApproval,
    DeniedCountsAsApproved,
    UnaskedCountsAsApproved,
    PoliciesBindOutsiders,
    // groups' scopes
    GroupScopeIgnored,
    // inference
    AnyoneBillsOrgs,
    PublicEndpointsAreAnybodys,
    PatternsIgnored,
    PatternsStopAll,
    PatternIsPrefix,
    PatternsForTheWhole,
    // service accounts
    ServiceAccountIsStranger,
    ServiceAccountIsMember,
    ServiceAccountClassic,
    ServiceAccountHoldsAll,
    ServiceAccountGlobals,
);
