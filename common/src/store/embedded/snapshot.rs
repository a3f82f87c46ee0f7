//! This file reads all records as they are at one moment, from one read transaction, a piece at a time.
//! Between two pieces no thread is held, only the transaction, which keeps the pages that it sees from
//! being reused.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use redb::{Range, ReadOnlyTable};

use crate::{
    state::{
        codec::join,
        key::Key,
        record::{Kind, Record},
    },
    store::{
        FeedError, Head, Snapshot, SnapshotPart,
        embedded::{
            Shared,
            read::{self, unreadable},
            tables::{CHUNK_BYTES, PAGE_CHUNKS, RECORDS, REVOKED, split_value},
        },
    },
};

/// The bounds of one piece of records.
const PART_RECORDS: usize = 1024;
const PART_BYTES: usize = 256 * 1024;

type Rows = Range<'static, &'static [u8], &'static [u8]>;

enum Stage {
    Begin(Arc<Shared>),
    Scan(Box<Scan>),
    End,
}

struct Scan {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// The kinds whose records are still to come.
    kinds: std::array::IntoIter<Kind, { Kind::PUBLIC.len() }>,
    records: Option<(Kind, Rows)>,
    revoked: Range<'static, u64, &'static [u8]>,
    /// The first chunk of the next page, which was read at the end of the page before.
    met: Option<(u64, Vec<u8>)>,
}

pub(super) fn snapshot(shared: Arc<Shared>) -> Snapshot<'static> {
    stream::unfold(Stage::Begin(shared), |stage| async move {
        if matches!(stage, Stage::End) {
            return None;
        }
        // The read blocks, because pages may have to come from the disk.
        match tokio::task::spawn_blocking(|| step(stage)).await {
            Ok(Ok(None)) => None,
            Ok(Ok(Some((part, stage)))) => Some((Ok(part), stage)),
            Ok(Err(error)) => Some((Err(error), Stage::End)),
            Err(error) => Some((Err(FeedError::Unavailable(error.to_string())), Stage::End)),
        }
    })
    .boxed()
}

fn step(stage: Stage) -> Result<Option<(SnapshotPart, Stage)>, FeedError> {
    match stage {
        Stage::Begin(shared) => {
            let (head, scan) = begin(&shared)?;
            let part = SnapshotPart::Start(head);
            Ok(Some((part, Stage::Scan(Box::new(scan)))))
        }
        Stage::Scan(mut scan) => Ok(scan.part()?.map(|part| (part, Stage::Scan(scan)))),
        Stage::End => Ok(None),
    }
}

fn begin(shared: &Shared) -> Result<(Head, Scan), FeedError> {
    let txn = shared.begin_read()?;
    let head = read::tip(&txn)?.head;
    let table = txn.open_table(RECORDS).map_err(unreadable)?;
    let revoked = txn
        .open_table(REVOKED)
        .and_then(|table| Ok(table.range::<u64>(..)?))
        .map_err(unreadable)?;
    let scan = Scan {
        table,
        kinds: Kind::PUBLIC.into_iter(),
        records: None,
        revoked,
        met: None,
    };
    Ok((head, scan))
}

impl Scan {
    fn part(&mut self) -> Result<Option<SnapshotPart>, FeedError> {
        let records = self.records()?;
        if !records.is_empty() {
            return Ok(Some(SnapshotPart::Records(records)));
        }
        self.page()
    }

    fn records(&mut self) -> Result<Vec<Record>, FeedError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < PART_RECORDS && bytes < PART_BYTES {
            let Some((kind, range)) = &mut self.records else {
                let Some(kind) = self.kinds.next() else {
                    break;
                };
                let (from, to) = ([kind as u8], [kind as u8 + 1]);
                let range = self.table.range(from.as_slice()..to.as_slice());
                self.records = Some((kind, range.map_err(unreadable)?));
                continue;
            };
            let kind = *kind;
            let Some(row) = range.next() else {
                self.records = None;
                continue;
            };
            let (key, value) = row.map_err(unreadable)?;
            bytes += key.value().len() + value.value().len();
            let key = Key {
                kind,
                bytes: key.value().iter().skip(1).copied().collect(),
            };
            records.push(join(&key, split_value(value.value())?.1)?);
        }
        Ok(records)
    }

    fn page(&mut self) -> Result<Option<SnapshotPart>, FeedError> {
        let first = match self.met.take() {
            Some(met) => Some(met),
            None => self.chunk()?,
        };
        let Some((chunk, bytes)) = first else {
            return Ok(None);
        };
        let page = chunk / PAGE_CHUNKS;
        let mut bits = Vec::new();
        place(&mut bits, chunk, &bytes);
        while let Some((chunk, bytes)) = self.chunk()? {
            if chunk / PAGE_CHUNKS != page {
                self.met = Some((chunk, bytes));
                break;
            }
            place(&mut bits, chunk, &bytes);
        }
        Ok(Some(SnapshotPart::Revoked {
            page,
            bits: bits.into(),
        }))
    }

    fn chunk(&mut self) -> Result<Option<(u64, Vec<u8>)>, FeedError> {
        let Some(row) = self.revoked.next() else {
            return Ok(None);
        };
        let (chunk, bytes) = row.map_err(unreadable)?;
        Ok(Some((chunk.value(), bytes.value().to_vec())))
    }
}

/// Appends a chunk. Chunks come in order, and everything between two of them is 0.
fn place(bits: &mut Vec<u8>, chunk: u64, bytes: &[u8]) {
    let start = usize::try_from(chunk % PAGE_CHUNKS).unwrap_or(0) * CHUNK_BYTES;
    bits.resize(start, 0);
    bits.extend_from_slice(bytes);
}
