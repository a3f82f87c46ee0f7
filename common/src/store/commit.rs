//! This file says what one atomic step of the log is, and which steps no store may take. It must not know the
//! stores.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{
    clock::UnixTime,
    id::{AccountId, Cursor, Fingerprint, RequestId, Revision, Serial, TokenId},
    state::{
        codec::encode_changes,
        key::Key,
        record::{Change, FloorTarget, Kind},
    },
    store::{MAX_CHANGE_BYTES, MAX_CHANGES, Reason},
};

/// The errors of a commit, separated by what a committer does about them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The expectation at this index didn't hold, and nothing was written. The committer reads again
    /// and makes a new plan.
    #[error("expectation {0} did not hold")]
    Conflict(usize),
    /// The commit is too large to ever be taken; nothing was written.
    #[error("the commit is too large: {0}")]
    TooLarge(String),
    /// Nothing was written for certain, so that it is safe to try again.
    #[error("not written: {0}")]
    Rejected(String),
    /// The commit was written or not; a repeat with the same request id settles which.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// Nothing was written because room is short; the reason says whether takeaways are still taken.
    #[error("not written: {0}")]
    Short(Reason),
    /// This process no longer takes the store for its own and writes nothing more, so a repeat by this
    /// process can't help.
    #[error("refused: {reason}")]
    Unfit {
        /// What was seen of the store.
        reason: Reason,
        /// `true`: the commit was on its way before that was seen, and is written or not. `false`:
        /// nothing was written for certain.
        sent: bool,
    },
}

/// A condition for a commit, compared in the same step as the commit is written.
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
        /// The serial that the floor must be below; a floor that was never raised is 0.
        serial: Serial,
    },
    /// This serial isn't revoked.
    NotRevoked(Serial),
}

/// A write of issuer-only data, in the same step as the changes. It never appears in the feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivateWrite {
    /// Writes a record in place of the one under its key.
    Put {
        /// The key of an issuer-only kind; a public kind is refused.
        key: Key,
        /// The record's bytes, which the store doesn't interpret.
        value: Vec<u8>,
    },
    /// Deletes the issuer-only record under this key. It is no error if there is none.
    Delete(Key),
    /// Adds the token to the owner's list, which [`Store::tokens_of`] reads.
    IndexToken {
        /// The account that the token acts for.
        owner: AccountId,
        /// The token that is listed from now on.
        token: TokenId,
    },
    /// Moves the token in the list by expiry, which [`Store::expiring`] reads.
    IndexExpiry {
        /// The token whose end has changed.
        token: TokenId,
        /// The end under which it was listed until now; `None`: it wasn't listed.
        was: Option<UnixTime>,
        /// The end under which it is listed from now on; `None`: it isn't listed any more.
        at: Option<UnixTime>,
    },
    /// Appends one record to the audit trail.
    Audit(Vec<u8>),
}

/// The urgency of a commit: takeaways go before all others, imports after all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CommitClass {
    /// A commit that only takes access away. It is accepted even when the store is short of memory.
    Takeaway,
    /// Every commit that is neither a takeaway nor an import.
    Ordinary,
    /// A batch of a bulk import: it waits for all other commits.
    Import,
}

/// One atomic step of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// A second commit with this id changes nothing and gets the answer of the first.
    pub request: RequestId,
    /// Kept with the request id for at least [`REQUESTS_KEPT`], and returned to a repeat.
    pub response: Vec<u8>,
    /// The urgency of this commit among the commits that wait.
    pub class: CommitClass,
    /// The public part, applied in this order: at most [`MAX_CHANGES`] changes, and encoded at most
    /// [`MAX_CHANGE_BYTES`].
    pub changes: Vec<Change>,
    /// The issuer-only part, written in this order.
    pub private: Vec<PrivateWrite>,
    /// All of these expectations must hold, or nothing is written.
    pub expect: Vec<Expect>,
}

/// A request id is remembered at least this long.
pub const REQUESTS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// What a store answers once a commit is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// The cursor of the first commit with this request id.
    pub cursor: Cursor,
    /// The response of the first commit if this was a repeat; `None` if it was not.
    pub repeated: Option<Vec<u8>>,
}

impl Commit {
    /// Makes a commit that repeats the request of this id, and so proves the first commit's durability.
    /// If the id was forgotten, nothing is written, because the expectations contradict each other.
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

    /// Encodes the changes; it fails if they exceed the limits of an entry or if a reader would not
    /// take them.
    pub(super) fn encoded(&self) -> Result<Vec<u8>, CommitError> {
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

    /// Rejects changes at which every reader would stop; no store may take such an entry.
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

/// Counts a batch of revocations by its serials, and every other change as 1.
pub(super) fn weight(change: &Change) -> usize {
    match change {
        Change::Revoke(serials) => serials.len(),
        _ => 1,
    }
}

/// Computes the first 16 bytes of SHA-256 over the request id and the changes. The store chains it with the
/// fingerprint of the entry before.
pub(super) fn fingerprint(request: &RequestId, changes: &[u8]) -> Fingerprint {
    let digest = Sha256::new()
        .chain_update(request.0)
        .chain_update(changes)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(digest.split_at(16).0);
    Fingerprint(bytes)
}
