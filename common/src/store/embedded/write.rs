//! This file decides what one commit does to the tables. Everything is compared before anything is
//! written, so a commit that fails leaves the group's transaction as it found it. It must not know when
//! the transaction is made durable.

use redb::{ReadableTable, StorageError, Table, TableError, WriteTransaction};
use sha2::{Digest as _, Sha256};

use crate::{
    clock::UnixMillis,
    id::{Cursor, Fingerprint, RequestId, Revision, Serial, TokenId},
    state::{
        codec::{DecodeError, join, split},
        key::Key,
        record::{Approval, Change, Floor, FloorTarget, Kind, Record, RecordKey},
    },
    store::{
        AUDIT_KEPT, Commit, Committed, Expect, PrivateWrite, REQUESTS_KEPT, Retention, Used,
        committer::Pending,
        embedded::tables::{
            AUDIT, CHUNK_SERIALS, EXPIRIES, FOLLOWERS, LOG, META, RECORDS, REQUEST_AGES, REQUESTS,
            REVOKED, TIP, TOKENS, Tip, USED, USED_TOKENS, expiry_key, number, record_key,
            record_value, request_value, split_request, split_value, token_key,
        },
        fingerprint, wire,
    },
};

/// One transaction trims at most this many entries off the log.
const TRIM_STEP: usize = 1024;
/// One transaction forgets this many groups of request ids, which is more than it can add.
const FORGET_STEP: usize = 2;

/// An error after which nothing of the group can be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The expectation at this index didn't hold.
pub(super) struct Conflict(pub(super) usize);

/// The transaction of one group: all tables, and the tip as it will be.
pub(super) struct Group<'t> {
    pub(super) tip: Tip,
    now: UnixMillis,
    requested: Vec<RequestId>,
    meta: Table<'t, u8, &'static [u8]>,
    records: Table<'t, &'static [u8], &'static [u8]>,
    revoked: Table<'t, u64, &'static [u8]>,
    log: Table<'t, u64, &'static [u8]>,
    requests: Table<'t, &'static [u8], &'static [u8]>,
    request_ages: Table<'t, u64, &'static [u8]>,
    tokens: Table<'t, &'static [u8], ()>,
    expiries: Table<'t, &'static [u8], ()>,
    used: Table<'t, u64, &'static [u8]>,
    followers: Table<'t, &'static str, u64>,
    audit: Table<'t, u64, &'static [u8]>,
}

impl<'t> Group<'t> {
    /// Opens every table, and so makes the tables that aren't there.
    pub(super) fn begin(
        txn: &'t WriteTransaction,
        tip: Tip,
        now: UnixMillis,
    ) -> Result<Self, WriteError> {
        Ok(Self {
            tip,
            now,
            requested: Vec::new(),
            meta: txn.open_table(META)?,
            records: txn.open_table(RECORDS)?,
            revoked: txn.open_table(REVOKED)?,
            log: txn.open_table(LOG)?,
            requests: txn.open_table(REQUESTS)?,
            request_ages: txn.open_table(REQUEST_AGES)?,
            tokens: txn.open_table(TOKENS)?,
            expiries: txn.open_table(EXPIRIES)?,
            used: txn.open_table(USED)?,
            followers: txn.open_table(FOLLOWERS)?,
            audit: txn.open_table(AUDIT)?,
        })
    }

    pub(super) fn take_serial(&mut self) -> Serial {
        self.tip.head.serial.0 += 1;
        self.tip.head.serial
    }

    pub(super) fn pass_serial(&mut self, serial: Serial) {
        self.tip.head.serial = self.tip.head.serial.max(serial);
    }

    /// Notes when tokens were seen; a noted hour never goes back.
    pub(super) fn note_used(&mut self, used: &[Used]) -> Result<(), WriteError> {
        // Tokens that were never minted take no room.
        let minted = |used: &&Used| used.token.0 <= self.tip.head.serial.0;
        let mut used: Vec<Used> = used.iter().filter(minted).copied().collect();
        used.sort_unstable();
        let page = |used: &Used| used.token.0 / USED_TOKENS;
        for same_page in used.chunk_by(|a, b| page(a) == page(b)) {
            let Some(number) = same_page.first().map(page) else {
                continue;
            };
            let mut hours = match self.used.get(number)? {
                Some(row) => row.value().to_vec(),
                None => Vec::new(),
            };
            for one in same_page {
                let at = usize::try_from(one.token.0 % USED_TOKENS * 4).unwrap_or(0);
                if hours.len() < at + 4 {
                    hours.resize(at + 4, 0);
                }
                let slot = hours.get_mut(at..).and_then(|rest| rest.first_chunk_mut());
                if let Some(slot) = slot {
                    *slot = u32::from_be_bytes(*slot).max(one.hour).to_be_bytes();
                }
            }
            self.used.insert(number, hours.as_slice())?;
        }
        Ok(())
    }

    pub(super) fn admit(&mut self, follower: &str, bound_ms: u64) -> Result<(), WriteError> {
        let known = self.followers.get(follower)?.map_or(0, |row| row.value());
        self.followers.insert(follower, known.max(bound_ms))?;
        Ok(())
    }

    pub(super) fn dismiss(&mut self, follower: &str) -> Result<(), WriteError> {
        self.followers.remove(follower)?;
        Ok(())
    }

    /// Deletes one step of the ends of tokens that have ended: no forecast lists them.
    fn forget_expiries(&mut self) -> Result<(), WriteError> {
        let now = expiry_key(self.now.seconds(), TokenId(0));
        for _ in 0..TRIM_STEP {
            let Some((key, _)) = self.expiries.first()? else {
                return Ok(());
            };
            if key.value() >= now.as_slice() {
                return Ok(());
            }
            drop(key);
            self.expiries.pop_first()?;
        }
        Ok(())
    }

    pub(super) fn commit(
        &mut self,
        pending: &mut Pending,
    ) -> Result<Result<Committed, Conflict>, WriteError> {
        let commit = &pending.commit;
        if let Some(kept) = self.requests.get(commit.request.0.as_slice())? {
            let (cursor, response) = split_request(self.tip.head.cursor.log, kept.value())?;
            return Ok(Ok(Committed {
                cursor,
                repeated: Some(response.to_vec()),
            }));
        }
        for (index, expect) in commit.expect.iter().enumerate() {
            if !self.holds(expect)? {
                return Ok(Err(Conflict(index)));
            }
        }
        let predecessor = self.tip.head.cursor.fingerprint;
        let cursor = Cursor {
            log: self.tip.head.cursor.log,
            revision: Revision(self.tip.head.cursor.revision.0 + 1),
            fingerprint: chained(
                &predecessor,
                &fingerprint(&commit.request, &pending.changes),
            ),
        };
        let changes = std::mem::take(&mut pending.changes);
        self.append(cursor, predecessor, changes)?;
        self.write(commit, cursor.revision)?;
        let kept = request_value(&cursor, &commit.response);
        self.requests
            .insert(commit.request.0.as_slice(), kept.as_slice())?;
        self.requested.push(commit.request);
        Ok(Ok(Committed {
            cursor,
            repeated: None,
        }))
    }

    /// Writes the rows that the group as a whole leaves behind.
    pub(super) fn finish(mut self) -> Result<Tip, WriteError> {
        self.forget_requests()?;
        if !self.requested.is_empty() {
            let mut row = self.now.0.to_be_bytes().to_vec();
            for request in &self.requested {
                row.extend_from_slice(&request.0);
            }
            let newest = self.tip.head.cursor.revision.0;
            self.request_ages.insert(newest, row.as_slice())?;
        }
        while self.tip.audit_next - self.tip.audit_first > AUDIT_KEPT {
            self.audit.remove(self.tip.audit_first)?;
            self.tip.audit_first += 1;
        }
        self.tip.groups += 1;
        self.meta.insert(TIP, self.tip.encode().as_slice())?;
        Ok(self.tip)
    }

    /// Trims one step off the front of the log; returns `true` when there is no more to trim.
    pub(super) fn trim(&mut self, keep: &Retention) -> Result<bool, WriteError> {
        self.forget_expiries()?;
        let head = self.tip.head.cursor.revision.0;
        let young = self
            .now
            .0
            .saturating_sub(u64::try_from(keep.time.as_millis()).unwrap_or(u64::MAX));
        for _ in 0..TRIM_STEP {
            let first = self.tip.first;
            if first > head {
                return Ok(true);
            }
            let Some(row) = self.log.get(first)? else {
                return Err(DecodeError::Unknown("a gap in the log").into());
            };
            let bytes = row.value().len() as u64;
            let over = head + 1 - first > keep.entries || self.tip.log_bytes > keep.bytes;
            if !over && wire::entry_time(row.value())?.0 >= young {
                return Ok(true);
            }
            drop(row);
            self.log.remove(first)?;
            self.tip.first += 1;
            self.tip.log_bytes = self.tip.log_bytes.saturating_sub(bytes);
        }
        Ok(false)
    }

    fn holds(&self, expect: &Expect) -> Result<bool, WriteError> {
        Ok(match expect {
            Expect::Absent(key) => self.records.get(record_key(key).as_slice())?.is_none(),
            Expect::Unchanged { key, since } => {
                match self.records.get(record_key(key).as_slice())? {
                    Some(row) => split_value(row.value())?.0 <= *since,
                    None => false,
                }
            }
            Expect::FloorBelow { target, serial } => self.floor(target)? < *serial,
            Expect::NotRevoked(serial) => {
                let (chunk, byte, bit) = place(*serial);
                let row = self.revoked.get(chunk)?;
                let bits = row.as_ref().and_then(|row| row.value().get(byte));
                bits.is_none_or(|bits| bits & bit == 0)
            }
        })
    }

    /// Returns the target's floor, or 0 when there is none.
    fn floor(&self, target: &FloorTarget) -> Result<Serial, WriteError> {
        let key = Key::from_record_key(&RecordKey::Floor(target.clone()));
        let Some(row) = self.records.get(record_key(&key).as_slice())? else {
            return Ok(Serial(0));
        };
        match join(&key, split_value(row.value())?.1)? {
            Record::Floor(floor) => Ok(floor.serial),
            _ => Err(DecodeError::Unknown("a floor").into()),
        }
    }

    fn append(
        &mut self,
        cursor: Cursor,
        predecessor: Fingerprint,
        changes: Vec<u8>,
    ) -> Result<(), WriteError> {
        let serial = self.tip.head.serial;
        let entry = wire::encode_entry(&cursor, &predecessor, serial, self.now, changes);
        self.log.insert(cursor.revision.0, entry.as_slice())?;
        self.tip.log_bytes += entry.len() as u64;
        self.tip.head.cursor = cursor;
        Ok(())
    }

    fn write(&mut self, commit: &Commit, revision: Revision) -> Result<(), WriteError> {
        for change in &commit.changes {
            match change {
                // A floor is never lowered, even by a put.
                Change::Put(Record::Floor(floor)) => {
                    self.raise(&floor.target, floor.serial, revision)?;
                }
                // A token that an org revoked stays revoked.
                Change::Put(record @ Record::OrgTokenView(_)) if self.is_final(record)? => {}
                Change::Put(record) => self.put(record, revision)?,
                Change::Delete(key) => self.delete(key)?,
                Change::Retire(key) => {
                    self.delete(key)?;
                    if let Some(id) = key.retired() {
                        self.put(&Record::Retired(id), revision)?;
                    }
                }
                Change::Revoke(serials) => self.revoke(serials)?,
                Change::RaiseFloor(target) => {
                    self.raise(target, self.tip.head.serial, revision)?;
                }
            }
        }
        for write in &commit.private {
            match write {
                PrivateWrite::Put { key, value } => {
                    let value = record_value(revision, value);
                    self.records
                        .insert(record_key(key).as_slice(), value.as_slice())?;
                }
                PrivateWrite::Delete(key) => {
                    self.records.remove(record_key(key).as_slice())?;
                }
                PrivateWrite::IndexToken { owner, token } => {
                    self.tokens
                        .insert(token_key(owner, *token).as_slice(), ())?;
                }
                PrivateWrite::IndexExpiry { token, was, at } => {
                    if let Some(was) = was {
                        self.expiries.remove(expiry_key(*was, *token).as_slice())?;
                    }
                    if let Some(at) = at {
                        self.expiries
                            .insert(expiry_key(*at, *token).as_slice(), ())?;
                    }
                }
                PrivateWrite::Audit(record) => {
                    self.audit.insert(self.tip.audit_next, record.as_slice())?;
                    self.tip.audit_next += 1;
                }
            }
        }
        Ok(())
    }

    fn delete(&mut self, key: &RecordKey) -> Result<(), WriteError> {
        let key = Key::from_record_key(key);
        let row = record_key(&key);
        if self.records.remove(row.as_slice())?.is_some() {
            self.counted(key.kind, u64::saturating_sub);
        }
        Ok(())
    }

    fn put(&mut self, record: &Record, revision: Revision) -> Result<(), WriteError> {
        let (key, value) = split(record);
        let value = record_value(revision, &value);
        let old = self
            .records
            .insert(record_key(&key).as_slice(), value.as_slice())?
            .is_some();
        if !old {
            self.counted(key.kind, u64::saturating_add);
        }
        Ok(())
    }

    /// Reports whether the stored view under this view's key is final, so that nothing replaces it.
    fn is_final(&self, view: &Record) -> Result<bool, WriteError> {
        let key = Key::from_record_key(&view.key());
        let Some(row) = self.records.get(record_key(&key).as_slice())? else {
            return Ok(false);
        };
        let stands = join(&key, split_value(row.value())?.1)?;
        Ok(matches!(stands, Record::OrgTokenView(view) if view.state == Approval::Revoked))
    }

    fn raise(
        &mut self,
        target: &FloorTarget,
        to: Serial,
        revision: Revision,
    ) -> Result<(), WriteError> {
        let floor = Record::Floor(Floor {
            target: target.clone(),
            serial: self.floor(target)?.max(to),
        });
        self.put(&floor, revision)
    }

    fn revoke(&mut self, serials: &[Serial]) -> Result<(), WriteError> {
        let mut sorted = serials.to_vec();
        sorted.sort_unstable();
        for same_chunk in sorted.chunk_by(|a, b| place(*a).0 == place(*b).0) {
            let Some((chunk, _, _)) = same_chunk.first().map(|serial| place(*serial)) else {
                continue;
            };
            let mut bits = match self.revoked.get(chunk)? {
                Some(row) => row.value().to_vec(),
                None => Vec::new(),
            };
            let mut new = 0;
            for serial in same_chunk {
                let (_, byte, bit) = place(*serial);
                if bits.len() <= byte {
                    bits.resize(byte + 1, 0);
                }
                if let Some(bits) = bits.get_mut(byte)
                    && *bits & bit == 0
                {
                    *bits |= bit;
                    new += 1;
                }
            }
            if new > 0 {
                self.revoked.insert(chunk, bits.as_slice())?;
                self.tip.head.counts.revoked += new;
            }
        }
        Ok(())
    }

    fn counted(&mut self, kind: Kind, by_one: fn(u64, u64) -> u64) {
        if let Some(count) = self.tip.head.counts.kinds.get_mut(kind as usize) {
            *count = by_one(*count, 1);
        }
    }

    fn forget_requests(&mut self) -> Result<(), WriteError> {
        let kept = u64::try_from(REQUESTS_KEPT.as_millis()).unwrap_or(u64::MAX);
        for _ in 0..FORGET_STEP {
            let Some((first, row)) = self.request_ages.first()? else {
                return Ok(());
            };
            let (time, requests) = number(row.value())?;
            if time.saturating_add(kept) >= self.now.0 {
                return Ok(());
            }
            for request in requests.chunks(16) {
                self.requests.remove(request)?;
            }
            drop((first, row));
            self.request_ages.pop_first()?;
        }
        Ok(())
    }
}

/// An entry's fingerprint covers all that came before it, so that two logs that went apart are told apart for
/// ever after.
fn chained(predecessor: &Fingerprint, digest: &Fingerprint) -> Fingerprint {
    let chain = Sha256::new()
        .chain_update(predecessor.0)
        .chain_update(digest.0)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(chain.split_at(16).0);
    Fingerprint(bytes)
}

/// Returns the chunk of a serial, the byte within the chunk, and the bit within the byte.
fn place(serial: Serial) -> (u64, usize, u8) {
    let within = serial.0 % CHUNK_SERIALS;
    (
        serial.0 / CHUNK_SERIALS,
        usize::try_from(within / 8).unwrap_or(0),
        1 << (within % 8),
    )
}
