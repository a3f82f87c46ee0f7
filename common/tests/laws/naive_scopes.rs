//! The naive model of what a token's role and scopes leave on one thing.

use std::collections::BTreeSet;

use tokenward_common::state::record::Repo;

use crate::{
    bugs::Bug,
    naive::Naive,
    naive_access::{Role, Scope, Token, kind_name},
    naive_vocabulary::{NAMES, classic, closure, fits, granted},
};

impl Naive {
    /// What the token holds on this repo: the most specific scope counts alone.
    pub fn held_on_repo(
        &self,
        token: &Token,
        repo: &Repo,
        bug: Option<Bug>,
    ) -> BTreeSet<&'static str> {
        let is = |seeded: Bug| bug == Some(seeded);
        if token.role != Role::FineGrained {
            return self.classic_set(token, bug);
        }
        let name = repo.name.as_str();
        let on = |kind: &str, id: &str| self.held_by_scopes(token, kind, id, Some(name), bug);
        let owner = repo.owner.as_str();
        let owner_kind = if self.is_org(owner) { "org" } else { "user" };
        let mut general = on(owner_kind, owner).unwrap_or_default();
        if is(Bug::OwnerScopeIgnored) {
            general.clear();
        }
        if let Some(group) = &repo.group
            && let Some(of_group) = on("resource-group", group.as_str())
            && !is(Bug::GroupScopeIgnored)
        {
            general = of_group;
        }
        match on(kind_name(repo.kind), repo.id.as_str()) {
            Some(_) if is(Bug::RepoScopeIgnored) => general,
            Some(more) if is(Bug::RepoScopeAdds) => more.union(&general).copied().collect(),
            Some(instead) => instead,
            None => general,
        }
    }

    pub fn classic_set(&self, token: &Token, bug: Option<Bug>) -> BTreeSet<&'static str> {
        // A service account's tokens are fine-grained only.
        if self.acts_for(token.owner).is_some() && bug != Some(Bug::ServiceAccountClassic) {
            return BTreeSet::new();
        }
        let write = token.role == Role::Write;
        let names = NAMES.into_iter();
        names.filter(|name| classic(name, write, bug)).collect()
    }

    /// What the scopes on this entity give; `None` when there is none. `name`: of the repo asked for.
    pub fn held_by_scopes(
        &self,
        token: &Token,
        kind: &str,
        id: &str,
        name: Option<&str>,
        bug: Option<Bug>,
    ) -> Option<BTreeSet<&'static str>> {
        let is = |seeded: Bug| bug == Some(seeded);
        let scopes: Vec<&Scope> = token
            .scopes
            .iter()
            .filter(|scope| scope.kind == kind || is(Bug::ScopeKindIgnored))
            .filter(|scope| scope.id == id || is(Bug::ScopeIdIgnored))
            .collect();
        let service_account = self.acts_for(token.owner).is_some();
        let mut held = BTreeSet::new();
        for scope in &scopes {
            let fitting = scope.patterns.is_empty()
                || is(Bug::PatternsIgnored)
                || (name.is_none() && is(Bug::PatternsForTheWhole))
                || name.is_some_and(|name| {
                    scope.patterns.iter().any(|pattern| {
                        fits(pattern.as_bytes(), name.as_bytes())
                            || (is(Bug::PatternIsPrefix)
                                && name.starts_with(pattern.trim_end_matches('*')))
                    })
                });
            let kept: Vec<&'static str> = scope
                .permissions
                .iter()
                .copied()
                .filter(|permission| {
                    let restricted = permission.starts_with("inference.endpoints.");
                    fitting || (!restricted && !is(Bug::PatternsStopAll))
                })
                .collect();
            held.extend(granted(&kept, kind, service_account, bug));
            if is(Bug::UnknownPermissionGrants) && scope.permissions.contains(&"repo.unheard.of") {
                held.extend(closure("repo.write", None));
            }
        }
        (!scopes.is_empty()).then_some(held)
    }
}
