//! This file reads within one transaction: the tip, the log and single records. It must not know the
//! writer.

use std::time::Duration;

use redb::{ReadTransaction, ReadableTable, TableError};

use crate::{
    clock::UnixTime,
    id::{AccountId, Cursor, RequestId, TokenId},
    state::{Entry, key::Key},
    store::{
        AuditId, FeedError, MAX_BATCH, Stored,
        embedded::tables::{
            AUDIT, EXPIRIES, FOLLOWERS, LOG, META, RECORDS, REQUESTS, TIP, TOKENS, Tip, USED,
            USED_TOKENS, expiry_key, expiry_of, record_key, split_request, stored, token_key,
            token_of,
        },
        wire,
    },
};

/// One answer holds at most this many bytes of entries, and at least one entry.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Classifies a failure of the file. Any failure except corruption passes, or ends when the file is
/// opened again.
pub(super) fn unreadable(error: impl Into<redb::Error>) -> FeedError {
    match error.into() {
        redb::Error::Corrupted(why) => FeedError::Corrupt(why),
        error => FeedError::Unavailable(error.to_string()),
    }
}

pub(super) fn tip(txn: &ReadTransaction) -> Result<Tip, FeedError> {
    let meta = txn.open_table(META).map_err(unreadable)?;
    let row = meta.get(TIP).map_err(unreadable)?;
    let row = row.ok_or_else(|| FeedError::Corrupt("no head is stored".into()))?;
    Ok(Tip::decode(row.value())?)
}

/// Returns the tip, or `Lost` unless the cursor is on the log as it is now.
pub(super) fn on_log(txn: &ReadTransaction, cursor: &Cursor) -> Result<Tip, FeedError> {
    let lost = |why: &str| Err(FeedError::Lost(why.into()));
    let tip = tip(txn)?;
    let head = tip.head.cursor;
    if *cursor == head {
        return Ok(tip);
    }
    if cursor.log != head.log {
        return lost("it is of another log");
    }
    if cursor.revision > head.revision {
        return lost("it is beyond the head");
    }
    if cursor.revision.0 + 1 < tip.first {
        return lost("the log was trimmed past it");
    }
    let entry = |revision: u64| {
        let log = txn.open_table(LOG).map_err(unreadable)?;
        let row = log.get(revision).map_err(unreadable)?;
        let row = row.ok_or_else(|| FeedError::Corrupt("a gap in the log".into()))?;
        Ok::<_, FeedError>(wire::decode_entry(head.log, row.value())?)
    };
    let stands = if cursor.revision.0 + 1 == tip.first {
        // There is no entry at this revision any more, or there never was (0), but the next entry names
        // its fingerprint. So a follower at the head outlives a trim of the whole log.
        cursor.revision < head.revision && entry(tip.first)?.predecessor == cursor.fingerprint
    } else {
        entry(cursor.revision.0)?.cursor == *cursor
    };
    if stands {
        Ok(tip)
    } else {
        lost("another entry stands at its revision")
    }
}

pub(super) fn log_after(txn: &ReadTransaction, after: &Cursor) -> Result<Vec<Entry>, FeedError> {
    let tip = on_log(txn, after)?;
    let log = txn.open_table(LOG).map_err(unreadable)?;
    let mut entries = Vec::new();
    let mut bytes = 0;
    for row in log.range(after.revision.0 + 1..).map_err(unreadable)? {
        let (_, row) = row.map_err(unreadable)?;
        bytes += row.value().len();
        if bytes > BATCH_BYTES && !entries.is_empty() {
            break;
        }
        entries.push(wire::decode_entry(tip.head.cursor.log, row.value())?);
        if entries.len() == MAX_BATCH {
            break;
        }
    }
    Ok(entries)
}

pub(super) fn request(
    txn: &ReadTransaction,
    request: &RequestId,
) -> Result<Option<Vec<u8>>, FeedError> {
    let log = tip(txn)?.head.cursor.log;
    let requests = txn.open_table(REQUESTS).map_err(unreadable)?;
    let row = requests.get(request.0.as_slice()).map_err(unreadable)?;
    let response = |row: &[u8]| split_request(log, row).map(|(_, response)| response.to_vec());
    Ok(row.map(|row| response(row.value())).transpose()?)
}

pub(super) fn records(
    txn: &ReadTransaction,
    keys: &[Key],
) -> Result<Vec<Option<Stored>>, FeedError> {
    let records = txn.open_table(RECORDS).map_err(unreadable)?;
    keys.iter()
        .map(|key| {
            let row = records
                .get(record_key(key).as_slice())
                .map_err(unreadable)?;
            Ok(row.map(|row| stored(row.value())).transpose()?)
        })
        .collect()
}

pub(super) fn tokens_of(
    txn: &ReadTransaction,
    owner: &AccountId,
    after: Option<TokenId>,
    limit: usize,
) -> Result<Vec<TokenId>, FeedError> {
    let from = match after {
        Some(TokenId(u64::MAX)) => return Ok(Vec::new()),
        Some(after) => TokenId(after.0 + 1),
        None => TokenId(0),
    };
    let tokens = txn.open_table(TOKENS).map_err(unreadable)?;
    let (from, to) = (token_key(owner, from), token_key(owner, TokenId(u64::MAX)));
    tokens
        .range(from.as_slice()..=to.as_slice())
        .map_err(unreadable)?
        .take(limit)
        .map(|row| {
            let (key, _) = row.map_err(unreadable)?;
            Ok(token_of(key.value())?)
        })
        .collect()
}

pub(super) fn expiring(
    txn: &ReadTransaction,
    from: UnixTime,
    to: UnixTime,
    after: Option<(UnixTime, TokenId)>,
    limit: usize,
) -> Result<Vec<(UnixTime, TokenId)>, FeedError> {
    let Some(expiries) = opened(txn.open_table(EXPIRIES))? else {
        return Ok(Vec::new());
    };
    let (first, skip) = match after {
        Some((at, token)) => (expiry_key(at, token), true),
        None => (expiry_key(from, TokenId(0)), false),
    };
    let end = expiry_key(to, TokenId(0));
    if first >= end {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for row in expiries
        .range(first.as_slice()..end.as_slice())
        .map_err(unreadable)?
    {
        let (key, _) = row.map_err(unreadable)?;
        if skip && key.value() == first {
            continue;
        }
        if found.len() == limit {
            break;
        }
        found.push(expiry_of(key.value())?);
    }
    Ok(found)
}

pub(super) fn last_used(
    txn: &ReadTransaction,
    tokens: &[TokenId],
) -> Result<Vec<Option<u32>>, FeedError> {
    let Some(used) = opened(txn.open_table(USED))? else {
        return Ok(vec![None; tokens.len()]);
    };
    tokens
        .iter()
        .map(|token| {
            let row = used.get(token.0 / USED_TOKENS).map_err(unreadable)?;
            let at = usize::try_from(token.0 % USED_TOKENS * 4).unwrap_or(0);
            let hour = row.as_ref().and_then(|row| {
                let bytes = row.value().get(at..)?.first_chunk::<4>()?;
                Some(u32::from_be_bytes(*bytes))
            });
            Ok(hour.filter(|hour| *hour != 0))
        })
        .collect()
}

/// Reads the audit trail. The second half of a place is a number that counts up since the file was
/// made.
pub(super) fn audit(
    txn: &ReadTransaction,
    after: AuditId,
    limit: usize,
) -> Result<Vec<(AuditId, Vec<u8>)>, FeedError> {
    let audit = txn.open_table(AUDIT).map_err(unreadable)?;
    // A place is shown one higher than stored, so that the first comes after the default place.
    audit
        .range(after.1..)
        .map_err(unreadable)?
        .take(limit)
        .map(|row| {
            let (number, record) = row.map_err(unreadable)?;
            Ok((AuditId(0, number.value() + 1), record.value().to_vec()))
        })
        .collect()
}

pub(super) fn followers(
    txn: &ReadTransaction,
) -> Result<Vec<(String, Option<Duration>)>, FeedError> {
    let Some(followers) = opened(txn.open_table(FOLLOWERS))? else {
        return Ok(Vec::new());
    };
    followers
        .iter()
        .map_err(unreadable)?
        .map(|row| {
            let (follower, bound) = row.map_err(unreadable)?;
            let bound = Some(bound.value()).filter(|bound| *bound != 0);
            Ok((
                follower.value().to_owned(),
                bound.map(Duration::from_millis),
            ))
        })
        .collect()
}

/// Opens a table. One that an older version didn't make is empty until the first write.
fn opened<T>(table: Result<T, TableError>) -> Result<Option<T>, FeedError> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}
