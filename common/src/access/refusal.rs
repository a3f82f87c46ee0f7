//! Why not: a closed list, and for each a text that names the missing half and the mend.

use std::borrow::Cow;

use super::permissions::Permission;

/// The numbers are those of `Reason` in `verifier.proto`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Refusal {
    LoginRequired = 10,
    NotFound = 20,
    OwnerRole = 30,
    TokenRole = 40,
    TokenScope = 41,
    TokenGatedFlag = 42,
    GateNotRequested = 50,
    GatePending = 51,
    GateRejected = 52,
    ResourceDisabled = 60,
    OrgPolicy = 70,
    OrgApprovalPending = 71,
    OrgDenied = 72,
    OrgRevoked = 73,
}

impl Refusal {
    pub const ALL: [Self; 14] = [
        Self::LoginRequired,
        Self::NotFound,
        Self::OwnerRole,
        Self::TokenRole,
        Self::TokenScope,
        Self::TokenGatedFlag,
        Self::GateNotRequested,
        Self::GatePending,
        Self::GateRejected,
        Self::ResourceDisabled,
        Self::OrgPolicy,
        Self::OrgApprovalPending,
        Self::OrgDenied,
        Self::OrgRevoked,
    ];

    /// As on the wire.
    pub fn number(self) -> i32 {
        i32::from(self as u8)
    }

    /// For people. Of what was not found it says nothing, not even what was asked of it.
    pub fn message(self, permission: Permission) -> Cow<'static, str> {
        let name = permission.name();
        match self {
            Self::LoginRequired => format!(
                "{name} needs a token here: nobody is logged in; pass a user access token"
            ),
            Self::NotFound => {
                return Cow::Borrowed(
                    "there is no such resource, or this credential may not know of it",
                );
            }
            Self::OwnerRole => format!(
                "the token's owner lacks {name} here, and no other token of theirs can mend that; \
                 ask an admin of the org, or the resource's owner, for a role that includes it"
            ),
            Self::TokenRole => format!(
                "the token's role is read, which never includes {name}; \
                 its owner can make a token with the role write, or a fine-grained one with {name}"
            ),
            Self::TokenScope => format!(
                "the fine-grained token has no {name} in force here; its owner can add that to the \
                 token's scope on this resource, or on its owner if the resource has no scope of its \
                 own"
            ),
            Self::TokenGatedFlag => format!(
                "the fine-grained token may not read gated repos; its owner can enable access to \
                 public gated repositories in the token's settings, or add {name} for this repo"
            ),
            Self::GateNotRequested => {
                "the repo is gated and the token's owner has not asked for access; \
                 they can do so on the repo's page"
                    .to_owned()
            }
            Self::GatePending => {
                "the repo is gated and the owner's request for access awaits a decision \
                 by the repo's authors"
                    .to_owned()
            }
            Self::GateRejected => {
                "the repo is gated and its authors rejected the request of the token's owner; \
                 only they can change that"
                    .to_owned()
            }
            Self::ResourceDisabled => {
                "access to this resource is disabled; only the hub's staff can change that"
                    .to_owned()
            }
            Self::OrgPolicy => "the org takes fine-grained tokens only; \
                 the token's owner can make one with a scope on the org, or on this resource"
                .to_owned(),
            Self::OrgApprovalPending => "the org takes only tokens that its admins approved, and they \
                 have not approved this one; ask an admin of the org"
                .to_owned(),
            Self::OrgDenied => "the org's admins did not approve this token; \
                 ask an admin of the org"
                .to_owned(),
            Self::OrgRevoked => "the org's admins revoked this token for the org, for ever; \
                 its owner can make a new one"
                .to_owned(),
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenward_proto::v1::Reason;

    #[test]
    fn numbers_are_those_of_the_wire() {
        let wire = Refusal::ALL.map(|refusal| Reason::try_from(refusal.number()).unwrap());
        assert_eq!(
            wire,
            [
                Reason::LoginRequired,
                Reason::NotFound,
                Reason::OwnerRole,
                Reason::TokenRole,
                Reason::TokenScope,
                Reason::TokenGatedFlag,
                Reason::GateNotRequested,
                Reason::GatePending,
                Reason::GateRejected,
                Reason::ResourceDisabled,
                Reason::OrgPolicy,
                Reason::OrgApprovalPending,
                Reason::OrgDenied,
                Reason::OrgRevoked,
            ]
        );
    }

    #[test]
    fn not_found_tells_nothing_of_the_question() {
        let [read, write] = [Permission::RepoContentRead, Permission::RepoWrite]
            .map(|permission| Refusal::NotFound.message(permission));
        assert_eq!(read, write);
        for refusal in Refusal::ALL {
            assert!(!refusal.message(Permission::RepoWrite).is_empty());
        }
    }
}
