//! This file decides what is in the file: the tables, their keys and values, and the row that says
//! where the log ends. It must not know what the changes mean.
//!
//! Numbers inside byte keys are big-endian, so that they sort as numbers.

use prost::Message;
use redb::TableDefinition;

use crate::{
    clock::UnixTime,
    id::{AccountId, Cursor, Fingerprint, LogId, Revision, Serial, TokenId},
    state::{Counts, codec::DecodeError, key::Key},
    store::{Head, PAGE_SERIALS, Stored},
};

/// This table has one row, the [`Tip`], and in a restored realm another one.
pub(super) const META: TableDefinition<u8, &[u8]> = TableDefinition::new("meta");
pub(super) const TIP: u8 = 0;
/// The row of [`META`] which a restored realm has: the encoded cursor of the log that it comes from.
pub(super) const PARENT: u8 = 1;
/// Maps kind and key to revision and value, for public and issuer-only records.
pub(super) const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
/// Maps a chunk of the revoked bitmap to its bits, which are cut after the last byte that isn't 0.
pub(super) const REVOKED: TableDefinition<u64, &[u8]> = TableDefinition::new("revoked");
/// Maps a revision to its encoded entry.
pub(super) const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
/// Maps a request id to revision, fingerprint and response.
pub(super) const REQUESTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("requests");
/// Maps the newest revision of a group to the group's time and request ids; the oldest are forgotten
/// first.
pub(super) const REQUEST_AGES: TableDefinition<u64, &[u8]> = TableDefinition::new("request_ages");
/// Holds an owner, a 0 byte and a token as its key, and no value.
pub(super) const TOKENS: TableDefinition<&[u8], ()> = TableDefinition::new("tokens");
/// Holds a time and a token, 8 bytes each, as its key, and no value.
pub(super) const EXPIRIES: TableDefinition<&[u8], ()> = TableDefinition::new("expiries");
/// Maps a page to the hour in which each of [`USED_TOKENS`] tokens was last seen, 4 bytes each.
pub(super) const USED: TableDefinition<u64, &[u8]> = TableDefinition::new("used");
pub(super) const USED_TOKENS: u64 = 1024;
/// Maps a follower to its bound in milliseconds; 0 means no bound.
pub(super) const FOLLOWERS: TableDefinition<&str, u64> = TableDefinition::new("followers");
/// Maps a number to a record of the audit trail.
pub(super) const AUDIT: TableDefinition<u64, &[u8]> = TableDefinition::new("audit");

/// One row of [`REVOKED`] holds this many serials, so that a revocation rewrites at most 512 bytes.
pub(super) const CHUNK_SERIALS: u64 = 4096;
pub(super) const PAGE_CHUNKS: u64 = PAGE_SERIALS / CHUNK_SERIALS;
pub(super) const CHUNK_BYTES: usize = 512;

/// The format of the file; so far there is only this one.
const FORMAT: u32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
struct TipRow {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(bytes = "vec", tag = "2")]
    log_id: Vec<u8>,
    #[prost(uint64, tag = "3")]
    revision: u64,
    #[prost(bytes = "vec", tag = "4")]
    fingerprint: Vec<u8>,
    #[prost(uint64, tag = "5")]
    serial: u64,
    #[prost(uint64, repeated, tag = "6")]
    kinds: Vec<u64>,
    #[prost(uint64, tag = "7")]
    revoked: u64,
    #[prost(uint64, tag = "8")]
    first: u64,
    #[prost(uint64, tag = "9")]
    log_bytes: u64,
    #[prost(uint64, tag = "10")]
    audit_first: u64,
    #[prost(uint64, tag = "11")]
    audit_next: u64,
    #[prost(uint64, tag = "12")]
    groups: u64,
}

/// Extends the counts of a file of an earlier version, which counts fewer kinds.
fn counted(kinds: &[u64]) -> Result<[u64; Counts::KINDS], DecodeError> {
    let mut all = [0; Counts::KINDS];
    let known = all.get_mut(..kinds.len());
    let known = known.ok_or(DecodeError::Unknown("the head's counts"))?;
    known.copy_from_slice(kinds);
    Ok(all)
}

/// The head, and the bookkeeping that changes with it in every group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tip {
    pub(super) head: Head,
    /// The first revision that the log still has; one past the head when it has none.
    pub(super) first: u64,
    pub(super) log_bytes: u64,
    pub(super) audit_first: u64,
    pub(super) audit_next: u64,
    /// The number of groups ever written, so that a repeat of a commit changes at least this.
    pub(super) groups: u64,
}

impl Tip {
    pub(super) fn new(log: LogId) -> Self {
        Self {
            head: Head {
                cursor: Cursor::start(log),
                counts: Counts::default(),
                serial: Serial(0),
            },
            first: 1,
            log_bytes: 0,
            audit_first: 0,
            audit_next: 0,
            groups: 0,
        }
    }

    /// Makes the tip of a realm whose log goes on after this cursor, and its serials after this one.
    pub(super) fn after(cursor: Cursor, serial: Serial) -> Self {
        let mut tip = Self::new(cursor.log);
        tip.head.cursor = cursor;
        tip.head.serial = serial;
        tip.first = cursor.revision.0.saturating_add(1);
        tip
    }

    /// Reports whether a file that ends here holds what was acknowledged when it ended at `before`.
    pub(super) fn has_all_of(&self, before: &Self) -> bool {
        let (now, then) = (self.head.cursor, before.head.cursor);
        let goes_on = now.revision > then.revision
            || (now.revision == then.revision && now.fingerprint == then.fingerprint);
        // The serial is compared too, because a serial is given out without a revision.
        now.log == then.log && goes_on && self.head.serial >= before.head.serial
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let head = &self.head;
        TipRow {
            format: FORMAT,
            log_id: head.cursor.log.0.to_vec(),
            revision: head.cursor.revision.0,
            fingerprint: head.cursor.fingerprint.0.to_vec(),
            serial: head.serial.0,
            kinds: head.counts.kinds.to_vec(),
            revoked: head.counts.revoked,
            first: self.first,
            log_bytes: self.log_bytes,
            audit_first: self.audit_first,
            audit_next: self.audit_next,
            groups: self.groups,
        }
        .encode_to_vec()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let row = TipRow::decode(bytes)?;
        if row.format != FORMAT {
            return Err(DecodeError::Unknown("the file's format"));
        }
        Ok(Self {
            head: Head {
                cursor: Cursor {
                    log: LogId::from_slice(&row.log_id)
                        .ok_or(DecodeError::Unknown("the file's log id"))?,
                    revision: Revision(row.revision),
                    fingerprint: Fingerprint::from_slice(&row.fingerprint)
                        .ok_or(DecodeError::Unknown("the head's fingerprint"))?,
                },
                counts: Counts {
                    kinds: counted(&row.kinds)?,
                    revoked: row.revoked,
                },
                serial: Serial(row.serial),
            },
            first: row.first,
            log_bytes: row.log_bytes,
            audit_first: row.audit_first,
            audit_next: row.audit_next,
            groups: row.groups,
        })
    }
}

pub(super) fn record_key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.bytes.len());
    bytes.push(key.kind as u8);
    bytes.extend_from_slice(&key.bytes);
    bytes
}

pub(super) fn record_value(revision: Revision, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + value.len());
    bytes.extend_from_slice(&revision.0.to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

pub(super) fn split_value(bytes: &[u8]) -> Result<(Revision, &[u8]), DecodeError> {
    let (revision, value) = number(bytes)?;
    Ok((Revision(revision), value))
}

pub(super) fn stored(bytes: &[u8]) -> Result<Stored, DecodeError> {
    let (revision, value) = split_value(bytes)?;
    Ok(Stored {
        revision,
        value: value.to_vec(),
    })
}

pub(super) fn request_value(cursor: &Cursor, response: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 + response.len());
    bytes.extend_from_slice(&cursor.revision.0.to_be_bytes());
    bytes.extend_from_slice(&cursor.fingerprint.0);
    bytes.extend_from_slice(response);
    bytes
}

/// Splits a kept request into its cursor and its response.
pub(super) fn split_request(log: LogId, bytes: &[u8]) -> Result<(Cursor, &[u8]), DecodeError> {
    let (revision, rest) = number(bytes)?;
    let (fingerprint, response) = rest
        .split_first_chunk::<16>()
        .ok_or(DecodeError::Unknown("a kept request"))?;
    let cursor = Cursor {
        log,
        revision: Revision(revision),
        fingerprint: Fingerprint(*fingerprint),
    };
    Ok((cursor, response))
}

/// Makes the key of an owner's token. Ids hold no 0, so no owner's tokens lie within another's.
pub(super) fn token_key(owner: &AccountId, token: TokenId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(owner.as_str().len() + 9);
    bytes.extend_from_slice(owner.as_str().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&token.0.to_be_bytes());
    bytes
}

/// Splits an owner's token into both.
pub(super) fn owners_token(key: &[u8]) -> Result<(AccountId, TokenId), DecodeError> {
    let malformed = || DecodeError::Unknown("an owner's token");
    let (owner, token) = key.split_last_chunk::<8>().ok_or_else(malformed)?;
    let owner = owner
        .split_last()
        .and_then(|(_, id)| std::str::from_utf8(id).ok());
    let owner = owner.and_then(|id| AccountId::parse(id).ok());
    Ok((
        owner.ok_or_else(malformed)?,
        TokenId(u64::from_be_bytes(*token)),
    ))
}

pub(super) fn token_of(key: &[u8]) -> Result<TokenId, DecodeError> {
    key.last_chunk::<8>()
        .map(|bytes| TokenId(u64::from_be_bytes(*bytes)))
        .ok_or(DecodeError::Unknown("an owner's token"))
}

pub(super) fn expiry_key(at: UnixTime, token: TokenId) -> [u8; 16] {
    let mut key = [0; 16];
    let (time, id) = key.split_at_mut(8);
    time.copy_from_slice(&at.0.to_be_bytes());
    id.copy_from_slice(&token.0.to_be_bytes());
    key
}

pub(super) fn expiry_of(key: &[u8]) -> Result<(UnixTime, TokenId), DecodeError> {
    let (at, rest) = number(key)?;
    let (token, _) = number(rest)?;
    Ok((UnixTime(at), TokenId(token)))
}

/// Splits off a big-endian number from what follows it.
pub(super) fn number(bytes: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    bytes
        .split_first_chunk::<8>()
        .map(|(number, rest)| (u64::from_be_bytes(*number), rest))
        .ok_or(DecodeError::Unknown("a stored number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with sixteen kinds is from before old names were kept.
    #[test]
    fn a_file_that_counts_fewer_kinds_is_read_and_one_that_counts_more_is_not() {
        let tip = Tip::new(LogId([7; 16]));
        let mut row = TipRow::decode(&*tip.encode()).unwrap();
        row.kinds = (0..16).collect();
        let read = Tip::decode(&row.encode_to_vec()).unwrap();
        let (known, new) = read.head.counts.kinds.split_at(16);
        assert_eq!(known, row.kinds);
        assert!(new.iter().all(|count| *count == 0));
        row.kinds = vec![0; Counts::KINDS + 1];
        Tip::decode(&row.encode_to_vec()).unwrap_err();
    }
}
