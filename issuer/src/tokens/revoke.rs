//! Revoking: one token, or all that an owner has now.

use prost::Message;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Cursor, Serial, TokenId},
    state::{
        key::Key,
        record::{Change, FloorTarget},
    },
    store::{Class, Commit, CommitError, Expect, PrivateWrite},
};
use tokenward_proto::internal::{StoredOwner, StoredToken};

use super::{Tokens, owner_of, time, wire::AccountRef, written};
use crate::{
    error::Problem,
    request::{Audited, Request},
};

/// A revocation fails for no conflict: each try that meets one means that another change of this very
/// token was written, which takes longer than a try.
const TRIES: usize = 100;
/// Times of revocations that are kept of an owner.
const TIMES_KEPT: usize = 16;

impl Tokens {
    /// Durable when answered; of all values that the token has.
    pub async fn revoke(
        &self,
        request: &Request,
        token: TokenId,
    ) -> Result<(StoredToken, Cursor), Problem> {
        if let Some((cursor, _)) = request.repeated(self.store.as_ref()).await? {
            return Ok((self.find(token).await?.1, cursor));
        }
        for _ in 0..TRIES {
            let (since, mut stored) = self.find(token).await?;
            let owner = owner_of(&stored)?;
            let revocation = revocation(request, &mut stored);
            let mut private = written(request, &owner, &stored).to_vec();
            private.push(revocation.index);
            let commit = Commit {
                request: request.id,
                response: request.response(Some(token)),
                class: Class::Takeaway,
                changes: vec![Change::Revoke(revocation.serials)],
                private,
                // A rotation in between has given the token a value that isn't among these.
                expect: vec![Expect::Unchanged {
                    key: Key::token(token),
                    since,
                }],
            };
            match self.store.commit(commit).await {
                Ok(committed) => {
                    if let Some(response) = committed.repeated {
                        request.repeat_of(&response)?;
                    }
                    return Ok((stored, committed.cursor));
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Contended)
    }

    /// All tokens that the owner has now, by one floor.
    pub async fn revoke_all_of(
        &self,
        request: &Request,
        owner: &AccountRef,
    ) -> Result<Cursor, Problem> {
        if let Some((cursor, _)) = request.repeated(self.store.as_ref()).await? {
            return Ok(cursor);
        }
        for _ in 0..TRIES {
            let (owner, still_named) = self.current_owner(owner).await?;
            let audited = Audited {
                owner: Some(&owner),
                ..Audited::default()
            };
            let commit = Commit {
                request: request.id,
                response: request.response(None),
                class: Class::Takeaway,
                changes: vec![Change::RaiseFloor(FloorTarget::Owner(owner.clone()))],
                private: vec![
                    self.noted(&owner, request.now.seconds()).await?,
                    PrivateWrite::Audit(request.audit(&audited)),
                ],
                // By id nothing: it fails for no conflict. By name it does for a rename alone, which
                // gave the name to somebody else.
                expect: still_named.into_iter().collect(),
            };
            match self.store.commit(commit).await {
                Ok(committed) => {
                    if let Some(response) = committed.repeated {
                        request.repeat_of(&response)?;
                    }
                    return Ok(committed.cursor);
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Contended)
    }

    /// When, for those who list the tokens. Two at once may lose one of their times, never a floor.
    async fn noted(&self, owner: &AccountId, now: UnixTime) -> Result<PrivateWrite, Problem> {
        let mut times = self.revoked_all_at(owner).await?;
        times.push(now.0);
        let first = times.len().saturating_sub(TIMES_KEPT);
        let stored = StoredOwner {
            revoked_at: times.split_off(first),
            ..StoredOwner::default()
        };
        Ok(PrivateWrite::Put {
            key: Key::owner(owner),
            value: stored.encode_to_vec(),
        })
    }

    /// When all of an owner's tokens were revoked, oldest first.
    pub(super) async fn revoked_all_at(&self, owner: &AccountId) -> Result<Vec<u64>, Problem> {
        let stored = self.store.get(&[Key::owner(owner)]).await?.pop().flatten();
        let stored = stored.map(|stored| StoredOwner::decode(stored.value.as_slice()));
        let stored = stored.transpose().map_err(|_| Problem::Internal)?;
        Ok(stored.map(|stored| stored.revoked_at).unwrap_or_default())
    }
}

pub(super) struct Revocation {
    pub(super) serials: Vec<Serial>,
    /// It is in no forecast any more.
    pub(super) index: PrivateWrite,
}

/// Every value that may still be good; the first revocation's time and caller stay.
pub(super) fn revocation(request: &Request, token: &mut StoredToken) -> Revocation {
    if token.revoked_at == 0 {
        token.revoked_at = request.now.seconds().0;
        token.revoked_by.clone_from(&request.caller.name);
    }
    Revocation {
        serials: token.serials.iter().copied().map(Serial).collect(),
        index: PrivateWrite::IndexExpiry {
            token: TokenId(token.tid),
            was: time(token.expires_at),
            at: None,
        },
    }
}
