//! `tokenward token decode` shows a token's claims, offline. Only the realm's public keys show whether it
//! is genuine; the signature and the string itself are never shown.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokenward_common::{
    clock::{Clock, SystemClock, UnixTime},
    token::{Claims, Expected, KeyDocument, Prefix, Unverified, peek, verify},
};
use tokenward_proto::v1::{EntityKind, Scope, Scopes};

use super::view;
use crate::{
    exit::{Exit, Failure},
    global::Global,
    jwks,
    output::Output,
    secret::{Secret, TOKEN},
    table,
    when::at,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward token decode --token-file ./token
  tokenward token decode --token-file - --jwks http://127.0.0.1:8471/.well-known/jwks.json < token
  TOKENWARD_TOKEN=$(cat token) tokenward token decode --jwks jwks.json --json

Without --jwks the output proves nothing, because anybody can write such a token. With --jwks the
signature is verified by the given keys; exit code 1 means that the token is not genuine. Name,
role and scopes are those at mint. Only an issuer (`token show`) or a verifier (`check`) knows
what was changed since, and whether the token was revoked.";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Read the token from this file [env: TOKENWARD_TOKEN_FILE]. Without a file the token is read
    /// from TOKENWARD_TOKEN, and otherwise from a prompt.
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Check the signature by the realm's public keys in this file or at this URL. A URL begins
    /// with http:// on this machine and with https:// elsewhere.
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// Expect that the realm's tokens begin with this prefix.
    #[arg(long, value_name = "PREFIX", default_value = "tw_", env = "TOKENWARD_TOKEN_PREFIX",
        hide_env_values = true, value_parser = super::parse_prefix)]
    token_prefix: Prefix,
}

/// The result of the signature check.
#[derive(Debug, PartialEq)]
enum Signature {
    NotVerified,
    Verified,
    NotGenuine(String),
}

pub(super) async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, Failure> {
    let token = TOKEN.read(args.token_file.as_deref())?;
    let keys = match &args.jwks {
        Some(source) => Some(jwks::read(source, global).await?),
        None => None,
    };
    let (said, signature) = judge(&token, &args.token_prefix, keys.as_ref())?;
    let now = SystemClock.unix().seconds();
    output.answer(
        &text(&said, &signature, now),
        &value(&said, &signature, now),
    )?;
    match signature {
        Signature::NotGenuine(_) => Ok(Exit::Denied),
        _ => Ok(Exit::Ok),
    }
}

fn judge(
    token: &Secret,
    prefix: &Prefix,
    keys: Option<&KeyDocument>,
) -> Result<(Unverified, Signature), Failure> {
    let said = peek(token.expose(), prefix).ok_or_else(|| {
        Failure::usage(format!(
            "not a token: it doesn't have the form {prefix}HEADER.CLAIMS.SIGNATURE with this system's \
             header and claims"
        ))
        .next("is it whole? If the realm's tokens begin otherwise, give --token-prefix")
    })?;
    let signature = match keys {
        None => Signature::NotVerified,
        Some(document) => {
            // A standard key set names neither issuer nor realm. The user must compare the token's claims
            // then.
            let expected = Expected {
                prefix: prefix.clone(),
                issuer: document
                    .issuer
                    .as_deref()
                    .unwrap_or(&said.claims.iss)
                    .into(),
                audience: document.realm.as_deref().unwrap_or(&said.claims.aud).into(),
            };
            match verify(token.expose(), &expected, &document.keys) {
                Ok(_) => Signature::Verified,
                Err(reason) => Signature::NotGenuine(reason.to_string()),
            }
        }
    };
    Ok((said, signature))
}

fn expired(claims: &Claims, now: UnixTime) -> bool {
    claims.exp.is_some_and(|exp| now >= exp)
}

fn text(said: &Unverified, signature: &Signature, now: UnixTime) -> String {
    let claims = &said.claims;
    let scopes = scopes(claims).unwrap_or_default();
    let mut text = table::fields([
        ("owner", claims.sub.to_string()),
        ("token", claims.tid.to_string()),
        ("value", claims.serial.to_string()),
        ("name", claims.name.to_string()),
        ("role", claims.role.word().to_owned()),
        ("realm", claims.aud.to_string()),
        ("issuer", claims.iss.to_string()),
        ("issued", at(claims.iat)),
        (
            "expires",
            match claims.exp {
                None => "never".into(),
                Some(exp) if now >= exp => format!("{}: EXPIRED", at(exp)),
                Some(exp) => at(exp),
            },
        ),
        ("key     ", said.kid.to_string()),
        ("global", scopes.global.join(", ")),
        (
            "gated",
            match scopes.can_read_gated_repos {
                true => "may be read".into(),
                false => String::new(),
            },
        ),
    ]);
    text.push_str(&view::scope_lines(&scopes));
    let signature = match signature {
        Signature::NotVerified => "not verified".into(),
        Signature::Verified => format!("verified by key {}", said.kid),
        Signature::NotGenuine(reason) => format!("NOT genuine: {reason}"),
    };
    text.push_str(&format!("signature: {signature}\n"));
    text
}

fn value(said: &Unverified, signature: &Signature, now: UnixTime) -> Value {
    let claims = &said.claims;
    json!({
        "owner_id": claims.sub.as_str(),
        "token_id": claims.tid.to_string(),
        "serial": claims.serial.to_string(),
        "name": claims.name,
        "role": claims.role.word(),
        "realm": claims.aud,
        "issuer": claims.iss,
        "issue_time": at(claims.iat),
        "expire_time": claims.exp.map(at),
        "expired": expired(claims, now),
        "key_id": said.kid.as_str(),
        "scopes": scopes(claims).map(|it| view::scopes_json(&it)),
        "verified": match signature {
            Signature::NotVerified => None,
            Signature::Verified => Some(true),
            Signature::NotGenuine(_) => Some(false),
        },
        "problem": match signature {
            Signature::NotGenuine(reason) => Some(reason),
            _ => None,
        },
    })
}

/// Returns the scopes in the form of the API.
fn scopes(claims: &Claims) -> Option<Scopes> {
    let texts = |texts: &[Box<str>]| texts.iter().map(|it| it.to_string()).collect();
    let scopes = claims.scopes.as_ref()?;
    Some(Scopes {
        scoped: scopes
            .scoped
            .iter()
            .map(|scope| Scope {
                entity_kind: i32::try_from(scope.kind.number())
                    .unwrap_or(EntityKind::Unspecified.into()),
                entity_id: scope.id.to_string(),
                permissions: texts(&scope.permissions),
                endpoint_patterns: texts(&scope.patterns),
            })
            .collect(),
        global: texts(&scopes.global),
        can_read_gated_repos: scopes.can_read_gated_repos,
    })
}

#[cfg(test)]
mod tests;
