//! Lists the names that no new account or repo may have, because the doors' route tables use them as fixed
//! words. A test of the verifier compares these lists with the built-in tables.
//!
//! This file decides nothing about existing records: the fold accepts every name, so that every log that was
//! ever written can be read.

use super::record::RepoKind;

/// Lists the reserved names of users, service accounts and orgs.
pub const ACCOUNTS: &[&str] = &[
    ".well-known",
    "api",
    "buckets",
    "datasets",
    "endpoint",
    "hardware",
    "hf-inference",
    "kernels",
    "models",
    "oauth",
    "papers",
    "raw",
    "resolve",
    "spaces",
    "v1",
    "v2",
    "zero-gpu",
];

/// Lists the reserved names of repos, by kind.
pub const REPOS: &[(&[RepoKind], &[&str])] = &[
    (
        HAVE_GIT,
        &[
            "auth-check",
            "branch",
            "commit",
            "commits",
            "compare",
            "discussions",
            "duplicate",
            "git-receive-pack",
            "git-upload-archive",
            "git-upload-pack",
            "info",
            "jwt",
            "lfs-files",
            "like",
            "likers",
            "paths-info",
            "preupload",
            "raw",
            "refs",
            "resolve",
            "resource-group",
            "revision",
            "scan",
            "settings",
            "super-squash",
            "tag",
            "tree",
            "treesize",
            "user-access-report",
            "user-access-request",
            "xet-read-token",
            "xet-write-token",
        ],
    ),
    (
        &[RepoKind::Model],
        &["pipeline", "safetensors-metadata", "v1"],
    ),
    (&[RepoKind::Dataset], &["leaderboard"]),
    (
        &[RepoKind::Space],
        &[
            "dev-mode",
            "hardware",
            "logs",
            "pause",
            "restart",
            "runtime",
            "secrets",
            "sleeptime",
            "storage",
            "variables",
            "volumes",
        ],
    ),
    (&[RepoKind::Bucket], &["raw", "resolve"]),
    (&[RepoKind::Endpoint], &["blobs", "manifests"]),
];

const HAVE_GIT: &[RepoKind] = &[
    RepoKind::Model,
    RepoKind::Dataset,
    RepoKind::Space,
    RepoKind::Kernel,
];

/// Git allows this suffix after a repo's name.
const GIT: &str = ".git";

/// Returns whether an account may have this name.
pub fn is_for_account(name: &str) -> bool {
    !ACCOUNTS.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// Returns whether a repo of this kind may have this name.
pub fn is_for_repo(kind: RepoKind, name: &str) -> bool {
    let folded = name.to_ascii_lowercase();
    let is_word = REPOS
        .iter()
        .any(|(kinds, words)| kinds.contains(&kind) && words.contains(&folded.as_str()));
    let cut = HAVE_GIT.contains(&kind) && folded.ends_with(GIT);
    !is_word && !cut
}
