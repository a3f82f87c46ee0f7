//! The naive model of a token's life: which values are good now, and what is in force for them. Knows
//! nothing of the library's decision.

use tokenward_common::{state::record::Amendment, token};

use crate::{
    naive::Naive,
    naive_access::{Role, Scope, Token},
};

/// A value of a token, as its claims have it.
#[derive(Clone, Debug)]
pub struct Value {
    pub claimed: Token,
    pub kid: &'static str,
    /// In seconds.
    pub exp: Option<u64>,
}

const CLAIMS: i32 = 4;
const EXPIRED: i32 = 5;
const REVOKED: i32 = 6;
const KEY_WITHDRAWN: i32 = 7;
const OWNER_UNKNOWN: i32 = 8;
const OWNER_DISABLED: i32 = 9;

impl Naive {
    /// What the value's token may do at most, or why it is refused.
    pub fn in_force(&self, value: &Value, now: u64) -> Result<Token, i32> {
        let token = &value.claimed;
        if value.exp.is_some_and(|end| now >= end) {
            return Err(EXPIRED);
        }
        if self.withdrawn.contains(value.kid) {
            return Err(KEY_WITHDRAWN);
        }
        if self.revoked.contains(&token.serial) {
            return Err(REVOKED);
        }
        if !self.is_account(token.owner, None) {
            return Err(OWNER_UNKNOWN);
        }
        let mut floors = [self.floors.get(""), self.floors.get(token.owner)].into_iter();
        if floors.any(|floor| floor.is_some_and(|floor| token.serial <= floor.serial.0)) {
            return Err(REVOKED);
        }
        if !self.is_user(token.owner, None) {
            return Err(OWNER_UNKNOWN);
        }
        if self.users.get(token.owner).is_some_and(|it| it.disabled) {
            return Err(OWNER_DISABLED);
        }
        match self.amendments.get(&token.id) {
            None => Ok(token.clone()),
            Some(amendment) => amended(token, amendment, now),
        }
    }
}

/// An amendment stands over the claims whole.
fn amended(token: &Token, amendment: &Amendment, now: u64) -> Result<Token, i32> {
    if amendment.owner.as_str() != token.owner {
        return Err(CLAIMS);
    }
    let mut ends = amendment.expiries.iter();
    if ends.any(|(serial, end)| serial.0 == token.serial && now >= end.0) {
        return Err(EXPIRED);
    }
    let settings = &amendment.settings;
    let scopes = settings.scopes.clone().unwrap_or_default();
    let leaked = |text: &str| &*Box::leak(text.to_owned().into_boxed_str());
    Ok(Token {
        role: match settings.role {
            token::Role::Read => Role::Read,
            token::Role::Write => Role::Write,
            token::Role::FineGrained => Role::FineGrained,
        },
        scopes: scopes
            .scoped
            .iter()
            .map(|scope| Scope {
                kind: scope.kind.word(),
                id: leaked(&scope.id),
                permissions: scope.permissions.iter().map(|it| leaked(it)).collect(),
                patterns: scope.patterns.iter().map(|it| leaked(it)).collect(),
            })
            .collect(),
        global: scopes.global.iter().map(|it| leaked(it)).collect(),
        gated: scopes.can_read_gated_repos,
        ..token.clone()
    })
}
