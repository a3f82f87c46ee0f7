//! A new token: takes its serial, signs, commits, and hands nothing out before that is durable.

use tokenward_common::{
    clock::UnixTime,
    id::TokenId,
    state::key::Key,
    store::{Class, Commit, CommitError, Expect, PrivateWrite},
    token::{Role, Scopes},
};
use tokenward_proto::internal::StoredToken;

use super::{MAX_TRIES, Minted, Tokens, stored_scopes, time, wire::AccountRef, written};
use crate::{error::Problem, request::Request, view::catch_up};

/// What a new token shall be.
pub struct NewToken {
    pub owner: AccountRef,
    pub name: String,
    pub role: Role,
    pub scopes: Option<Scopes>,
    pub expires_at: Option<UnixTime>,
}

impl Tokens {
    pub async fn create(&self, request: &Request, new: NewToken) -> Result<Minted, Problem> {
        if let Some((cursor, stored)) = request.repeated(self.store.as_ref()).await? {
            return self.minted_before(request, cursor, &stored).await;
        }
        for _ in 0..MAX_TRIES {
            let scopes = new.scopes.as_ref();
            let (owner, owner_expected) =
                self.validated(&new.owner, Some((new.role, scopes))).await?;
            self.check_lifetimes(scopes, None, new.expires_at, request.now.seconds())
                .await?;
            let name = Key::token_name(&owner, &new.name);
            let name_expected = match self.free_name(request, &name).await {
                Ok(expected) => expected,
                // By this very request perhaps, asked twice at once.
                Err(taken) => match request.repeated(self.store.as_ref()).await? {
                    Some((cursor, stored)) => {
                        return self.minted_before(request, cursor, &stored).await;
                    }
                    None => return Err(taken),
                },
            };
            let signing = self.keys.current();
            self.signing_key(&signing)?;
            let serial = self.store.take_serial().await?;
            let token = TokenId(serial.0);
            let mut stored = StoredToken {
                tid: token.0,
                owner_id: owner.to_string(),
                name: new.name.clone(),
                role: new.role.number(),
                scopes: stored_scopes(new.scopes.as_ref()),
                created_at: request.now.seconds().0,
                expires_at: new.expires_at.map_or(0, |exp| exp.0),
                created_by: request.caller.name.clone(),
                serials: vec![serial.0],
                ..StoredToken::default()
            };
            let secret = self.sign(&signing, &mut stored)?;
            let reach = self.reach(&stored, None, request.now.seconds())?;
            let mut expect = Self::may_live(&owner, serial, &stored.kid)?;
            expect.extend([Expect::Absent(Key::token(token)), name_expected]);
            // The own view may be behind the owner's deletion, whose floor the serial is above.
            expect.extend(owner_expected);
            expect.extend(reach.expect);
            let mut private = written(request, &owner, &stored).to_vec();
            private.extend([
                PrivateWrite::Put {
                    key: name,
                    value: token.0.to_be_bytes().to_vec(),
                },
                PrivateWrite::IndexToken { owner, token },
                PrivateWrite::IndexExpiry {
                    token,
                    was: None,
                    at: time(stored.expires_at),
                },
            ]);
            private.extend(reach.private);
            let commit = Commit {
                request: request.id,
                response: request.response_of(token, serial),
                class: Class::Ordinary,
                changes: reach.changes,
                private,
                expect,
            };
            match self.store.commit(commit).await {
                Ok(committed) => return self.minted(request, committed, stored, secret).await,
                Err(CommitError::Conflict(_)) => {
                    catch_up(self.store.as_ref(), &self.replica).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::Contended)
    }
}
