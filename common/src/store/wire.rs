//! This file converts the feed's values to and from their messages, which the embedded store keeps and
//! gRPC carries. It is strict: a message with a missing field is corrupt, and no default replaces it.
//! It must not know where the messages are stored or sent.

use bytes::Bytes;
#[cfg(feature = "embedded")]
use prost::Message;
use tokenward_proto::internal as pb;

use crate::{
    clock::UnixMillis,
    id::{AccountId, Cursor, Fingerprint, LogId, MAX_NUMBER, Revision, Serial},
    state::{
        Counts, Entry,
        codec::{DecodeError, decode_changes, encode_changes},
        record::Change,
    },
    store::{HandedIn, Head, MAX_CHANGE_BYTES, MOST_ANCESTORS},
};

pub(crate) fn cursor_to_proto(cursor: &Cursor) -> pb::Cursor {
    pb::Cursor {
        log_id: cursor.log.0.to_vec(),
        revision: cursor.revision.0,
        fingerprint: cursor.fingerprint.0.to_vec(),
    }
}

pub(crate) fn cursor_from_proto(cursor: Option<pb::Cursor>) -> Result<Cursor, DecodeError> {
    let cursor = cursor.ok_or(DecodeError::Unknown("a cursor"))?;
    Ok(Cursor {
        log: LogId::from_slice(&cursor.log_id).ok_or(DecodeError::Unknown("a log id"))?,
        revision: Revision(cursor.revision),
        fingerprint: fingerprint(&cursor.fingerprint)?,
    })
}

pub(crate) fn head_to_proto(head: &Head) -> pb::Head {
    let counted = head.counts.kinds.iter().zip(0u32..);
    pb::Head {
        cursor: Some(cursor_to_proto(&head.cursor)),
        counts: counted
            .filter(|(count, _)| **count != 0)
            .map(|(count, kind)| pb::Count {
                kind,
                count: *count,
            })
            .collect(),
        revoked: head.counts.revoked,
        serial: head.serial.0,
    }
}

pub(crate) fn head_from_proto(head: Option<pb::Head>) -> Result<Head, DecodeError> {
    let head = head.ok_or(DecodeError::Unknown("a head"))?;
    let mut counts = Counts {
        revoked: head.revoked,
        ..Counts::default()
    };
    for count in &head.counts {
        let slot = usize::try_from(count.kind)
            .ok()
            .and_then(|kind| counts.kinds.get_mut(kind))
            .ok_or(DecodeError::Unknown("a counted kind"))?;
        *slot = count.count;
    }
    Ok(Head {
        cursor: cursor_from_proto(head.cursor)?,
        counts,
        serial: Serial(head.serial),
    })
}

pub(crate) fn handed_in_to_proto(piece: &HandedIn) -> pb::HandInRequest {
    pb::HandInRequest {
        follower: piece.follower.clone(),
        left: Some(cursor_to_proto(&piece.left)),
        serial: piece.serial.0,
        changes: encode_changes(&piece.changes),
        ancestors: piece.ancestors.iter().map(|log| log.0.to_vec()).collect(),
    }
}

/// Converts a piece that a follower handed in. It refuses whatever could give somebody something: a follower
/// may only take away.
pub(crate) fn handed_in_from_proto(piece: pb::HandInRequest) -> Result<HandedIn, DecodeError> {
    if piece.changes.len() > MAX_CHANGE_BYTES || piece.serial >= MAX_NUMBER {
        return Err(DecodeError::Unknown("a piece of this size"));
    }
    AccountId::parse(&piece.follower).map_err(|_| DecodeError::Unknown("a follower's name"))?;
    if piece.ancestors.len() > MOST_ANCESTORS {
        return Err(DecodeError::Unknown("so many logs"));
    }
    let ancestors = piece.ancestors.iter();
    let ancestors: Option<Vec<_>> = ancestors.map(|log| LogId::from_slice(log)).collect();
    let changes = decode_changes(&piece.changes)?;
    if !changes.iter().all(Change::only_takes_away) {
        return Err(DecodeError::Unknown("a change that may be undone"));
    }
    Ok(HandedIn {
        follower: piece.follower,
        left: cursor_from_proto(piece.left)?,
        serial: Serial(piece.serial),
        changes,
        ancestors: ancestors.ok_or(DecodeError::Unknown("a log id"))?,
    })
}

/// Encodes an entry whose changes are encoded already.
#[cfg(feature = "embedded")]
pub(crate) fn encode_entry(
    cursor: &Cursor,
    predecessor: &Fingerprint,
    serial: Serial,
    time: UnixMillis,
    changes: Vec<u8>,
) -> Vec<u8> {
    entry_message(cursor, predecessor, serial, time, changes.into()).encode_to_vec()
}

fn entry_message(
    cursor: &Cursor,
    predecessor: &Fingerprint,
    serial: Serial,
    time: UnixMillis,
    changes: Bytes,
) -> pb::Entry {
    pb::Entry {
        revision: cursor.revision.0,
        fingerprint: cursor.fingerprint.0.to_vec(),
        predecessor: predecessor.0.to_vec(),
        serial: serial.0,
        time: time.0,
        changes,
        mac: Vec::new(),
    }
}

pub(crate) fn entry_to_proto(entry: &Entry) -> pb::Entry {
    entry_message(
        &entry.cursor,
        &entry.predecessor,
        entry.serial,
        entry.time,
        encode_changes(&entry.changes).into(),
    )
}

/// Returns the time at which a stored entry was committed.
#[cfg(feature = "embedded")]
pub(crate) fn entry_time(bytes: &[u8]) -> Result<UnixMillis, DecodeError> {
    Ok(UnixMillis(pb::Entry::decode(bytes)?.time))
}

#[cfg(feature = "embedded")]
pub(crate) fn decode_entry(log: LogId, bytes: &[u8]) -> Result<Entry, DecodeError> {
    entry_from_proto(log, &pb::Entry::decode(bytes)?)
}

/// The reader passes the log, because an entry doesn't name its log.
pub(crate) fn entry_from_proto(log: LogId, entry: &pb::Entry) -> Result<Entry, DecodeError> {
    Ok(Entry {
        cursor: Cursor {
            log,
            revision: Revision(entry.revision),
            fingerprint: fingerprint(&entry.fingerprint)?,
        },
        predecessor: fingerprint(&entry.predecessor)?,
        serial: Serial(entry.serial),
        time: UnixMillis(entry.time),
        changes: decode_changes(&entry.changes)?,
    })
}

fn fingerprint(bytes: &[u8]) -> Result<Fingerprint, DecodeError> {
    Fingerprint::from_slice(bytes).ok_or(DecodeError::Unknown("a fingerprint"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::record::{Change, Kind};

    /// Another encoder made these bytes of the first version; every later version must read them.
    #[test]
    fn entries_cursors_and_heads_of_the_first_version_stand() {
        let text = include_str!("../../tests/golden/feed_v1.json");
        let golden: std::collections::BTreeMap<String, String> =
            serde_json::from_str(text).unwrap();
        let mut own = [0; 16];
        own.iter_mut().zip(0..).for_each(|(byte, i)| *byte = i);
        let cursor = Cursor {
            log: LogId([0xab; 16]),
            revision: Revision(42),
            fingerprint: Fingerprint(own),
        };
        let entry = Entry {
            cursor,
            predecessor: Fingerprint([0xff; 16]),
            serial: Serial(9),
            time: UnixMillis(1_800_000_000_123),
            changes: vec![Change::Revoke(vec![Serial(7), Serial(9)])],
        };
        let mut counts = Counts {
            revoked: 2,
            ..Counts::default()
        };
        counts.kinds[Kind::User as usize] = 3;
        counts.kinds[Kind::GateGrant as usize] = 1_000_000;
        let head = Head {
            cursor,
            counts,
            serial: Serial(9),
        };
        assert_eq!(cursor.token(), golden["revision"]);
        assert_eq!(
            hex::encode(prost::Message::encode_to_vec(&entry_to_proto(&entry))),
            golden["entry"]
        );
        assert_eq!(
            hex::encode(prost::Message::encode_to_vec(&cursor_to_proto(&cursor))),
            golden["cursor"]
        );
        assert_eq!(
            hex::encode(prost::Message::encode_to_vec(&head_to_proto(&head))),
            golden["head"]
        );
        let bytes = |name: &str| hex::decode(&golden[name]).unwrap();
        let decoded = <pb::Entry as prost::Message>::decode(&*bytes("entry")).unwrap();
        assert_eq!(entry_from_proto(cursor.log, &decoded), Ok(entry));
        let decoded = <pb::Head as prost::Message>::decode(&*bytes("head")).unwrap();
        assert_eq!(head_from_proto(Some(decoded)), Ok(head));
    }
}
