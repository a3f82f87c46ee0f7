//! Converts a token's scopes to and from their stored form. This file must not know which permissions exist.

use tokenward_proto::internal as pb;

use super::DecodeError;
use crate::token::{EntityKind, Scope, Scopes};

/// Encodes scopes as amendments and the issuer's records keep them.
pub fn scopes_to_proto(scopes: &Scopes) -> pb::Scopes {
    let texts = |texts: &[Box<str>]| texts.iter().map(ToString::to_string).collect();
    let scope = |scope: &Scope| pb::Scope {
        entity_kind: scope.kind.number(),
        entity_id: scope.id.to_string(),
        permissions: texts(&scope.permissions),
        endpoint_patterns: texts(&scope.patterns),
    };
    pb::Scopes {
        scoped: scopes.scoped.iter().map(scope).collect(),
        global: texts(&scopes.global),
        can_read_gated_repos: scopes.can_read_gated_repos,
    }
}

/// Decodes what [`scopes_to_proto`] encoded, and checks the rules that hold for all scopes.
pub fn scopes_from_proto(scopes: pb::Scopes) -> Result<Scopes, DecodeError> {
    let boxed = |texts: Vec<String>| texts.into_iter().map(Into::into).collect();
    let scope = |scope: pb::Scope| {
        Some(Scope {
            kind: EntityKind::from_number(scope.entity_kind)?,
            id: scope.entity_id.into(),
            permissions: boxed(scope.permissions),
            patterns: boxed(scope.endpoint_patterns),
        })
    };
    let scoped: Option<Vec<Scope>> = scopes.scoped.into_iter().map(scope).collect();
    let scopes = Scopes {
        scoped: scoped.ok_or(DecodeError::Unknown("an entity's kind"))?,
        global: boxed(scopes.global),
        can_read_gated_repos: scopes.can_read_gated_repos,
    };
    scopes
        .check()
        .map_err(|_| DecodeError::Unknown("scopes in this form"))?;
    Ok(scopes)
}
