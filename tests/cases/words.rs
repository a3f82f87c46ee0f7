//! The words of both languages that stand for one thing each.

use tokenward_common::state::record::{
    GateMode, GrantState, GroupRole, OrgRole, RepoKind, TokenPolicy, Visibility,
};

pub(crate) const KINDS: [(&str, RepoKind); 7] = [
    ("model", RepoKind::Model),
    ("dataset", RepoKind::Dataset),
    ("space", RepoKind::Space),
    ("bucket", RepoKind::Bucket),
    ("kernel", RepoKind::Kernel),
    ("collection", RepoKind::Collection),
    ("endpoint", RepoKind::Endpoint),
];
pub(crate) const ORG_ROLES: [(&str, OrgRole); 5] = [
    ("no_access", OrgRole::NoAccess),
    ("read", OrgRole::Read),
    ("contributor", OrgRole::Contributor),
    ("write", OrgRole::Write),
    ("admin", OrgRole::Admin),
];
pub(crate) const GROUP_ROLES: [(&str, GroupRole); 4] = [
    ("read", GroupRole::Read),
    ("contributor", GroupRole::Contributor),
    ("write", GroupRole::Write),
    ("admin", GroupRole::Admin),
];
pub(crate) const POLICIES: [(&str, TokenPolicy); 3] = [
    ("allow", TokenPolicy::Allow),
    ("fine-grained-only", TokenPolicy::FineGrainedOnly),
    ("admin-approval", TokenPolicy::AdminApproval),
];
pub(crate) const GRANTS: [(&str, GrantState); 3] = [
    ("pending", GrantState::Pending),
    ("accepted", GrantState::Accepted),
    ("rejected", GrantState::Rejected),
];
pub(crate) const GATES: [(&str, GateMode); 2] =
    [("auto", GateMode::Auto), ("manual", GateMode::Manual)];
pub(crate) const VISIBILITIES: [(&str, Visibility); 3] = [
    ("private", Visibility::Private),
    ("protected", Visibility::Protected),
    ("public", Visibility::Public),
];

pub(crate) fn named<T: Copy>(words: &[(&str, T)], word: &str) -> T {
    let found = words.iter().find(|(name, _)| *name == word);
    found.unwrap_or_else(|| panic!("{word}: unknown")).1
}
