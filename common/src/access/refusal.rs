//! Declares the closed list of reasons for a denial. It must not know the texts that people read: those are
//! in `advice`.

/// States why a request is denied. The numbers are those of `Reason` in `verifier.proto` (HTTP 401, 404 or
/// 403).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// The request has no credential where one is needed (HTTP 401).
    LoginRequired,
    /// The resource doesn't exist, or the caller may not know of it: the two look the same (HTTP 404).
    NotFound,
    /// The token's owner lacks the right, so none of their tokens can have it.
    OwnerRole,
    /// The token's role does not include the permission; its owner can make another token.
    TokenRole,
    /// The service account's token isn't fine-grained. It shares `TokenRole`'s number, but the remedy
    /// differs.
    ServiceAccountRole,
    /// No scope of the fine-grained token has the permission on this resource; its owner can add it.
    TokenScope,
    /// The fine-grained token may not read gated repos; its owner can change that.
    TokenGatedFlag,
    /// The repo is gated, and the token's owner has not requested access.
    GateNotRequested,
    /// The repo is gated, and the owner's request has not been answered yet.
    GatePending,
    /// The repo is gated, and its authors rejected the owner's request.
    GateRejected,
    /// The hub's staff closed the repo to everybody.
    ResourceDisabled,
    /// The org's policy accepts only fine-grained tokens, and this token isn't one.
    OrgPolicy,
    /// The org's policy accepts only approved tokens, and this token has no decision in force.
    OrgApprovalPending,
    /// The org's admins denied this token; they can still approve it.
    OrgDenied,
    /// The org's admins revoked this token for the org, for ever.
    OrgRevoked,
    /// The org revoked all values of before, and this is one of them. It shares `OrgRevoked`'s number, but
    /// the remedy differs: the token's next value reaches the org.
    OrgFloor,
}

impl Refusal {
    /// Lists every refusal, in the order of this enum.
    pub const ALL: [Self; 16] = [
        Self::LoginRequired,
        Self::NotFound,
        Self::OwnerRole,
        Self::TokenRole,
        Self::ServiceAccountRole,
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
        Self::OrgFloor,
    ];

    /// Returns the refusal's number in `Reason` of `verifier.proto`.
    pub fn number(self) -> i32 {
        match self {
            Self::LoginRequired => 10,
            Self::NotFound => 20,
            Self::OwnerRole => 30,
            Self::TokenRole | Self::ServiceAccountRole => 40,
            Self::TokenScope => 41,
            Self::TokenGatedFlag => 42,
            Self::GateNotRequested => 50,
            Self::GatePending => 51,
            Self::GateRejected => 52,
            Self::ResourceDisabled => 60,
            Self::OrgPolicy => 70,
            Self::OrgApprovalPending => 71,
            Self::OrgDenied => 72,
            Self::OrgRevoked | Self::OrgFloor => 73,
        }
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
                Reason::OrgRevoked,
            ]
        );
    }
}
