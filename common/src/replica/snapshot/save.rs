//! This file reads a view that others use meanwhile, piece by piece, and writes it. What is written is the
//! view as of one moment: the pieces, and every entry that was applied since before the first of them.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use prost::Message as _;
use tokenward_proto::internal as pb;

use super::{
    End, Saved, SnapshotFile, Unsaved,
    format::{Frames, Kind},
};
use crate::{
    replica::{Freshness, Replica, View, tap::Recording},
    state::{Entry, Piece, Pieces, codec::record_to_proto},
    store::{Head, bound_millis, wire},
};

/// A frame of records is written once it has this many bytes.
const FULL: usize = 128 * 1024;
/// A piece that took less is followed by a rest of this length.
const REST: Duration = Duration::from_micros(50);

struct Saving<'a, W> {
    replica: &'a Replica,
    recording: Recording<'a>,
    /// The state that the pieces are of.
    identity: u64,
    frames: Frames<W>,
    records: pb::Records,
    bytes: usize,
    held: Duration,
}

pub(super) fn save(
    file: &SnapshotFile,
    replica: &Replica,
    gentle: bool,
    stop: &AtomicBool,
    to: impl Write,
) -> Result<Saved, Unsaved> {
    let (recording, identity, cursor) = {
        let view = replica.still().ok_or(Unsaved::NotFresh)?;
        // Under this lock no entry is being applied: each later one is recorded.
        let recording = replica.tap.record().ok_or(Unsaved::Busy)?;
        (recording, view.state.identity(), view.state.cursor())
    };
    let mut saving = Saving {
        replica,
        recording,
        identity,
        frames: Frames::begin(to)?,
        records: pb::Records::default(),
        bytes: 0,
        held: Duration::ZERO,
    };
    let begin = pb::SnapshotBegin {
        realm: file.realm.clone(),
        cursor: Some(wire::cursor_to_proto(&cursor)),
    };
    saving.frames.write(Kind::Begin, &begin)?;
    let mut pieces = Pieces::new();
    loop {
        if stop.load(SeqCst) {
            return Err(Unsaved::Stopped);
        }
        let (piece, took) = saving.held(|view| pieces.next(&view.state))?;
        let Some(piece) = piece else { break };
        saving.write(piece)?;
        let entries = saving.recording.take().ok_or(Unsaved::TooSlow)?;
        saving.entries(entries)?;
        if gentle {
            // A thread that rests is seldom interrupted while the writer waits for it, and leaves the
            // processor to the Checks.
            std::thread::sleep(took.max(REST));
        }
    }
    saving.end(file)
}

impl<W: Write> Saving<'_, W> {
    /// Looks at the view that is being saved, and measures for how long.
    fn held<T>(&mut self, look: impl FnOnce(&View) -> T) -> Result<(T, Duration), Unsaved> {
        let clock = self.replica.clock();
        let view = self.replica.still().ok_or(Unsaved::Replaced)?;
        if view.state.identity() != self.identity {
            return Err(Unsaved::Replaced);
        }
        let began = clock.boot();
        let seen = look(&view);
        drop(view);
        let took = clock.boot().since(began);
        self.held = self.held.max(took);
        Ok((seen, took))
    }

    fn write(&mut self, piece: Piece) -> Result<(), Unsaved> {
        match piece {
            Piece::Records(records) => {
                for record in &records {
                    let record = record_to_proto(record);
                    self.bytes += record.encoded_len();
                    self.records.records.push(record);
                    if self.bytes >= FULL {
                        self.flush()?;
                    }
                }
                Ok(())
            }
            Piece::Revoked { page, bits } => {
                let bits = bits.into();
                self.frames
                    .write(Kind::Revoked, &pb::RevokedPage { page, bits })
            }
        }
    }

    fn flush(&mut self) -> Result<(), Unsaved> {
        if self.bytes > 0 {
            self.frames.write(Kind::Records, &self.records)?;
            self.records.records.clear();
            self.bytes = 0;
        }
        Ok(())
    }

    /// Writes entries, after all records that may be older than they.
    fn entries(&mut self, entries: Vec<Entry>) -> Result<(), Unsaved> {
        if !entries.is_empty() {
            self.flush()?;
        }
        for entry in &entries {
            self.frames
                .write(Kind::Entry, &wire::entry_to_proto(entry))?;
        }
        Ok(())
    }

    fn end(mut self, file: &SnapshotFile) -> Result<Saved, Unsaved> {
        let recording = &self.recording;
        // The entries up to this very cursor, the counts and the freshness are of one moment.
        let view = self.replica.still().ok_or(Unsaved::Replaced)?;
        if view.state.identity() != self.identity {
            return Err(Unsaved::Replaced);
        }
        let entries = recording.take().ok_or(Unsaved::TooSlow)?;
        let heard = self.replica.heard().clone();
        let view_head = Head {
            cursor: view.state.cursor(),
            counts: view.state.counts(),
            serial: heard.serial,
        };
        let freshness: Freshness = view.freshness.ok_or(Unsaved::NotFresh)?;
        drop(view);
        self.entries(entries)?;
        self.flush()?;
        let end = End {
            view: view_head,
            ancestors: heard.ancestors,
            boot: self.replica.clock().boot_name().unwrap_or_default(),
            as_of: freshness.as_of,
            store_time: freshness.time(freshness.as_of),
            bound: file.bound,
        };
        self.frames.write(Kind::End, &end.to_proto())?;
        Ok(Saved {
            cursor: view_head.cursor,
            as_of: freshness.as_of,
            bytes: self.frames.end()?,
            held: self.held,
        })
    }
}

impl End {
    fn to_proto(&self) -> pb::SnapshotEnd {
        pb::SnapshotEnd {
            view: Some(wire::head_to_proto(&self.view)),
            boot: self.boot.clone(),
            as_of: self.as_of.0,
            store_time: self.store_time.0,
            bound_ms: bound_millis(self.bound),
            ancestors: self.ancestors.iter().map(|log| log.0.to_vec()).collect(),
        }
    }
}
