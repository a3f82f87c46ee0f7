//! Decides when a token gets a new value; its id, settings and approvals stay. The old value is refused at
//! once, or after an overlap that ends by an `exp` in the state, even when every issuer is down.

use std::time::Duration;

use tokenward_common::{
    clock::UnixTime,
    id::TokenId,
    state::record::{Change, Record, RecordKey},
    store::{CommitClass, Expect},
};

use super::{
    Minted, Tokens,
    token::{Rotated, Signed, Token},
    wire::AccountRef,
};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::Problem,
    request::Request,
};

/// An overlap lasts at most this long.
pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// Describes how a token is rotated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// If zero, the old value is refused at once, and so are older values that were still in an overlap.
    pub overlap: Duration,
    /// The new value ends at this time, if it differs from the token's end.
    pub expires_at: Option<UnixTime>,
    /// Set if that end may be later than the token's own.
    pub may_extend: bool,
}

impl Tokens {
    pub async fn rotate(
        &self,
        request: &Request,
        token: TokenId,
        rotation: Rotation,
    ) -> Result<Minted, Problem> {
        let (store, replica) = (self.store.as_ref(), &self.replica);
        let plan = || async { self.plan_rotation(request, token, &rotation).await };
        let minted = commit(store, replica, request, Effort::Ordinary, plan).await?;
        self.minted(request, minted).await
    }

    async fn plan_rotation(
        &self,
        request: &Request,
        token: TokenId,
        rotation: &Rotation,
    ) -> Result<Option<Plan<Signed>>, Problem> {
        let now = request.now.seconds();
        let (since, old) = self.find(token).await?;
        if !self.must_live(since, &old, request).await? {
            return Ok(None);
        }
        if !rotation.may_extend && extends(&old, rotation) {
            let rule = "must not be later than the token's own end: this credential may not make \
                        a token live longer";
            return Err(Problem::invalid("expire_time", rule));
        }
        let by_id = AccountRef::Id(old.owner.clone());
        let (_, owner_expected) = self.validated(&by_id, None).await?;
        // The new value may live no longer than a newly minted one, whatever the old value was allowed.
        let end = rotation.expires_at.or(old.expires_at);
        let scopes = old.scopes()?;
        self.check_lifetimes(scopes.as_ref(), None, end, now)
            .await?;
        let lifetimes = self.lifetimes_hold(scopes.as_ref(), end, now)?;
        let signing = self.keys.current();
        self.signing_key(&signing)?;
        let serial = self.store.take_serial().await?;
        let signer = (&*signing, self.signing_key(&signing)?);
        let Rotated { new, revoked } = old.rotate(request, rotation, serial, signer)?;
        let (new, value) = new;

        // The replaced value must be live, so its floor and its bit are expected.
        let mut expect = Self::may_live(&old.owner, old.serial, &new.kid);
        expect.extend([old.unchanged(since), Expect::NotRevoked(old.serial)]);
        expect.extend(owner_expected);
        expect.extend(lifetimes);
        expect.extend(self.above_floors(scopes.as_ref(), serial)?);
        let mut changes = Vec::new();
        if !revoked.is_empty() {
            changes.push(Change::Revoke(revoked));
        }
        // With no older value left, the new value's claims contain all that is in force.
        changes.push(if new.overlaps.is_empty() {
            Change::Delete(RecordKey::Amendment(token))
        } else {
            Change::Put(Record::Amendment(new.amendment()?))
        });
        let writes = Writes {
            changes,
            private: vec![new.put(), new.forecast(old.expires_at)],
            expect,
        };
        let audited = vec![new.audited()];
        let plan = Plan::new(CommitClass::Ordinary, writes, audited, (new, value));
        Ok(Some(plan.about(token, Some(serial))))
    }
}

/// Tells whether the rotation makes the token live longer. A token without an end is never extended.
fn extends(old: &Token, rotation: &Rotation) -> bool {
    let ends = rotation.expires_at.zip(old.expires_at);
    ends.is_some_and(|(new, end)| new > end)
}
