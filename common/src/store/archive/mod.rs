//! The archive of a realm: everything that a store holds of it, as a file that any store can be made from.
//!
//! This folder decides what is in an archive, in which order it is read from a realm that goes on, and how a
//! new realm is made of it. It must not know how a store keeps its records, nor what the issuer-only records
//! mean: [`Meaning`] says that.
//!
//! # What is in it
//!
//! All public records and revoked serials; the issuer-only records and the list of each owner's tokens; the
//! audit trail; the serial counter. It holds no secret, because a store holds none. Not in it: request ids
//! (a request that is repeated after a restore is carried out again), receipts, the hours in which tokens
//! were last seen, and the log's old entries.
//!
//! # Which moment it shows
//!
//! Nothing stops while an archive is made, so the order of reading decides:
//!
//! 1. The public records, and the log from the head before them: together they are the fold at some head.
//! 2. The audit trail up to its end, then the issuer-only records: each is at least as new as that head.
//! 3. In turns until nothing moved: the audit trail's new events, the tokens that they are about once more,
//!    and the log up to its head. So no revocation that was acknowledged before the last turn is missing, and
//!    every token's record knows all values that the log knows of, up to the last turn.
//!
//! # What a restore makes
//!
//! A new log: nobody can take the realm for the old one. Its revisions go on [`JUMP`] past the archive's, and
//! its serials as many times that as chance says, so that no serial is given out twice: values that were made
//! after the archive keep theirs, also those of an earlier restore of the same archive.
//! No issuer and no follower opens the realm before all of it is written.

mod export;
mod file;
mod import;

use std::{io, path::PathBuf};

use async_trait::async_trait;

use crate::{
    id::{AccountId, Cursor, Fingerprint, LogId, Revision, Serial, TokenId},
    state::{
        key::Key,
        record::{Kind, Record},
    },
    store::{Commit, CommitError, FeedError, Head, PrivateWrite, Snapshot, Store},
};

pub use export::export;
pub use file::{Reader, Writer};
pub use import::import;

/// A restored realm goes on this far past the archive in revisions, and at least so far in serials.
pub const JUMP: u64 = 1 << 20;
/// The serials go on up to this many times that. Two restores of one archive then seldom share serials.
pub const MOST_JUMPS: u64 = 2048;

/// The kinds of records that only issuers read, in the order in which they are read and written again. Names
/// are last: what stands in the store of a name wins over what [`Meaning`] makes of the name's holder.
pub(super) const ISSUER_ONLY: [Kind; 3] = [Kind::Token, Kind::Owner, Kind::Name];

/// One page of what a store holds, and where the next one begins; `None` at the end. What is written while
/// the pages are read may be on two of them, or on none.
pub type Paged<T> = (Vec<T>, Option<Vec<u8>>);

/// A store of which an archive can be made.
#[async_trait]
pub trait Archive: Store {
    /// Reads issuer-only records of a kind, from a place that an earlier page gave; at first `None`.
    async fn issuer_records(
        &self,
        kind: Kind,
        from: Option<Vec<u8>>,
    ) -> Result<Paged<(Key, Vec<u8>)>, FeedError>;

    /// Reads which tokens are on which owner's list.
    async fn owners_tokens(
        &self,
        from: Option<Vec<u8>>,
    ) -> Result<Paged<(AccountId, TokenId)>, FeedError>;
}

/// A realm that is being made, and that nobody opens yet.
#[async_trait]
pub trait Fresh: Send {
    /// Writes these commits in their order.
    async fn write(&mut self, commits: Vec<Commit>) -> Result<(), ArchiveError>;

    /// Reads all public records that were written. Others may be written meanwhile.
    fn snapshot(&self) -> Snapshot<'static>;

    /// Returns where the realm's log ends.
    async fn head(&self) -> Result<Head, FeedError>;

    /// Makes the realm one that issuers and followers open.
    async fn finish(self: Box<Self>) -> Result<(), ArchiveError>;
}

/// Knows what the issuer-only records mean.
pub trait Meaning: Send + Sync {
    /// Returns the keys of the issuer-only records that the commit of this audit event has written.
    fn touched(&self, audit: &[u8]) -> Vec<Key>;

    /// Returns what is written of an issuer-only record, with what follows from it.
    fn private(&self, key: Key, value: Vec<u8>) -> Result<Vec<PrivateWrite>, ArchiveError>;

    /// Returns what only issuers read and what follows from a public record.
    fn beside(&self, record: &Record) -> Vec<PrivateWrite>;
}

/// Where a restored realm comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The end of the log that the archive shows.
    pub fork: Cursor,
    /// The serial counter then.
    pub serial: Serial,
}

impl Origin {
    /// Draws the log on which the restored realm goes on.
    pub(super) fn draw(&self) -> Result<Beginning, ArchiveError> {
        let (mut log, mut fingerprint) = ([0; 16], [0; 16]);
        let random = |error: getrandom::Error| ArchiveError::Store(error.to_string());
        getrandom::fill(&mut log).map_err(random)?;
        getrandom::fill(&mut fingerprint).map_err(random)?;
        let jumps = 1 + u64::from(getrandom::u32().map_err(random)?) % MOST_JUMPS;
        Ok(Beginning {
            cursor: Cursor {
                log: LogId(log),
                revision: Revision(self.fork.revision.0.saturating_add(JUMP)),
                fingerprint: Fingerprint(fingerprint),
            },
            serial: Serial(self.serial.0.saturating_add(jumps * JUMP)),
        })
    }
}

/// Where the log of a restored realm begins, before its first entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    pub(super) cursor: Cursor,
    pub(super) serial: Serial,
}

/// Tells how many records of how many are done.
pub type Told<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Says what an archive holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Where the archive's log ends, and what the state holds there.
    pub head: Head,
    /// How many public and issuer-only records were read.
    pub records: u64,
}

/// The errors of making an archive, and of making a realm of one.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is no archive, of a later version, torn or changed.
    #[error("{0} can't be used as an archive: {1}")]
    Unusable(PathBuf, String),
    /// The operating system refused the file.
    #[error("can't use {0}")]
    Io(PathBuf, #[source] io::Error),
    /// The archive is another realm's.
    #[error("the archive is of the realm {0}: its tokens are good in no other")]
    OtherRealm(String),
    /// There is a realm already, or something is left of one.
    #[error("{0}")]
    There(String),
    /// The store can't be read.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The store didn't take a commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store can't be used; the text says why.
    #[error("{0}")]
    Store(String),
    /// What was written isn't what the archive's head counts.
    #[error("the restored realm doesn't hold what the archive counts")]
    Different,
}
