//! Decides whether an org accepts a token, apart from its owner's rights: the org may have revoked it, or its
//! policy may not accept such tokens. This file must not know where the decision asks for it.

use super::{ceiling::Ceiling, refusal::Refusal};
use crate::{
    id::{Serial, TokenId},
    state::{
        Account, State,
        record::{Approval, TokenPolicy},
    },
    token::Role,
};

/// Identifies a token, and one value of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenFacts {
    /// Holds the token's id, which is the same through all rotations; an org decides on it.
    pub id: TokenId,
    /// Holds the serial of the value in the request; it is compared with an org's floor.
    pub serial: Serial,
}

/// Judges whether the org accepts the token. `acts_for` is the org of the owner if that is a service account.
pub fn org_gate(
    state: &State,
    org: Account,
    owner: Account,
    acts_for: Option<Account>,
    ceiling: &Ceiling,
    token: TokenFacts,
) -> Result<(), Refusal> {
    // A floor holds whatever the policy, and for ever.
    if token.serial <= state.org_floor(org, owner) {
        return Err(Refusal::OrgFloor);
    }
    let approval = match state.org_token_view(org, token.id) {
        // The decision under this id is for another owner's token: one of the two is wrong, so it is refused.
        Some(decided) if decided.owner != owner => return Err(Refusal::OrgDenied),
        decided => decided.map(|decided| decided.state),
    };
    if approval == Some(Approval::Revoked) {
        return Err(Refusal::OrgRevoked);
    }
    let fine_grained = ceiling.role() == Role::FineGrained;
    match state.org_policy(org).policy {
        TokenPolicy::Allow => Ok(()),
        TokenPolicy::FineGrainedOnly | TokenPolicy::AdminApproval if !fine_grained => {
            Err(Refusal::OrgPolicy)
        }
        TokenPolicy::FineGrainedOnly => Ok(()),
        // The org's own admins created the service account and its tokens, so they need no approval.
        TokenPolicy::AdminApproval if acts_for == Some(org) => Ok(()),
        TokenPolicy::AdminApproval => match approval {
            Some(Approval::Approved) => Ok(()),
            Some(Approval::Denied) => Err(Refusal::OrgDenied),
            Some(Approval::Pending | Approval::Revoked) | None => Err(Refusal::OrgApprovalPending),
        },
    }
}
