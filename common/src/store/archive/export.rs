//! This file reads a realm that goes on into an archive. The folder's title page gives the order, and why.

use std::{collections::BTreeSet, time::Duration};

use futures_util::StreamExt;
use tokenward_proto::internal as pb;

use crate::{
    clock::UnixTime,
    id::Cursor,
    state::{codec::record_to_proto, key::Key},
    store::{
        AuditId, FeedError, Head, SnapshotPart,
        archive::{
            Archive, ArchiveError, ISSUER_ONLY, Meaning, Summary, Told, Writer,
            file::{End, OwnersToken, Piece, Private, Start},
        },
        wire,
    },
};

/// This many records of the audit trail are read at once.
const AUDIT_PAGE: usize = 1000;
/// A realm that never rests is read to its head this often at the end. Each turn is shorter than the one
/// before, because it reads only what the one before has missed.
const TURNS: usize = 16;
/// One piece holds at most this many issuer-only records.
const PRIVATE_PIECE: usize = 1000;
/// One piece holds at most this many tokens of owners' lists.
const TOKENS_PIECE: usize = 10_000;

/// Writes an archive of the realm. It needs the memory of one piece, and of the log's entries at once.
pub async fn export(
    store: &dyn Archive,
    realm: &str,
    time: UnixTime,
    meaning: &dyn Meaning,
    to: Writer,
    told: Told<'_>,
) -> Result<Summary, ArchiveError> {
    let mut export = Export {
        store,
        meaning,
        to,
        told,
        records: 0,
        expected: 0,
        audited: AuditId::default(),
    };
    let mut at = export.public(realm, time).await?;
    export.log(&mut at).await?;
    while !export.audit(&mut BTreeSet::new()).await? {}
    export.private().await?;
    export.tokens().await?;
    for _ in 0..TURNS {
        let before = at;
        let mut touched = BTreeSet::new();
        while !export.audit(&mut touched).await? {}
        let rests = touched.is_empty();
        export.again(touched).await?;
        export.log(&mut at).await?;
        if rests && at == before {
            break;
        }
    }
    export.finish(&mut at).await
}

struct Export<'a> {
    store: &'a dyn Archive,
    meaning: &'a dyn Meaning,
    to: Writer,
    told: Told<'a>,
    records: u64,
    expected: u64,
    /// The last record of the audit trail that was read.
    audited: AuditId,
}

impl Export<'_> {
    fn count(&mut self, records: usize) {
        self.records += records as u64;
        (self.told)(self.records, self.expected.max(self.records));
    }

    /// Writes the start, the public records and the revoked serials. Returns the head before them.
    async fn public(&mut self, realm: &str, time: UnixTime) -> Result<Cursor, ArchiveError> {
        let store = self.store;
        let mut parts = store.snapshot();
        let mut at = None;
        while let Some(part) = parts.next().await {
            let mut piece = Piece::default();
            match part? {
                SnapshotPart::Start(head) => {
                    self.expected = head.counts.kinds.iter().sum();
                    at = Some(head.cursor);
                    piece.start = Some(Start {
                        realm: realm.into(),
                        log: head.cursor.log.0.to_vec(),
                        time: time.0,
                    });
                }
                SnapshotPart::Records(records) => {
                    self.count(records.len());
                    piece.records = records.iter().map(record_to_proto).collect();
                }
                SnapshotPart::Revoked { page, bits } => {
                    piece.revoked = Some(pb::RevokedPage { page, bits });
                }
            }
            self.to.put(&piece)?;
        }
        let none = || FeedError::Corrupt("a snapshot without its start".into());
        Ok(at.ok_or_else(none)?)
    }

    /// Writes the log from here up to the head of this moment.
    async fn log(&mut self, at: &mut Cursor) -> Result<Head, ArchiveError> {
        let head = self.store.head().await?;
        while at.revision < head.cursor.revision {
            let mut entries = self.store.read_log(at, Duration::ZERO).await?;
            entries.retain(|entry| entry.cursor.revision <= head.cursor.revision);
            let Some(last) = entries.last() else {
                let text = "the log ends before its head".into();
                return Err(FeedError::Unavailable(text).into());
            };
            *at = last.cursor;
            for entry in &entries {
                let entries = vec![wire::entry_to_proto(entry)];
                self.to.put(&Piece {
                    entries,
                    ..Piece::default()
                })?;
            }
        }
        if *at != head.cursor {
            let text = "the log was changed while it was read";
            return Err(FeedError::Lost(text.into()).into());
        }
        Ok(head)
    }

    /// Writes one page of the audit trail, and notes what its events have written. Returns whether it was
    /// the last one.
    async fn audit(&mut self, touched: &mut BTreeSet<Key>) -> Result<bool, ArchiveError> {
        let page = self.store.audit(self.audited, AUDIT_PAGE).await?;
        let is_last = page.len() < AUDIT_PAGE;
        let Some((last, _)) = page.last() else {
            return Ok(true);
        };
        self.audited = *last;
        let events = page.iter().map(|(_, event)| event.as_slice());
        touched.extend(events.flat_map(|event| self.meaning.touched(event)));
        let audit = page.into_iter().map(|(_, event)| event).collect();
        self.to.put(&Piece {
            audit,
            ..Piece::default()
        })?;
        Ok(is_last)
    }

    async fn private(&mut self) -> Result<(), ArchiveError> {
        for kind in ISSUER_ONLY {
            let mut from = None;
            loop {
                let (records, next) = self.store.issuer_records(kind, from).await?;
                self.put_private(records)?;
                if next.is_none() {
                    break;
                }
                from = next;
            }
        }
        Ok(())
    }

    fn put_private(&mut self, records: Vec<(Key, Vec<u8>)>) -> Result<(), ArchiveError> {
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let some = records.by_ref().take(PRIVATE_PIECE);
            let private: Vec<Private> = some.map(Private::new).collect();
            self.count(private.len());
            self.to.put(&Piece {
                private,
                ..Piece::default()
            })?;
        }
        Ok(())
    }

    /// Writes these issuer-only records once more, as they are now.
    async fn again(&mut self, keys: BTreeSet<Key>) -> Result<(), ArchiveError> {
        let keys: Vec<Key> = keys.into_iter().collect();
        for some in keys.chunks(PRIVATE_PIECE) {
            let found = self.store.get(some).await?;
            let stored = some.iter().zip(found);
            let stored = stored.filter_map(|(key, it)| Some((key.clone(), it?.value)));
            self.put_private(stored.collect())?;
        }
        Ok(())
    }

    async fn tokens(&mut self) -> Result<(), ArchiveError> {
        let mut from = None;
        loop {
            let (page, next) = self.store.owners_tokens(from).await?;
            let one = |(owner, token): (crate::id::AccountId, crate::id::TokenId)| OwnersToken {
                owner: owner.to_string(),
                token: token.0,
            };
            let mut all = page.into_iter().map(one).peekable();
            while all.peek().is_some() {
                let tokens = all.by_ref().take(TOKENS_PIECE).collect();
                self.to.put(&Piece {
                    tokens,
                    ..Piece::default()
                })?;
            }
            if next.is_none() {
                return Ok(());
            }
            from = next;
        }
    }

    async fn finish(mut self, at: &mut Cursor) -> Result<Summary, ArchiveError> {
        let head = self.log(at).await?;
        let records = self.records;
        self.to.put(&Piece {
            end: Some(End {
                head: Some(wire::head_to_proto(&head)),
                records,
            }),
            ..Piece::default()
        })?;
        self.to.finish()?;
        Ok(Summary { head, records })
    }
}
