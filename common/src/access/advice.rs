//! Words the texts that people read about a refusal: each names what is missing and the smallest remedy. This
//! file must not decide any request.

use std::borrow::Cow;

use super::{
    evaluate::Target,
    permissions::{Classic, Permission, Right},
    refusal::Refusal,
};
use crate::state::record::OrgRole;

impl Refusal {
    /// Returns the text for people. For `NotFound` it reveals nothing, not even which permission was
    /// requested.
    pub fn message(self, permission: Permission, target: Option<Target>) -> Cow<'static, str> {
        let name = permission.name();
        match self {
            Self::NotFound => {
                return Cow::Borrowed(
                    "there is no such resource, or this credential may not know of it",
                );
            }
            Self::ResourceDisabled => {
                return Cow::Borrowed(
                    "access to this resource is disabled; only the hub's staff can change that",
                );
            }
            Self::LoginRequired => format!(
                "{name} needs a token here: nobody is logged in; pass a user access token"
            ),
            Self::OwnerRole => owner_role(permission, target),
            Self::TokenRole => token_role(permission),
            Self::ServiceAccountRole => format!(
                "a service account's token must be fine-grained to have {name}; \
                 an admin of its org can make one with that in its scope"
            ),
            Self::TokenScope => token_scope(permission, target),
            Self::TokenGatedFlag => format!(
                "the fine-grained token has no {name} for gated repos; its owner can enable access to \
                 public gated repositories in the token's settings, or add {name} for this repo"
            ),
            Self::GateNotRequested => format!(
                "the repo is gated: {name} takes a request for access, which the token's owner has \
                 not made; they can do so on the repo's page"
            ),
            Self::GatePending => format!(
                "the repo is gated: {name} takes the consent of the repo's authors, who have not yet \
                 decided on the request of the token's owner"
            ),
            Self::GateRejected => format!(
                "the repo is gated: its authors rejected the request of the token's owner for {name}; \
                 only they can change that"
            ),
            Self::OrgPolicy => format!(
                "the org takes fine-grained tokens only; the token's owner can make one with {name} in \
                 its scope on the org, or on this resource"
            ),
            Self::OrgApprovalPending => format!(
                "the org takes only tokens that its admins approved, and they have not approved this \
                 one for {name}; ask an admin of the org"
            ),
            Self::OrgDenied => format!(
                "the org's admins did not approve this token for {name}; ask an admin of the org"
            ),
            Self::OrgRevoked => format!(
                "the org's admins revoked this token for the org, for ever; its owner can make a new \
                 one with {name}"
            ),
            Self::OrgFloor => format!(
                "the org revoked all tokens as they were then, this one among them; its owner can rotate \
                 it, or make a new one with {name}"
            ),
        }
        .into()
    }
}

/// Returns the text for a right that the owner lacks: no token can remedy that.
fn owner_role(permission: Permission, target: Option<Target>) -> String {
    let name = permission.name();
    let on_repo = matches!(target, Some(Target::Repo(_)));
    let (takes, from) = match (permission.org_role(), permission.right()) {
        (_, Right::Write) if on_repo => (
            "the role write in the repo's org, or contributor for a repo that they created",
            "an admin of the org, or the repo's owner",
        ),
        (None, _) => ("to be that very account", "the account's owner"),
        (Some(role), _) => (role_in_an_org(role), "an admin of the org"),
    };
    let pull_request = match permission {
        Permission::RepoWrite | Permission::RepoContentWrite if on_repo => {
            "; a pull request takes discussion.write alone"
        }
        _ => "",
    };
    format!(
        "the token's owner lacks {name} here, and no other token of theirs can mend that: it takes \
         {takes}; ask {from}{pull_request}"
    )
}

fn role_in_an_org(role: OrgRole) -> &'static str {
    match role {
        OrgRole::NoAccess | OrgRole::Read => "at least the role read in the org",
        OrgRole::Contributor => "at least the role contributor in the org",
        OrgRole::Write => "at least the role write in the org",
        OrgRole::Admin => "the role admin in the org",
    }
}

fn token_role(permission: Permission) -> String {
    let name = permission.name();
    if permission.is_nobodys() {
        return for_no_token(permission);
    }
    match permission.classic() {
        Classic::Read | Classic::Write => format!(
            "the token's role is read, which never includes {name}; its owner can make a token with \
             the role write, or a fine-grained one with {name}"
        ),
        Classic::Never => format!(
            "tokens with the role read or write never include {name}; its owner can make a \
             fine-grained one with {name}"
        ),
    }
}

fn token_scope(permission: Permission, target: Option<Target>) -> String {
    let name = permission.name();
    if permission.is_nobodys() {
        return for_no_token(permission);
    }
    let place = match (permission, target) {
        (Permission::PostWrite, _) => "to the token's global permissions",
        (Permission::InferenceServerlessWrite, _) => {
            "to the token's scope on the account that is billed"
        }
        (Permission::DiscussionWrite, Some(Target::Repo(_))) => {
            "to the token's scope on this repo or its owner, or, for public repos of others, to its \
             global permissions"
        }
        (_, Some(Target::Account(_))) => "to the token's scope on this account",
        _ => {
            "to the token's scope on this resource, or on its owner if the resource has no scope of \
             its own"
        }
    };
    let patterns = if permission.is_for_endpoints() {
        "; if that scope has patterns, they must fit the endpoint's name"
    } else {
        ""
    };
    format!(
        "the fine-grained token has no {name} in force here; its owner can add that \
         {place}{patterns}"
    )
}

fn for_no_token(permission: Permission) -> String {
    format!(
        "no token ever includes {}; its owner does that on the hub's own pages, logged in",
        permission.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_is_the_same_bytes_whatever_was_asked() {
        let all = Permission::ALL
            .iter()
            .map(|asked| Refusal::NotFound.message(*asked, None));
        let distinct: std::collections::BTreeSet<_> = all.collect();
        assert_eq!(distinct.len(), 1);
    }

    #[test]
    fn every_other_text_names_the_permission() {
        for refusal in Refusal::ALL {
            if matches!(refusal, Refusal::NotFound | Refusal::ResourceDisabled) {
                continue;
            }
            for permission in Permission::ALL {
                let text = refusal.message(*permission, None);
                assert!(text.contains(permission.name()), "{refusal:?}: {text}");
            }
        }
    }

    #[test]
    fn the_mend_is_the_smallest() {
        let says = |refusal: Refusal, permission: Permission, part: &str| {
            let text = refusal.message(permission, None);
            assert!(text.contains(part), "{text}");
        };
        says(
            Refusal::OwnerRole,
            Permission::JobWrite,
            "role write in the org",
        );
        says(Refusal::OwnerRole, Permission::OrgWrite, "the role admin");
        says(
            Refusal::OwnerRole,
            Permission::CollectionWrite,
            "role contributor",
        );
        says(
            Refusal::OwnerRole,
            Permission::UserMcpRead,
            "that very account",
        );
        says(Refusal::TokenRole, Permission::RepoWrite, "the role write");
        says(
            Refusal::TokenRole,
            Permission::UserTokensRead,
            "a fine-grained one",
        );
        says(
            Refusal::TokenRole,
            Permission::UserTokensWrite,
            "no token ever",
        );
        says(
            Refusal::TokenScope,
            Permission::UserTokensWrite,
            "no token ever",
        );
        says(Refusal::TokenScope, Permission::PostWrite, "global");
        says(
            Refusal::TokenScope,
            Permission::InferenceEndpointsWrite,
            "patterns",
        );
    }
}
