//! Is the caller's token genuine: by the memo, or by its signature. No view is held meanwhile.

use std::sync::Arc;

use tokenward_common::token::{MemoKey, TokenError, VerifyKeys, verify};

use super::{Caller, Decider};
use crate::{genuine::Genuine, memo::Remembered, metrics::Counts};

/// What is known of a caller before any view is held.
#[derive(Clone)]
pub enum Facts {
    Anonymous,
    Genuine(Arc<Genuine>),
    Refused(TokenError),
}

impl Facts {
    pub(super) fn of(genuine: Result<Arc<Genuine>, TokenError>) -> Self {
        match genuine {
            Ok(genuine) => Self::Genuine(genuine),
            Err(error) => Self::Refused(error),
        }
    }
}

impl Decider {
    pub fn facts(&self, caller: Caller<'_>, counts: &Counts) -> Facts {
        match caller {
            Caller::Anonymous => Facts::Anonymous,
            Caller::Token(token) => Facts::of(self.genuine(token, counts)),
        }
    }

    /// The token's facts, from the memo or by verifying it.
    fn genuine(&self, token: &str, counts: &Counts) -> Result<Arc<Genuine>, TokenError> {
        let key = self.memo.key(token);
        let keys = self.keys.load();
        let remembered = self.memo.find(key);
        let remembered = remembered.filter(|it| signed_by_one_of(&keys, it));
        if let Some(genuine) = remembered.and_then(Remembered::take) {
            counts.memo_hit();
            return Ok(genuine);
        }
        self.verified(token, key, counts)
    }

    /// The facts of a token that the memo hasn't, by its signature.
    pub(super) fn verified(
        &self,
        token: &str,
        key: MemoKey,
        counts: &Counts,
    ) -> Result<Arc<Genuine>, TokenError> {
        counts.memo_miss();
        let verified = verify(token, &self.expected, &self.keys.load())?;
        let genuine = Arc::new(Genuine::new(key, &verified));
        self.memo.insert(Arc::clone(&genuine));
        Ok(genuine)
    }
}

/// A key that is gone takes its memoised tokens along.
pub(super) fn signed_by_one_of(keys: &VerifyKeys, remembered: &Remembered<'_>) -> bool {
    let genuine = remembered.genuine();
    genuine.is_some_and(|genuine| keys.get(&genuine.kid).is_some())
}
