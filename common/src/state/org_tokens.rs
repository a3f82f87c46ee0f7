//! Stores what orgs decide about tokens: the policy of each org, and its decisions on single tokens. This
//! file must not know which memberships have ended.
//!
//! A decision that became `revoked` is never replaced, just as a floor is never lowered.

use std::{hash::BuildHasher, time::Duration};

use foldhash::quality::RandomState;

use crate::{
    id::TokenId,
    state::{
        accounts::Account,
        record::{Approval, TokenPolicy},
        sharded::{SMALL, Shards},
    },
};

/// States what an org requires of the tokens that reach it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PolicyView {
    /// States which tokens may reach what the org owns and isn't public.
    pub policy: TokenPolicy,
    /// Limits the lifetime of a new token that reaches the org, in whole seconds; `None` if there is no
    /// limit.
    pub max_lifetime: Option<Duration>,
}

impl Default for PolicyView {
    /// Returns the policy of an org that set none.
    fn default() -> Self {
        Self {
            policy: TokenPolicy::Allow,
            max_lifetime: None,
        }
    }
}

/// Holds an org's decision on one token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decided {
    /// Holds what was decided, as the record states it.
    pub state: Approval,
    /// Names the token's owner. The decision doesn't apply to a token that names another owner.
    pub owner: Account,
    /// Identifies the owner's membership that an approval depends on: how many had ended before it.
    pub membership: u32,
}

#[derive(Clone, Copy)]
struct PolicyRow {
    org: u32,
    /// Limits the lifetime of new tokens, in seconds; 0 if there is no limit.
    seconds: u64,
    policy: TokenPolicy,
}

#[derive(Clone, Copy)]
struct ViewRow {
    token: TokenId,
    org: u32,
    owner: u32,
    membership: u32,
    state: Approval,
}

pub(super) struct OrgTokens {
    hasher: RandomState,
    policies: Shards<PolicyRow>,
    views: Shards<ViewRow>,
    pub(super) policy_count: u64,
    pub(super) view_count: u64,
}

impl OrgTokens {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            policies: Shards::new(SMALL),
            views: Shards::new(SMALL),
            policy_count: 0,
            view_count: 0,
        }
    }

    pub(super) fn policy(&self, org: u32) -> Option<PolicyView> {
        if self.policy_count == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(org);
        let row = self.policies.find(hash, |row| row.org == org)?;
        Some(PolicyView {
            policy: row.policy,
            max_lifetime: (row.seconds > 0).then(|| Duration::from_secs(row.seconds)),
        })
    }

    pub(super) fn put_policy(&mut self, org: u32, view: PolicyView) {
        let new = PolicyRow {
            org,
            seconds: view.max_lifetime.map_or(0, |longest| longest.as_secs()),
            policy: view.policy,
        };
        let hash = self.hasher.hash_one(org);
        match self.policies.find_mut(hash, |row| row.org == org) {
            Some(row) => *row = new,
            None => {
                let hasher = &self.hasher;
                self.policies
                    .insert(hash, new, |row| hasher.hash_one(row.org));
                self.policy_count += 1;
            }
        }
    }

    pub(super) fn remove_policy(&mut self, org: u32) {
        let hash = self.hasher.hash_one(org);
        if self.policies.remove(hash, |row| row.org == org).is_some() {
            self.policy_count -= 1;
        }
    }

    /// Returns the orgs that have a policy.
    pub(super) fn policies(&self) -> impl Iterator<Item = u32> {
        self.policies.iter().map(|row| row.org)
    }

    pub(super) fn view(&self, org: u32, token: TokenId) -> Option<Decided> {
        if self.view_count == 0 {
            return None;
        }
        let hash = self.hasher.hash_one((org, token));
        let row = self
            .views
            .find(hash, |row| (row.org, row.token) == (org, token))?;
        Some(Decided {
            state: row.state,
            owner: Account(row.owner),
            membership: row.membership,
        })
    }

    /// Stores a decision. It never replaces a revoked one.
    pub(super) fn put_view(&mut self, org: u32, token: TokenId, decided: Decided) {
        let new = ViewRow {
            token,
            org,
            owner: decided.owner.0,
            // A revocation is for ever, and depends on no membership.
            membership: match decided.state {
                Approval::Revoked => 0,
                _ => decided.membership,
            },
            state: decided.state,
        };
        let hash = self.hasher.hash_one((org, token));
        let same = |row: &ViewRow| (row.org, row.token) == (org, token);
        match self.views.find_mut(hash, same) {
            Some(row) if row.state == Approval::Revoked => {}
            Some(row) => *row = new,
            None => {
                let hasher = &self.hasher;
                self.views
                    .insert(hash, new, |row| hasher.hash_one((row.org, row.token)));
                self.view_count += 1;
            }
        }
    }

    /// Returns the orgs of one table's policies; `None` past the last table.
    pub(super) fn policies_of(&self, table: usize) -> Option<impl Iterator<Item = u32>> {
        Some(self.policies.table(table)?.map(|row| row.org))
    }

    /// Returns the orgs and tokens of one table's decisions; `None` past the last table.
    pub(super) fn views_of(&self, table: usize) -> Option<impl Iterator<Item = (u32, TokenId)>> {
        Some(self.views.table(table)?.map(|row| (row.org, row.token)))
    }

    /// Returns the org, the token and the decision of each row.
    pub(super) fn views(&self) -> impl Iterator<Item = (u32, TokenId, Decided)> {
        self.views.iter().map(|row| {
            let decided = Decided {
                state: row.state,
                owner: Account(row.owner),
                membership: row.membership,
            };
            (row.org, row.token, decided)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_view_stays() {
        let mut tokens = OrgTokens::new();
        let decided = |state, owner| Decided {
            state,
            owner: Account(owner),
            membership: 0,
        };
        for state in [Approval::Approved, Approval::Denied, Approval::Revoked] {
            tokens.put_view(1, TokenId(7), decided(state, 5));
            assert_eq!(tokens.view(1, TokenId(7)), Some(decided(state, 5)));
        }
        tokens.put_view(1, TokenId(7), decided(Approval::Approved, 5));
        tokens.put_view(1, TokenId(7), decided(Approval::Revoked, 6));
        let stays = decided(Approval::Revoked, 5);
        assert_eq!(tokens.view(1, TokenId(7)), Some(stays));
        assert_eq!(tokens.view(2, TokenId(7)), None);
        assert_eq!(tokens.view_count, 1);
        assert!(size_of::<ViewRow>() <= 24 && size_of::<PolicyRow>() <= 24);
    }
}
