//! Reads token messages and checks their fields, and writes the messages that show tokens. It must not know
//! the store or the view.

use std::{collections::HashSet, ops::RangeInclusive, time::Duration};

use prost_types::Timestamp;
use tokenward_common::{
    access::{PERMISSION_NAME_RULE, is_permission_name},
    clock::UnixTime,
    id::AccountId,
    process::duration::written,
    text::{RULE, is_shown_as_it_is},
    token::{EntityKind, Role, Scope, Scopes},
};
use tokenward_proto::v1 as pb;

use super::Shown;
use crate::error::Problem;

/// A display name has at most this many characters.
const MAX_NAME: usize = 100;
/// A reason for the audit trail has at most this many characters.
const MAX_REASON: usize = 200;
const MAX_SCOPES: usize = 100;
const MAX_PERMISSIONS: usize = 64;
const MAX_PATTERNS: usize = 20;
const MAX_PATTERN: usize = 256;
/// This is the first second of the year 10000.
const MAX_TIME: i64 = 253_402_300_800;

/// Names a user or an org, by id or by name.
pub enum AccountRef {
    Id(AccountId),
    Name(String),
}

pub fn owner(id: &str, name: &str) -> Result<AccountRef, Problem> {
    account(["owner_id", "owner_name"], id, name)
}

pub fn org(id: &str, name: &str) -> Result<AccountRef, Problem> {
    account(["org_id", "org_name"], id, name)
}

fn account(fields: [&str; 2], id: &str, name: &str) -> Result<AccountRef, Problem> {
    let [id_field, name_field] = fields;
    match (id, name) {
        ("", "") => {
            let rule = format!("set {id_field} or {name_field}");
            Err(Problem::invalid(id_field, rule))
        }
        (id, "") => AccountId::parse(id)
            .map(AccountRef::Id)
            .map_err(|rule| Problem::invalid(id_field, rule)),
        ("", name) => Ok(AccountRef::Name(name.to_owned())),
        _ => {
            let rule = format!("set {id_field} or {name_field}, not both");
            Err(Problem::invalid(id_field, rule))
        }
    }
}

pub fn name(text: &str) -> Result<String, Problem> {
    let count = text.chars().count();
    if count == 0 || count > MAX_NAME {
        return Err(Problem::invalid("name", "must be 1 to 100 characters"));
    }
    if text.trim() != text {
        return Err(Problem::invalid(
            "name",
            "must not begin or end with a space",
        ));
    }
    if !is_shown_as_it_is(text) {
        return Err(Problem::invalid("name", RULE));
    }
    Ok(text.to_owned())
}

/// Reads why a caller does something. It may be empty.
pub fn reason(text: String) -> Result<String, Problem> {
    if text.chars().count() > MAX_REASON {
        return Err(Problem::invalid("reason", "must be at most 200 characters"));
    }
    if !is_shown_as_it_is(&text) {
        return Err(Problem::invalid("reason", RULE));
    }
    Ok(text)
}

pub fn role(number: i32) -> Result<Role, Problem> {
    u32::try_from(number)
        .ok()
        .and_then(Role::from_number)
        .ok_or_else(|| Problem::invalid("role", "must be fine-grained, read or write"))
}

pub fn expiry(time: Option<Timestamp>, now: UnixTime) -> Result<Option<UnixTime>, Problem> {
    let Some(time) = time else { return Ok(None) };
    let seconds = u64::try_from(time.seconds)
        .ok()
        .filter(|_| time.seconds < MAX_TIME)
        .ok_or_else(|| Problem::invalid("expire_time", "must be a time before the year 10000"))?;
    if seconds <= now.0 {
        return Err(Problem::invalid("expire_time", "must be in the future"));
    }
    Ok(Some(UnixTime(seconds)))
}

/// Reads a duration within these bounds; a field that is absent means `default`.
pub fn span(
    field: &str,
    span: Option<prost_types::Duration>,
    default: Duration,
    bounds: RangeInclusive<Duration>,
) -> Result<Duration, Problem> {
    let Some(span) = span else { return Ok(default) };
    Duration::try_from(span)
        .ok()
        .filter(|span| bounds.contains(span))
        .ok_or_else(|| {
            let (least, most) = (written(*bounds.start()), written(*bounds.end()));
            Problem::invalid(field, format!("must be {least} to {most}"))
        })
}

/// Reads the scopes. Only a fine-grained token has them.
pub fn scopes(role: Role, scopes: Option<pb::Scopes>) -> Result<Option<Scopes>, Problem> {
    match (role, scopes) {
        (Role::FineGrained, scopes) => parse_scopes(scopes.unwrap_or_default()).map(Some),
        (_, None) => Ok(None),
        (_, Some(scopes)) if scopes == pb::Scopes::default() => Ok(None),
        (_, Some(_)) => Err(Problem::invalid(
            "scopes",
            "go with the fine-grained role only",
        )),
    }
}

fn parse_scopes(scopes: pb::Scopes) -> Result<Scopes, Problem> {
    if scopes.scoped.len() > MAX_SCOPES {
        let rule = format!("must be at most {MAX_SCOPES}");
        return Err(Problem::invalid("scopes.scoped", rule));
    }
    let mut entities = HashSet::new();
    let mut scoped = Vec::new();
    for (index, scope) in scopes.scoped.into_iter().enumerate() {
        let field = |name: &str| format!("scopes.scoped[{index}].{name}");
        let kind = u32::try_from(scope.entity_kind)
            .ok()
            .and_then(EntityKind::from_number)
            .ok_or_else(|| Problem::invalid(field("entity_kind"), "must be set to a known kind"))?;
        let id = AccountId::parse(&scope.entity_id)
            .map_err(|rule| Problem::invalid(field("entity_id"), rule))?;
        if !entities.insert((scope.entity_kind, id.clone())) {
            let rule = "stands twice; put all of an entity's permissions into one scope";
            return Err(Problem::invalid(field("entity_id"), rule));
        }
        let permissions = permissions(&field("permissions"), scope.permissions)?;
        if permissions.is_empty() {
            return Err(Problem::invalid(field("permissions"), "must not be empty"));
        }
        scoped.push(Scope {
            kind,
            id: id.as_str().into(),
            permissions,
            patterns: patterns(&field("endpoint_patterns"), scope.endpoint_patterns)?,
        });
    }
    Ok(Scopes {
        scoped,
        global: permissions("scopes.global", scopes.global)?,
        can_read_gated_repos: scopes.can_read_gated_repos,
    })
}

/// Reads permission names. Unknown names are kept and grant nothing, but their shape is checked.
fn permissions(field: &str, names: Vec<String>) -> Result<Vec<Box<str>>, Problem> {
    if names.len() > MAX_PERMISSIONS {
        let rule = format!("must be at most {MAX_PERMISSIONS}");
        return Err(Problem::invalid(field, rule));
    }
    let mut kept: Vec<Box<str>> = Vec::with_capacity(names.len());
    for name in names {
        if !is_permission_name(&name) {
            return Err(Problem::invalid(field, PERMISSION_NAME_RULE));
        }
        if !kept.iter().any(|other| **other == *name) {
            kept.push(name.into());
        }
    }
    Ok(kept)
}

fn patterns(field: &str, patterns: Vec<String>) -> Result<Vec<Box<str>>, Problem> {
    let bad = |b: u8| b".?()[]{}\\".contains(&b) || !b.is_ascii_graphic();
    if patterns.len() > MAX_PATTERNS {
        let rule = format!("must be at most {MAX_PATTERNS}");
        return Err(Problem::invalid(field, rule));
    }
    patterns
        .into_iter()
        .map(|pattern| {
            if pattern.is_empty() || pattern.len() > MAX_PATTERN || pattern.bytes().any(bad) {
                let rule = r"must be 1 to 256 visible characters, none of . ? ( ) [ ] { } \";
                return Err(Problem::invalid(field, rule));
            }
            Ok(pattern.into())
        })
        .collect()
}

/// Writes a token as it is shown.
pub fn token(shown: Shown, now: UnixTime) -> pb::Token {
    let Shown {
        token,
        scopes,
        revoked,
        revoked_at,
        last_used,
    } = shown;
    let overlap_end = token.overlaps.iter().map(|(_, end)| *end).max();
    let state = if revoked {
        pb::TokenState::Revoked
    } else if token.has_ended(now) {
        pb::TokenState::Expired
    } else {
        pb::TokenState::Active
    };
    let hours = |hours: u32| UnixTime(u64::from(hours) * 3600);
    pb::Token {
        id: token.id.to_string(),
        owner_id: token.owner.to_string(),
        name: token.name.clone(),
        role: i32::try_from(token.stored_role).unwrap_or_default(),
        scopes: scopes.map(|scopes| pb::Scopes {
            scoped: scopes
                .scoped
                .into_iter()
                .map(|scope| pb::Scope {
                    entity_kind: i32::try_from(scope.entity_kind).unwrap_or_default(),
                    entity_id: scope.entity_id,
                    permissions: scope.permissions,
                    endpoint_patterns: scope.endpoint_patterns,
                })
                .collect(),
            global: scopes.global,
            can_read_gated_repos: scopes.can_read_gated_repos,
        }),
        create_time: timestamp(Some(token.created_at)),
        expire_time: timestamp(token.expires_at),
        state: state.into(),
        revoke_time: timestamp(revoked_at),
        last_four: token.last_four.clone(),
        created_by: token.created_by.clone(),
        key_id: token.kid.to_string(),
        last_used_time: timestamp(last_used.map(hours)),
        rotate_time: timestamp(token.rotated_at),
        overlap_end_time: timestamp(overlap_end.filter(|end| *end > now)),
        // These two are filled only if the caller requests names.
        owner_name: String::new(),
        scope_names: Vec::new(),
    }
}

/// Writes a time. Second 0 gives `None` too, because a record without a time has it.
fn timestamp(time: Option<UnixTime>) -> Option<Timestamp> {
    let seconds = i64::try_from(time?.0).ok().filter(|seconds| *seconds > 0)?;
    Some(Timestamp { seconds, nanos: 0 })
}

#[cfg(test)]
mod tests {
    use tokenward_common::access::Permission;

    use super::*;

    #[test]
    fn every_permission_there_is_can_be_named() {
        let names = |names: Vec<&str>| {
            let names = names.into_iter().map(str::to_owned).collect();
            permissions("permissions", names)
        };
        let all: Vec<_> = Permission::ALL.iter().map(|it| it.name()).collect();
        let kept = names(all.clone()).unwrap();
        assert_eq!(kept.iter().map(AsRef::as_ref).collect::<Vec<_>>(), all);
        // An unknown permission is kept, but a text that is no name is refused.
        assert!(names(vec!["repo", "REPO.WRITE", "org.write.all"]).is_ok());
        for bad in ["", "repo..write", "repo write", "repo_write"] {
            let problem = names(vec![bad]).unwrap_err().to_string();
            assert!(problem.starts_with("permissions: must be dotted"), "{bad}");
        }
    }
}
