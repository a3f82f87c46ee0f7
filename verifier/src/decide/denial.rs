//! Denials: a reason and its text for people. This module decides nothing.

use std::borrow::Cow;

use tokenward_common::token::TokenError;
use tokenward_proto::v1::Reason;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub reason: Reason,
    pub message: Cow<'static, str>,
}

impl Denial {
    pub(super) fn fixed(reason: Reason, message: &'static str) -> Self {
        Self {
            reason,
            message: Cow::Borrowed(message),
        }
    }

    pub(super) fn from_token_error(error: TokenError) -> Self {
        match error {
            TokenError::Malformed => Self::fixed(
                Reason::TokenMalformed,
                "the credential is not a token of this hub; check that it was copied whole",
            ),
            TokenError::KeyUnknown => Self::fixed(
                Reason::TokenKeyUnknown,
                "the token was not signed by a key of this hub",
            ),
            TokenError::Signature => Self::fixed(
                Reason::TokenSignature,
                "the token's signature is wrong; check that it was copied whole",
            ),
            TokenError::Claims => Self::fixed(
                Reason::TokenClaims,
                "the token was not made for this hub, or by a version unknown here",
            ),
        }
    }

    pub(super) fn expired() -> Self {
        Self::fixed(
            Reason::TokenExpired,
            "the token has expired; its owner can make a new one",
        )
    }

    /// The end of the value's overlap has come, before the end that the token claims.
    pub(super) fn replaced() -> Self {
        Self::fixed(
            Reason::TokenExpired,
            "the token was replaced by a new value; use the new value",
        )
    }

    pub(super) fn key_withdrawn() -> Self {
        Self::fixed(
            Reason::TokenKeyWithdrawn,
            "the key that signed the token was withdrawn; its owner can make a new token",
        )
    }

    /// The message covers both cases because the state has one bit for them.
    pub(super) fn revoked() -> Self {
        Self::fixed(
            Reason::TokenRevoked,
            "the token was revoked, or replaced by a new value; use the new value if there is one, else \
             its owner can make a new token",
        )
    }

    pub(super) fn all_revoked() -> Self {
        Self::fixed(
            Reason::TokenRevoked,
            "the token was revoked, with all that its owner had then; its owner can make a new token",
        )
    }

    pub(super) fn everybodys_revoked() -> Self {
        Self::fixed(
            Reason::TokenRevoked,
            "the token was revoked, with all that the hub had then; its owner can make a new token",
        )
    }

    pub(super) fn owner_unknown() -> Self {
        Self::fixed(
            Reason::OwnerUnknown,
            "the token's owner is not an account of this hub",
        )
    }

    pub(super) fn owner_is_org() -> Self {
        Self::fixed(
            Reason::OwnerUnknown,
            "the token's owner is not a user of this hub",
        )
    }

    pub(super) fn owner_disabled() -> Self {
        Self::fixed(
            Reason::OwnerDisabled,
            "the account of the token's owner is disabled; only the hub's staff can change that",
        )
    }

    pub(super) fn amended_owner() -> Self {
        Self::fixed(
            Reason::TokenClaims,
            "the token names another owner than the hub has for it",
        )
    }

    pub(super) fn amended_settings() -> Self {
        Self::fixed(
            Reason::TokenClaims,
            "the token's settings were edited, by a version unknown here",
        )
    }
}
