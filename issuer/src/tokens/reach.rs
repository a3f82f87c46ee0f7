//! Decides which orgs a token's scopes reach, and what those orgs require when it is made or changed.
//!
//! A token whose owner is an admin of the org is approved when it is made. A change of what it may do in an
//! org that approved it requires a new approval.

use std::{collections::BTreeMap, time::Duration};

use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Revision, Serial},
    state::{
        Account, State,
        key::Key,
        record::{
            Approval, Change, FloorTarget, OrgRole, OrgTokenView, Record, RecordKey, TokenPolicy,
        },
    },
    store::{Expect, PrivateWrite},
    token::{EntityKind, Scope, Scopes},
};

use super::{Tokens, token::Token};
use crate::{commit::Writes, error::Problem};

/// Returns the org that a scope reaches, if any.
pub(super) fn org_of(state: &State, scope: &Scope) -> Option<Account> {
    let is_org = |account: &Account| state.account(*account).is_some_and(|it| it.is_org);
    match scope.kind {
        EntityKind::User | EntityKind::OauthApp => None,
        EntityKind::Org => state.account_by_id(&scope.id).filter(is_org),
        EntityKind::ResourceGroup => {
            let group = state.group_by_id(&scope.id)?;
            Some(state.group(group)?.org)
        }
        EntityKind::Model
        | EntityKind::Dataset
        | EntityKind::Space
        | EntityKind::Bucket
        | EntityKind::Kernel
        | EntityKind::Collection
        | EntityKind::Endpoint => {
            let repo = state.repo_by_id(&scope.id)?;
            Some(state.repo(repo)?.owner).filter(is_org)
        }
    }
}

fn by_org(state: &State, scopes: Option<&Scopes>) -> BTreeMap<Account, Vec<Scope>> {
    let mut orgs: BTreeMap<Account, Vec<Scope>> = BTreeMap::new();
    for scope in scopes.map(|it| it.scoped.as_slice()).unwrap_or_default() {
        if let Some(org) = org_of(state, scope) {
            orgs.entry(org).or_default().push(scope.clone());
        }
    }
    orgs
}

impl Tokens {
    /// Checks before anything else that the token lives no longer than each org allows that the scopes newly
    /// reach. `before` holds the scopes that the token had already.
    pub(super) async fn check_lifetimes(
        &self,
        scopes: Option<&Scopes>,
        before: Option<&Scopes>,
        expires_at: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<(), Problem> {
        let check = || {
            let view = self.replica.view().ok_or(Problem::Unavailable)?;
            let known = by_org(&view.state, before);
            let reached = by_org(&view.state, scopes);
            let mut new = reached.keys().filter(|org| !known.contains_key(org));
            new.try_for_each(|org| check_lifetime(&view.state, *org, expires_at, now))
        };
        match check() {
            Ok(()) => Ok(()),
            // The org may have allowed more a moment ago.
            Err(_) => {
                self.catch_up().await?;
                check()
            }
        }
    }

    /// Checks by one view that every org that the scopes reach allows this lifetime. Returns the expectation
    /// that the orgs' policies are unchanged, because a policy may have been put a moment ago.
    pub(super) fn lifetimes_hold(
        &self,
        scopes: Option<&Scopes>,
        expires_at: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<Vec<Expect>, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let orgs = by_org(state, scopes).into_keys();
        orgs.map(|org| {
            check_lifetime(state, org, expires_at, now)?;
            Ok(policy_stands(state, account_id(state, org)?))
        })
        .collect()
    }

    /// Returns the expectation that no org which the scopes reach revokes all values up to this new one. Without
    /// it a value would be handed out that its org refuses for ever.
    pub(super) fn above_floors(
        &self,
        scopes: Option<&Scopes>,
        serial: Serial,
    ) -> Result<Vec<Expect>, Problem> {
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let orgs = by_org(state, scopes).into_keys();
        orgs.map(|org| {
            let target = FloorTarget::Org(account_id(state, org)?);
            Ok(Expect::FloorBelow { target, serial })
        })
        .collect()
    }

    /// Returns what a commit writes for the orgs that the token reaches, when it changes from `before` to
    /// `token`. One view serves for the checks, an org's longest lifetime too, and for the expectations.
    pub(super) fn reach(
        &self,
        token: &Token,
        before: Option<&Token>,
        now: UnixTime,
    ) -> Result<Writes, Problem> {
        let (id, owner_id) = (token.id, &token.owner);
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        let state = &view.state;
        let owner = state.account_by_id(owner_id.as_str());
        let of = |token: &Token| {
            let scopes = token.scopes()?;
            Ok::<_, Problem>(by_org(state, scopes.as_ref()))
        };
        let known = before.map(of).transpose()?.unwrap_or_default();
        let since = state.cursor().revision;
        let mut reach = Writes::default();
        let expected = |key: &RecordKey, there: bool| stands(key, there, since);
        for (org, scopes) in of(token)? {
            if known.get(&org) == Some(&scopes) {
                continue;
            }
            if !known.contains_key(&org) {
                check_lifetime(state, org, token.expires_at, now)?;
            }
            let org_id = account_id(state, org)?;
            reach.private.push(PrivateWrite::IndexToken {
                owner: org_id.clone(),
                token: id,
            });
            // A policy that was put a moment ago must apply to this token too.
            reach.expect.push(policy_stands(state, org_id.clone()));
            let decided = state.org_token_view(org, id).map(|it| it.state);
            let asked = state.org_policy(org).policy == TokenPolicy::AdminApproval;
            let new = match decided {
                Some(Approval::Denied | Approval::Revoked) => continue,
                None | Some(Approval::Pending) if !asked => continue,
                None | Some(Approval::Pending | Approval::Approved) => {
                    let role = owner.and_then(|owner| state.org_role(org, owner));
                    if role == Some(OrgRole::Admin) {
                        let (org, user) = (org_id.clone(), owner_id.clone());
                        let key = RecordKey::Member { org, user };
                        reach.expect.push(expected(&key, true));
                        Approval::Approved
                    } else {
                        Approval::Pending
                    }
                }
            };
            let membership = state.departures_of(&org_id, owner_id);
            let record = Record::OrgTokenView(OrgTokenView {
                org: org_id,
                token: id,
                owner: owner_id.clone(),
                state: new,
                membership,
            });
            reach
                .expect
                .push(expected(&record.key(), decided.is_some()));
            reach.changes.push(Change::Put(record));
        }
        Ok(reach)
    }
}

/// Expects that a record exists unchanged, or doesn't exist, as the view of that revision shows.
fn stands(key: &RecordKey, there: bool, since: Revision) -> Expect {
    let key = Key::from_record_key(key);
    if there {
        Expect::Unchanged { key, since }
    } else {
        Expect::Absent(key)
    }
}

fn policy_stands(state: &State, org: AccountId) -> Expect {
    let key = RecordKey::OrgPolicy(org);
    let there = state.record(&key).is_some();
    stands(&key, there, state.cursor().revision)
}

fn account_id(state: &State, account: Account) -> Result<AccountId, Problem> {
    let account = state.account(account).ok_or(Problem::Internal)?;
    Ok(account.id())
}

fn check_lifetime(
    state: &State,
    org: Account,
    expires_at: Option<UnixTime>,
    now: UnixTime,
) -> Result<(), Problem> {
    let Some(longest) = state.org_policy(org).max_lifetime else {
        return Ok(());
    };
    let last = now.0.saturating_add(longest.as_secs());
    if expires_at.is_some_and(|end| end.0 <= last) {
        return Ok(());
    }
    let name = state.account(org).map_or("", |it| it.name);
    let rule = format!("the org {name} allows at most {}", in_words(longest));
    Err(Problem::invalid("expire_time", rule))
}

/// Writes a duration in the largest unit of which it is a whole number.
fn in_words(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(24 * 3600, "day"), (3600, "hour"), (60, "minute")];
    let whole = units
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_their_unit() {
        for (seconds, words) in [
            (90 * 86_400, "90 days"),
            (86_400, "1 day"),
            (90_000, "25 hours"),
            (61, "61 seconds"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
