//! Decides how an entry of the log, a record or a page of a snapshot changes the state. This file must not
//! know the network or the clock.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::{
    id::{Cursor, LogId, Serial},
    state::{
        amendments::Amendments,
        directory::Directory,
        entry::{ApplyError, Entry},
        org_tokens::OrgTokens,
        record::{Change, FloorTarget, Record},
        revocations::Revocations,
    },
};

/// Holds everything but the token that a decision needs, as of one cursor.
///
/// ```
/// use tokenward_common::{
///     clock::UnixMillis,
///     id::{AccountId, Cursor, Fingerprint, LogId, Name, Revision, Serial},
///     state::{
///         Entry, State,
///         record::{Change, Record, User},
///     },
/// };
///
/// let log = LogId([7; 16]);
/// let mut state = State::new(log);
/// let ada = User {
///     id: AccountId::parse("u-ada")?,
///     name: Name::parse("Ada")?,
///     disabled: false,
///     service_account_of: None,
///     display: Box::default(),
/// };
/// let entry = Entry {
///     cursor: Cursor { log, revision: Revision(1), fingerprint: Fingerprint([1; 16]) },
///     predecessor: state.cursor().fingerprint,
///     serial: Serial(0),
///     time: UnixMillis(0),
///     changes: vec![Change::Put(Record::User(ada))],
/// };
/// state.apply(&entry)?;
/// state.apply(&entry)?; // A second time it changes nothing.
/// assert_eq!(state.cursor(), entry.cursor);
/// assert!(state.account_by_name("ada").is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct State {
    pub(super) identity: u64,
    pub(super) cursor: Cursor,
    pub(super) directory: Directory,
    pub(super) amendments: Amendments,
    pub(super) org_tokens: OrgTokens,
    pub(super) revocations: Revocations,
}

impl State {
    /// Makes an empty state, before the log's first entry.
    pub fn new(log: LogId) -> Self {
        Self {
            identity: RandomState::default().hash_one(log.0),
            cursor: Cursor::start(log),
            directory: Directory::new(),
            amendments: Amendments::new(),
            org_tokens: OrgTokens::new(),
            revocations: Revocations::new(),
        }
    }

    /// Returns a random number that identifies this state. It shows whether a place in a scan is this
    /// state's.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// Returns the cursor of the last applied entry.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Sets the cursor that the loaded records are at least as new as; the entries after it are applied next.
    pub fn set_cursor(&mut self, cursor: Cursor) {
        self.cursor = cursor;
    }

    /// Applies an entry; one at or before the cursor changes nothing. After any error but
    /// [`ApplyError::Unstorable`] the state is unchanged.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), ApplyError> {
        if entry.cursor.log != self.cursor.log {
            return Err(ApplyError::OtherLog);
        }
        let (applied, got) = (self.cursor.revision, entry.cursor.revision);
        if got < applied {
            return Ok(());
        }
        if got == applied {
            return if entry.cursor.fingerprint == self.cursor.fingerprint {
                Ok(())
            } else {
                Err(ApplyError::Forked)
            };
        }
        if got.0 - applied.0 > 1 {
            return Err(ApplyError::Gap { applied, got });
        }
        if entry.predecessor != self.cursor.fingerprint {
            return Err(ApplyError::Forked);
        }
        for change in &entry.changes {
            self.change(change, entry.serial)?;
        }
        self.cursor = entry.cursor;
        Ok(())
    }

    fn change(&mut self, change: &Change, serial: Serial) -> Result<(), ApplyError> {
        match change {
            Change::Put(record) => self.put(record)?,
            Change::Delete(key) => self.delete(key),
            Change::Retire(key) => {
                self.delete(key);
                if let Some(id) = key.retired() {
                    self.directory.retire(&id)?;
                }
            }
            Change::Revoke(serials) => {
                for serial in serials {
                    self.revocations.revoke(*serial);
                }
            }
            Change::RaiseFloor(target) => self.raise_floor(target, serial)?,
        }
        Ok(())
    }

    /// Loads a record of a snapshot. The order of records doesn't matter.
    pub fn load(&mut self, record: Record) -> Result<(), ApplyError> {
        self.put(&record)
    }

    /// Loads a page of a snapshot's revoked serials: [`super::PAGE_SERIALS`] bits, least significant first.
    /// The last bytes may be left out when they are zero.
    pub fn load_page(&mut self, page: u64, bits: &[u8]) -> Result<(), ApplyError> {
        self.revocations.load_page(page, bits)
    }

    pub(super) fn raise_floor(
        &mut self,
        target: &FloorTarget,
        serial: Serial,
    ) -> Result<(), ApplyError> {
        let accounts = &mut self.directory.accounts;
        match target {
            FloorTarget::Realm => self.revocations.raise_realm(serial),
            FloorTarget::Owner(owner) => {
                let owner = accounts.intern(owner)?;
                self.revocations.raise(Some(owner), None, serial);
            }
            FloorTarget::OwnerInOrg { owner, org } => {
                let owner = accounts.intern(owner)?;
                let org = accounts.intern(org)?;
                self.revocations.raise(Some(owner), Some(org), serial);
            }
            FloorTarget::Org(org) => {
                let org = accounts.intern(org)?;
                self.revocations.raise(None, Some(org), serial);
            }
        }
        Ok(())
    }
}
