//! Tokens as the store has them, and whose they are.

use tokenward_common::{
    id::{Revision, TokenId},
    state::key::Key,
};

use super::{Tokens, token::Token};
use crate::{caller::Whose, commit::Answer, error::Problem};

impl Tokens {
    /// A token as it is stored, and since when.
    pub(super) async fn find(&self, token: TokenId) -> Result<(Revision, Token), Problem> {
        let found = self.store.get(&[Key::token(token)]).await?.pop().flatten();
        match found {
            Some(stored) => Ok((stored.revision, Token::read(&stored.value)?)),
            None => Err(self.missing(token).await),
        }
    }

    /// In a store that lost what it held nothing is called missing.
    async fn missing(&self, token: TokenId) -> Problem {
        match self.store.able().await {
            Err(reason) if reason.lasts() => Problem::Unfit {
                reason,
                sent: false,
            },
            _ => Problem::NotFound(format!("there is no token {token}")),
        }
    }

    /// A token of somebody else's is answered as one that isn't there. A token's owner never changes,
    /// so what is done after this is done to a token of his.
    pub async fn must_be_of(&self, whose: &Whose, token: TokenId) -> Result<(), Problem> {
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

    /// A token that was changed, by this call or by an earlier one: then as it is now.
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
