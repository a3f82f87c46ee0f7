//! This file decides the contract between the writers of the log and its followers: order, durability,
//! freshness and loss. [`Store`] is for an issuer, which commits. [`Feed`] is for every follower, a
//! verifier or an issuer: it reads the log from a cursor on, or a snapshot. The contract must not know
//! what the changes mean.
//!
//! Every implementation keeps these rules, and the conformance suite (`testing/conformance/`) tests them:
//!
//! - **Order.** Revisions are 1, 2, 3, … without gaps; each entry names its predecessor's fingerprint.
//! - **Atomicity.** A commit is all or nothing; its expectations are compared in the same step.
//! - **Cursors are exclusive** and name their log. Reading after a cursor gives the next entry. It
//!   gives [`FeedError::Lost`] when the cursor isn't on this log: another log id, another fingerprint,
//!   trimmed away, or beyond the head. The head's cursor stays valid when its own entry is trimmed
//!   away, also after the next commit, because that entry names it as its predecessor.
//! - **Durability.** An acknowledged commit survives a kill of every process, and a confirm proves
//!   itself by the same rule. A repeat of a commit changes nothing, and proves the durability again.
//! - **Snapshot.** Records that are read while the log moves, plus the log from the head *before* the
//!   scan, equal the fold of the log. The head counts the records of each kind and the revoked bits.

pub mod archive;
mod commit;
mod committer;
#[cfg(feature = "embedded")]
pub mod embedded;
mod entries;
pub mod grpc;
pub mod guards;
mod history;
mod limits;
pub mod overlay;
pub mod redis;
mod unable;
pub(crate) mod wire;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::{
    clock::{UnixMillis, UnixTime},
    id::{AccountId, Cursor, LogId, RequestId, Revision, Serial, TokenId},
    state::{
        Counts, Entry,
        codec::DecodeError,
        key::Key,
        record::{Change, Record},
    },
};

pub use crate::state::PAGE_SERIALS;
pub use commit::{
    Commit, CommitClass, CommitError, Committed, Expect, PrivateWrite, REQUESTS_KEPT,
};
use commit::{fingerprint, weight};
pub use entries::entries;
pub(crate) use history::MOST_ANCESTORS;
pub use history::{Bring, HandedIn, History, Recalled, Reopening};
pub use limits::{
    AUDIT_KEPT, LONGEST_BOUND, MAX_BATCH, MAX_CHANGE_BYTES, MAX_CHANGES, MAX_USED, MAX_WAIT,
};
pub use unable::Reason;

/// The head says where the log ends, and what the state holds there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The newest entry's cursor; at revision 0 there is no entry yet.
    pub cursor: Cursor,
    /// The counts of the state once that entry is applied.
    pub counts: Counts,
    /// The last serial that was given out.
    pub serial: Serial,
}

/// A confirm's answer: a head at which the store stood after the confirm was sent, and the store's time
/// at that moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Confirmed {
    /// Every commit that was acknowledged before the confirm began is at or before this head.
    pub head: Head,
    /// The time of the store's clock, by which tokens expire.
    pub time: UnixMillis,
}

/// The token was found genuine and live in this hour.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Used {
    /// The id of the token, whichever of its values was seen.
    pub token: TokenId,
    /// The hour in whole hours since 1970 (Unix seconds divided by 3600).
    pub hour: u32,
}

/// What a follower reports about itself with a confirm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The follower's id, of 1 to 64 characters. Two followers that live at once never share it.
    pub follower: String,
    /// The longest time for which the follower answers by one confirm; a revision that it doesn't know
    /// is no danger after that. `None`: the follower answers no requests, and nobody waits for it. A
    /// follower that had a bound says goodbye with `None`.
    pub bound: Option<Duration>,
    /// The tokens that the follower saw, at most [`MAX_USED`].
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
/// A caller that reads the receipts after a commit was acknowledged sees every follower that may still
/// answer by a view without this commit: a confirm leaves its receipt before it returns a head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The id that the follower gave in its [`Report`].
    pub follower: String,
    /// The log of the confirmed cursor. All zero: the store began anew and hasn't heard from the
    /// follower since.
    pub log: LogId,
    /// The newest revision that the follower's view had applied when it confirmed; 0 if the log is all
    /// zero.
    pub applied: Revision,
    /// The bound from the follower's [`Report`]. `None`: the follower answers no requests.
    pub bound: Option<Duration>,
    /// The mark changes with every confirm: if it is unchanged, the follower has not confirmed since.
    pub mark: u64,
}

/// A place in the audit trail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AuditId(pub u64, pub u64);

/// A piece of a snapshot. The first piece is `Start`; the end of the stream means that the snapshot is
/// complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotPart {
    /// The head before the scan: the log must be read from here on.
    Start(Head),
    /// Some of the public records, in any order, each as it stood at the head or later.
    Records(Vec<Record>),
    /// A page of [`PAGE_SERIALS`] bits, least significant first. It may be cut off after the last set
    /// bit.
    Revoked {
        /// The page's number: its first bit is for the serial `page` times [`PAGE_SERIALS`].
        page: u64,
        /// A set bit is a revoked serial.
        bits: Bytes,
    },
}

/// The pieces of a snapshot as they are read. After an error none of them may be used.
pub type Snapshot<'a> = BoxStream<'a, Result<SnapshotPart, FeedError>>;

/// The errors of a feed, separated by what a follower does about them.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FeedError {
    /// The cursor isn't on this log: the follower begins again from a snapshot and keeps the facts that
    /// only grow.
    #[error("the cursor is not on this log: {0}")]
    Lost(String),
    /// The store gave no usable answer: the follower tries again later.
    #[error("the store can't be reached: {0}")]
    Unavailable(String),
    /// This version can't decode what is stored: the follower tries again with pauses, in vain until an
    /// operator acts.
    #[error("the store holds what this version can't read: {0}")]
    Corrupt(String),
}

impl From<DecodeError> for FeedError {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Gives a follower's bound in milliseconds, as it is kept; 0 means no bound. It rounds up, so that a
/// bound is never understated.
pub(crate) fn bound_millis(bound: Option<Duration>) -> u64 {
    let up = |bound: Duration| bound.as_nanos().div_ceil(1_000_000);
    u64::try_from(bound.map_or(0, up)).unwrap_or(u64::MAX)
}

/// A stored record, and the revision that wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The revision of the last commit that wrote the record, as [`Expect::Unchanged`] takes it.
    pub revision: Revision,
    /// The bytes that [`split`](crate::state::codec::split) makes of a public record; an issuer-only
    /// record has the bytes that were put.
    pub value: Vec<u8>,
}

/// How much of the log to keep: a time, and caps on the number of entries and on their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Entries older than this, by the store's time, are trimmed away.
    pub time: Duration,
    /// At most this many entries stay, however young they are.
    pub entries: u64,
    /// At most this many bytes of entries stay, however young they are.
    pub bytes: u64,
}

/// What a follower may call. It is shared by reference, and calls may run at the same time.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// Returns where the log ends now, and what the state holds there.
    async fn head(&self) -> Result<Head, FeedError>;

    /// Reads all records as they are now, in pieces; it needs the memory of one piece.
    fn snapshot(&self) -> Snapshot<'_>;

    /// Reads the entries right after the cursor, at most [`MAX_BATCH`], and waits up to `wait` for the
    /// first. An empty answer means that none came. The call is cancel-safe.
    async fn read_log(&self, after: &Cursor, wait: Duration) -> Result<Vec<Entry>, FeedError>;

    /// Proves that the store stood at the returned head *after* this call began; the proof is by the
    /// same durability rule as a commit's. Fails with `Lost` unless `applied` is on the log. Leaves a
    /// [`Receipt`].
    async fn confirm(&self, report: &Report, applied: &Cursor) -> Result<Confirmed, FeedError>;

    /// Hands in what the follower knows and the store has lost. It is kept until an issuer has committed it;
    /// the same piece may be handed in again. `false`: nothing is done with it, because the store doesn't come
    /// from any log that the follower was on.
    async fn hand_in(&self, piece: &HandedIn) -> Result<bool, FeedError>;
}

/// What an issuer may call.
#[async_trait]
pub trait Store: Feed {
    /// Returns the next serial; no serial is given out twice.
    async fn take_serial(&self) -> Result<Serial, CommitError>;

    /// Writes the commit, all or nothing, and answers once it is durable.
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError>;

    /// Returns the response that is kept with a request id, if it is remembered. This proves no
    /// durability.
    async fn request(&self, request: &RequestId) -> Result<Option<Vec<u8>>, FeedError>;

    /// Returns the records under these keys, public or issuer-only, in the order of the keys.
    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Stored>>, FeedError>;

    /// Lists an owner's tokens with ids above `after`, ascending, at most `limit` of them.
    async fn tokens_of(
        &self,
        owner: &AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<TokenId>, FeedError>;

    /// Lists the tokens that end at `from` or later and before `to`, the first to end first. It lists
    /// only tokens that come after `after` in this order.
    async fn expiring(
        &self,
        from: UnixTime,
        to: UnixTime,
        after: Option<(UnixTime, TokenId)>,
        limit: usize,
    ) -> Result<Vec<(UnixTime, TokenId)>, FeedError>;

    /// Returns the hour since 1970 in which each of these tokens was last seen.
    async fn last_used(&self, tokens: &[TokenId]) -> Result<Vec<Option<u32>>, FeedError>;

    /// Returns every follower's last confirm as it is at this moment.
    async fn receipts(&self) -> Result<Vec<Receipt>, FeedError>;

    /// Returns the records of the audit trail after this place, oldest first.
    async fn audit(
        &self,
        after: AuditId,
        limit: usize,
    ) -> Result<Vec<(AuditId, Vec<u8>)>, FeedError>;

    /// Reports whether a commit would be taken now. It is called often and writes nothing; what only a
    /// write can prove is proved by a confirm.
    async fn able(&self) -> Result<(), Reason>;

    /// Opens a history if what this issuer acknowledged is not in the store any more, or takes part in one
    /// that another issuer opened. `state` is the cursor of the state from which the issuer can bring back
    /// facts. It is called again until it answers `Sound`. A store that can't lose anything while it is
    /// open has nothing to do here.
    async fn reopen(&self, _state: &Cursor) -> Result<Reopening, FeedError> {
        Ok(Reopening::Sound)
    }

    /// Returns what all issuers handed in to the history that this one opened, in the order of its log.
    async fn recalled(&self) -> Result<Vec<Recalled>, FeedError> {
        Ok(Vec::new())
    }

    /// Commits an entry that was handed in to the history that this issuer opened: whole, if it was
    /// acknowledged, or else its changes.
    async fn bring_back(&self, entry: &Recalled) -> Result<(), CommitError> {
        self.bring(entry.changes.clone()).await
    }

    /// Commits to the history that this issuer opened, while nobody has vouched for it yet.
    async fn bring(&self, _changes: Vec<Change>) -> Result<(), CommitError> {
        Err(CommitError::Rejected("no history is being opened".into()))
    }

    /// Ends the opening: everything is back, and this issuer vouches for it.
    async fn settle(&self) -> Result<(), FeedError> {
        Ok(())
    }

    /// Returns some of the pieces that followers handed in and that were not taken yet, each with the name
    /// under which [`took_in`](Self::took_in) knows it.
    async fn handed_in(&self) -> Result<Vec<(Vec<u8>, HandedIn)>, FeedError>;

    /// Forgets a piece that was handed in: all of it is committed.
    async fn took_in(&self, name: &[u8]) -> Result<(), FeedError>;

    /// Gives out no serial up to this one any more; the answer comes once that is durable.
    async fn pass_serial(&self, serial: Serial) -> Result<(), CommitError>;

    /// Trims the front of the log down to this retention. A reader whose cursor is trimmed away is
    /// `Lost`.
    async fn trim(&self, retention: &Retention) -> Result<(), FeedError>;
}
