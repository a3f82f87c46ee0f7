//! Revokes one token, or by one floor all tokens that there are now of an owner, of the realm, or of anybody
//! for what an org owns. It decides what such a revocation writes.

use prost::Message;
use tokenward_common::{
    clock::UnixTime,
    id::{AccountId, Cursor, TokenId},
    state::{
        key::Key,
        record::{Change, FloorTarget},
    },
    store::{CommitClass, Expect, PrivateWrite},
};
use tokenward_proto::internal::StoredOwner;

use super::{Tokens, token::Token, wire::AccountRef};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::{Problem, Unreadable},
    request::{Audited, Request},
};

/// At most this many times of revocations are kept for an owner.
const TIMES_KEPT: usize = 16;

impl Tokens {
    /// Revokes all values of the token. The revocation is durable when this returns.
    pub async fn revoke(
        &self,
        request: &Request,
        token: TokenId,
    ) -> Result<(Token, Cursor), Problem> {
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let plan = || async { self.plan_revocation(request, token).await.map(Some) };
        let (cursor, answer) = commit(store, replica, request, Effort::Revocation, plan).await?;
        Ok((self.changed(token, answer).await?, cursor))
    }

    async fn plan_revocation(
        &self,
        request: &Request,
        token: TokenId,
    ) -> Result<Plan<Token>, Problem> {
        let (since, live) = self.find(token).await?;
        let revoked = live.revoke(request);
        let writes = Writes {
            changes: vec![Change::Revoke(revoked.serials())],
            private: vec![revoked.put(), revoked.forecast(live.expires_at)],
            // A rotation in between would give the token a value that isn't among these.
            expect: vec![live.unchanged(since)],
        };
        let audited = vec![revoked.audited()];
        Ok(Plan::new(CommitClass::Takeaway, writes, audited, revoked).about(token, None))
    }

    /// Revokes all tokens that the owner has now, by one floor.
    pub async fn revoke_all(
        &self,
        request: &Request,
        owner: &AccountRef,
    ) -> Result<Cursor, Problem> {
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let plan = || async { self.plan_floor(request, owner).await.map(Some) };
        let (cursor, _) = commit(store, replica, request, Effort::Revocation, plan).await?;
        Ok(cursor)
    }

    async fn plan_floor(&self, request: &Request, owner: &AccountRef) -> Result<Plan, Problem> {
        let (owner, still_named) = self.current_owner(owner).await?;
        let writes = Writes {
            changes: vec![Change::RaiseFloor(FloorTarget::Owner(owner.clone()))],
            private: vec![self.noted(&owner, request.now.seconds()).await?],
            // A revocation by id expects nothing, so no conflict makes it fail. By name it conflicts only
            // with a rename, which gave the name to another account.
            expect: still_named.into_iter().collect(),
        };
        let audited = Audited {
            owner: Some(owner),
            ..Audited::default()
        };
        Ok(Plan::new(CommitClass::Takeaway, writes, vec![audited], ()))
    }

    /// Revokes all tokens that the realm has now, by one floor.
    pub async fn revoke_realm(&self, request: &Request, reason: &str) -> Result<Cursor, Problem> {
        let (store, replica) = (self.store.as_ref(), &self.replica);
        // It reads nothing, so nothing can come between: the store takes the serial within the commit.
        let plan = || async {
            let audited = Audited {
                reason: reason.to_owned(),
                ..Audited::default()
            };
            Ok(Some(by_floor(FloorTarget::Realm, Vec::new(), audited)))
        };
        let (cursor, _) = commit(store, replica, request, Effort::Revocation, plan).await?;
        Ok(cursor)
    }

    /// Revokes all tokens that there are now for what the org owns, by one floor.
    pub async fn revoke_in_org(
        &self,
        request: &Request,
        org: &AccountRef,
        reason: &str,
    ) -> Result<Cursor, Problem> {
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let plan = || async {
            let (org, still_named) = self.current_org(org).await?;
            let audited = Audited {
                org: Some(org.clone()),
                reason: reason.to_owned(),
                ..Audited::default()
            };
            let expect = still_named.into_iter().collect();
            Ok(Some(by_floor(FloorTarget::Org(org), expect, audited)))
        };
        let (cursor, _) = commit(store, replica, request, Effort::Revocation, plan).await?;
        Ok(cursor)
    }

    /// Notes the time of the revocation for lists of tokens. Two concurrent calls may lose one of their
    /// times, but never a floor.
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

    /// Returns when all of an owner's tokens were revoked, oldest first.
    pub(super) async fn revoked_all_at(&self, owner: &AccountId) -> Result<Vec<u64>, Problem> {
        let stored = self.store.get(&[Key::owner(owner)]).await?.pop().flatten();
        let stored = stored.map(|stored| StoredOwner::decode(stored.value.as_slice()));
        let stored = stored
            .transpose()
            .map_err(|_| Unreadable("an owner's revocations"))?;
        Ok(stored.map(|stored| stored.revoked_at).unwrap_or_default())
    }
}

/// Makes the plan that raises one floor and writes nothing else.
fn by_floor(target: FloorTarget, expect: Vec<Expect>, audited: Audited) -> Plan {
    let writes = Writes {
        changes: vec![Change::RaiseFloor(target)],
        expect,
        ..Writes::default()
    };
    Plan::new(CommitClass::Takeaway, writes, vec![audited], ())
}
