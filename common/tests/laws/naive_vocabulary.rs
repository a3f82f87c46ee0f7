//! The permissions by their names alone, as the facts of the hub list them: where each means
//! something, what implies what, which roles have it. Knows nothing of the library's table.

use std::collections::BTreeSet;

use tokenward_common::state::record::OrgRole;

use crate::bugs::Bug;

pub const NAMES: [&str; 56] = [
    "collection.read",
    "collection.write",
    "discussion.write",
    "inference.endpoints.infer.write",
    "inference.endpoints.read",
    "inference.endpoints.write",
    "inference.serverless.write",
    "job.read",
    "job.write",
    "org.auditLog.write",
    "org.billing.read",
    "org.billing.write",
    "org.members.read",
    "org.members.write",
    "org.networkSecurity.read",
    "org.networkSecurity.write",
    "org.read",
    "org.repos.read",
    "org.serviceAccounts.read",
    "org.serviceAccounts.write",
    "org.write",
    "post.write",
    "repo.access.read",
    "repo.access.write",
    "repo.config.doi.write",
    "repo.config.read",
    "repo.config.secrets.write",
    "repo.config.variables.write",
    "repo.config.visibility.write",
    "repo.config.write",
    "repo.content.read",
    "repo.content.write",
    "repo.devMode.read",
    "repo.lfs.read",
    "repo.metadata.read",
    "repo.write",
    "resourceGroup.read",
    "resourceGroup.repos.write",
    "resourceGroup.settings.write",
    "resourceGroup.write",
    "sql-console.embed.read",
    "sql-console.embed.write",
    "user.billing.read",
    "user.billing.write",
    "user.inference-providers.write",
    "user.mcp.read",
    "user.notifications.read",
    "user.notifications.write",
    "user.papers.write",
    "user.preferences.write",
    "user.settings.notifications.write",
    "user.social.likes.write",
    "user.tokens.read",
    "user.tokens.write",
    "user.webhooks.read",
    "user.webhooks.write",
];

pub const READ: &str = "repo.content.read";
pub const WRITE: &str = "repo.write";
pub const METADATA: &str = "repo.metadata.read";
pub const DISCUSS: &str = "discussion.write";
pub const SERVERLESS: &str = "inference.serverless.write";
pub const INFER: &str = "inference.endpoints.infer.write";

/// The 13 that a service account's token may name on its org.
const FOR_SERVICE_ACCOUNTS: [&str; 13] = [
    "collection.read",
    "collection.write",
    "inference.endpoints.infer.write",
    "inference.endpoints.write",
    "inference.serverless.write",
    "job.write",
    "org.read",
    "org.serviceAccounts.read",
    "org.serviceAccounts.write",
    "org.write",
    "repo.content.read",
    "repo.write",
    "resourceGroup.write",
];

pub const CODE: [&str; 5] = ["model", "dataset", "space", "bucket", "kernel"];

/// Does it mean anything on this kind of entity?
pub fn means_something(name: &str, kind: &str) -> bool {
    let family = name.split('.').next().unwrap();
    let account = kind == "user" || kind == "org";
    match (family, name) {
        (_, METADATA) => CODE.contains(&kind) || kind == "collection" || kind == "endpoint",
        (_, "repo.config.secrets.write" | "repo.config.variables.write" | "repo.devMode.read") => {
            account || kind == "space" || kind == "resource-group"
        }
        ("repo", _) => account || CODE.contains(&kind) || kind == "resource-group",
        ("discussion", _) => account || CODE.contains(&kind),
        ("collection", _) => account || kind == "collection",
        (_, SERVERLESS) | ("job" | "sql-console", _) => account,
        ("inference", _) => account || kind == "endpoint",
        ("user" | "post", _) => kind == "user",
        ("org" | "resourceGroup", _) => kind == "org",
        _ => false,
    }
}

/// May a scope on this kind of entity grant it?
fn scopable(name: &str, kind: &str, bug: Option<Bug>) -> bool {
    let never = match name {
        METADATA => true,
        "post.write" => bug != Some(Bug::PostByScope),
        "user.tokens.write" => bug != Some(Bug::TokensMakeTokens),
        _ => false,
    };
    means_something(name, kind) && !never
}

/// What these names give in a scope on such an entity, with all that they imply.
pub fn granted(
    names: &[&'static str],
    kind: &str,
    service_account: bool,
    bug: Option<Bug>,
) -> BTreeSet<&'static str> {
    let is = |seeded: Bug| bug == Some(seeded);
    let mut all = BTreeSet::new();
    for name in names {
        let accepted = match kind {
            "org" => FOR_SERVICE_ACCOUNTS.contains(name),
            "user" => false,
            _ => *name == READ || *name == WRITE,
        };
        if service_account && !accepted && !is(Bug::ServiceAccountHoldsAll) {
            continue;
        }
        if scopable(name, kind, bug) {
            all.extend(closure(name, bug));
        }
    }
    all
}

pub fn closure(name: &'static str, bug: Option<Bug>) -> BTreeSet<&'static str> {
    let is = |seeded: Bug| bug == Some(seeded);
    let (stem, last) = name.rsplit_once('.').unwrap();
    let mut all = BTreeSet::from([name]);
    for other in NAMES {
        let same_stem = last == "write" && other == format!("{stem}.read");
        // A whole part of the tree; that of an org is told below.
        let tree = [
            "repo",
            "repo.config",
            "inference.endpoints",
            "resourceGroup",
        ]
        .contains(&stem);
        let under = last == "write" && tree && other.starts_with(&format!("{stem}."));
        let of_org = match name {
            "org.write" if is(Bug::OrgWriteIsAll) => other.starts_with("org."),
            "org.write" => {
                [
                    "org.read",
                    "org.members.read",
                    "org.members.write",
                    "org.repos.read",
                ]
                .contains(&other)
                    || other.starts_with("resourceGroup.")
            }
            "org.read" => ["org.members.read", "org.repos.read"].contains(&other),
            _ => false,
        };
        let implied = (same_stem && !is(Bug::WriteScopeDoesNotRead))
            || (under
                && !is(Bug::TreeIgnored)
                && !(other == READ && is(Bug::WriteScopeDoesNotRead)))
            || of_org
            || (name == WRITE && other == DISCUSS && is(Bug::RepoWriteDiscusses))
            || (name == READ && other == WRITE && is(Bug::ReadScopeWrites));
        let never = [METADATA, "user.tokens.write"].contains(&other);
        if implied && !never {
            all.insert(other);
        }
    }
    all
}

/// Does a token without scopes have it?
pub fn classic(name: &str, write: bool, bug: Option<Bug>) -> bool {
    let is = |seeded: Bug| bug == Some(seeded);
    if name.starts_with("user.tokens.") {
        return is(Bug::ClassicReadsTokens);
    }
    let settings = [
        "repo.access.read",
        "repo.config.read",
        "repo.devMode.read",
        "repo.lfs.read",
    ];
    let infers = name == SERVERLESS || name == INFER;
    let reads = if infers {
        !is(Bug::ReadTokenMayNotInfer)
    } else {
        name.ends_with(".read") && (!settings.contains(&name) || is(Bug::ReadTokenSeesSettings))
    };
    if write {
        !is(Bug::WriteTokenReadsOnly) || reads
    } else {
        reads || is(Bug::ReadTokenMayWrite)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    See,
    Read,
    Write,
}

/// What its holder must be able to do with a repo.
pub fn need(name: &str) -> Need {
    match name {
        READ | METADATA | DISCUSS | "collection.read" => Need::See,
        INFER | "inference.endpoints.read" => Need::Read,
        _ => Need::Write,
    }
}

/// The least role for an org as a whole.
pub fn least_role(name: &str, bug: Option<Bug>) -> OrgRole {
    let is = |seeded: Bug| bug == Some(seeded);
    let for_members = [
        READ,
        DISCUSS,
        SERVERLESS,
        INFER,
        "inference.endpoints.read",
        "collection.read",
        "job.read",
        "sql-console.embed.read",
        "org.read",
        "org.members.read",
        "org.repos.read",
        "resourceGroup.read",
    ];
    let family = name.split('.').next().unwrap();
    match name {
        _ if for_members.contains(&name) && is(Bug::NoAccessReadsNamespace) => OrgRole::NoAccess,
        _ if for_members.contains(&name) => OrgRole::Read,
        WRITE | "collection.write" if is(Bug::ReaderCreatesRepos) => OrgRole::Read,
        WRITE | "collection.write" if is(Bug::ContributorCreatesNothing) => OrgRole::Write,
        WRITE | "collection.write" => OrgRole::Contributor,
        _ if (family == "org" || family == "resourceGroup") && !is(Bug::WritersAdminister) => {
            OrgRole::Admin
        }
        _ if is(Bug::ContributorRunsJobs) => OrgRole::Contributor,
        _ => OrgRole::Write,
    }
}

/// Every way to lay the pattern over the name is tried.
pub fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| fits(rest, &name[skip..])),
        (Some((wanted, rest)), Some((letter, letters))) => wanted == letter && fits(rest, letters),
        _ => false,
    }
}
