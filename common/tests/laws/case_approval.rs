//! What the orgs that ask for approval are told of a token, by plain rules.

use tokenward_common::{
    id::{AccountId, TokenId},
    state::{
        Account, State,
        record::{Approval, Change, OrgRole, OrgTokenView, Record, TokenPolicy},
    },
    token::{EntityKind, Scope, Scopes},
};

/// Of one that has these scopes from now on, and had those.
pub fn told(
    state: &State,
    token: TokenId,
    owner: &AccountId,
    [scopes, before]: [Option<&Scopes>; 2],
) -> Vec<Change> {
    let user = state.account_by_id(owner.as_str());
    let reaching = |scopes: Option<&Scopes>, org| -> Vec<Scope> {
        let scoped = scopes.map(|it| it.scoped.clone()).unwrap_or_default();
        let reaches = |scope: &Scope| org_of(state, scope) == Some(org);
        scoped.into_iter().filter(reaches).collect()
    };
    let scoped = scopes.map(|it| it.scoped.as_slice()).unwrap_or_default();
    let mut orgs: Vec<_> = scoped.iter().filter_map(|it| org_of(state, it)).collect();
    orgs.sort_unstable();
    orgs.dedup();
    orgs.retain(|org| reaching(scopes, *org) != reaching(before, *org));
    let changes = orgs.into_iter().filter_map(|org| {
        let asked = state.org_policy(org).policy == TokenPolicy::AdminApproval;
        match state.org_token_view(org, token).map(|it| it.state) {
            Some(Approval::Denied | Approval::Revoked) => return None,
            Some(Approval::Approved) => {}
            _ if asked => {}
            _ => return None,
        }
        let admin = state.org_role(org, user?) == Some(OrgRole::Admin);
        let made = if admin {
            Approval::Approved
        } else {
            Approval::Pending
        };
        let org = state.account(org)?.id();
        Some(view(org, token, owner, made))
    });
    changes.collect()
}

/// The org that a scope reaches.
fn org_of(state: &State, scope: &Scope) -> Option<Account> {
    let org = match scope.kind {
        EntityKind::User | EntityKind::OauthApp => return None,
        EntityKind::Org => state.account_by_id(&scope.id)?,
        EntityKind::ResourceGroup => state.group(state.group_by_id(&scope.id)?)?.org,
        _ => state.repo(state.repo_by_id(&scope.id)?)?.owner,
    };
    state.account(org)?.is_org.then_some(org)
}

pub fn view(org: AccountId, token: TokenId, owner: &AccountId, state: Approval) -> Change {
    Change::Put(Record::OrgTokenView(OrgTokenView {
        org,
        token,
        owner: owner.clone(),
        state,
        membership: 0,
    }))
}
