//! Handles what is in force for tokens in place of their claims.

use prost::Message;
use tokenward_proto::internal as pb;

use crate::{
    clock::UnixTime,
    id::{AccountId, Serial, TokenId},
    state::{
        ApplyError, State,
        codec::{DecodeError, Stored, id, scopes_from_proto, scopes_to_proto},
        held::Held,
    },
    token::{Role, Scopes},
};

/// Holds what is in force for a token in place of its claims. It is complete, whatever was changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amendment {
    /// Holds the serial of the token's first value: an amendment holds through all rotations.
    pub token: TokenId,
    /// Names the token's owner. A token that names another owner is refused.
    pub owner: AccountId,
    /// Holds all settings as they are in force now, including those that weren't changed.
    pub settings: Settings,
    /// Lists the ends of single values, ordered by serial and never later than the ends in their claims.
    /// There are at most [`MAX_EXPIRIES`].
    pub expiries: Vec<(Serial, UnixTime)>,
}

/// Limits the value ends in one amendment: there is one for each value replaced with an overlap that isn't
/// over.
pub const MAX_EXPIRIES: usize = 16;

/// Holds a token's settings that can be edited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Holds the name, for people: 1 to 100 characters, unique among the owner's live tokens.
    pub name: Box<str>,
    /// Holds the role, which is the most that the token may do.
    pub role: Role,
    /// Holds the scopes; they are set exactly when the role is fine-grained.
    pub scopes: Option<Scopes>,
}

impl Held for Amendment {
    fn put(&self, state: &mut State) -> Result<(), ApplyError> {
        let owner = state.directory.accounts.intern(&self.owner)?;
        state.amendments.put(self, owner)
    }

    fn delete(state: &mut State, token: &TokenId) {
        state.amendments.remove(*token);
    }

    fn stored(state: &State, token: &TokenId) -> Option<Self> {
        let view = state.amendments.find(*token)?;
        Some(Self {
            token: *token,
            owner: state.directory.accounts.id(view.owner.0)?,
            settings: view.decoded()?,
            expiries: view.expiries().to_vec(),
        })
    }

    fn all(state: &State) -> impl Iterator<Item = Self> {
        let accounts = &state.directory.accounts;
        let all = state.amendments.iter();
        all.filter_map(|(token, owner, expiries, settings)| {
            Some(Self {
                token,
                owner: accounts.id(owner)?,
                settings,
                expiries: expiries.to_vec(),
            })
        })
    }

    fn count(state: &State) -> u64 {
        state.amendments.len
    }
}

impl Stored for Amendment {
    type Message = pb::Amendment;

    fn to_message(&self) -> Self::Message {
        pb::Amendment {
            owner_id: self.owner.to_string(),
            expiries: expiries_to_proto(&self.expiries),
            ..settings_to_proto(&self.settings)
        }
    }

    fn name_message(message: &mut Self::Message, token: &TokenId) {
        message.tid = token.0;
    }

    fn from_message(amendment: Self::Message) -> Result<Self, DecodeError> {
        Ok(Self {
            token: TokenId(amendment.tid),
            owner: id("amendment.owner_id", &amendment.owner_id)?,
            expiries: expiries_from_proto(&amendment.expiries)?,
            settings: settings_from_proto(amendment)?,
        })
    }
}

/// Encodes only the settings, as an amendment holds them.
fn settings_to_proto(settings: &Settings) -> pb::Amendment {
    pb::Amendment {
        name: settings.name.to_string(),
        role: settings.role.number(),
        scopes: settings.scopes.as_ref().map(scopes_to_proto),
        ..pb::Amendment::default()
    }
}

fn settings_from_proto(amendment: pb::Amendment) -> Result<Settings, DecodeError> {
    let role = Role::from_number(amendment.role).ok_or(DecodeError::Unknown("a token's role"))?;
    let scopes = amendment.scopes.map(scopes_from_proto).transpose()?;
    if scopes.is_some() != (role == Role::FineGrained) {
        return Err(DecodeError::Unknown("scopes of such a role"));
    }
    Ok(Settings {
        name: amendment.name.into(),
        role,
        scopes,
    })
}

pub(in crate::state) fn encode_settings(settings: &Settings) -> Vec<u8> {
    settings_to_proto(settings).encode_to_vec()
}

pub(in crate::state) fn decode_settings(bytes: &[u8]) -> Result<Settings, DecodeError> {
    settings_from_proto(pb::Amendment::decode(bytes)?)
}

fn expiries_to_proto(expiries: &[(Serial, UnixTime)]) -> Vec<pb::SerialExpiry> {
    let expiry = |(serial, time): &(Serial, UnixTime)| pb::SerialExpiry {
        serial: serial.0,
        expires_at: time.0,
    };
    expiries.iter().map(expiry).collect()
}

/// Decodes value ends. There must be few of them, and each value only once.
fn expiries_from_proto(
    expiries: &[pb::SerialExpiry],
) -> Result<Vec<(Serial, UnixTime)>, DecodeError> {
    let ascending = |pair: &[pb::SerialExpiry]| matches!(pair, [a, b] if a.serial < b.serial);
    if expiries.len() > MAX_EXPIRIES || !expiries.windows(2).all(ascending) {
        return Err(DecodeError::Unknown("ends of values in this form"));
    }
    let pair = |expiry: &pb::SerialExpiry| (Serial(expiry.serial), UnixTime(expiry.expires_at));
    Ok(expiries.iter().map(pair).collect())
}
