//! Handles what orgs require of the tokens that reach them.

use std::time::Duration;

use tokenward_proto::internal as pb;

use crate::{
    id::AccountId,
    state::{
        ApplyError, PolicyView, State,
        codec::{DecodeError, Stored, id},
        held::Held,
        public::fed,
        record::{Record, TokenPolicy},
        scan::{Filter, Listed, Page, Question},
    },
};

/// Holds an org's policy for the tokens that reach it. An org without a policy allows all tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrgPolicy {
    /// Names the org that set the policy; there is at most one policy for each org.
    pub org: AccountId,
    /// States which tokens may reach what the org owns and isn't public.
    pub policy: TokenPolicy,
    /// Limits the lifetime of a new token that reaches the org, in whole seconds, not zero.
    pub max_lifetime: Option<Duration>,
}

fed!(OrgPolicy {
    org = org_id,
    policy = policy,
    max_lifetime = max_token_lifetime
} named by id);

impl OrgPolicy {
    /// Returns the policy that is stored for this row, even if the org isn't there or was deleted.
    pub(in crate::state) fn of_row(state: &State, org: u32) -> Option<Self> {
        let view = state.org_tokens.policy(org)?;
        Some(Self {
            org: state.directory.accounts.id(org)?,
            policy: view.policy,
            max_lifetime: view.max_lifetime,
        })
    }

    /// Returns the policy that is in force for this row: the stored one, if the org is there.
    fn at(state: &State, org: u32) -> Option<Self> {
        let is_live = || state.directory.accounts.is_org(org) == Some(true);
        Self::of_row(state, org).filter(|_| is_live())
    }
}

impl Held for OrgPolicy {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let org = state.directory.accounts.intern(&self.org)?;
        let view = PolicyView {
            policy: self.policy,
            max_lifetime: self.max_lifetime,
        };
        state.org_tokens.put_policy(org, view);
        Ok(())
    }

    fn delete(state: &mut State, org: &AccountId) {
        if let Some(org) = state.directory.accounts.find(org.as_str()) {
            state.org_tokens.remove_policy(org);
        }
    }

    fn find(state: &State, org: &AccountId) -> Option<Self> {
        Self::at(state, state.directory.accounts.find(org.as_str())?)
    }

    fn stored(state: &State, org: &AccountId) -> Option<Self> {
        Self::of_row(state, state.directory.accounts.find(org.as_str())?)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let orgs = state.org_tokens.policies();
        orgs.filter_map(|org| Self::of_row(state, org))
    }

    fn count(state: &State) -> u64 {
        state.org_tokens.policy_count
    }
}

impl Stored for OrgPolicy {
    type Message = pb::OrgPolicy;

    fn to_message(&self) -> Self::Message {
        pb::OrgPolicy {
            policy: self.policy.number(),
            max_lifetime_seconds: self.max_lifetime.map_or(0, |longest| longest.as_secs()),
            ..pb::OrgPolicy::default()
        }
    }

    fn name_message(message: &mut Self::Message, org: &AccountId) {
        message.org_id = org.to_string();
    }

    fn from_message(policy: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            org: id("org_policy.org_id", &policy.org_id)?,
            policy: TokenPolicy::from_number(policy.policy)
                .ok_or(DecodeError::Unknown("a token policy"))?,
            max_lifetime: match policy.max_lifetime_seconds {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            },
        })
    }
}

impl Listed for OrgPolicy {
    const FILTERS: &'static [Filter] = &[];

    fn page(ask: &Question<'_>) -> Option<Page> {
        Some(ask.rows(ask.within.accounts, &|row| {
            Self::at(ask.state, row).map(Record::OrgPolicy)
        }))
    }
}
