//! This file decodes the answers of Redis strictly: any other shape than the expected one is an error.
//! It must not know when a command is sent.

use std::{collections::HashMap, time::Duration};

use redis::Value;

use crate::{
    clock::UnixMillis,
    id::{Cursor, Fingerprint, LogId, Revision, Serial},
    state::{Counts, Entry, codec::decode_changes, record::Kind},
    store::{
        AuditId, FeedError, Head, Receipt,
        redis::layout::{FORMAT, RESTORING},
    },
};

/// No verifier's bound is longer than this.
const UNKNOWN_BOUND: Duration = Duration::from_secs(3600);

pub(super) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

pub(super) fn corrupt(what: &str) -> FeedError {
    FeedError::Corrupt(format!("Redis answered {what} in an unknown shape"))
}

/// Decodes a list. Nil is an empty list: XREAD answers nil when no entry came.
pub(super) fn list(value: Value) -> Result<Vec<Value>, FeedError> {
    match value {
        Value::Array(values) | Value::Set(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        _ => Err(corrupt("a list")),
    }
}

pub(super) fn bytes(value: Value) -> Result<Vec<u8>, FeedError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        _ => Err(corrupt("a string")),
    }
}

pub(super) fn pairs(value: Value) -> Result<Pairs, FeedError> {
    let mut values = list(value)?.into_iter();
    let mut pairs = Vec::with_capacity(values.len() / 2);
    while let Some(field) = values.next() {
        let value = values.next().ok_or_else(|| corrupt("fields"))?;
        pairs.push((bytes(field)?, bytes(value)?));
    }
    Ok(pairs)
}

pub(super) fn parse_number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Decodes the whole hash of receipts. A receipt of another form is from a follower of another version:
/// its bound is unknown, so it is taken to be the longest.
pub(super) fn receipts(value: Value) -> Result<Vec<Receipt>, FeedError> {
    let receipt = |(follower, value): (Vec<u8>, Vec<u8>)| {
        let value = String::from_utf8(value).unwrap_or_default();
        let mut words = value.split(' ');
        let mut next = || words.next().unwrap_or_default();
        let applied = next().parse().unwrap_or(0);
        let mark = next().parse().unwrap_or(0);
        let bound = match next().parse() {
            Ok(0) => None,
            Ok(millis) => Some(Duration::from_millis(millis)),
            Err(_) => Some(UNKNOWN_BOUND),
        };
        Receipt {
            follower: String::from_utf8_lossy(&follower).into_owned(),
            log: log_id(next()),
            applied: Revision(applied),
            bound,
            mark,
        }
    };
    Ok(pairs(value)?.into_iter().map(receipt).collect())
}

pub(super) fn log_id(text: &str) -> LogId {
    let mut bytes = [0; 16];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => LogId(bytes),
        Err(_) => LogId::default(),
    }
}

/// Decodes one record of the audit trail: its place and its bytes.
pub(super) fn audit_record(value: Value) -> Result<(AuditId, Vec<u8>), FeedError> {
    let Ok([id, fields]) = <[Value; 2]>::try_from(list(value)?) else {
        return Err(corrupt("an audit record"));
    };
    let id = bytes(id)?;
    let mut parts = id.split(|byte| *byte == b'-').map(parse_number);
    let (Some(Some(millis)), Some(Some(number))) = (parts.next(), parts.next()) else {
        return Err(corrupt("an audit record's id"));
    };
    Ok((AuditId(millis, number), Fields::new(fields)?.take("d")?))
}

/// The fields of a hash or of an entry, by name.
pub(super) struct Fields(HashMap<Vec<u8>, Vec<u8>>);

impl Fields {
    pub(super) fn new(value: Value) -> Result<Self, FeedError> {
        Ok(Self(pairs(value)?.into_iter().collect()))
    }

    fn take(&mut self, name: &str) -> Result<Vec<u8>, FeedError> {
        self.0
            .remove(name.as_bytes())
            .ok_or_else(|| FeedError::Corrupt(format!("the field {name} is missing")))
    }

    fn number(&mut self, name: &str) -> Result<u64, FeedError> {
        let bytes = self.take(name)?;
        parse_number(&bytes)
            .ok_or_else(|| FeedError::Corrupt(format!("the field {name} is no number")))
    }

    fn number_or(&mut self, name: &str, default: u64) -> Result<u64, FeedError> {
        if self.0.contains_key(name.as_bytes()) {
            self.number(name)
        } else {
            Ok(default)
        }
    }

    fn fingerprint(&mut self, name: &str) -> Result<Fingerprint, FeedError> {
        Fingerprint::from_slice(&self.take(name)?)
            .ok_or_else(|| FeedError::Corrupt(format!("the field {name} is no fingerprint")))
    }
}

/// The head as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredHead {
    pub(super) head: Head,
    /// The number of buckets of each public kind, by the kind's number.
    buckets: [u64; Counts::KINDS],
    /// All bytes that the log ever took, as its entries count them.
    pub(super) bytes: u64,
}

impl StoredHead {
    /// Decodes the head. It returns `Lost` when there is none: the realm was wiped, or never made.
    pub(super) fn new(value: Value) -> Result<Self, FeedError> {
        Self::of_format(value, FORMAT)
    }

    /// Decodes the head of a realm that is being restored, which nobody else reads.
    pub(super) fn restoring(value: Value) -> Result<Self, FeedError> {
        Self::of_format(value, RESTORING)
    }

    fn of_format(value: Value, expected: &str) -> Result<Self, FeedError> {
        let mut fields = Fields::new(value)?;
        if fields.0.is_empty() {
            return Err(FeedError::Lost("the realm is not in this Redis".into()));
        }
        let format = fields.take("format")?;
        if format != expected.as_bytes() {
            let why = match format == RESTORING.as_bytes() {
                true => {
                    "a restore of the realm is not finished: wait for it; if it broke off, delete \
                     the realm's keys and restore again"
                }
                false => "the realm was written by a later version",
            };
            return Err(FeedError::Corrupt(why.into()));
        }
        let log = LogId::from_slice(&fields.take("log")?)
            .ok_or_else(|| FeedError::Corrupt("the log id is malformed".into()))?;
        let mut counts = Counts {
            revoked: fields.number("revoked")?,
            ..Counts::default()
        };
        let mut buckets = [0; Counts::KINDS];
        for kind in Kind::PUBLIC {
            let number = kind as usize;
            if let (Some(count), Some(n)) = (counts.kinds.get_mut(number), buckets.get_mut(number))
            {
                *count = fields.number_or(&format!("count{number}"), 0)?;
                *n = fields.number_or(&format!("buckets{number}"), 1)?;
            }
        }
        Ok(Self {
            head: Head {
                cursor: Cursor {
                    log,
                    revision: Revision(fields.number("revision")?),
                    fingerprint: fields.fingerprint("fingerprint")?,
                },
                counts,
                serial: Serial(fields.number("serial")?),
            },
            buckets,
            bytes: fields.number("bytes")?,
        })
    }

    pub(super) fn buckets(&self, kind: Kind) -> u64 {
        self.buckets.get(kind as usize).copied().unwrap_or(0)
    }
}

/// An entry as it is stored, with its changes not decoded yet.
pub(super) struct StoredEntry {
    pub(super) revision: Revision,
    fields: Fields,
}

impl StoredEntry {
    /// Decodes the entries that XRANGE answers.
    pub(super) fn list(value: Value) -> Result<Vec<Self>, FeedError> {
        list(value)?.into_iter().map(Self::new).collect()
    }

    fn new(value: Value) -> Result<Self, FeedError> {
        let Ok([id, fields]) = <[Value; 2]>::try_from(list(value)?) else {
            return Err(corrupt("an entry"));
        };
        let id = bytes(id)?;
        let revision = id
            .strip_suffix(b"-0")
            .and_then(parse_number)
            .ok_or_else(|| FeedError::Corrupt("an entry's id is no revision".into()))?;
        Ok(Self {
            revision: Revision(revision),
            fields: Fields::new(fields)?,
        })
    }

    pub(super) fn time(&mut self) -> Result<UnixMillis, FeedError> {
        self.fields.number("t").map(UnixMillis)
    }

    pub(super) fn bytes(&mut self) -> Result<u64, FeedError> {
        self.fields.number("b")
    }

    /// Returns what the entry adds to `bytes`, counted as `commit.lua` does.
    pub(super) fn size(&mut self) -> Result<u64, FeedError> {
        Ok(self.fields.take("c")?.len() as u64 + 100)
    }

    pub(super) fn fingerprint(&mut self) -> Result<Fingerprint, FeedError> {
        self.fields.fingerprint("f")
    }

    pub(super) fn decode(mut self, log: LogId) -> Result<Entry, FeedError> {
        Ok(Entry {
            cursor: Cursor {
                log,
                revision: self.revision,
                fingerprint: self.fingerprint()?,
            },
            predecessor: self.fields.fingerprint("p")?,
            serial: Serial(self.fields.number("s")?),
            time: self.time()?,
            changes: decode_changes(&self.fields.take("c")?)?,
        })
    }
}
