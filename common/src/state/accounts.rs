//! Stores users and orgs, which share one id space and one set of names. This file must not know members,
//! repos or tokens.
//!
//! A row holds the records of one id. An id of both a user and an org is a fault of the hub: both records are
//! kept, so that the state equals the store, and the id resolves to no account.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use foldhash::quality::RandomState;

use crate::{
    id::{AccountId, Name},
    state::{
        account_row::{AccountKind, OrgPart, Row, UserPart},
        entry::ApplyError,
        index::{FEW, Index},
        interner::Interner,
        names::hash_name,
        packed::{PackedId, unpack},
        record::{Org, User},
        short::Short,
    },
};

/// Refers to a user, a service account or an org. It is valid only in the state that returned it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Account(pub(super) u32);

/// An account's id, for a reader that looks it up often in one state after another. It remembers the row
/// of the last look-up as a hint. A look-up finds the row of this very id or none, whatever the hint is.
#[derive(Debug)]
pub struct KnownAccount {
    packed_id: Short<22, 0>,
    row: AtomicU32,
}

impl From<&AccountId> for KnownAccount {
    fn from(id: &AccountId) -> Self {
        // Every account's id packs: an empty one is found in no row with a record.
        let packed = PackedId::pack(id.as_str());
        Self {
            packed_id: Short::from_bytes(packed.as_ref().map_or(&[], PackedId::as_bytes)),
            row: AtomicU32::new(u32::MAX),
        }
    }
}

/// States the least that a decision needs to know of an existing account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountStatus {
    /// The account is a user or a service account.
    User {
        /// States whether the account is disabled: all tokens of a disabled account are refused.
        disabled: bool,
        /// Names the org that a service account acts for; `None` for a user.
        acts_for: Option<Account>,
    },
    /// The account is an org. It owns no tokens, so no token acts for an org.
    Org,
}

/// Shows what the state knows of an account.
#[derive(Clone, Copy)]
pub struct AccountView<'a> {
    pub(super) packed_id: &'a [u8],
    /// Holds the name as it was last written, with its capital letters.
    pub name: &'a str,
    /// States whether the account is an org; `false` for a user and for a service account.
    pub is_org: bool,
    /// States whether the account is disabled; it is never set for an org.
    pub disabled: bool,
    /// Names the org that owns a service account; `None` for every other account.
    pub service_account_of: Option<Account>,
    /// Holds an encoded `UserDisplay` or `OrgDisplay` of `tokenward.v1`; no decision reads it.
    pub display: &'a [u8],
}

impl<'a> AccountView<'a> {
    /// Returns the account's id. It is rebuilt at each call, because the state keeps it packed.
    pub fn id(&self) -> AccountId {
        AccountId::restored(unpack(self.packed_id))
    }

    pub(crate) fn packed_id(&self) -> &'a [u8] {
        self.packed_id
    }
}

/// A row of up to this many bytes is stored in one piece. Nearly all accounts without a display text fit.
const SHORT: usize = 38;

pub(super) struct Accounts {
    hasher: RandomState,
    ids: Interner<SHORT>,
    pub(super) names: Index,
    pub(super) users: u64,
    pub(super) orgs: u64,
    pub(super) retired: u64,
}

impl Accounts {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            ids: Interner::new(),
            names: Index::new(FEW),
            users: 0,
            orgs: 0,
            retired: 0,
        }
    }

    pub(super) fn intern(&mut self, id: &AccountId) -> Result<u32, ApplyError> {
        self.ids.intern(id.as_str())
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(id)
    }

    pub(super) fn find_both(&self, one: &AccountId, other: &AccountId) -> Option<(u32, u32)> {
        self.find(one.as_str()).zip(self.find(other.as_str()))
    }

    pub(super) fn find_known(&self, known: &KnownAccount) -> Option<u32> {
        let hint = known.row.load(Relaxed);
        let row = self.ids.find_at(hint, known.packed_id.whole())?;
        // It is written only when it changed, because many threads read that cache line.
        if row != hint {
            known.row.store(row, Relaxed);
        }
        Some(row)
    }

    pub(super) fn id(&self, row: u32) -> Option<AccountId> {
        AccountId::parse(&unpack(self.ids.id(row))).ok()
    }

    pub(super) fn packed_id(&self, row: u32) -> &[u8] {
        self.ids.id(row)
    }

    fn row(&self, row: u32) -> Row<'_> {
        Row::read(self.ids.body(row))
    }

    /// Returns the view of a row with exactly one record; [`Self::is_org`] decides whether that account
    /// counts.
    fn sole(&self, row: u32) -> Option<AccountView<'_>> {
        let (packed_id, body) = self.ids.row(row);
        match Row::read(body) {
            Row {
                user: Some(user),
                org: None,
                ..
            } => Some(AccountView {
                packed_id,
                name: user.name,
                is_org: false,
                disabled: user.disabled,
                service_account_of: user.service_account_of.map(Account),
                display: user.display,
            }),
            Row {
                user: None,
                org: Some(org),
                ..
            } => Some(AccountView {
                packed_id,
                name: org.name,
                is_org: true,
                disabled: false,
                service_account_of: None,
                display: org.display,
            }),
            _ => None,
        }
    }

    /// Returns whether an existing account is an org. It reads only a few bytes, where [`Self::view`] reads
    /// the row.
    pub(super) fn is_org(&self, row: u32) -> Option<bool> {
        self.standing(row)
            .map(|standing| standing == AccountStatus::Org)
    }

    /// Returns the status of an existing account. It reads as little as [`Self::is_org`] does.
    pub(super) fn standing(&self, row: u32) -> Option<AccountStatus> {
        let class = |row| AccountKind::from_body(self.ids.head::<{ AccountKind::BYTES }>(row));
        match class(row)? {
            AccountKind::User { disabled } => Some(AccountStatus::User {
                disabled,
                acts_for: None,
            }),
            AccountKind::Org => Some(AccountStatus::Org),
            // A service account ends with its org.
            AccountKind::ServiceAccount { of, disabled } => (class(of)? == AccountKind::Org)
                .then_some(AccountStatus::User {
                    disabled,
                    acts_for: Some(Account(of)),
                }),
        }
    }

    pub(super) fn view(&self, row: u32) -> Option<AccountView<'_>> {
        self.is_org(row)?;
        self.sole(row)
    }

    /// Looks an account up by name. Two live accounts with one name are a fault of the hub: neither is found
    /// then.
    pub(super) fn named(&self, name: &str) -> Option<u32> {
        let mut found = self
            .names
            .candidates(self.name_hash(name)?)
            .filter(|&row| Row::is_named(self.ids.body(row), name) && self.is_org(row).is_some());
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// Returns the hash of a name; `None` if the text can't be a name.
    fn name_hash(&self, name: &str) -> Option<u64> {
        hash_name(&self.hasher, 0, name.as_bytes())
    }

    /// Returns an account with this name that doesn't exist any more: a service account keeps its name when
    /// its org is deleted, until it is deleted itself.
    pub(super) fn ended_named(&self, name: &str) -> Option<u32> {
        let mut found = self.names.candidates(self.name_hash(name)?);
        found.find(|&row| Row::is_named(self.ids.body(row), name) && self.is_org(row).is_none())
    }

    pub(super) fn put_user(&mut self, user: &User) -> Result<(), ApplyError> {
        let row = self.intern(&user.id)?;
        let service_account_of = match &user.service_account_of {
            Some(org) => Some(self.intern(org)?),
            None => None,
        };
        let new = Row {
            user: Some(UserPart {
                disabled: user.disabled,
                service_account_of,
                name: user.name.as_str(),
                display: &user.display,
            }),
            ..self.row(row)
        };
        let body = new.write();
        self.replace(row, &body);
        Ok(())
    }

    pub(super) fn put_org(&mut self, org: &Org) -> Result<(), ApplyError> {
        let row = self.intern(&org.id)?;
        let new = Row {
            org: Some(OrgPart {
                name: org.name.as_str(),
                display: &org.display,
            }),
            ..self.row(row)
        };
        let body = new.write();
        self.replace(row, &body);
        Ok(())
    }

    pub(super) fn delete_user(&mut self, id: &AccountId) {
        if let Some(row) = self.find(id.as_str()) {
            let new = Row {
                user: None,
                ..self.row(row)
            };
            let body = new.write();
            self.replace(row, &body);
        }
    }

    pub(super) fn delete_org(&mut self, id: &AccountId) {
        if let Some(row) = self.find(id.as_str()) {
            let new = Row {
                org: None,
                ..self.row(row)
            };
            let body = new.write();
            self.replace(row, &body);
        }
    }

    /// Retires an id for ever.
    pub(super) fn retire(&mut self, id: &AccountId) -> Result<(), ApplyError> {
        let row = self.intern(id)?;
        let old = self.row(row);
        if !old.retired {
            let body = Row {
                retired: true,
                ..old
            }
            .write();
            self.replace(row, &body);
            self.retired += 1;
        }
        Ok(())
    }

    pub(super) fn is_retired(&self, row: u32) -> bool {
        self.row(row).retired
    }

    fn replace(&mut self, row: u32, body: &[u8]) {
        let (old, new) = (Row::read(self.ids.body(row)), Row::read(body));
        self.users = self.users + u64::from(new.user.is_some()) - u64::from(old.user.is_some());
        self.orgs = self.orgs + u64::from(new.org.is_some()) - u64::from(old.org.is_some());
        let hash = |name: &str| self.name_hash(name);
        let (old, new) = (
            old.sole_name().and_then(hash),
            new.sole_name().and_then(hash),
        );
        if let Some(hash) = old {
            self.names.remove(hash, row);
        }
        self.ids.set_body(row, body);
        if let Some(hash) = new {
            self.names.insert(hash, row);
        }
    }

    /// Returns the user record of this row, live or not.
    pub(super) fn user_record(&self, row: u32) -> Option<User> {
        let user = self.row(row).user?;
        Some(User {
            id: self.id(row)?,
            name: Name::parse(user.name).ok()?,
            disabled: user.disabled,
            service_account_of: user.service_account_of.and_then(|org| self.id(org)),
            display: user.display.into(),
        })
    }

    /// Returns the org record of this row, live or not.
    pub(super) fn org_record(&self, row: u32) -> Option<Org> {
        let org = self.row(row).org?;
        Some(Org {
            id: self.id(row)?,
            name: Name::parse(org.name).ok()?,
            display: org.display.into(),
        })
    }

    /// Returns the org of a service account.
    pub(super) fn service_account_of(&self, row: u32) -> Option<u32> {
        match AccountKind::from_body(self.ids.head::<{ AccountKind::BYTES }>(row))? {
            AccountKind::ServiceAccount { of, .. } => Some(of),
            AccountKind::User { .. } | AccountKind::Org => None,
        }
    }

    /// Returns the number of rows; every row number is below it.
    pub(super) fn rows(&self) -> u32 {
        self.ids.len()
    }

    /// Returns every user record, live or not.
    pub(super) fn users(&self) -> impl Iterator<Item = User> {
        (0..self.rows()).filter_map(|row| self.user_record(row))
    }

    /// Returns every org record, live or not.
    pub(super) fn orgs(&self) -> impl Iterator<Item = Org> {
        (0..self.rows()).filter_map(|row| self.org_record(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> User {
        User {
            id: AccountId::parse(id).unwrap(),
            name: Name::parse(id).unwrap(),
            disabled: false,
            service_account_of: None,
            display: Box::default(),
        }
    }

    fn of(ids: &[&str]) -> Accounts {
        let mut accounts = Accounts::new();
        for id in ids {
            accounts.put_user(&user(id)).unwrap();
        }
        accounts
    }

    /// In each state the row that it was found in before is another's, nobody's, or its own.
    #[test]
    fn a_known_account_is_found_in_its_own_row_alone() {
        let ada = user("ada");
        let known = KnownAccount::from(&ada.id);
        let mut states = [
            of(&["ada", "bob"]),
            of(&["bob", "ada"]),
            of(&["bob"]),
            of(&[]),
            of(&["bob", "eve", "ada"]),
        ];
        for (this, that) in [(0, 1), (1, 0), (0, 2), (0, 3), (4, 3), (4, 2), (4, 0)] {
            for at in [this, that, that] {
                let accounts = &states[at];
                let found = accounts.find_known(&known);
                assert_eq!(found, accounts.find("ada"), "{at}");
                let id = found.and_then(|row| accounts.id(row));
                assert!(id.is_none_or(|id| id == ada.id));
            }
        }
        // Deleted and made again, it is none and then itself.
        let [accounts, ..] = &mut states;
        let standing = |accounts: &Accounts| accounts.standing(accounts.find_known(&known)?);
        assert!(standing(accounts).is_some());
        accounts.delete_user(&ada.id);
        accounts.put_user(&user("eve")).unwrap();
        assert_eq!(standing(accounts), None);
        accounts.put_user(&ada).unwrap();
        assert!(standing(accounts).is_some());
    }
}
