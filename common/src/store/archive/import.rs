//! This file makes a realm of an archive: everything is written by ordinary commits, in the archive's order.

use futures_util::StreamExt;

use crate::{
    id::{AccountId, RequestId, Serial, TokenId},
    state::{
        codec::record_from_proto,
        record::{Change, Floor, Record},
    },
    store::{
        Commit, CommitClass, MAX_CHANGES, PAGE_SERIALS, PrivateWrite, SnapshotPart,
        archive::{
            ArchiveError, Fresh, Meaning, Reader, Told,
            file::{Chunks, OwnersToken, Piece},
        },
        entries::Size,
        wire,
    },
};

/// This many commits are written at once.
const AT_ONCE: usize = 4;
/// One commit has at most this many issuer-only writes, and at most about so many bytes of them.
const PRIVATE: usize = 256;
const PRIVATE_BYTES: usize = 128 * 1024;

/// Writes what the archive holds into a realm that nobody opens yet. Afterwards it holds what the archive's
/// head counts, or this fails.
pub async fn import(
    from: &Reader,
    meaning: &dyn Meaning,
    fresh: &mut dyn Fresh,
    told: Told<'_>,
) -> Result<(), ArchiveError> {
    let mut import = Import {
        meaning,
        log: from.summary().head.cursor.log,
        batch: Batch::new(fresh)?,
        done: 0,
        told,
        expected: from.summary().records,
    };
    let mut pieces = from.pieces()?;
    while let Some(piece) = pieces.next()? {
        import.piece(piece, &pieces).await?;
    }
    import.batch.flush().await?;
    import.beside().await?;
    let held = import.batch.fresh.head().await?.counts;
    if held != from.summary().head.counts {
        return Err(ArchiveError::Different);
    }
    Ok(())
}

struct Import<'a> {
    meaning: &'a dyn Meaning,
    log: crate::id::LogId,
    batch: Batch<'a>,
    done: u64,
    expected: u64,
    told: Told<'a>,
}

impl Import<'_> {
    async fn piece(&mut self, piece: Piece, file: &Chunks) -> Result<(), ArchiveError> {
        self.done += (piece.records.len() + piece.private.len()) as u64;
        for record in piece.records {
            let record = record_from_proto(record)?;
            self.batch.change(Change::Put(record)).await?;
        }
        if let Some(page) = piece.revoked {
            let serials: Vec<Serial> = set_bits(page.page, &page.bits).collect();
            for some in serials.chunks(MAX_CHANGES) {
                self.batch.change(Change::Revoke(some.to_vec())).await?;
            }
        }
        for entry in &piece.entries {
            let entry = wire::entry_from_proto(self.log, entry)?;
            for change in entry.changes {
                // The counter of the new realm is another one.
                let change = match change {
                    Change::RaiseFloor(target) => Change::Put(Record::Floor(Floor {
                        target,
                        serial: entry.serial,
                    })),
                    other => other,
                };
                self.batch.change(change).await?;
            }
        }
        for private in piece.private {
            let (key, value) = private
                .split()
                .ok_or_else(|| file.unusable("it holds a kind that this version doesn't know"))?;
            for write in self.meaning.private(key, value)? {
                self.batch.private(write).await?;
            }
        }
        for OwnersToken { owner, token } in piece.tokens {
            let owner = AccountId::parse(&owner);
            let owner = owner.map_err(|rule| file.unusable(format!("an owner's id {rule}")))?;
            let token = TokenId(token);
            let write = PrivateWrite::IndexToken { owner, token };
            self.batch.private(write).await?;
        }
        for event in piece.audit {
            self.batch.private(PrivateWrite::Audit(event)).await?;
        }
        (self.told)(self.done, self.expected);
        Ok(())
    }

    /// Writes what follows from the public records, once all of them are as they stay.
    async fn beside(&mut self) -> Result<(), ArchiveError> {
        let mut parts = self.batch.fresh.snapshot();
        while let Some(part) = parts.next().await {
            if let SnapshotPart::Records(records) = part? {
                for write in records.iter().flat_map(|it| self.meaning.beside(it)) {
                    self.batch.private(write).await?;
                }
            }
        }
        self.batch.flush().await
    }
}

fn set_bits(page: u64, bits: &[u8]) -> impl Iterator<Item = Serial> {
    let first = page.saturating_mul(PAGE_SERIALS);
    (first..).step_by(8).zip(bits).flat_map(|(at, byte)| {
        (0..8)
            .filter(move |bit| byte >> bit & 1 != 0)
            .map(move |bit| Serial(at + bit))
    })
}

/// Gathers writes into commits, and commits into calls.
struct Batch<'a> {
    fresh: &'a mut dyn Fresh,
    /// The random half of the request ids, and the number of the next one.
    salt: [u8; 8],
    number: u64,
    changes: Vec<Change>,
    size: Size,
    private: Vec<PrivateWrite>,
    private_bytes: usize,
    ready: Vec<Commit>,
}

impl<'a> Batch<'a> {
    fn new(fresh: &'a mut dyn Fresh) -> Result<Self, ArchiveError> {
        let mut salt = [0; 8];
        let random = |error: getrandom::Error| ArchiveError::Store(error.to_string());
        getrandom::fill(&mut salt).map_err(random)?;
        Ok(Self {
            fresh,
            salt,
            number: 0,
            changes: Vec::new(),
            size: Size::default(),
            private: Vec::new(),
            private_bytes: 0,
            ready: Vec::new(),
        })
    }

    async fn change(&mut self, change: Change) -> Result<(), ArchiveError> {
        let more = Size::of(std::slice::from_ref(&change));
        if !self.changes.is_empty() && !self.size.plus(&more).fits() {
            self.close().await?;
        }
        self.size = self.size.plus(&more);
        self.changes.push(change);
        Ok(())
    }

    async fn private(&mut self, write: PrivateWrite) -> Result<(), ArchiveError> {
        if self.private.len() >= PRIVATE || self.private_bytes >= PRIVATE_BYTES {
            self.close().await?;
        }
        self.private_bytes += match &write {
            PrivateWrite::Put { key, value } => key.bytes.len() + value.len(),
            PrivateWrite::Audit(event) => event.len(),
            _ => 0,
        };
        self.private.push(write);
        Ok(())
    }

    /// Makes a commit of what was gathered.
    async fn close(&mut self) -> Result<(), ArchiveError> {
        if self.changes.is_empty() && self.private.is_empty() {
            return Ok(());
        }
        let mut request = [0; 16];
        let (random, number) = request.split_at_mut(8);
        random.copy_from_slice(&self.salt);
        number.copy_from_slice(&self.number.to_be_bytes());
        self.number += 1;
        self.size = Size::default();
        self.private_bytes = 0;
        self.ready.push(Commit {
            request: RequestId(request),
            response: Vec::new(),
            class: CommitClass::Import,
            changes: std::mem::take(&mut self.changes),
            private: std::mem::take(&mut self.private),
            expect: Vec::new(),
        });
        if self.ready.len() >= AT_ONCE {
            let ready = std::mem::take(&mut self.ready);
            self.fresh.write(ready).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ArchiveError> {
        self.close().await?;
        let ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            return Ok(());
        }
        self.fresh.write(ready).await
    }
}
