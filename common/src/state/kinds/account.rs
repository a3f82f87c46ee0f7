//! Handles users, service accounts and orgs: they share one space of ids and one set of names.

use tokenward_proto::internal as pb;

use crate::{
    id::{AccountId, Name},
    state::{
        Account, ApplyError, State,
        codec::{DecodeError, Stored, id, optional, text},
        held::Held,
        public::fed,
        record::Record,
        scan::{Filter, Listed, Page, Question},
    },
};

/// Holds a user or a service account, as the hub's back end wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Identifies the user. Users and orgs share one id space, and an id is never used again.
    pub id: AccountId,
    /// The name is unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// States whether the user is disabled: all tokens of a disabled user are refused.
    pub disabled: bool,
    /// Names the org that a service account acts for; it is set only for a service account.
    pub service_account_of: Option<AccountId>,
    /// Holds an encoded `tokenward.v1.UserDisplay`; no decision reads it.
    pub display: Box<[u8]>,
}

/// Holds an org, as the hub's back end wrote it: it owns repos and has no tokens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Org {
    /// Identifies the org. Users and orgs share one id space, and an id is never used again.
    pub id: AccountId,
    /// The name is unique among all users and orgs, compared without ASCII case.
    pub name: Name,
    /// Holds an encoded `tokenward.v1.OrgDisplay`; no decision reads it.
    pub display: Box<[u8]>,
}

fed!(User {
    id = id,
    name = name,
    disabled = disabled,
    service_account_of = service_account_of,
    display = display
} named by id);
fed!(Org { id = id, name = name, display = display } named by id);

impl Held for User {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.directory.accounts.put_user(self)
    }

    fn delete(state: &mut State, id: &AccountId) {
        state.directory.accounts.delete_user(id);
    }

    fn find(state: &State, id: &AccountId) -> Option<Self> {
        let user = account(state, id, false)?;
        state.directory.accounts.user_record(user.0)
    }

    fn stored(state: &State, id: &AccountId) -> Option<Self> {
        let accounts = &state.directory.accounts;
        accounts.user_record(accounts.find(id.as_str())?)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.directory.accounts.users()
    }

    fn count(state: &State) -> u64 {
        state.directory.accounts.users
    }
}

impl Stored for User {
    type Message = pb::User;

    fn to_message(&self) -> Self::Message {
        pb::User {
            name: self.name.to_string(),
            disabled: self.disabled,
            service_account_of: text(self.service_account_of.as_ref()),
            display: self.display.to_vec(),
            ..pb::User::default()
        }
    }

    fn name_message(message: &mut Self::Message, id: &AccountId) {
        message.id = id.to_string();
    }

    fn from_message(user: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            id: id("user.id", &user.id)?,
            name: id("user.name", &user.name)?,
            disabled: user.disabled,
            service_account_of: optional("user.service_account_of", &user.service_account_of)?,
            display: user.display.into(),
        })
    }
}

/// A service account is listed only while its org is within the horizon. The filter by org selects the service
/// accounts of that org.
impl Listed for User {
    const FILTERS: &'static [Filter] = &[Filter::Org];

    fn page(ask: &Question<'_>) -> Option<Page> {
        let accounts = &ask.state.directory.accounts;
        let org = ask.account(ask.filters.org.as_ref())?;
        let services = ask.filters.service_accounts;
        let wanted = |of: Option<u32>| {
            services.is_none_or(|services| services == of.is_some()) && (org.is_none() || of == org)
        };
        Some(ask.rows(ask.within.accounts, &|row| {
            let is_user = accounts.is_org(row) == Some(false);
            let of = accounts.service_account_of(row);
            let listed = is_user && of.is_none_or(|org| org < ask.within.accounts) && wanted(of);
            listed.then(|| accounts.user_record(row).map(Record::User))?
        }))
    }
}

impl Held for Org {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        state.directory.accounts.put_org(self)
    }

    fn delete(state: &mut State, id: &AccountId) {
        state.directory.accounts.delete_org(id);
    }

    fn find(state: &State, id: &AccountId) -> Option<Self> {
        let org = account(state, id, true)?;
        state.directory.accounts.org_record(org.0)
    }

    fn stored(state: &State, id: &AccountId) -> Option<Self> {
        let accounts = &state.directory.accounts;
        accounts.org_record(accounts.find(id.as_str())?)
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        state.directory.accounts.orgs()
    }

    fn count(state: &State) -> u64 {
        state.directory.accounts.orgs
    }
}

impl Stored for Org {
    type Message = pb::Org;

    fn to_message(&self) -> Self::Message {
        pb::Org {
            name: self.name.to_string(),
            display: self.display.to_vec(),
            ..pb::Org::default()
        }
    }

    fn name_message(message: &mut Self::Message, id: &AccountId) {
        message.id = id.to_string();
    }

    fn from_message(org: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            id: id("org.id", &org.id)?,
            name: id("org.name", &org.name)?,
            display: org.display.into(),
        })
    }
}

impl Listed for Org {
    const FILTERS: &'static [Filter] = &[];

    fn page(ask: &Question<'_>) -> Option<Page> {
        let accounts = &ask.state.directory.accounts;
        Some(ask.rows(ask.within.accounts, &|row| {
            let is_org = accounts.is_org(row) == Some(true);
            is_org.then(|| accounts.org_record(row).map(Record::Org))?
        }))
    }
}

/// Looks an account up by id, and requires that it is an org or a user, as `is_org` says.
fn account(state: &State, id: &AccountId, is_org: bool) -> Option<Account> {
    let account = state.account_by_id(id.as_str())?;
    (state.directory.accounts.is_org(account.0) == Some(is_org)).then_some(account)
}
