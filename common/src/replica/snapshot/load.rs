//! This file reads a snapshot file into a state. One thread reads and decodes, another builds the state.
//! Nothing is returned before the whole file was found sound.

use std::{
    fs::File,
    io::BufReader,
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use prost::Message;
use tokenward_proto::internal as pb;

use super::{
    End, Unusable,
    format::{Framed, Kind},
};
use crate::{
    clock::{BootTime, UnixMillis},
    id::{Cursor, LogId},
    state::{
        Entry, State,
        codec::{DecodeError, record_from_proto},
        record::Record,
    },
    store::{MOST_ANCESTORS, wire},
};

const BUFFER: usize = 1 << 20;
/// So many decoded frames may wait for the state.
const WAITING: usize = 8;

/// A decoded frame.
enum Part {
    Begin(Cursor),
    Records(Vec<Record>),
    Revoked { page: u64, bits: Bytes },
    Entry(Entry),
    End(Box<End>),
}

pub(super) fn load(
    realm: &str,
    from: File,
    length: u64,
    stop: &AtomicBool,
) -> Result<(State, End), Unusable> {
    let (to, parts) = sync_channel(WAITING);
    let (built, read) = thread::scope(|scope| {
        let read = scope.spawn(|| read(realm, from, length, to));
        let built = build(parts, stop);
        // A thread that panicked has found nothing sound.
        let read = read.join();
        (
            built,
            read.unwrap_or(Err(Unusable::Damaged("it can't be read"))),
        )
    });
    read?;
    built
}

/// Decodes all frames, and compares the checksum at their end.
fn read(realm: &str, from: File, length: u64, to: SyncSender<Part>) -> Result<(), Unusable> {
    let mut framed = Framed::begin(BufReader::with_capacity(BUFFER, from), length)?;
    let mut log = LogId::default();
    while let Some((kind, message)) = framed.next()? {
        let part = decode(kind, message, realm, log)?;
        if let Part::Begin(cursor) = &part {
            log = cursor.log;
        }
        if to.send(part).is_err() {
            // Who builds the state has given up, and says why.
            return Ok(());
        }
    }
    framed.end()
}

fn message<T: Message + Default>(bytes: &[u8]) -> Result<T, Unusable> {
    Ok(T::decode(bytes).map_err(DecodeError::from)?)
}

fn decode(kind: Kind, bytes: &[u8], realm: &str, log: LogId) -> Result<Part, Unusable> {
    Ok(match kind {
        Kind::Begin => {
            let begin: pb::SnapshotBegin = message(bytes)?;
            if begin.realm != realm {
                return Err(Unusable::OtherRealm(shown(&begin.realm)));
            }
            Part::Begin(wire::cursor_from_proto(begin.cursor)?)
        }
        Kind::Records => {
            let records: pb::Records = message(bytes)?;
            let records = records.records.into_iter().map(record_from_proto);
            Part::Records(records.collect::<Result<_, _>>()?)
        }
        Kind::Revoked => {
            let page: pb::RevokedPage = message(bytes)?;
            let (page, bits) = (page.page, page.bits);
            Part::Revoked { page, bits }
        }
        Kind::Entry => Part::Entry(wire::entry_from_proto(log, &message(bytes)?)?),
        Kind::End => Part::End(Box::new(End::from_proto(message(bytes)?)?)),
    })
}

/// A realm's name as it may be logged, whatever is in the file.
fn shown(realm: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let shown = realm.chars().take(64);
    shown.map(|c| if fine(c) { c } else { '?' }).collect()
}

/// Builds the state: a begin, then records and entries as they come, then an end that says the same of it.
fn build(parts: Receiver<Part>, stop: &AtomicBool) -> Result<(State, End), Unusable> {
    let mut parts = parts.into_iter();
    let Some(Part::Begin(cursor)) = parts.next() else {
        return Err(Unusable::Damaged("it has no begin"));
    };
    let mut state = State::new(cursor.log);
    state.set_cursor(cursor);
    let mut end = None;
    for part in parts {
        if stop.load(SeqCst) {
            return Err(Unusable::Stopped);
        }
        if end.is_some() {
            return Err(Unusable::Damaged("it goes on after its end"));
        }
        match part {
            Part::Begin(_) => return Err(Unusable::Damaged("it begins twice")),
            Part::Records(records) => {
                for record in records {
                    state.load(record)?;
                }
            }
            Part::Revoked { page, bits } => state.load_page(page, &bits)?,
            Part::Entry(entry) => state.apply(&entry)?,
            Part::End(told) => end = Some(*told),
        }
    }
    let end = end.ok_or(Unusable::Damaged("it has no end"))?;
    if end.view.cursor != state.cursor() {
        return Err(Unusable::Damaged("it ends at another place of the log"));
    }
    if end.view.counts != state.counts() {
        return Err(Unusable::Damaged("it counts other records than it holds"));
    }
    Ok((state, end))
}

impl End {
    fn from_proto(end: pb::SnapshotEnd) -> Result<Self, DecodeError> {
        let ancestors = end.ancestors.iter().take(MOST_ANCESTORS);
        let ancestors: Option<Vec<_>> = ancestors.map(|log| LogId::from_slice(log)).collect();
        Ok(Self {
            view: wire::head_from_proto(end.view)?,
            ancestors: ancestors.ok_or(DecodeError::Unknown("a log id"))?,
            boot: end.boot,
            as_of: BootTime(end.as_of),
            store_time: UnixMillis(end.store_time),
            bound: (end.bound_ms > 0).then(|| Duration::from_millis(end.bound_ms)),
        })
    }
}
