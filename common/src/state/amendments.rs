//! Stores what is in force for tokens in place of their claims: edited settings, and ends of single values.
//! This file must not judge a token.
//!
//! A row keeps the settings as bytes. A caller that caches something compiled from them must keep those bytes
//! beside it, and compare them at every use.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use crate::{
    clock::UnixTime,
    id::{Serial, TokenId},
    state::{
        Account,
        entry::ApplyError,
        kinds::{decode_settings, encode_settings},
        record::{Amendment, MAX_EXPIRIES, Settings},
        sharded::{SMALL, Shards},
    },
};

struct Row {
    token: TokenId,
    owner: u32,
    expiries: Box<[(Serial, UnixTime)]>,
    settings: Box<[u8]>,
}

/// Shows an amendment as the state keeps it.
#[derive(Clone, Copy)]
pub struct AmendmentView<'a> {
    /// Names the token's owner. A token that names another owner is refused.
    pub owner: Account,
    expiries: &'a [(Serial, UnixTime)],
    /// Holds the encoded name, role and scopes that are in force.
    pub settings: &'a [u8],
}

impl AmendmentView<'_> {
    /// Returns the ends of values that were brought forward.
    pub(super) fn expiries(&self) -> &[(Serial, UnixTime)] {
        self.expiries
    }

    /// Returns when this value ends, if its end was brought forward.
    pub fn expiry(&self, serial: Serial) -> Option<UnixTime> {
        let of = |(value, _): &&(Serial, UnixTime)| *value == serial;
        self.expiries.iter().find(of).map(|(_, time)| *time)
    }

    /// Returns the decoded settings; `None` if this version didn't write them: nothing may be allowed by them
    /// then.
    pub fn decoded(&self) -> Option<Settings> {
        decode_settings(self.settings).ok()
    }
}

pub(super) struct Amendments {
    hasher: RandomState,
    rows: Shards<Row>,
    pub(super) len: u64,
}

impl Amendments {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            rows: Shards::new(SMALL),
            len: 0,
        }
    }

    pub(super) fn find(&self, token: TokenId) -> Option<AmendmentView<'_>> {
        if self.len == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(token);
        let row = self.rows.find(hash, |row| row.token == token)?;
        Some(AmendmentView {
            owner: Account(row.owner),
            expiries: &row.expiries,
            settings: &row.settings,
        })
    }

    pub(super) fn put(&mut self, amendment: &Amendment, owner: u32) -> Result<(), ApplyError> {
        if amendment.expiries.len() > MAX_EXPIRIES {
            return Err(ApplyError::Unstorable);
        }
        let token = amendment.token;
        let new = Row {
            token,
            owner,
            expiries: amendment.expiries.as_slice().into(),
            settings: encode_settings(&amendment.settings).into(),
        };
        let hash = self.hasher.hash_one(token);
        match self.rows.find_mut(hash, |row| row.token == token) {
            Some(row) => *row = new,
            None => {
                let hasher = &self.hasher;
                self.rows
                    .insert(hash, new, |row| hasher.hash_one(row.token));
                self.len += 1;
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, token: TokenId) {
        let hash = self.hasher.hash_one(token);
        if self.rows.remove(hash, |row| row.token == token).is_some() {
            self.len -= 1;
        }
    }

    /// Returns the tokens of one table's rows; `None` past the last table.
    pub(super) fn tokens_of(&self, table: usize) -> Option<impl Iterator<Item = TokenId>> {
        Some(self.rows.table(table)?.map(|row| row.token))
    }

    /// Returns the token, owner, ends and settings of each row. It would skip settings that don't decode, but
    /// there are none.
    pub(super) fn iter(
        &self,
    ) -> impl Iterator<Item = (TokenId, u32, &[(Serial, UnixTime)], Settings)> {
        self.rows.iter().filter_map(|row| {
            let settings = decode_settings(&row.settings).ok()?;
            Some((row.token, row.owner, &*row.expiries, settings))
        })
    }
}
