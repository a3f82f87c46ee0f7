//! This file reads all records as they are now, while the log moves.
//!
//! The head names every bucket, so that no scan is needed. Records only ever move to a bucket that was
//! just added: buckets that were added during the reading are read too, until none was added. All reads
//! use one connection to one run of the server, and the head before the scan must still be on the log
//! after it.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use redis::{Pipeline, Value, aio::MultiplexedConnection, cmd, pipe};
use tokio::sync::mpsc;

use crate::{
    state::{
        codec::join,
        record::{Kind, Record},
    },
    store::{
        FeedError, Snapshot, SnapshotPart,
        redis::{
            layout::{Keys, key_of, stored},
            link::Link,
            reply::{StoredEntry, StoredHead, bytes, corrupt, list, pairs, parse_number},
        },
    },
};

const RESPONSE: Duration = Duration::from_secs(5);
/// One request reads this many buckets or pages.
const PIECE: usize = 16;
/// One part holds at most this many records, and about this many bytes of them.
const PART_RECORDS: usize = 2048;
const PART_BYTES: usize = 512 * 1024;
/// At most this many requests, and this many parts, are on their way at once.
const AHEAD: usize = 2;

pub(super) fn snapshot(link: Arc<Link>, keys: Keys) -> Snapshot<'static> {
    snapshot_by(link, keys, StoredHead::new)
}

/// Reads a realm whose head is decoded so.
pub(super) fn snapshot_by(
    link: Arc<Link>,
    keys: Keys,
    decode: fn(Value) -> Result<StoredHead, FeedError>,
) -> Snapshot<'static> {
    let (parts, received) = mpsc::channel(AHEAD);
    // The end of the stream means that the snapshot is complete: a reader that died must not look like
    // one that finished.
    let finished = Arc::new(AtomicBool::new(false));
    let whole = Arc::clone(&finished);
    let reading = async move {
        let read = async {
            let connection = link.connect(Some(RESPONSE)).await?;
            Reader {
                connection,
                keys,
                decode,
                parts: parts.clone(),
            }
            .read()
            .await
        };
        if let Err(error) = read.await {
            // The receiver may be gone; then no caller waits for the error.
            let _ = parts.send(Err(error)).await;
        }
        finished.store(true, Release);
    };
    // The first poll starts the reader, and a closed channel ends it.
    stream::once(async move {
        tokio::spawn(reading);
        stream::unfold(Some((received, whole)), |state| async move {
            let (mut received, whole) = state?;
            match received.recv().await {
                Some(part) => Some((part, Some((received, whole)))),
                None if whole.load(Acquire) => None,
                None => {
                    let died = FeedError::Unavailable("the snapshot's reader died".into());
                    Some((Err(died), None))
                }
            }
        })
    })
    .flatten()
    .boxed()
}

struct Reader {
    connection: MultiplexedConnection,
    keys: Keys,
    decode: fn(Value) -> Result<StoredHead, FeedError>,
    parts: mpsc::Sender<Result<SnapshotPart, FeedError>>,
}

impl Reader {
    async fn read(&mut self) -> Result<(), FeedError> {
        let run = self.run().await?;
        let start = self.head().await?;
        self.part(SnapshotPart::Start(start.head)).await?;
        // Kinds without records at the start are skipped: all of their records are in the log after the
        // start.
        let kinds = Kind::PUBLIC
            .into_iter()
            .filter(|kind| start.head.counts.get(*kind) > 0);
        let mut done: Vec<(Kind, u64)> = kinds.map(|kind| (kind, 0)).collect();
        let mut now = start;
        loop {
            let mut fresh = Vec::new();
            for (kind, read) in &mut done {
                let added = *read..now.buckets(*kind);
                *read = added.end;
                if !added.is_empty() {
                    fresh.push((*kind, added));
                }
            }
            if fresh.is_empty() {
                break;
            }
            for (kind, buckets) in fresh {
                self.records(kind, buckets).await?;
            }
            now = self.head().await?;
        }
        self.revoked().await?;
        self.still_on(&start).await?;
        if self.run().await? != run {
            return Err(FeedError::Unavailable("the server was restarted".into()));
        }
        Ok(())
    }

    /// Reads buckets of a kind. A hub has a million buckets, so each request is made only when its turn
    /// comes.
    async fn records(&self, kind: Kind, buckets: Range<u64>) -> Result<(), FeedError> {
        let end = buckets.end;
        let pieces = buckets.step_by(PIECE).map(|first| {
            let mut ask = pipe();
            for bucket in first..end.min(first + PIECE as u64) {
                ask.cmd("HGETALL").arg(self.keys.bucket(kind, bucket));
            }
            fetch(self.connection.clone(), ask)
        });
        let mut pieces = stream::iter(pieces).buffered(AHEAD);
        while let Some(piece) = pieces.next().await {
            let (mut records, mut size) = (Vec::new(), 0);
            for answer in piece? {
                for (field, value) in pairs(answer)? {
                    if records.len() >= PART_RECORDS || size + value.len() > PART_BYTES {
                        self.part(SnapshotPart::Records(std::mem::take(&mut records)))
                            .await?;
                        size = 0;
                    }
                    size += value.len();
                    records.push(decode(kind, &field, &value)?);
                }
            }
            if !records.is_empty() {
                self.part(SnapshotPart::Records(records)).await?;
            }
        }
        Ok(())
    }

    async fn revoked(&mut self) -> Result<(), FeedError> {
        let pages: Value = self.one(cmd("SMEMBERS").arg(&self.keys.pages)).await?;
        let pages: Option<Vec<u64>> = list(pages)?
            .into_iter()
            .map(|page| parse_number(&bytes(page).ok()?))
            .collect();
        let mut pages = pages.ok_or_else(|| corrupt("the pages"))?;
        pages.sort_unstable();
        for piece in pages.chunks(PIECE) {
            let mut ask = pipe();
            for page in piece {
                ask.cmd("GET").arg(self.keys.bits(*page));
            }
            for (page, bits) in piece.iter().zip(self.ask(&ask).await?) {
                if bits == Value::Nil {
                    continue;
                }
                // Redis counts bits from the most significant one.
                let bits: Vec<u8> = bytes(bits)?.into_iter().map(u8::reverse_bits).collect();
                let bits = Bytes::from(bits);
                self.part(SnapshotPart::Revoked { page: *page, bits })
                    .await?;
            }
        }
        Ok(())
    }

    /// Checks that the start is still an entry of this log, or just before the first entry that was
    /// kept.
    async fn still_on(&mut self, start: &StoredHead) -> Result<(), FeedError> {
        let (start, now) = (start.head.cursor, self.head().await?.head.cursor);
        if now == start {
            return Ok(());
        }
        let at = format!("{}-0", start.revision);
        let found = self
            .one(cmd("XRANGE").arg(&self.keys.log).arg(&at).arg(&at))
            .await?;
        let known = match StoredEntry::list(found)?.into_iter().next() {
            Some(mut entry) => entry.fingerprint()? == start.fingerprint,
            // The entry was trimmed since, or is revision 0: reading the log after the start settles
            // it.
            None => true,
        };
        if known && now.log == start.log && now.revision > start.revision {
            return Ok(());
        }
        Err(FeedError::Unavailable("the log was changed".into()))
    }

    async fn head(&mut self) -> Result<StoredHead, FeedError> {
        (self.decode)(self.one(cmd("HGETALL").arg(&self.keys.head)).await?)
    }

    /// Returns the id of this run of this server.
    async fn run(&mut self) -> Result<String, FeedError> {
        let info = bytes(self.one(cmd("INFO").arg("server")).await?)?;
        let info = String::from_utf8_lossy(&info);
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        run.map(|run| run.trim().to_owned())
            .ok_or_else(|| corrupt("its run id"))
    }

    async fn one(&mut self, ask: &redis::Cmd) -> Result<Value, FeedError> {
        ask.query_async(&mut self.connection)
            .await
            .map_err(|error| FeedError::Unavailable(error.to_string()))
    }

    async fn ask(&self, ask: &Pipeline) -> Result<Vec<Value>, FeedError> {
        ask.query_async(&mut self.connection.clone())
            .await
            .map_err(|error| FeedError::Unavailable(error.to_string()))
    }

    async fn part(&self, part: SnapshotPart) -> Result<(), FeedError> {
        let sent = self.parts.send(Ok(part)).await;
        sent.map_err(|_| FeedError::Unavailable("nobody reads the snapshot".into()))
    }
}

async fn fetch(
    mut connection: MultiplexedConnection,
    ask: Pipeline,
) -> Result<Vec<Value>, FeedError> {
    let answers = ask.query_async(&mut connection).await;
    answers.map_err(|error| FeedError::Unavailable(error.to_string()))
}

fn decode(kind: Kind, field: &[u8], value: &[u8]) -> Result<Record, FeedError> {
    let key = key_of(kind, field)?;
    Ok(join(&key, &stored(&key, value)?.value)?)
}
