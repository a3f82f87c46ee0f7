//! What an org says of a token, beside what its owner may do: revoked for this org, or not of the kind
//! that the org's policy takes. Where it is asked is the decision's business.

use super::{ceiling::Ceiling, refusal::Refusal};
use crate::{
    id::{Serial, TokenId},
    state::{
        Account, State,
        record::{Approval, TokenPolicy},
    },
    token::Role,
};

/// Which token, and which value of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenFacts {
    /// The token's id, the same through all rotations: what an org decides on.
    pub id: TokenId,
    /// The value that was shown: what an org's floor is compared with.
    pub serial: Serial,
}

/// `acts_for`: the org that the token's owner is a service account of.
pub fn org_gate(
    state: &State,
    org: Account,
    owner: Account,
    acts_for: Option<Account>,
    ceiling: &Ceiling,
    token: TokenFacts,
) -> Result<(), Refusal> {
    // Whatever the policy, and for ever.
    if token.serial <= state.org_floor(org, owner) {
        return Err(Refusal::OrgRevoked);
    }
    let approval = match state.org_token_view(org, token.id) {
        // A decision on a token of another owner's, under this one's id: one of the two is wrong.
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
        // Its admins made the account and its tokens.
        TokenPolicy::AdminApproval if acts_for == Some(org) => Ok(()),
        TokenPolicy::AdminApproval => match approval {
            Some(Approval::Approved) => Ok(()),
            Some(Approval::Denied) => Err(Refusal::OrgDenied),
            Some(Approval::Pending | Approval::Revoked) | None => Err(Refusal::OrgApprovalPending),
        },
    }
}
