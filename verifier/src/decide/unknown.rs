//! Refuses tokens that aren't genuine. A token whose key isn't known here is refused only once the key
//! is surely unknown.

use tokenward_common::token::{TokenError, peek, peek_key};

use super::{Caller, Decider, Denial, Moment, Undecided, live::describe_end};
use crate::keys::Shown;

impl Decider {
    /// The denial for a token that `verify` refused.
    pub(super) fn explain_refusal(
        &self,
        token: &str,
        error: TokenError,
        by: &Moment<'_>,
    ) -> Result<Denial, Undecided> {
        if error != TokenError::KeyUnknown {
            return Ok(Denial::from_token_error(error));
        }
        let prefix = &self.expected.prefix;
        let Some(kid) = peek_key(token, prefix) else {
            return Err(Undecided::KeyUnknown);
        };
        // The log's word is final, whatever the keys are.
        if by.state.is_withdrawn(kid.as_str()) {
            return Ok(Denial::key_withdrawn());
        }
        let shown = Shown {
            now: by.now,
            time: by.time,
            issued: peek(token, prefix).map(|said| said.claims.iat),
            least: by.least,
        };
        if self.keys.surely_unknown(&kid, &shown) {
            return Ok(Denial::from_token_error(error));
        }
        Err(if self.keys.load().is_empty() {
            Undecided::NoKeys
        } else {
            Undecided::KeyUnknown
        })
    }

    /// What a refused token states about itself. It proves nothing, and contains nothing of the
    /// signature.
    pub(super) fn self_description(&self, caller: Caller<'_>, error: TokenError) -> String {
        let said = match caller {
            Caller::Anonymous => None,
            Caller::Token(token) => peek(token, &self.expected.prefix),
        };
        match said {
            None => format!("{error}"),
            Some(said) => format!(
                "{error}; unproven, it says: key {}, issuer {}, realm {}, id {}, value {}, owner {}, \
                 ends {}",
                said.kid,
                said.claims.iss.escape_debug(),
                said.claims.aud.escape_debug(),
                said.claims.tid,
                said.claims.serial,
                said.claims.sub,
                describe_end(said.claims.exp)
            ),
        }
    }
}
