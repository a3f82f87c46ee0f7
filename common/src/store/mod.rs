//! Order, durability, freshness, loss: the contract between who writes the log and who follows it.
//!
//! Two doors to one thing. [`Store`] is an issuer's: it commits. [`Feed`] is a verifier's, and every
//! issuer's too: it reads the log from a cursor on, or everything as it is now. What the changes mean
//! is not known here.
//!
//! What every implementation keeps, and the conformance suite (`conformance`) holds it to:
//!
//! - **Order.** Revisions are 1, 2, 3, … without gaps; each entry names its predecessor's fingerprint.
//! - **Atomicity.** A commit is all or nothing; its expectations are compared in the same step.
//! - **Cursors are exclusive** and name their log: reading after one gives the next entry, or
//!   [`FeedError::Lost`] when it isn't on this log: another log id, another fingerprint, trimmed
//!   away, or beyond the head. The head's stays valid when its own entry is trimmed away, also after
//!   the next commit: that entry names it as predecessor.
//! - **Durability.** What was answered survives a kill of every process; a confirm is proved by the
//!   same rule. A repeat of a commit changes nothing, and proves the durability again.
//! - **Snapshot.** Records read while the log moves, plus the log from the head *before* the scan,
//!   equal the fold. The head counts the records of each kind and the revoked bits.

mod committer;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "conformance")]
pub mod faults;
pub mod grpc;
pub mod guards;
pub mod overlay;
pub mod redis;
mod unable;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use sha2::{Digest, Sha256};

use crate::{
    clock::{UnixMillis, UnixTime},
    id::{AccountId, Cursor, Fingerprint, LogId, RequestId, Revision, Serial, TokenId},
    state::{
        Counts, Entry,
        codec::{DecodeError, encode_changes},
        key::Key,
        record::{Change, FloorTarget, Kind, Record},
    },
};

pub use unable::Reason;

/// The most changes of one entry, each revoked serial counted: it bounds how long a writer holds readers.
pub const MAX_CHANGES: usize = 256;
/// The most bytes of one entry's changes, encoded.
pub const MAX_CHANGE_BYTES: usize = 256 * 1024;
/// Serials in one page of the revoked bitmap.
pub const PAGE_SERIALS: u64 = 1 << 18;
/// The longest that a reader may wait for the log.
pub const MAX_WAIT: Duration = Duration::from_secs(30);
/// The most entries in one answer of `read_log`.
pub const MAX_BATCH: usize = 1024;
/// The most tokens that one confirm tells of as seen.
pub const MAX_USED: usize = 500;
/// The longest bound of a follower: past an hour a bound on staleness means nothing, and one that
/// answers by an older view is none of ours.
pub const LONGEST_BOUND: Duration = Duration::from_secs(3600);
/// Events of the audit trail that are kept at least.
pub const AUDIT_KEPT: u64 = 100_000;

/// Where the log ends, and what the state holds there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The newest entry's; at revision 0 there is no entry yet.
    pub cursor: Cursor,
    /// What the state holds once that entry is applied.
    pub counts: Counts,
    /// The last serial given out.
    pub serial: Serial,
}

/// A head that the store stood at after the confirm was sent, and the store's time then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Confirmed {
    /// The head at that moment: every commit acknowledged before the confirm began is at or before it.
    pub head: Head,
    /// The store's clock, by which tokens expire.
    pub time: UnixMillis,
}

/// A token was found genuine and live in this hour since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Used {
    /// The token by its id, whichever of its values was seen.
    pub token: TokenId,
    /// Whole hours since 1970 (Unix seconds by 3600).
    pub hour: u32,
}

/// What a follower tells of itself with a confirm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// 1 to 64 characters of an id; two followers that live at once never share it.
    pub follower: String,
    /// The longest time that it answers by one confirm: what it doesn't know of past it is no
    /// danger. `None`: it answers nobody, and nobody waits for it; from one that had a bound, a
    /// goodbye.
    pub bound: Option<Duration>,
    /// At most [`MAX_USED`].
    pub used: Vec<Used>,
}

impl From<&str> for Report {
    fn from(follower: &str) -> Self {
        Self {
            follower: follower.into(),
            bound: None,
            used: Vec::new(),
        }
    }
}

/// A follower's last confirm, as the store keeps it.
///
/// Whoever reads the receipts after a commit was acknowledged sees every follower that may still
/// answer by a view without it: a confirm that told of an older head had left its receipt before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// As the follower named itself in its [`Report`].
    pub follower: String,
    /// The log that it confirmed on; all zero: the store began anew and hasn't heard of it since.
    pub log: LogId,
    /// The newest revision that its view had applied when it confirmed; 0 with a log that is all zero.
    pub applied: Revision,
    /// As in its [`Report`]; `None`: it answers nobody.
    pub bound: Option<Duration>,
    /// Moves with every confirm: an unchanged mark is a follower that wasn't heard of.
    pub mark: u64,
}

/// A place in the audit trail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AuditId(pub u64, pub u64);

/// A piece of a snapshot. The first is `Start`; the stream's end means that all was there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotPart {
    /// The head before the scan: read the log from here on.
    Start(Head),
    /// Some of the public records, in any order; each as it stood at the head or later.
    Records(Vec<Record>),
    /// [`PAGE_SERIALS`] bits, least significant first; may be cut after the last set one.
    Revoked {
        /// The page's number: its first bit is serial `page` times [`PAGE_SERIALS`].
        page: u64,
        /// A set bit is a revoked serial.
        bits: Bytes,
    },
}

/// The parts of a snapshot as they are read; after an error none of them may be used.
pub type Snapshot<'a> = BoxStream<'a, Result<SnapshotPart, FeedError>>;

/// By what a follower does about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FeedError {
    /// The cursor isn't on this log: begin again from a snapshot, keep what is monotone.
    #[error("the cursor is not on this log: {0}")]
    Lost(String),
    /// Try again later.
    #[error("the store can't be reached: {0}")]
    Unavailable(String),
    /// What is stored can't be understood: stop and call for help.
    #[error("the store holds what this version can't read: {0}")]
    Corrupt(String),
}

impl From<DecodeError> for FeedError {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// By what a committer does about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The expectation at this index didn't hold; nothing was written. Read again, decide again.
    #[error("expectation {0} did not hold")]
    Conflict(usize),
    /// Too large to ever be taken; nothing was written.
    #[error("the commit is too large: {0}")]
    TooLarge(String),
    /// Nothing was written, surely. Trying again is safe.
    #[error("not written: {0}")]
    Rejected(String),
    /// Written or not. Repeat with the same request id to know.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Nothing was written for want of room; the reason says whether takeaways still are.
    #[error("not written: {0}")]
    Short(Reason),
    /// This process takes the store for no longer its own and writes nothing more: a repeat here
    /// can't help. `sent`: this was on its way before that was seen, and is written or not.
    #[error("refused: {reason}")]
    Unfit {
        /// What was seen of the store.
        reason: Reason,
        /// `false`: nothing was written, surely.
        sent: bool,
    },
}

/// What must hold for a commit to happen, compared in the same step as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// No record stands under this key.
    Absent(Key),
    /// A record stands under this key and was not written after this revision.
    Unchanged {
        /// The key of the record that was read.
        key: Key,
        /// The revision of the record, or of the view, that was read.
        since: Revision,
    },
    /// The target's floor is below this serial.
    FloorBelow {
        /// Whose floor is compared.
        target: FloorTarget,
        /// Must be above the floor; a floor never raised is 0.
        serial: Serial,
    },
    /// This serial isn't revoked.
    NotRevoked(Serial),
}

/// An issuer-only write, in the same step as the changes. Never in the feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivateWrite {
    /// Writes a record in place of what stands under its key.
    Put {
        /// Of an issuer-only kind: a public one is refused.
        key: Key,
        /// The record's bytes, which the store doesn't read.
        value: Vec<u8>,
    },
    /// Takes away the record under this key, of an issuer-only kind; if there is none, this is no error.
    Delete(Key),
    /// This owner has this token: what [`Store::tokens_of`] lists.
    IndexToken {
        /// The account that the token acts for.
        owner: AccountId,
        /// The token that is listed from now on.
        token: TokenId,
    },
    /// This token ends then, no longer at another time: what [`Store::expiring`] lists.
    IndexExpiry {
        /// The token whose end is another now.
        token: TokenId,
        /// The end it was listed under until now; `None`: it wasn't listed.
        was: Option<UnixTime>,
        /// The end that it is listed under from now on; `None`: it isn't listed any more.
        at: Option<UnixTime>,
    },
    /// One record of the audit trail.
    Audit(Vec<u8>),
}

/// A follower's bound as it is kept. 0: none. Rounded up: a bound is never understated.
pub(crate) fn bound_millis(bound: Option<Duration>) -> u64 {
    let up = |bound: Duration| bound.as_nanos().div_ceil(1_000_000);
    u64::try_from(bound.map_or(0, up)).unwrap_or(u64::MAX)
}

/// How urgent: takeaways go before everything else, imports after.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CommitClass {
    /// Takes access away. Accepted even when the store is short of memory.
    Takeaway,
    /// Every commit that is neither a takeaway nor an import.
    Ordinary,
    /// A batch of a bulk import: it waits for everything else.
    Import,
}

/// One atomic step of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// A second commit of this id changes nothing and is answered as the first was.
    pub request: RequestId,
    /// Kept with the request id for at least [`REQUESTS_KEPT`]; given back to a repeat.
    pub response: Vec<u8>,
    /// How urgent it is among the commits that wait.
    pub class: CommitClass,
    /// The public part, applied in this order; at most [`MAX_CHANGES`], and [`MAX_CHANGE_BYTES`] encoded.
    pub changes: Vec<Change>,
    /// The issuer-only part, in this order.
    pub private: Vec<PrivateWrite>,
    /// All of these must hold, or nothing is written.
    pub expect: Vec<Expect>,
}

/// How long a request id is remembered at least.
pub const REQUESTS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// What a store answers once a commit is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Of the first commit with this request id.
    pub cursor: Cursor,
    /// `Some(response)` of the first commit when this was a repeat.
    pub repeated: Option<Vec<u8>>,
}

/// A stored record, and the revision that wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Of the last commit that wrote it: what [`Expect::Unchanged`] takes.
    pub revision: Revision,
    /// As [`split`](crate::state::codec::split) makes it; an issuer-only record's as it was put.
    pub value: Vec<u8>,
}

/// How much of the log to keep: by time, under a cap on entries and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Entries that are older than this by the store's time are cut away.
    pub time: Duration,
    /// At most this many entries stay, however young.
    pub entries: u64,
    /// At most this many bytes of entries stay, however young.
    pub bytes: u64,
}

/// A follower's door. Shared by reference; every call may be made at the same time as others.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// Where the log ends now, and what the state holds there.
    async fn head(&self) -> Result<Head, FeedError>;

    /// Everything as it is now, in pieces; memory is bounded by one piece.
    fn snapshot(&self) -> Snapshot<'_>;

    /// The entries right after the cursor, at most [`MAX_BATCH`]; waits up to `wait` for the first.
    /// Empty: none came. Cancel-safe.
    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError>;

    /// Proves that the store, by the same rule as a commit, stands at the answered head *after*
    /// this call began. `Lost` unless `applied` is on the log. Leaves a [`Receipt`].
    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError>;
}

/// An issuer's door.
#[async_trait]
pub trait Store: Feed {
    /// The next serial: never given out twice.
    async fn take_serial(&self) -> Result<Serial, CommitError>;

    /// Writes the commit, all or nothing, and answers once it is durable.
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError>;

    /// The response kept with a request id, if it is remembered. Proves no durability.
    async fn request(&self, request: &RequestId) -> Result<Option<Vec<u8>>, FeedError>;

    /// The records under these keys, public or issuer-only, in the keys' order.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError>;

    /// An owner's tokens with ids above `after`, ascending, at most `limit`.
    async fn tokens_of(
        &self,
        owner: &AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenId>, FeedError>;

    /// Tokens that end at `from` or later and before `to`, the next to end first; only those after
    /// `after` in that order.
    async fn expiring(
        &self,
        from: UnixTime,
        to: UnixTime,
        after: Option<(UnixTime, TokenId)>,
        limit: usize,
    ) -> Result<Vec<(UnixTime, TokenId)>, FeedError>;

    /// When each of these was last seen, in hours since 1970.
    async fn last_used(&self, tokens: &[TokenId]) -> Result<Vec<Option<u32>>, FeedError>;

    /// Every follower's last confirm, read now.
    async fn receipts(&self) -> Result<Vec<Receipt>, FeedError>;

    /// Records of the audit trail after this place, oldest first.
    async fn audit(
        &self,
        after: AuditId,
        limit: usize,
    ) -> Result<Vec<(AuditId, Vec<u8>)>, FeedError>;

    /// Would a commit be taken now? Asked often, writes nothing; what a write alone can prove, a
    /// confirm does.
    async fn able(&self) -> Result<(), Reason>;

    /// Cuts the front of the log down to this. A reader that falls behind it is `Lost`.
    async fn trim(&self, retention: &Retention) -> Result<(), FeedError>;
}

impl Commit {
    /// Asks again for what was committed under this id, proving its durability, and writes nothing
    /// if it was forgotten: its expectations contradict each other.
    pub fn repeat(request: RequestId) -> Self {
        let key = Key::token(TokenId(0));
        Self {
            request,
            response: Vec::new(),
            class: CommitClass::Takeaway,
            changes: Vec::new(),
            private: Vec::new(),
            expect: vec![
                Expect::Absent(key.clone()),
                Expect::Unchanged {
                    key,
                    since: Revision(0),
                },
            ],
        }
    }

    /// The bytes of its changes, within the bounds of an entry and such as every reader takes.
    fn encoded(&self) -> Result<Vec<u8>, CommitError> {
        self.check_keys()?;
        let weight: usize = self.changes.iter().map(weight).sum();
        if weight > MAX_CHANGES {
            return Err(CommitError::TooLarge(format!(
                "{weight} changes, at most {MAX_CHANGES}"
            )));
        }
        let bytes = encode_changes(&self.changes);
        if bytes.len() > MAX_CHANGE_BYTES {
            return Err(CommitError::TooLarge(format!(
                "{} bytes, at most {MAX_CHANGE_BYTES}",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// A reader stops at an entry that breaks one of these; so no store may take it.
    fn check_keys(&self) -> Result<(), CommitError> {
        let undeletable = self
            .changes
            .iter()
            .any(|change| matches!(change, Change::Delete(key) if key.is_kept()));
        if undeletable {
            return Err(CommitError::Rejected(
                "what is kept for ever can't be deleted".into(),
            ));
        }
        let comes_back =
            |change: &Change| matches!(change, Change::Retire(key) if key.retired().is_none());
        if self.changes.iter().any(comes_back) {
            return Err(CommitError::Rejected(
                "only users, orgs, groups and repos are retired".into(),
            ));
        }
        let public = self.private.iter().any(|write| match write {
            PrivateWrite::Put { key, .. } | PrivateWrite::Delete(key) => {
                Kind::PUBLIC.contains(&key.kind)
            }
            PrivateWrite::IndexToken { .. }
            | PrivateWrite::IndexExpiry { .. }
            | PrivateWrite::Audit(_) => false,
        });
        if public {
            return Err(CommitError::Rejected(
                "an issuer-only write under a public kind".into(),
            ));
        }
        Ok(())
    }
}

/// A batch of revocations counts by its serials.
fn weight(change: &Change) -> usize {
    match change {
        Change::Revoke(serials) => serials.len(),
        _ => 1,
    }
}

/// The first 16 bytes of SHA-256 over the request id and the changes.
fn fingerprint(request: &RequestId, changes: &[u8]) -> Fingerprint {
    let digest = Sha256::new()
        .chain_update(request.0)
        .chain_update(changes)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(digest.split_at(16).0);
    Fingerprint(bytes)
}
