//! This file decodes what the scripts tell an issuer of the stream and of the roster. It must not know what
//! the issuer remembers.

use redis::Value;

use super::{Adopted, Known, Roster};
use crate::{
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    store::{
        FeedError, Reason,
        redis::reply::{bytes, corrupt, list, parse_number},
    },
};

/// What a script says before its own answer.
pub(in crate::store::redis) struct Opening {
    pub(in crate::store::redis) since: Option<u64>,
    pub(in crate::store::redis) roster: Roster,
    /// The serial counter: what was just taken, or to which a commit raises floors.
    pub(in crate::store::redis) serial: Serial,
    pub(in crate::store::redis) rest: std::vec::IntoIter<Value>,
}

/// Why a script did nothing.
pub(in crate::store::redis) enum Refusal {
    /// The log isn't this issuer's, or what it acknowledged isn't on it.
    Unfit(Reason),
    /// A script that writes found another log than the one that was meant.
    OtherLog,
    /// The server is the primary of another stream than the one that was meant.
    Moved,
    /// This issuer isn't on the roster: it was struck off, or never joined.
    Unlisted,
    /// Not every issuer has vouched for the stream.
    Unvouched,
    /// The others struck this issuer off and went on without it: its memory is worth nothing.
    Forget,
    /// Another issuer opened a history.
    Reopened(Adopted),
}

/// What a visit to the store found.
pub(in crate::store::redis) struct Tended {
    /// The full resyncs served by the earliest vouch. `None` in the first place: the stream isn't
    /// established.
    pub(super) established: Option<Option<u64>>,
    pub(super) roster: Roster,
    pub(super) head: Cursor,
    pub(super) serial: Serial,
    /// The oldest version of the roster that another issuer remembers.
    pub(super) lowest: u64,
    /// The logs before this one, newest first.
    pub(super) before: Vec<LogId>,
}

/// Decodes what a script that writes says first.
pub(in crate::store::redis) fn opening(
    answer: Value,
) -> Result<Result<Opening, Refusal>, FeedError> {
    let mut parts = list(answer)?.into_iter();
    match refusal(&mut parts)? {
        Some(Refusal::Unfit(Reason::OtherLog)) => return Ok(Err(Refusal::OtherLog)),
        Some(refusal) => return Ok(Err(refusal)),
        None => {}
    }
    let since = since(parts.next())?;
    let roster = roster(&mut parts)?;
    let serial = match parts.next().unwrap_or_default() {
        Value::Int(serial) => Some(serial.unsigned_abs()),
        serial => parse_number(&bytes(serial)?),
    };
    Ok(Ok(Opening {
        since,
        roster,
        serial: Serial(serial.ok_or_else(|| corrupt("a serial"))?),
        rest: parts,
    }))
}

/// Decodes the answer of a visit.
pub(in crate::store::redis) fn tended(
    log: LogId,
    answer: Value,
) -> Result<Result<Tended, Refusal>, FeedError> {
    let mut parts = list(answer)?.into_iter();
    if let Some(refusal) = refusal(&mut parts)? {
        return Ok(Err(refusal));
    }
    let word = bytes(parts.next().unwrap_or_default())?;
    let established = match word.as_slice() {
        b"" => None,
        word => Some(parse_number(word)),
    };
    let roster = roster(&mut parts)?;
    let mut next = || bytes(parts.next().unwrap_or_default());
    let odd = || corrupt("a visit");
    let revision = parse_number(&next()?).ok_or_else(odd)?;
    let fingerprint = Fingerprint::from_slice(&next()?).ok_or_else(odd)?;
    let serial = parse_number(&next()?).ok_or_else(odd)?;
    let lowest = parse_number(&next()?).ok_or_else(odd)?;
    let before: Option<Vec<LogId>> = next()?.chunks(16).map(LogId::from_slice).collect();
    Ok(Ok(Tended {
        established,
        roster,
        head: Cursor {
            log,
            revision: Revision(revision),
            fingerprint,
        },
        serial: Serial(serial),
        lowest,
        before: before.ok_or_else(odd)?,
    }))
}

impl Tended {
    /// Returns the full resyncs that the server had served by the earliest vouch.
    pub(in crate::store::redis) fn since(&self) -> Option<u64> {
        self.established.flatten()
    }
}

fn refusal(parts: &mut std::vec::IntoIter<Value>) -> Result<Option<Refusal>, FeedError> {
    Ok(match bytes(parts.next().unwrap_or_default())?.as_slice() {
        b"ok" => None,
        b"gone" => Some(Refusal::Unfit(Reason::Gone)),
        b"other" => Some(Refusal::Unfit(Reason::OtherLog)),
        b"reopened" => Some(reopened(parts)?),
        b"missing" => {
            let why =
                String::from_utf8_lossy(&bytes(parts.next().unwrap_or_default())?).into_owned();
            tracing::debug!(why, "what this issuer remembers is not on the log");
            Some(Refusal::Unfit(Reason::Rollback))
        }
        b"moved" => Some(Refusal::Moved),
        b"unlisted" => Some(Refusal::Unlisted),
        b"unvouched" => Some(Refusal::Unvouched),
        b"forget" => Some(Refusal::Forget),
        _ => return Err(corrupt("a script's status")),
    })
}

/// A script that knows no more says only that another log stands there, which the next visit looks into.
fn reopened(parts: &mut std::vec::IntoIter<Value>) -> Result<Refusal, FeedError> {
    let odd = || corrupt("a history");
    let mut next = || bytes(parts.next().unwrap_or_default());
    let log = LogId::from_slice(&next()?).ok_or_else(odd)?;
    let fork = Revision(parse_number(&next()?).ok_or_else(odd)?);
    let (revision, fingerprint) = (next()?, next()?);
    let version = parse_number(&next()?).ok_or_else(odd)?;
    let members = String::from_utf8(next()?).map_err(|_| odd())?;
    let settled = match parse_number(&revision) {
        None => None,
        Some(revision) => Some(Known {
            cursor: Cursor {
                log,
                revision: Revision(revision),
                fingerprint: Fingerprint::from_slice(&fingerprint).ok_or_else(odd)?,
            },
            roster: Roster { version, members },
        }),
    };
    Ok(Refusal::Reopened(Adopted { log, fork, settled }))
}

/// Decodes the full resyncs served by the earliest vouch; "-" is where nobody can tell.
pub(in crate::store::redis) fn since(value: Option<Value>) -> Result<Option<u64>, FeedError> {
    Ok(parse_number(&bytes(value.unwrap_or_default())?))
}

fn roster(parts: &mut std::vec::IntoIter<Value>) -> Result<Roster, FeedError> {
    let version = parse_number(&bytes(parts.next().unwrap_or_default())?);
    let members = String::from_utf8(bytes(parts.next().unwrap_or_default())?);
    match (version, members) {
        (Some(version), Ok(members)) => Ok(Roster { version, members }),
        _ => Err(corrupt("the roster")),
    }
}
