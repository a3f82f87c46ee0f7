//! A new value for a token: same id, settings and approvals. The old value is refused at once, or
//! after an overlap that ends by an `exp` in the state: by itself, also when every issuer is down.

use std::time::Duration;

use tokenward_common::{
    clock::UnixTime,
    id::{Serial, TokenId},
    state::{
        MAX_EXPIRIES,
        key::Key,
        record::{Change, Record, RecordKey},
    },
    store::{Class, Expect, PrivateWrite},
};
use tokenward_proto::internal::{SerialExpiry, StoredToken};

use super::{
    Minted, Signed, Tokens, amendment, audited, owner_of, put, scopes, time, wire::AccountRef,
};
use crate::{
    commit::{Effort, Plan, Writes, commit},
    error::{ErrorReason, Problem},
    request::Request,
};

/// The longest overlap.
pub const MAX_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);
/// An overlap this long over is over by every clock, in seconds: its value is revoked for good.
const LONG_OVER: u64 = 3600;

/// How a token is rotated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// Zero: the old value is refused at once, and so are older ones that were still in an overlap.
    pub overlap: Duration,
    /// The new value's end, where it shall be another.
    pub expires_at: Option<UnixTime>,
    /// That end may be later than the token's own.
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
        let owner = owner_of(&old)?;
        let by_id = AccountRef::Id(owner.clone());
        let (_, owner_expected) = self.validated(&by_id, None).await?;
        // A new value lives no longer than one that is minted, whatever the old one was allowed.
        let end = rotation.expires_at.or(time(old.expires_at));
        let scopes = scopes(&old).ok_or(Problem::Internal)?;
        self.check_lifetimes(scopes.as_ref(), None, end, now)
            .await?;
        let lifetimes = self.lifetimes_hold(scopes.as_ref(), end, now)?;
        let signing = self.keys.current();
        self.signing_key(&signing)?;
        let replaced = Serial(*old.serials.last().ok_or(Problem::Internal)?);
        let serial = self.store.take_serial().await?;
        let Turned { mut new, revoked } = turn(&old, serial, rotation, request)?;
        let secret = self.sign(&signing, &mut new)?;

        // The value that is replaced must be live: its floor, its bit.
        let mut expect = Self::may_live(&owner, replaced, &new.kid)?;
        expect.extend([
            Expect::Unchanged {
                key: Key::token(token),
                since,
            },
            Expect::NotRevoked(replaced),
        ]);
        expect.extend(owner_expected);
        expect.extend(lifetimes);
        let mut changes = Vec::new();
        if !revoked.is_empty() {
            changes.push(Change::Revoke(revoked));
        }
        // With no older value left, the new one's claims say all that is in force.
        changes.push(if new.overlaps.is_empty() {
            Change::Delete(RecordKey::Amendment(token))
        } else {
            Change::Put(Record::Amendment(amendment(&new)?))
        });
        let private = vec![
            put(&new),
            PrivateWrite::IndexExpiry {
                token,
                was: time(old.expires_at),
                at: time(new.expires_at),
            },
        ];
        Ok(Some(Plan {
            class: Class::Ordinary,
            writes: Writes {
                changes,
                private,
                expect,
            },
            audited: vec![audited(&owner, &new)],
            token: Some(token),
            serial: Some(serial),
            answer: (new, secret),
        }))
    }
}

/// A token without an end is never extended.
fn extends(old: &StoredToken, rotation: &Rotation) -> bool {
    let end = time(old.expires_at);
    rotation
        .expires_at
        .zip(end)
        .is_some_and(|(new, end)| new > end)
}

/// A token with its next value, and the values that are refused from then on.
struct Turned {
    new: StoredToken,
    revoked: Vec<Serial>,
}

fn turn(
    old: &StoredToken,
    serial: Serial,
    rotation: &Rotation,
    request: &Request,
) -> Result<Turned, Problem> {
    let now = request.now.seconds().0;
    let replaced = *old.serials.last().ok_or(Problem::Internal)?;
    let mut new = old.clone();
    new.rotated_at = now;
    if let Some(end) = rotation.expires_at {
        new.expires_at = end.0;
    }
    // Revoked for good before their end in the state is forgotten.
    let over = |end: &SerialExpiry| end.expires_at.saturating_add(LONG_OVER) <= now;
    let mut revoked: Vec<Serial> = old
        .overlaps
        .iter()
        .filter(|end| over(end))
        .map(|end| Serial(end.serial))
        .collect();
    new.overlaps.retain(|end| !over(end));
    if rotation.overlap.is_zero() {
        // Whoever rotates after a leak means every value that there was.
        revoked.extend(new.overlaps.drain(..).map(|end| Serial(end.serial)));
        revoked.push(Serial(replaced));
    } else {
        let end = now.saturating_add(rotation.overlap.as_secs());
        let own = time(old.expires_at).map_or(u64::MAX, |end| end.0);
        new.overlaps.push(SerialExpiry {
            serial: replaced,
            expires_at: end.min(own),
        });
    }
    if new.overlaps.len() > MAX_EXPIRIES {
        return Err(Problem::Precondition(
            ErrorReason::TooManyOverlaps,
            format!(
                "overlap: {MAX_EXPIRIES} replaced values are still in their overlap; wait for one to end, or revoke the token"
            ),
        ));
    }
    let gone = |serial: &u64| revoked.contains(&Serial(*serial));
    new.serials.retain(|serial| !gone(serial));
    new.serials.push(serial.0);
    Ok(Turned { new, revoked })
}
