//! Decides whether a genuine token is live: not expired, withdrawn, revoked or without an owner. It
//! also finds what is in force for the token: its claims, or an amendment over them.

use std::sync::Arc;

use tokenward_common::{
    access::{Ceiling, Principal, TokenFacts, Trace},
    clock::UnixTime,
    state::{Account, AccountStatus, State, record::FloorTarget},
};

use super::Denial;
use crate::genuine::{Amended, Genuine};

/// A live token, and what is in force for it.
pub(super) struct Live<'a> {
    pub(super) owner: Account,
    ceiling: InForce<'a>,
    /// When the token ends.
    pub(super) ends: Option<UnixTime>,
}

enum InForce<'a> {
    Claims(&'a Ceiling),
    Amendment(Arc<Amended>),
}

impl Live<'_> {
    pub(super) fn principal(&self, genuine: &Genuine) -> Principal<'_> {
        Principal::Token {
            owner: self.owner,
            ceiling: self.ceiling(),
            token: TokenFacts {
                id: genuine.tid,
                serial: genuine.serial,
            },
        }
    }

    pub(super) fn ceiling(&self) -> &Ceiling {
        match &self.ceiling {
            InForce::Claims(ceiling) => ceiling,
            InForce::Amendment(amended) => amended.ceiling(),
        }
    }
}

/// Returns the token's owner and what is in force for the token, or why it is refused.
pub(super) fn check_live<'a>(
    state: &State,
    genuine: &'a Genuine,
    time: UnixTime,
    trace: &mut impl Trace,
) -> Result<Live<'a>, Denial> {
    trace.step("token", || {
        format!(
            "genuine: id {}, value {}; ends {}; judged at {}",
            genuine.tid,
            genuine.serial,
            describe_end(genuine.exp),
            describe_time(time)
        )
    });
    not_ended(genuine.exp, time)?;

    let withdrawn = state.is_withdrawn(genuine.kid.as_str());
    trace.step("key", || format!("{}; withdrawn: {withdrawn}", genuine.kid));
    if withdrawn {
        return Err(Denial::key_withdrawn());
    }

    let revoked = state.is_revoked(genuine.serial);
    trace.step("revocation", || {
        format!("value {}; revoked or replaced: {revoked}", genuine.serial)
    });
    if revoked {
        return Err(Denial::revoked());
    }

    let Some((owner, standing)) = state.known_account(&genuine.account) else {
        trace.step("owner", || {
            format!("no account has the id {}", genuine.owner)
        });
        return Err(Denial::owner_unknown());
    };
    let floor = state.refused_up_to(owner);
    let everybodys = || state.floor(&FloorTarget::Realm);
    trace.step("floor", || {
        format!(
            "the owner's values up to {floor} are revoked, everybody's up to {}; this is {}",
            everybodys(),
            genuine.serial
        )
    });
    if genuine.serial <= floor {
        return Err(match genuine.serial <= everybodys() {
            true => Denial::everybodys_revoked(),
            false => Denial::all_revoked(),
        });
    }

    trace.step("owner", || {
        let name = state.account(owner).map_or("?", |account| account.name);
        format!(
            "{name}, id {}: {}",
            genuine.owner,
            describe_status(standing)
        )
    });
    match standing {
        AccountStatus::User {
            disabled: false, ..
        } => {}
        AccountStatus::User { disabled: true, .. } => return Err(Denial::owner_disabled()),
        AccountStatus::Org => return Err(Denial::owner_is_org()),
    }
    in_force(state, genuine, owner, time, trace)
}

/// An amendment replaces the claims whole. What can't be read from it is refused, never taken from the
/// claims.
fn in_force<'a>(
    state: &State,
    genuine: &'a Genuine,
    owner: Account,
    time: UnixTime,
    trace: &mut impl Trace,
) -> Result<Live<'a>, Denial> {
    let Some(amendment) = state.amendment(genuine.tid) else {
        trace.step("amendment", || {
            "none: the token's claims are in force".into()
        });
        return Ok(Live {
            owner,
            ceiling: InForce::Claims(&genuine.ceiling),
            ends: genuine.exp,
        });
    };
    let brought_forward = amendment.expiry(genuine.serial);
    trace.step("amendment", || {
        let settings = amendment.decoded().map_or_else(
            || "unreadable settings".into(),
            |settings| {
                let scopes = settings.scopes.map_or(0, |scopes| scopes.scoped.len());
                format!("role {}, {scopes} scopes", settings.role.word())
            },
        );
        format!(
            "{settings}; same owner: {}; this value's end: {}",
            amendment.owner == owner,
            brought_forward.map_or_else(|| "as claimed".into(), describe_time)
        )
    });
    if amendment.owner != owner {
        return Err(Denial::amended_owner());
    }
    // An amendment can only bring the end forward.
    let ends = match (genuine.exp, brought_forward) {
        (Some(claimed), Some(amended)) => Some(claimed.min(amended)),
        (claimed, amended) => claimed.or(amended),
    };
    // The claimed end was checked before, so this end comes from a rotation.
    not_ended(ends, time).map_err(|_| Denial::replaced())?;
    let amended = genuine
        .amended(&amendment)
        .ok_or_else(Denial::amended_settings)?;
    Ok(Live {
        owner,
        ceiling: InForce::Amendment(amended),
        ends,
    })
}

/// A token is refused at its end and after (RFC 7519, section 4.1.4).
fn not_ended(end: Option<UnixTime>, time: UnixTime) -> Result<(), Denial> {
    if end.is_some_and(|end| time >= end) {
        return Err(Denial::expired());
    }
    Ok(())
}

pub(super) fn describe_end(end: Option<UnixTime>) -> String {
    end.map_or_else(|| "never".into(), describe_time)
}

fn describe_time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    prost_types::Timestamp { seconds, nanos: 0 }.to_string()
}

fn describe_status(standing: AccountStatus) -> &'static str {
    match standing {
        AccountStatus::User {
            disabled: false, ..
        } => "a user",
        AccountStatus::User { disabled: true, .. } => "a user, disabled",
        AccountStatus::Org => "an org",
    }
}
