//! Parses what a token may do at most: roles and scopes, in the form of the options.

use tokenward_common::{
    access::{PERMISSION_NAME_RULE, is_permission_name},
    id::AccountId,
};
use tokenward_proto::v1::{EntityKind, Role, Scope, Scopes};

use crate::{exit::Failure, words::Word};

#[derive(Debug, clap::Args)]
pub(crate) struct ScopeArgs {
    /// Grant permissions on one entity, which is named by its id:
    /// model:m42=repo.content.read,repo.write. Repeat the option for several entities.
    #[arg(long = "scope", value_name = "KIND:ID=PERM,...", value_parser = parse_scope)]
    scopes: Vec<Scope>,
    /// Limit the inference permissions of a --scope to the endpoints whose names match this
    /// pattern, in which * stands for any characters: org:o7=prod-*. Repeat the option for several
    /// patterns.
    #[arg(long = "endpoints", value_name = "KIND:ID=PATTERN,...", value_parser = parse_endpoints)]
    endpoints: Vec<Scope>,
    /// Grant a permission that belongs to no entity, such as discussion.write. Repeat the option
    /// for several permissions.
    #[arg(long = "global", value_name = "PERM", value_parser = parse_permission)]
    global: Vec<String>,
    /// Grant the reading of public gated repos that the owner was admitted to.
    #[arg(long)]
    can_read_gated_repos: bool,
}

impl ScopeArgs {
    /// Returns the scopes of a new token. `None`: its role has none.
    pub(crate) fn build(self, role: Role) -> Result<Option<Scopes>, Failure> {
        match (role, self.given()) {
            (Role::FineGrained, _) => self.all().map(Some),
            (_, None) => Ok(None),
            (_, Some(option)) => Err(Failure::usage(format!(
                "{option}: only a token with --role fineGrained has scopes"
            ))
            .next("leave the option out, or choose --role fineGrained")),
        }
    }

    /// Returns the scopes that replace a token's present ones. `None`: they stay.
    pub(crate) fn replace(self, role: Role, clear: bool) -> Result<Option<Scopes>, Failure> {
        match (role, self.given().or(clear.then_some("--clear-scopes"))) {
            (_, None) => Ok(None),
            (Role::Read | Role::Write, Some(option)) => Err(Failure::usage(format!(
                "{option}: a token with --role read or write has no scopes"
            ))
            .next("leave the option out: another role takes all scopes away")),
            _ => self.all().map(Some),
        }
    }

    /// Returns the first scope option that was given.
    fn given(&self) -> Option<&'static str> {
        [
            ("--scope", !self.scopes.is_empty()),
            ("--endpoints", !self.endpoints.is_empty()),
            ("--global", !self.global.is_empty()),
            ("--can-read-gated-repos", self.can_read_gated_repos),
        ]
        .into_iter()
        .find_map(|(option, given)| given.then_some(option))
    }

    fn all(self) -> Result<Scopes, Failure> {
        let mut scoped: Vec<Scope> = Vec::new();
        for scope in self.scopes {
            match find(&mut scoped, &scope) {
                Some(same) => same.permissions.extend(scope.permissions),
                None => scoped.push(scope),
            }
        }
        for limit in self.endpoints {
            let scope = find(&mut scoped, &limit).ok_or_else(|| {
                Failure::usage("--endpoints: names no entity of any --scope")
                    .next("give that entity a --scope too")
            })?;
            scope.endpoint_patterns.extend(limit.endpoint_patterns);
        }
        Ok(Scopes {
            scoped,
            global: self.global,
            can_read_gated_repos: self.can_read_gated_repos,
        })
    }
}

fn find<'a>(scoped: &'a mut [Scope], like: &Scope) -> Option<&'a mut Scope> {
    scoped
        .iter_mut()
        .find(|it| it.entity_kind == like.entity_kind && it.entity_id == like.entity_id)
}

/// Returns the word for a role in claims and in the hub.
pub(crate) fn role_word(role: Role) -> &'static str {
    match role {
        Role::Unspecified => "unspecified",
        Role::FineGrained => "fineGrained",
        Role::Read => "read",
        Role::Write => "write",
    }
}

pub(crate) fn parse_role(text: &str) -> Result<Role, String> {
    [Role::Read, Role::Write, Role::FineGrained]
        .into_iter()
        .find(|role| role_word(*role) == text)
        .ok_or_else(|| "must be read, write or fineGrained".into())
}

/// Splits `KIND:ID=LIST` into a scope without its list, and the list.
fn parse_entity(text: &str) -> Result<(Scope, Vec<&str>), String> {
    let (entity, list) = text
        .split_once('=')
        .ok_or("must have the form KIND:ID=LIST")?;
    let (kind, id) = entity
        .split_once(':')
        .ok_or("must have the form KIND:ID=LIST")?;
    let kind = EntityKind::parse_word(kind)
        .ok_or_else(|| format!("the kind must be one of {}", EntityKind::words()))?;
    let id = AccountId::parse(id).map_err(|rule| {
        if id.contains('/') {
            return format!("the id {rule}: a name isn't one; `tokenward directory get` shows it");
        }
        format!("the id {rule}")
    })?;
    let scope = Scope {
        entity_kind: kind.into(),
        entity_id: id.as_str().to_owned(),
        ..Scope::default()
    };
    Ok((scope, list.split(',').collect()))
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    let (mut scope, list) = parse_entity(text)?;
    for permission in list {
        scope.permissions.push(parse_permission(permission)?);
    }
    Ok(scope)
}

fn parse_endpoints(text: &str) -> Result<Scope, String> {
    let (mut scope, list) = parse_entity(text)?;
    if list.iter().any(|pattern| pattern.is_empty()) {
        return Err("a pattern must not be empty".into());
    }
    scope.endpoint_patterns = list.into_iter().map(str::to_owned).collect();
    Ok(scope)
}

/// Checks a permission by the issuer's own rule of form, before anything is sent. Only the issuer decides
/// which names are known.
pub(crate) fn parse_permission(text: &str) -> Result<String, String> {
    if is_permission_name(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("a permission {PERMISSION_NAME_RULE}"))
    }
}

#[cfg(test)]
mod tests {
    use tokenward_common::access::Permission;

    use super::*;

    fn args(scopes: &[&str], endpoints: &[&str]) -> ScopeArgs {
        ScopeArgs {
            scopes: scopes.iter().map(|it| parse_scope(it).unwrap()).collect(),
            endpoints: endpoints
                .iter()
                .map(|it| parse_endpoints(it).unwrap())
                .collect(),
            global: Vec::new(),
            can_read_gated_repos: false,
        }
    }

    #[test]
    fn scopes_are_parsed() {
        let scope = parse_scope("resource-group:g.1=repo.content.read,repo.write").unwrap();
        assert_eq!(scope.entity_kind(), EntityKind::ResourceGroup);
        assert_eq!(scope.entity_id, "g.1");
        assert_eq!(scope.permissions, ["repo.content.read", "repo.write"]);
    }

    #[test]
    fn every_permission_there_is_can_be_named() {
        for permission in Permission::ALL {
            let name = permission.name();
            let scope = parse_scope(&format!("org:o7={name}"));
            assert_eq!(scope.map(|it| it.permissions), Ok(vec![name.to_owned()]));
            assert_eq!(parse_permission(name), Ok(name.to_owned()));
        }
    }

    #[test]
    fn wrong_scopes_name_the_rule() {
        for (text, rule) in [
            ("", "KIND:ID=LIST"),
            ("model:m42", "KIND:ID=LIST"),
            ("m42=repo.write", "KIND:ID=LIST"),
            ("repo:m42=repo.write", "one of user, org, model"),
            ("model:=repo.write", "must not be empty"),
            ("model:acme/llama=repo.write", "the id may hold only"),
            ("model:m42=", "dotted"),
            ("model:m42=repo.write,", "dotted"),
            ("model:m42=repo..write", "dotted"),
            ("model:m42=repo write", "dotted"),
            ("model:m42=repo_write", "dotted"),
        ] {
            let error = parse_scope(text).unwrap_err();
            assert!(error.contains(rule), "{text}: {error}");
        }
    }

    #[test]
    fn scopes_of_one_entity_are_one() {
        let built = args(
            &["org:o=a.b", "model:m=a.b", "org:o=c.d"],
            &["org:o=prod-*,x"],
        )
        .build(Role::FineGrained)
        .unwrap()
        .unwrap();
        assert_eq!(built.scoped.len(), 2);
        assert_eq!(built.scoped[0].permissions, ["a.b", "c.d"]);
        assert_eq!(built.scoped[0].endpoint_patterns, ["prod-*", "x"]);
        assert!(args(&[], &["org:o=x"]).build(Role::FineGrained).is_err());
    }

    #[test]
    fn only_fine_grained_tokens_have_scopes() {
        let failure = args(&["org:o=a.b"], &[]).build(Role::Read).unwrap_err();
        assert!(failure.message.starts_with("--scope: "), "{failure}");
        assert_eq!(args(&[], &[]).build(Role::Write).unwrap(), None);
        assert!(args(&[], &[]).build(Role::FineGrained).unwrap().is_some());
        assert_eq!(
            args(&[], &[]).replace(Role::Unspecified, false).unwrap(),
            None
        );
        let cleared = args(&[], &[]).replace(Role::Unspecified, true).unwrap();
        assert_eq!(cleared, Some(Scopes::default()));
        let replaced = args(&["org:o=a.b"], &[]).replace(Role::FineGrained, false);
        assert_eq!(replaced.unwrap().unwrap().scoped.len(), 1);
        let failure = args(&[], &[]).replace(Role::Read, true).unwrap_err();
        assert!(failure.message.starts_with("--clear-scopes: "), "{failure}");
        assert_eq!(parse_role("fineGrained"), Ok(Role::FineGrained));
        assert!(parse_role("admin").is_err());
    }
}
