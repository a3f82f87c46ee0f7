//! Makes a new token: takes a serial, signs, commits, and hands nothing out before the commit is durable.

use tokenward_common::{
    clock::UnixTime,
    state::key::Key,
    store::{CommitClass, Expect},
    token::{Role, Scopes},
};

use super::{
    Minted, Tokens,
    token::{Signed, Token},
    wire::AccountRef,
};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::Problem,
    request::Request,
};

/// Holds the properties of a new token.
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
        let signer = (&*signing, self.signing_key(&signing)?);
        let (minted, value) = Token::mint(request, owner, new, serial, signer)?;
        let token = minted.id;
        let mut writes = Writes {
            expect: Self::may_live(&minted.owner, serial, &minted.kid),
            private: vec![
                minted.put(),
                minted.take_name(name),
                minted.listed(),
                minted.forecast(None),
            ],
            ..Writes::default()
        };
        writes
            .expect
            .extend([Expect::Absent(Key::token(token)), name_expected]);
        // The own view may not show the owner's deletion yet, and the new serial is above the floor of the
        // deletion.
        writes.expect.extend(owner_expected);
        writes.expect.extend(self.above_floors(scopes, serial)?);
        writes.extend(self.reach(&minted, None, now)?);
        let audited = vec![minted.audited()];
        let plan = Plan::new(CommitClass::Ordinary, writes, audited, (minted, value));
        Ok(plan.about(token, Some(serial)))
    }
}
