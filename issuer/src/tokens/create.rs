//! A new token: takes its serial, signs, commits, and hands nothing out before that is durable.

use tokenward_common::{
    clock::UnixTime,
    id::TokenId,
    state::key::Key,
    store::{Class, Expect, PrivateWrite},
    token::{Role, Scopes},
};
use tokenward_proto::internal::StoredToken;

use super::{Minted, Signed, Tokens, audited, put, stored_scopes, time, wire::AccountRef};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::Problem,
    request::Request,
};

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
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let plan = || async { self.plan_new(request, &new).await.map(Some) };
        let minted = commit(store, replica, request, Effort::Ordinary, plan).await?;
        self.minted(request, minted).await
    }

    async fn plan_new(&self, request: &Request, new: &NewToken) -> Result<Plan<Signed>, Problem> {
        let (now, scopes) = (request.now.seconds(), new.scopes.as_ref());
        let (owner, owner_expected) = self.validated(&new.owner, Some((new.role, scopes))).await?;
        self.check_lifetimes(scopes, None, new.expires_at, now)
            .await?;
        let name = Key::token_name(&owner, &new.name);
        let name_expected = self.free_name(request, &name).await?;
        let signing = self.keys.current();
        self.signing_key(&signing)?;
        let serial = self.store.take_serial().await?;
        let token = TokenId(serial.0);
        let mut stored = StoredToken {
            tid: token.0,
            owner_id: owner.to_string(),
            name: new.name.clone(),
            role: new.role.number(),
            scopes: stored_scopes(scopes),
            created_at: now.0,
            expires_at: new.expires_at.map_or(0, |exp| exp.0),
            created_by: request.caller.name.clone(),
            serials: vec![serial.0],
            ..StoredToken::default()
        };
        let secret = self.sign(&signing, &mut stored)?;
        let mut writes = Writes {
            expect: Self::may_live(&owner, serial, &stored.kid)?,
            private: vec![
                put(&stored),
                PrivateWrite::Put {
                    key: name,
                    value: token.0.to_be_bytes().to_vec(),
                },
                PrivateWrite::IndexToken {
                    owner: owner.clone(),
                    token,
                },
                PrivateWrite::IndexExpiry {
                    token,
                    was: None,
                    at: time(stored.expires_at),
                },
            ],
            ..Writes::default()
        };
        writes
            .expect
            .extend([Expect::Absent(Key::token(token)), name_expected]);
        // The own view may be behind the owner's deletion, whose floor the serial is above.
        writes.expect.extend(owner_expected);
        writes.extend(self.reach(&stored, None, now)?);
        Ok(Plan {
            class: Class::Ordinary,
            writes,
            audited: vec![audited(&owner, &stored)],
            token: Some(token),
            serial: Some(serial),
            answer: (stored, secret),
        })
    }
}
