//! Reads tokens from the store, and checks whose they are. It must not know what is done to them.

use tokenward_common::{
    id::{Revision, TokenId},
    state::key::Key,
};

use super::{Tokens, token::Token};
use crate::{caller::Whose, commit::Answer, error::Problem};

impl Tokens {
    /// Returns a token as it is stored, and the revision of its record.
    pub(super) async fn find(&self, token: TokenId) -> Result<(Revision, Token), Problem> {
        let found = self.store.get(&[Key::token(token)]).await?.pop().flatten();
        match found {
            Some(stored) => Ok((stored.revision, Token::read(&stored.value)?)),
            None => Err(self.missing(token).await),
        }
    }

    /// Makes the problem of a missing token. A store that lost data reports that instead.
    async fn missing(&self, token: TokenId) -> Problem {
        match self.store.able().await {
            Err(reason) if reason.may_lack() => Problem::Unfit {
                reason,
                sent: false,
            },
            _ => Problem::NotFound(format!("there is no token {token}")),
        }
    }

    /// Checks that the token belongs to the caller's owner; another owner's token is answered as missing. A
    /// token's owner never changes, so the check holds for all that is done afterwards.
    pub async fn require_owned(&self, whose: &Whose, token: TokenId) -> Result<(), Problem> {
        let Whose::Of(owner) = whose else {
            return Ok(());
        };
        let (_, stored) = self.find(token).await?;
        if stored.owner == *owner {
            Ok(())
        } else {
            Err(self.missing(token).await)
        }
    }

    /// Returns a token that this call changed, or reads it as it is now if an earlier call changed it.
    pub(super) async fn changed(
        &self,
        token: TokenId,
        answer: Answer<Token>,
    ) -> Result<Token, Problem> {
        match answer {
            Answer::First(_) => Ok(self.find(token).await?.1),
            Answer::New(changed) => Ok(changed),
        }
    }
}
