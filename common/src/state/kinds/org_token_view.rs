//! Handles orgs' decisions on single tokens.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, TokenId},
    state::{
        Account, ApplyError, Decided, State,
        codec::{DecodeError, Stored, id},
        held::Held,
        record::Approval,
    },
};

use super::departures::membership;

/// Holds an org's decision on one token, through all its rotations. A revoked decision never changes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgTokenView {
    /// Names the org that decided; the decision holds for that org alone.
    pub org: AccountId,
    /// Holds the serial of the token's first value, so that the decision holds for all later values too.
    pub token: TokenId,
    /// Names the token's owner. The decision doesn't apply to a token that names another owner.
    pub owner: AccountId,
    /// States what was decided. It takes effect as the org's policy says, but a revocation always takes
    /// effect.
    pub state: Approval,
    /// Identifies the membership of the org that an approval depends on: how many of the owner's memberships
    /// of that org had ended before it. It is 0 for a revocation, which depends on no membership.
    pub membership: u32,
}

impl Held for OrgTokenView {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let org = state.directory.accounts.intern(&self.org)?;
        let owner = state.directory.accounts.intern(&self.owner)?;
        let decided = Decided {
            state: self.state,
            owner: Account(owner),
            membership: self.membership,
        };
        state.org_tokens.put_view(org, self.token, decided);
        Ok(())
    }

    fn delete(_kept: &mut State, _key: Self::Key<'_>) {}

    fn stored(state: &State, (org, token): (&AccountId, &TokenId)) -> Option<Self> {
        let accounts = &state.directory.accounts;
        let decided = state
            .org_tokens
            .view(accounts.find(org.as_str())?, *token)?;
        Some(Self {
            org: org.clone(),
            token: *token,
            owner: accounts.id(decided.owner.0)?,
            state: decided.state,
            membership: decided.membership,
        })
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        state
            .org_tokens
            .views()
            .filter_map(|(org, token, decided)| {
                Some(Self {
                    org: accounts.id(org)?,
                    token,
                    owner: accounts.id(decided.owner.0)?,
                    state: decided.state,
                    membership: decided.membership,
                })
            })
    }

    fn count(state: &State) -> u64 {
        state.org_tokens.view_count
    }
}

/// A script compares the last byte of this value: it is 4 for a revoked decision, and for no other.
impl Stored for OrgTokenView {
    type Message = pb::OrgTokenView;

    fn to_message(&self) -> Self::Message {
        pb::OrgTokenView {
            owner_id: self.owner.to_string(),
            state: self.state.number(),
            membership: match self.state {
                Approval::Revoked => 0,
                _ => self.membership,
            },
            ..pb::OrgTokenView::default()
        }
    }

    fn name_message(message: &mut Self::Message, (org, token): (&AccountId, &TokenId)) {
        (message.org_id, message.tid) = (org.to_string(), token.0);
    }

    fn from_message(view: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            org: id("org_token_view.org_id", &view.org_id)?,
            token: TokenId(view.tid),
            owner: id("org_token_view.owner_id", &view.owner_id)?,
            state: Approval::from_number(view.state)
                .ok_or(DecodeError::Unknown("a state of a token in an org"))?,
            membership: membership(view.membership)?,
        })
    }
}
