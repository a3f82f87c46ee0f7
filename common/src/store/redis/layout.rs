//! This file decides the keys, fields and values in Redis. They stay for ever: a change here is a new
//! format. It must not know the commands.
//!
//! | key, after `{tw:<realm>}:` | type | holds |
//! |---|---|---|
//! | `f:head` | hash | `format log revision fingerprint serial revoked bytes`, `count<kind>`, `buckets<kind>`; of the issuers `roster version stream v:<id> m:<id>` (`stream.lua`); of an opened history `parent before opener fork whole settled settledf d:<id>` (`open.lua`); of a restored realm `origin origin_cursor`: the log that it comes from, and the cursor at which it left it |
//! | `f:log` | stream | entries `<revision>-0`: `f`ingerprint, `p`redecessor, `s`erial, `t`ime, `b`ytes up to here, `c`hanges |
//! | `f:r<kind>:<bucket>` | hash | public records |
//! | `f:pages`, `f:bits:<page>` | set, string | pages of the revoked bitmap |
//! | `i:r<kind>:<bucket>` | hash | issuer-only records |
//! | `i:q:<request id>` | string | revision, fingerprint, response |
//! | `i:o:<owner>` | set | an owner's tokens |
//! | `i:expiries` | sorted set, all scores 0 | 8 bytes of the time that a token ends, 8 of its id |
//! | `i:audit` | stream | the audit trail, bounded |
//! | `i:histories` | list | an opened history each: time in us, log id before, revision and serial at which the store stood, and those that were heard of (revision, then serial), the new ones |
//! | `i:recall` | hash | while a history is opened: what issuers remember of the log before, `<revision>:<fingerprint>:<whether it was acknowledged>`: changes |
//! | `receipts` | hash | follower: `<revision> <time in us> <bound in ms, 0: none> <log id>` |
//! | `seen` | hash | follower: tokens that it saw and that wait to be noted: 8 bytes of the id, 4 of the hour, of each |
//! | `handed` | hash | `<16 bytes of the value's digest>`: a piece of what a follower knows and the store lost, a `HandInRequest` |
//! | `used:<page>` | string | the hour in which each of 1,024 tokens was last seen, 4 bytes each |
//!
//! A record's field is 4 bytes of hash and the key's bytes. A record's value is 8 bytes of the revision
//! that wrote it and the record's bytes; a floor has 8 bytes of its serial instead, which scripts
//! compare. In an org's view of a token, scripts compare the last byte, which is its state.

use sha2::{Digest, Sha256};

use crate::{
    clock::UnixTime,
    id::{AccountId, RequestId, Revision, Serial, TokenId},
    state::{
        codec::{DecodeError, split},
        key::Key,
        record::{Floor, Kind, Record, RecordKey},
    },
    store::{FeedError, Stored},
};

pub(super) const FORMAT: &str = "1";
/// The format of a realm that is being restored.
pub(super) const RESTORING: &str = "restoring";

/// The keys of one realm. They share one hash tag, so that they lie in one slot of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) prefix: String,
    pub(super) head: String,
    pub(super) log: String,
    pub(super) pages: String,
    pub(super) receipts: String,
    pub(super) seen: String,
    pub(super) handed: String,
    pub(super) used: String,
    pub(super) expiries: String,
    pub(super) audit: String,
    pub(super) histories: String,
    pub(super) recall: String,
}

impl Keys {
    /// Returns `None` unless the realm's name is 1 to 64 characters of an id: a brace would move the
    /// hash tag.
    pub(super) fn new(realm: &str) -> Option<Self> {
        AccountId::parse(realm).ok()?;
        let prefix = format!("{{tw:{realm}}}:");
        Some(Self {
            head: format!("{prefix}f:head"),
            log: format!("{prefix}f:log"),
            pages: format!("{prefix}f:pages"),
            receipts: format!("{prefix}receipts"),
            seen: format!("{prefix}seen"),
            handed: format!("{prefix}handed"),
            used: format!("{prefix}used:"),
            expiries: format!("{prefix}i:expiries"),
            audit: format!("{prefix}i:audit"),
            histories: format!("{prefix}i:histories"),
            recall: format!("{prefix}i:recall"),
            prefix,
        })
    }

    /// Returns the key of a bucket of a public kind.
    pub(super) fn bucket(&self, kind: Kind, bucket: u64) -> String {
        format!("{}f:r{}:{bucket}", self.prefix, kind.number())
    }

    /// Returns the key of a bucket of an issuer-only kind.
    pub(super) fn issuers_bucket(&self, kind: Kind, bucket: u64) -> String {
        format!("{}i:r{}:{bucket}", self.prefix, kind.number())
    }

    pub(super) fn bits(&self, page: u64) -> String {
        format!("{}f:bits:{page}", self.prefix)
    }

    pub(super) fn request(&self, request: &RequestId) -> Vec<u8> {
        let mut key = format!("{}i:q:", self.prefix).into_bytes();
        key.extend_from_slice(&request.0);
        key
    }

    pub(super) fn owner(&self, owner: &AccountId) -> String {
        format!("{}i:o:{owner}", self.prefix)
    }
}

/// One page of hours holds this many tokens; `drain.lua` has the same number.
const USED_TOKENS: u64 = 1024;

/// Returns the page of a token's hour, and the offset of the hour in this page.
pub(super) fn used_place(token: TokenId) -> (u64, u64) {
    (token.0 / USED_TOKENS, token.0 % USED_TOKENS * 4)
}

/// Makes a member of the expiries, which sorts by time, then by token.
pub(super) fn expiry(at: UnixTime, token: TokenId) -> [u8; 16] {
    let mut member = [0; 16];
    let (time, id) = member.split_at_mut(8);
    time.copy_from_slice(&at.0.to_be_bytes());
    id.copy_from_slice(&token.0.to_be_bytes());
    member
}

pub(super) fn expiry_of(member: &[u8]) -> Option<(UnixTime, TokenId)> {
    let (at, rest) = number(member)?;
    let (token, rest) = number(rest)?;
    rest.is_empty().then_some((UnixTime(at), TokenId(token)))
}

/// Makes a record's field. Its hash, the first 4 bytes of SHA-256 of the key, spreads fields over
/// buckets.
pub(super) fn field(key: &[u8]) -> Vec<u8> {
    let digest = Sha256::digest(key);
    let mut field = Vec::with_capacity(4 + key.len());
    field.extend(digest.iter().take(4));
    field.extend_from_slice(key);
    field
}

fn malformed(what: &str) -> FeedError {
    FeedError::Corrupt(format!("{what} is malformed"))
}

/// Returns the key within a field.
pub(super) fn key_of(kind: Kind, field: &[u8]) -> Result<Key, FeedError> {
    let (_, bytes) = field
        .split_at_checked(4)
        .ok_or_else(|| malformed("a record's field"))?;
    Ok(Key {
        kind,
        bytes: bytes.to_vec(),
    })
}

/// Splits off a number of 8 bytes from what follows it.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

/// Decodes a stored value; the record's bytes come out in the form that every store gives.
pub(super) fn stored(key: &Key, value: &[u8]) -> Result<Stored, FeedError> {
    let (revision, rest) = number(value).ok_or_else(|| malformed("a record's value"))?;
    let value = if key.kind == Kind::Floor {
        let (serial, _) = number(rest).ok_or_else(|| malformed("a floor"))?;
        let RecordKey::Floor(target) = key.decode().map_err(DecodeError::from)? else {
            return Err(malformed("a floor's key"));
        };
        let serial = Serial(serial);
        split(&Record::Floor(Floor { target, serial })).1
    } else {
        rest.to_vec()
    };
    Ok(Stored {
        revision: Revision(revision),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_fields_stay_as_they_are() {
        let keys = Keys::new("hub").unwrap();
        assert_eq!(keys.head, "{tw:hub}:f:head");
        assert_eq!(keys.bucket(Kind::User, 3), "{tw:hub}:f:r1:3");
        assert!(Keys::new("a}b").is_none());
        assert_eq!(hex::encode(field(b"abc")), "ba7816bf616263");
    }
}
