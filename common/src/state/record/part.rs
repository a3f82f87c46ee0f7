//! Encodes the parts of a record's key as canonical bytes: one key has exactly one encoding. This file must
//! not know which kinds of records there are.
//!
//! A key is its parts in order. A text is one byte `n` and `n` bytes of text. If the text is an even number
//! of lowercase hex digits (as most hubs' ids are), it is one byte `0x80 + n` and the `n` bytes that the
//! digits encode.

use crate::{
    id::{AccountId, GroupId, KeyId, Name, RepoId, TokenId},
    state::record::{FloorTarget, OldName, RepoKind, RetiredId},
};

/// These numbers are the id spaces, as retired ids are stored.
pub(in crate::state) const ACCOUNTS: u8 = 1;
pub(in crate::state) const GROUPS: u8 = 2;
pub(in crate::state) const REPOS: u8 = 3;

/// Reports bytes that are not a key of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a canonical key")]
pub struct KeyError;

/// Encodes one of the types that keys are made of.
pub(in crate::state) trait Part: Sized {
    /// Appends the part's encoding.
    fn write(&self, to: &mut Vec<u8>);
    /// Reads what [`Self::write`] wrote, and consumes those bytes.
    fn read(from: &mut &[u8]) -> Result<Self, KeyError>;
}

macro_rules! part_of_text {
    ($($id:ident)+) => {$(
        impl Part for $id {
            fn write(&self, to: &mut Vec<u8>) {
                write_text(to, self.as_str());
            }

            fn read(from: &mut &[u8]) -> Result<Self, KeyError> {
                Self::parse(&read_text(from)?).map_err(|_| KeyError)
            }
        }
    )+};
}

part_of_text!(AccountId GroupId KeyId Name RepoId);

impl Part for TokenId {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0.to_be_bytes());
    }

    fn read(from: &mut &[u8]) -> Result<Self, KeyError> {
        let (number, after) = from.split_first_chunk::<8>().ok_or(KeyError)?;
        *from = after;
        Ok(Self(u64::from_be_bytes(*number)))
    }
}

/// The encoding is empty, an owner, an owner and an org, or a text without bytes and an org: no owner has an
/// empty id. It is the last part of its key.
impl Part for FloorTarget {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Realm => {}
            Self::Owner(owner) => owner.write(to),
            Self::OwnerInOrg { owner, org } => {
                owner.write(to);
                org.write(to);
            }
            Self::Org(org) => {
                write_text(to, "");
                org.write(to);
            }
        }
    }

    fn read(from: &mut &[u8]) -> Result<Self, KeyError> {
        if from.is_empty() {
            return Ok(Self::Realm);
        }
        if let Some(org) = from.strip_prefix(&[0]) {
            *from = org;
            return AccountId::read(from).map(Self::Org);
        }
        let owner = AccountId::read(from)?;
        if from.is_empty() {
            return Ok(Self::Owner(owner));
        }
        let org = AccountId::read(from)?;
        Ok(Self::OwnerInOrg { owner, org })
    }
}

/// The encoding is an id space and an id.
impl Part for RetiredId {
    fn write(&self, to: &mut Vec<u8>) {
        let (space, id) = match self {
            Self::Account(id) => (ACCOUNTS, id.as_str()),
            Self::Group(id) => (GROUPS, id.as_str()),
            Self::Repo(id) => (REPOS, id.as_str()),
        };
        to.push(space);
        write_text(to, id);
    }

    fn read(from: &mut &[u8]) -> Result<Self, KeyError> {
        Ok(match byte(from)? {
            ACCOUNTS => Self::Account(AccountId::read(from)?),
            GROUPS => Self::Group(GroupId::read(from)?),
            REPOS => Self::Repo(RepoId::read(from)?),
            _ => return Err(KeyError),
        })
    }
}

/// The encoding is 0 and an account's name, or a kind, an owner and a repo's name.
impl Part for OldName {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Account(name) => {
                to.push(0);
                name.write(to);
            }
            Self::Repo { kind, owner, name } => {
                to.push(*kind as u8);
                owner.write(to);
                name.write(to);
            }
        }
    }

    fn read(from: &mut &[u8]) -> Result<Self, KeyError> {
        let kind = byte(from)?;
        if kind == 0 {
            return folded_name(from).map(Self::Account);
        }
        Ok(Self::Repo {
            kind: RepoKind::from_number(kind.into()).ok_or(KeyError)?,
            owner: AccountId::read(from)?,
            name: folded_name(from)?,
        })
    }
}

fn folded_name(from: &mut &[u8]) -> Result<Name, KeyError> {
    let name = Name::read(from)?;
    if name.to_folded() == name {
        Ok(name)
    } else {
        Err(KeyError)
    }
}

fn byte(from: &mut &[u8]) -> Result<u8, KeyError> {
    let (&first, after) = from.split_first().ok_or(KeyError)?;
    *from = after;
    Ok(first)
}

/// Returns whether the text must be stored as the bytes that its hex digits encode.
fn is_spelled(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(digit)
}

/// Appends a text. Texts are ids and names, which have at most 96 bytes.
pub(in crate::state) fn write_text(out: &mut Vec<u8>, text: &str) {
    let begin = out.len();
    if is_spelled(text) {
        let bytes = text.len() / 2;
        out.push(0x80 | (bytes as u8 & 0x7f));
        out.resize(begin + 1 + bytes, 0);
        let place = out.get_mut(begin + 1..).unwrap_or_default();
        if hex::decode_to_slice(text, place).is_ok() {
            return;
        }
        out.truncate(begin);
    }
    out.push(text.len() as u8 & 0x7f);
    out.extend_from_slice(text.as_bytes());
}

fn read_text(rest: &mut &[u8]) -> Result<String, KeyError> {
    let (&tag, after) = rest.split_first().ok_or(KeyError)?;
    let (bytes, after) = after
        .split_at_checked(usize::from(tag & 0x7f))
        .ok_or(KeyError)?;
    *rest = after;
    if tag & 0x80 != 0 {
        return Ok(hex::encode(bytes));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| KeyError)?;
    if is_spelled(text) {
        return Err(KeyError);
    }
    Ok(text.to_owned())
}
