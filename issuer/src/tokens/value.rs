//! Decides when a new value may be handed out, and when it is handed out again.

use tokenward_common::{
    id::{AccountId, Cursor, KeyId, Serial, TokenId},
    state::{
        key::Key,
        record::{FloorTarget, RecordKey},
    },
    store::Expect,
};
use tokenward_proto::internal::StoredRequest;

use super::{
    Tokens,
    token::{Signed, Token},
};
use crate::{
    commit::Answer,
    error::{ErrorReason, Problem},
    keys::Signing,
    request::Request,
};

/// A repeat of a mint gives the secret again for this many seconds.
const SECRET_REPEATED: u64 = 600;

/// Holds a token with its new value.
pub struct Minted {
    pub token: Token,
    /// This is the value itself; it is `None` for a repeat that came too late.
    pub secret: Option<String>,
    pub cursor: Cursor,
}

impl Tokens {
    /// Returns a value that this call or an earlier one committed.
    pub(super) async fn minted(
        &self,
        request: &Request,
        (cursor, answer): (Cursor, Answer<Signed>),
    ) -> Result<Minted, Problem> {
        match answer {
            Answer::First(first) => self.minted_before(request, cursor, &first).await,
            Answer::New((token, secret)) => Ok(Minted {
                token,
                secret: Some(secret),
                cursor,
            }),
        }
    }

    /// Gives the first answer again. Within ten minutes it contains the same secret: the same claims signed
    /// by the same key.
    async fn minted_before(
        &self,
        request: &Request,
        cursor: Cursor,
        first: &StoredRequest,
    ) -> Result<Minted, Problem> {
        let (_, token) = self.find(TokenId(first.tid)).await?;
        let fresh = request.now.seconds().0.saturating_sub(first.time) <= SECRET_REPEATED;
        // A value that was replaced since is not given again.
        let same = token.serial.0 == first.serial;
        let again = || token.value_again(&self.keys.current());
        let secret = (fresh && same).then(again).flatten();
        Ok(Minted {
            token,
            secret,
            cursor,
        })
    }

    /// Returns the signing key, unless it was withdrawn: all values that a withdrawn key signs are refused.
    pub(super) fn signing_key(&self, signing: &Signing) -> Result<KeyId, Problem> {
        let kid = signing.active().ok_or(Problem::Internal)?;
        let view = self.replica.view().ok_or(Problem::Unavailable)?;
        if view.state.is_withdrawn(kid.as_str()) {
            return Err(Problem::Precondition(
                ErrorReason::SigningKeyWithdrawn,
                "the signing key was withdrawn and there is no other: rotate the keys".into(),
            ));
        }
        Ok(kid.clone())
    }

    /// Returns what a commit must expect to hand a value out: no floor has reached the serial, and its key is
    /// not withdrawn.
    pub(super) fn may_live(owner: &AccountId, serial: Serial, kid: &KeyId) -> Vec<Expect> {
        let floor = |target| Expect::FloorBelow { target, serial };
        vec![
            floor(FloorTarget::Realm),
            floor(FloorTarget::Owner(owner.clone())),
            Expect::Absent(Key::from_record_key(&RecordKey::WithdrawnKey(kid.clone()))),
        ]
    }
}
